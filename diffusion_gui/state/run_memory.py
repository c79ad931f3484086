"""What the runs of a list hold in memory, and what they let go of first. No Qt, no torch.

Forks share frames, estimates and posteriors with the run that they go on from, and runs of one data
set its map: all of these are counted once, for as long as any run holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

from diffusion_gui.state.run import Pieces, Run, pieces


def _state(run: Run) -> tuple[Any, ...]:
    """Return what is another as soon as a run holds something else."""
    last, survey = run.trajectory.last, run.survey
    notes = None if survey is None else len(survey), run.ending is None
    tape = None if run.tape is None else len(run.tape)
    return len(run.trajectory), id(last), tape, id(run.result), id(survey), notes


def _let_tape_go(run: Run) -> None:
    run.tape = None


def _let_frames_go(run: Run) -> None:
    run.trajectory.keep_ends()


def _let_notes_go(run: Run) -> None:
    if run.result is not None or run.survey is not None:
        run.result = run.survey = None
        run.let_go = True


STAGES: tuple[Callable[[Run], None], ...] = (_let_tape_go, _let_frames_go, _let_notes_go)
"""What a run can do without, in this order: nothing is seen of the first."""


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """What a run held when it was counted."""

    run: ref[Run]
    state: tuple[Any, ...]
    pieces: Pieces


class RunMemory:
    """Keeps runs within a budget of bytes.

    It counts anew only what has changed since the last time: runs of thousands of steps end ten
    times a second under a drag.
    """

    def __init__(self) -> None:
        self._counted: dict[int, _Counted] = {}
        self._account = _Account()

    def held(self, runs: Iterable[Run]) -> int:
        """Return the bytes that runs hold together."""
        there = {id(run): run for run in runs}
        for key, counted in list(self._counted.items()):
            run = there.get(key)
            if run is None or counted.run() is not run or counted.state != _state(run):
                self._account.replace(counted.pieces, {})
                del self._counted[key]
        for key, run in there.items():  # now that no piece is counted that may be gone
            if key not in self._counted:
                self._count(run)
        return self._account.total

    def keep_within(
        self, budget: int, runs: Iterable[Run], old: Sequence[Run], pinned: Collection[Run]
    ) -> list[Run]:
        """Let `old`, the oldest first, go of what they can do without until all `runs` fit.

        Returns those that have to go altogether. `pinned` ones lose nothing but their tapes.
        """
        self.held(runs)
        for let_go in STAGES:
            for run in old:
                if self._account.total <= budget:
                    return []
                if run not in pinned or let_go is _let_tape_go:
                    let_go(run)
                    self._count(run)
        gone = []
        for run in old:
            if self._account.total <= budget:
                break
            if run not in pinned:
                self._account.replace(self._counted.pop(id(run)).pieces, {})
                gone.append(run)
        return gone

    def _count(self, run: Run) -> None:
        """Take note of what a run holds, if it is something else than before."""
        state, before = _state(run), self._counted.get(id(run))
        if before is None or before.state != state:
            now = self._counted[id(run)] = _Counted(ref(run), state, pieces(run))
            self._account.replace(before.pieces if before else {}, now.pieces)


class _Account:
    """The bytes of pieces that several may hold."""

    def __init__(self) -> None:
        self.total = 0
        self._holders: dict[int, int] = {}

    def replace(self, before: Pieces, after: Pieces) -> None:
        """Let a run hold other pieces than before."""
        holders = self._holders
        for key, nbytes in after.items():
            count = holders[key] = holders.get(key, 0) + 1
            self.total += nbytes if count == 1 else 0
        for key, nbytes in before.items():
            holders[key] -= 1
            if not holders[key]:
                del holders[key]
                self.total -= nbytes
