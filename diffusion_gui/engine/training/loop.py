"""A training as it runs: steps until a limit, checkpoints meanwhile, and what is known of it.

The window and the command line drive the same `TrainingLoop`. Imports torch.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine.device import memory_used
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training import processes
from diffusion_gui.engine.training.data import PictureSet
from diffusion_gui.engine.training.loss_by_level import LossByLevel
from diffusion_gui.engine.training.loss_curve import LossCurve
from diffusion_gui.engine.training.options import SAVE_MINUTES
from diffusion_gui.engine.training.trainer import State, Trainer, TrainStep

FIRST_MINUTES = 0.5
"""The first checkpoint comes no later."""
RETRY_MINUTES = 1.0
"""After so long a checkpoint that could not be written is tried again."""
_WINDOW = 50
"""Steps per second are of so many of the latest steps."""
_RECORD = "record."


@dataclass(frozen=True, slots=True)
class Limit:
    """When a training ends: at whichever comes first; without either it goes on until stopped."""

    steps: int | None = None
    """Steps of the training in all, those before it was resumed included."""
    minutes: float | None = None
    """Minutes of training from now on, pauses left out."""

    def check(self) -> None:
        """Raise EngineError for a limit that no training reaches."""
        if self.steps is not None and not 1 <= self.steps <= 10**9:
            raise EngineError(f"training: steps must be 1 to 1,000,000,000, got {self.steps}")
        if self.minutes is not None and not 0.0 < self.minutes <= 1e6:
            raise EngineError(f"training: minutes must be above 0, got {self.minutes:g}")


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """A training after a step."""

    last: TrainStep
    step: int
    """Steps taken in all."""
    loss: float
    """Smoothed."""
    steps_per_second: float
    """Of the latest steps; pauses are left out."""
    seconds: float
    """Time spent training from the first step on, over all resumptions, pauses left out."""
    here: float
    """Of these, the seconds since the loop began."""
    unsaved: float
    """Of these, the seconds since the last checkpoint, or since the loop began."""
    left: float | None
    """Seconds until the limit; None without one."""
    memory: int | None
    """Bytes: of the process, or of the GPU where it trains there; None where it is not told."""
    saved: int
    """The step of the last checkpoint; the first of this loop where there was none yet."""
    problem: str = ""
    """One line while the last checkpoint could not be written; it is tried again."""


class TrainingLoop:
    """Takes the steps of a trainer, one at each `next` of `run()`, and keeps what they found.

    `save` is called with the whole state within the first half minute, then whenever `save_minutes`
    have gone by, and at the end; in the first of several processes only. `stop` may be called from
    any thread, and from a handler of a signal; all else belongs to the thread that runs.
    """

    def __init__(
        self,
        trainer: Trainer,
        limit: Limit = Limit(),
        save: Callable[[State], None] | None = None,
        save_minutes: float = SAVE_MINUTES,
        records: Mapping[str, Tensor] | None = None,
    ):
        """Prepare it; `records` are the tensors of the state that a training goes on from.

        Raises EngineError for a limit that no training reaches.
        """
        limit.check()
        self.trainer, self.limit = trainer, limit
        self.save_minutes = save_minutes
        self.curve, self.by_level, self.seconds = LossCurve(), LossByLevel(), 0.0
        self.saved = trainer.step_number
        """The step of the last checkpoint."""
        self.problem = ""
        """One line while the last checkpoint could not be written."""
        self.notes: tuple[str, ...] = ()
        """One line for what is not as it was when the training began."""
        self._save = save
        self._fingerprint = fingerprint(trainer.pictures)
        self._recall(records or {})
        self._begun = self._saved_at = self.seconds
        self._last: TrainStep | None = None
        self._next_save = self.seconds + 60.0 * min(save_minutes, FIRST_MINUTES)
        self._durations: deque[float] = deque(maxlen=_WINDOW)
        self._stop = threading.Event()

    def stop(self) -> None:
        """End after the step under way, with a checkpoint."""
        self._stop.set()

    def run(self) -> Generator[Progress, None, None]:
        """Yield after every step until the limit or `stop`; then a last checkpoint is made.

        Not to ask for the next is a pause. Raises EngineError as `Trainer.step` does, after a
        checkpoint of what was reached, and where the last checkpoint cannot be written; one in
        between that fails is told by `Progress.problem` and tried again.
        """
        try:
            while not self._ended():
                yield self.step()
        finally:
            self.checkpoint()

    @property
    def here(self) -> float:
        """Seconds spent training since the loop began, pauses left out."""
        return self.seconds - self._begun

    def step(self) -> Progress:
        """Take one step, and make a checkpoint if it is time."""
        begin = time.perf_counter()
        last = self._last = self.trainer.step()
        self.curve.add(last.number, last.loss)
        self.by_level.add(last.sigmas, last.losses)
        self._durations.append(time.perf_counter() - begin)
        self.seconds += self._durations[-1]
        if self.seconds >= self._next_save:
            self.keep()
        return self._progress(last)

    @property
    def progress(self) -> Progress | None:
        """How it is now; None before the first step of this loop."""
        return self._progress(self._last) if self._last is not None else None

    def state(self) -> State:
        """Return the whole training as plain data: the trainer's, and what the loop has kept."""
        state = self.trainer.state()
        kept = {f"curve.{name}": value for name, value in self.curve.arrays().items()}
        kept |= {f"levels.{name}": value for name, value in self.by_level.arrays().items()}
        records = {_RECORD + name: torch.from_numpy(value) for name, value in kept.items()}
        records[f"{_RECORD}pictures"] = torch.tensor(self._fingerprint)
        records[f"{_RECORD}seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        return replace(state, tensors=state.tensors | records)

    def checkpoint(self) -> None:
        """Save now, unless nothing was learned since the last time; raises what `save` raises.

        Does nothing in the middle of a step, where an error of another kind ended it.
        """
        new = self.saved != self.trainer.step_number or bool(self.problem)
        if self._save is None or not new or not self.trainer.whole:
            return
        if processes.share()[0] == 0:
            self._save(self.state())
        self.saved, self._saved_at, self.problem = self.trainer.step_number, self.seconds, ""
        self._next_save = self.seconds + 60.0 * self.save_minutes

    def keep(self) -> None:
        """Make a checkpoint in between; one that fails is told by `problem` and tried again."""
        try:
            self.checkpoint()
        except EngineError as error:
            self.problem = str(error)
            self._next_save = self.seconds + 60.0 * min(self.save_minutes, RETRY_MINUTES)

    def _ended(self) -> bool:
        ended = self._stop.is_set() or self._left() == 0.0
        return processes.any_of(ended, self.trainer.device)

    def _left(self) -> float | None:
        """Return the seconds until the limit, 0 when it is reached; None without one."""
        found: list[float] = []
        if self.limit.minutes is not None:
            found.append(60.0 * self.limit.minutes - self.here)
        if self.limit.steps is not None:
            steps = self.limit.steps - self.trainer.step_number
            found.append(steps / self._speed() if steps > 0 else 0.0)
        return max(0.0, min(found)) if found else None

    def _speed(self) -> float:
        total = sum(self._durations)
        return len(self._durations) / total if total > 0.0 else 1e-9

    def _progress(self, last: TrainStep) -> Progress:
        return Progress(
            last,
            self.trainer.step_number,
            self.curve.smoothed or last.loss,
            self._speed(),
            self.seconds,
            self.here,
            self.seconds - self._saved_at,
            self._left(),
            memory_used(self.trainer.device),
            self.saved,
            self.problem,
        )

    def _recall(self, records: Mapping[str, Tensor]) -> None:
        """Take up what a training kept before it was saved."""
        kept = {
            name.removeprefix(_RECORD): value.double().numpy()
            for name, value in records.items()
            if name.startswith(_RECORD)
        }
        curve = {name[6:]: value for name, value in kept.items() if name.startswith("curve.")}
        levels = {name[7:]: value for name, value in kept.items() if name.startswith("levels.")}
        self.curve = LossCurve.of_arrays(curve)
        self.by_level.take(levels)
        spent, pictures = kept.get("seconds", np.zeros(())), kept.get("pictures", np.empty(0))
        self.seconds = max(0.0, float(spent)) if spent.shape == () else 0.0
        if pictures.shape == (2,) and tuple(pictures.tolist()) != self._fingerprint:
            count = len(self.trainer.pictures.pixels)
            self.notes = (
                f"the {count:,} pictures are not the {int(pictures[0]):,} that the training"
                " began with: it goes on, but not as if it had never stopped",
            )


def fingerprint(pictures: PictureSet) -> tuple[int, int]:
    """Return the number of pictures, and what tells sets of as many apart."""
    told = zlib.crc32("\0".join(pictures.captions).encode())
    return len(pictures.pixels), zlib.crc32(np.ascontiguousarray(pictures.pixels).data, told)
