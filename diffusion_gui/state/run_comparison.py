"""Runs that are looked at together: which, how, and how far apart they are. Not undoable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.run_distance import (
    Matching,
    all_matched,
    matched,
    natural_matching,
    rms,
)
from diffusion_gui.engine.trajectory import Frame, Trajectory, over_batch
from diffusion_gui.state.run import Run
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.runs import Runs

MOST_RUNS = 4
"""Runs that are looked at together: of more, each would be too small."""
GAINS = (None, 1.0, 2.0, 4.0, 8.0, 16.0)
"""None is by itself: as large as clips nothing."""
MOST_POINTS = 200
"""Steps whose distance is measured; of longer runs evenly chosen ones."""
SLICE_SECONDS = 0.006

_Pair = tuple[Frame, Frame]
_Stand = tuple[Matching, tuple[int, int, Frame | None], tuple[int, int, Frame | None]]


class CompareMode(StrEnum):
    """How runs are looked at together."""

    SIDE = "side"
    SWIPE = "swipe"
    FLICKER = "flicker"
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class Distances:
    """How far a run is from the first one of the comparison, by the steps of the first."""

    run: Run
    steps: tuple[int, ...]
    values: tuple[float, ...]
    """The rms difference of x0_hat over the batch, from 8-bit frames, in units of [-1, 1]."""
    final: float | None = None
    """That of the results, from floats; None until both runs are at their end."""


class RunComparison(QObject):
    """Two to four runs at the same step, or noise level, as the one on show.

    `changed` when the runs, or how they are looked at, changed; `frames_changed` when other steps
    are on show; `measured` when distances are known that were not.
    """

    changed = Signal()
    frames_changed = Signal()
    measured = Signal()

    def __init__(self, runs: Runs, shown: RunView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._list = runs
        self._shown = shown
        self._compared: tuple[Run, ...] = ()
        self._matching: Matching | None = None
        self._known: dict[tuple[int, int, int], float] = {}
        self._paired: dict[tuple[Run, Run], tuple[_Stand, list[_Pair]]] = {}
        """What `_pairs` has found, and of what: it is asked in every slice."""
        self.mode = CompareMode.SIDE
        self.gain: float | None = None
        """The factor of the difference, None for one that suits what is on show."""
        self.divider = 0.5
        """Where the swipe's divider is, as a share of the width."""
        self._measuring = QTimer(self, singleShot=True, interval=0)
        self._measuring.timeout.connect(self._measure)
        shown.run_changed.connect(self._on_run_shown)
        shown.step_changed.connect(self._on_step)
        shown.grown.connect(self._on_grown)
        runs.changed.connect(self._on_list)
        runs.replaced.connect(self._on_replaced)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that are compared, the first one is what the others are measured by."""
        return self._compared

    @property
    def on(self) -> bool:
        """True while runs are compared."""
        return bool(self._compared)

    @property
    def other(self) -> Run | None:
        """The first of the compared runs that is not the one on show."""
        return next((run for run in self._compared if run is not self._shown.run), None)

    @property
    def matching(self) -> Matching:
        """By what the steps go together: as chosen, or what suits the runs."""
        if self._matching is not None or not self.on:
            return self._matching or Matching.STEP
        first, *others = (run.trajectory for run in self._compared)
        by_level = any(natural_matching(first, one) is Matching.LEVEL for one in others)
        return Matching.LEVEL if by_level else Matching.STEP

    @property
    def frames(self) -> tuple[Frame | None, ...]:
        """The step of each run that goes with the one on show."""
        lead, frame = self._shown.run, self._shown.frame
        if frame is None or lead not in self._compared:
            return tuple(run.trajectory.last for run in self._compared)
        by = self.matching
        return tuple(
            frame if run is lead else matched(frame, run.trajectory, by) for run in self._compared
        )

    def compare(self, runs: Sequence[Run]) -> None:
        """Look at these runs together. Raises EngineError where that cannot be."""
        if not 2 <= len(runs) <= MOST_RUNS:
            raise EngineError(f"choose 2 to {MOST_RUNS} runs to compare, not {len(runs)}")
        if any(run.trajectory.last is None for run in runs):
            raise EngineError("a run without a step cannot be compared; choose others")
        sizes = _sizes(runs)
        if len(sizes) > 1:
            told = " and ".join(map(str, sizes))
            raise EngineError(f"pictures of {told} px cannot be compared; choose runs of one size")
        self._compared, self._matching = tuple(runs), None
        self._forget()
        if self._shown.run not in self._compared:
            self._shown.show(self._compared[-1])
        self._tell()

    @Slot()
    def end(self) -> None:
        """Look at one run again."""
        if self.on:
            self._compared = ()
            self._forget()
            self._tell()

    def set_mode(self, mode: CompareMode) -> None:
        """Look at the runs in another way."""
        if mode is not self.mode:
            self.mode = mode
            self.changed.emit()

    def set_matching(self, matching: Matching) -> None:
        """Let steps go together by their number, or by noise level."""
        if matching is not self.matching:
            self._matching = matching
            self._forget()
            self._tell()

    def set_gain(self, gain: float | None) -> None:
        """Amplify the difference, with None as much as suits it."""
        if gain != self.gain:
            self.gain = gain
            self.changed.emit()

    def set_divider(self, share: float) -> None:
        """Move the swipe's divider to a share of the width, 0..1."""
        share = min(max(share, 0.0), 1.0)
        if share != self.divider:
            self.divider = share
            self.frames_changed.emit()

    # --- distances --------------------------------------------------------------------------

    @property
    def distances(self) -> tuple[Distances, ...]:
        """How far each of the other runs is from the first, as far as it is known."""
        if not self.on:
            return ()
        first, *others = self._compared
        return tuple(self._distances(first, other) for other in others)

    def _distances(self, first: Run, other: Run) -> Distances:
        pairs = [
            (one.index, self._known.get(_key(one, other, two)))
            for one, two in self._pairs(first, other)
        ]
        found = [(index, value) for index, value in pairs if value is not None]
        final = None
        if first.result is not None and other.result is not None:
            final = over_batch(rms(first.result, other.result))
        return Distances(
            other, tuple(i for i, _ in found), tuple(value for _, value in found), final
        )

    def _pairs(self, first: Run, other: Run) -> list[_Pair]:
        """Return the steps of two runs that go together; beyond the end of one there are none."""
        by = self.matching
        stand = by, _steps_of(first.trajectory), _steps_of(other.trajectory)
        found = self._paired.get((first, other))
        if found is None or found[0] != stand:
            found = self._paired[first, other] = stand, _paired(first, other, by)
        return found[1]

    def _forget(self) -> None:
        self._known.clear()
        self._paired.clear()

    @Slot()
    def _measure(self) -> None:
        """Measure what is not known yet for a few milliseconds, then again."""
        until = time.perf_counter() + SLICE_SECONDS
        for other in self._compared[1:]:
            for one, two in self._pairs(self._compared[0], other):
                key = _key(one, other, two)
                if key in self._known:
                    continue
                if time.perf_counter() > until:
                    self._measuring.start()
                    self.measured.emit()
                    return
                self._known[key] = over_batch(rms(one.x0_hat, two.x0_hat))
        self.measured.emit()

    # --- following --------------------------------------------------------------------------

    def _tell(self) -> None:
        self.changed.emit()
        self.frames_changed.emit()
        if self.on:
            self._measuring.start()
        else:
            self._measuring.stop()

    @Slot()
    def _on_step(self) -> None:
        if self._shown.run in self._compared:
            self.frames_changed.emit()

    @Slot()
    def _on_grown(self) -> None:
        if self._shown.run in self._compared:
            self.frames_changed.emit()
            if not self._measuring.isActive():
                self._measuring.start()

    @Slot()
    def _on_run_shown(self) -> None:
        """Take in a run that takes the place of one compared; else look at the one on show."""
        run = self._shown.run
        if not self.on or run is None or run in self._compared:
            return
        gone = [one for one in self._compared if one not in self._list]
        if gone and run.live:
            self._put(gone[0], run)
        else:
            self.end()

    @Slot()
    def _on_list(self) -> None:
        """Leave out what was deleted, but for a live run whose successor has no step yet."""
        gone = [one for one in self._compared if one not in self._list]
        if not gone:
            return
        later = [one for one in self._list if one.live and one.number >= gone[0].number]
        if gone[0].live and later:
            return
        left = tuple(one for one in self._compared if one in self._list)
        if len(left) < 2:
            self.end()
        else:
            self._compared = left
            self._tell()

    @Slot(object, object)
    def _on_replaced(self, run: Run, other: Run) -> None:
        if run in self._compared:
            self._put(run, other)

    def _put(self, run: Run, other: Run) -> None:
        """Compare another run in the place of one, if its pictures are of the same size."""
        place = self._compared.index(run)
        runs = (*self._compared[:place], other, *self._compared[place + 1 :])
        if len(_sizes(runs)) > 1:
            self.end()
            return
        self._compared = runs
        self._forget()
        self._tell()

    def shutdown(self) -> None:
        """Measure nothing more; safe to call twice."""
        self._measuring.stop()


def _steps_of(trajectory: Trajectory) -> tuple[int, int, Frame | None]:
    """Return what is another when steps came to a trajectory, or went."""
    return len(trajectory), trajectory.stride, trajectory.last


def _paired(first: Run, other: Run, by: Matching) -> list[_Pair]:
    frames, last = first.trajectory.frames, other.trajectory.last
    chosen = frames[:: -(-len(frames) // MOST_POINTS) or 1]
    if frames and chosen[-1] is not frames[-1]:
        chosen = (*chosen, frames[-1])
    if last is None:
        return []
    if by is Matching.STEP:
        within = [one for one in chosen if one.index <= last.index]
    else:
        within = [one for one in chosen if one.sigma >= last.sigma]
    return list(zip(within, all_matched(within, other.trajectory, by), strict=True))


def _key(one: Frame, other: Run, two: Frame) -> tuple[int, int, int]:
    return one.index, other.number, two.index


def _sizes(runs: Sequence[Run]) -> list[int]:
    """Return the sizes of the runs' pictures, as far as they have any."""
    return sorted({last.x_t.shape[1] for run in runs if (last := run.trajectory.last)})
