"""What the runs of a list hold in memory, and what they let go of first. No Qt, no torch.

Forks share frames, estimates and posteriors with the run that they go on from, and runs of one data
set its map: all of these are counted once, for as long as any run holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from diffusion_gui.state.runs import Run

Pieces = dict[int, int]
"""Bytes of the parts of a run, by their identity."""


def pieces(run: Run) -> Pieces:
    """Return the bytes of everything large that a run holds."""
    return {id(piece): nbytes for piece, nbytes in _parts(run)}


def _parts(run: Run) -> Iterator[tuple[object, int]]:
    for frame in run.trajectory.frames:
        yield frame, frame.nbytes + frame.changes.nbytes + frame.cosines.nbytes
    if run.tape is not None:
        for estimate in run.tape.estimates:
            yield estimate, estimate.nbytes
    if run.result is not None:
        yield run.result, run.result.nbytes
    if run.survey is not None:
        yield from run.survey.parts()


def _state(run: Run) -> tuple[Any, ...]:
    """Return what is another as soon as a run holds something else."""
    last, survey = run.trajectory.last, run.survey
    notes = None if survey is None else (len(survey), survey.ending is None)
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


class RunMemory:
    """Keeps runs within a budget of bytes; remembers what each holds, so that asking is cheap."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Run, tuple[Any, Pieces]] = WeakKeyDictionary()

    def held(self, runs: Iterable[Run]) -> int:
        """Return the bytes that runs hold together."""
        return sum({key: n for run in runs for key, n in self._pieces(run).items()}.values())

    def keep_within(
        self, budget: int, runs: Iterable[Run], old: Sequence[Run], pinned: Collection[Run]
    ) -> list[Run]:
        """Let `old`, the oldest first, go of what they can do without until all `runs` fit.

        Returns those that have to go altogether. `pinned` ones lose nothing but their tapes.
        """
        account = _Account(map(self._pieces, runs))
        for let_go in STAGES:
            for run in old:
                if account.total <= budget:
                    return []
                if run in pinned and let_go is not _let_tape_go:
                    continue
                before = self._pieces(run)
                let_go(run)
                account.replace(before, self._pieces(run))
        gone = []
        for run in old:
            if account.total <= budget:
                break
            if run not in pinned:
                account.replace(self._pieces(run), {})
                gone.append(run)
        return gone

    def _pieces(self, run: Run) -> Pieces:
        state = _state(run)
        known = self._known.get(run)
        if known is None or known[0] != state:
            known = self._known[run] = state, pieces(run)
        return known[1]


class _Account:
    """The bytes of pieces that several may hold."""

    def __init__(self, all_pieces: Iterable[Pieces]) -> None:
        self.total = 0
        self._holders: dict[int, int] = {}
        for one in all_pieces:
            self.replace({}, one)

    def replace(self, before: Pieces, after: Pieces) -> None:
        """Let a run hold other pieces than before."""
        if before is after:
            return
        for key, nbytes in after.items():
            holders = self._holders[key] = self._holders.get(key, 0) + 1
            self.total += nbytes if holders == 1 else 0
        for key, nbytes in before.items():
            self._holders[key] -= 1
            self.total -= 0 if self._holders[key] else nbytes
