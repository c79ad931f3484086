"""The list of runs: what was sampled, how it went, and what a person says about it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.images import FloatImage
from diffusion_gui.engine.survey import Survey
from diffusion_gui.engine.trajectory import Trajectory

if TYPE_CHECKING:
    from diffusion_gui.engine.tape import Tape

BUDGET = 768 * 1024**2
"""Bytes of all runs' frames and tapes; beyond it the oldest ones keep only their ends."""
MOST_RUNS = 200
"""Runs in the list; beyond it the oldest ones that are not pinned go."""


class Outcome(StrEnum):
    """How a run ended, if it has."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(slots=True, eq=False)
class Run:
    """A run and what it was asked for: the two never part. Changed through `Runs` alone."""

    experiment: Experiment
    trajectory: Trajectory
    device: str
    calls: tuple[int, ...]
    """The model calls made when step 0, 1, ... is there."""
    tape: Tape | None = None
    """Its first estimates, for forks."""
    live: bool = False
    """True for a run that an edit started: the next one takes its place."""
    number: int = field(default_factory=itertools.count(1).__next__)
    outcome: Outcome = Outcome.RUNNING
    message: str = ""
    """Why it failed."""
    seconds: float = 0.0
    """Of the steps so far, pauses left out."""
    result: FloatImage | None = None
    """The samples as float32 [B, 3, H, W], once it is done."""
    survey: Survey | None = None
    """Where its steps lie on the map of the data set, and their posteriors."""
    name: str = ""
    note: str = ""
    pinned: bool = False

    @property
    def title(self) -> str:
        """Its name, or its number where it has none."""
        return self.name or f"Run {self.number}"

    @property
    def nbytes(self) -> int:
        """Bytes of its frames and its tape; forks share some of them."""
        return self.trajectory.nbytes + (self.tape.nbytes if self.tape else 0)

    @property
    def touched(self) -> bool:
        """True if a person has made it theirs: it is not replaced by the next live run."""
        return self.pinned or bool(self.name or self.note)


class Runs(QObject):
    """All runs, oldest first; `changed` when the list, or what is said in it, changed."""

    changed = Signal()
    removed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runs: list[Run] = []

    def __iter__(self) -> Iterator[Run]:
        """Oldest first."""
        return iter(tuple(self._runs))

    def __len__(self) -> int:
        """The number of runs."""
        return len(self._runs)

    def find(self, experiment: Experiment) -> Run | None:
        """Return the newest run of an experiment, if there is one."""
        return next((run for run in reversed(self._runs) if run.experiment == experiment), None)

    def parent_of(self, run: Run) -> Run | None:
        """Return the run that `run` was forked from, if it is in the list."""
        fork = run.experiment.fork
        if fork is None:
            return None
        older = [one for one in self._runs if one.number < run.number]
        return next((one for one in reversed(older) if one.experiment == fork.parent), None)

    def add(self, run: Run) -> None:
        """Add a run; it takes the place of the last one if both were started by edits."""
        last = self._runs[-1] if self._runs else None
        if last is not None and run.live and last.live and not last.touched:
            forked = any(self.parent_of(one) is last for one in (*self._runs, run))
            if not forked:
                self._drop(last)
        self._runs.append(run)
        self._keep_within()
        self.changed.emit()

    def end(self, run: Run, outcome: Outcome, message: str = "") -> None:
        """Note how a run ended."""
        run.outcome, run.message = outcome, message
        self._keep_within()
        self.changed.emit()

    def rename(self, run: Run, name: str) -> None:
        """Give a run a name; an empty one takes it away."""
        run.name = name.strip()
        self.changed.emit()

    def annotate(self, run: Run, note: str) -> None:
        """Write a note to a run."""
        run.note = note
        self.changed.emit()

    def pin(self, run: Run, pinned: bool) -> None:
        """Keep a run, with all its frames, until it is deleted by hand."""
        run.pinned = pinned
        self.changed.emit()

    def delete(self, run: Run) -> None:
        """Take a run out of the list; `put_back` returns it."""
        self._drop(run)
        self.changed.emit()

    def put_back(self, run: Run) -> None:
        """Return a deleted run to its place."""
        if run not in self._runs:
            self._runs.append(run)
            self._runs.sort(key=lambda one: one.number)
            self.changed.emit()

    def _drop(self, run: Run) -> None:
        self._runs.remove(run)
        self.removed.emit(run)

    def _keep_within(self) -> None:
        """Thin out the oldest runs that are not pinned; the newest is left as it is."""
        old = [run for run in self._runs[:-1] if not run.pinned]
        for run in old[: max(0, len(self._runs) - MOST_RUNS)]:
            self._drop(run)
        total = sum(run.nbytes for run in self._runs)
        for run in old:
            if total <= BUDGET:
                return
            total -= run.nbytes
            run.tape = None
            run.trajectory.keep_ends()
            total += run.nbytes
