"""A run: what was asked for, how it went, what it holds in memory, what a person says about it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.images import FloatImage
from diffusion_gui.engine.run_distance import ReferenceDistance, Verdict
from diffusion_gui.engine.survey import Ending, Survey
from diffusion_gui.engine.trajectory import Trajectory

if TYPE_CHECKING:
    from diffusion_gui.engine.tape import Tape

Pieces = dict[int, int]
"""Bytes of the parts of a run, by their identity."""


class Outcome(StrEnum):
    """How a run ended, if it has."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(slots=True, eq=False, weakref_slot=True)
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
    """In the list, which counts on its own; before that, a higher one than any run there."""
    outcome: Outcome = Outcome.RUNNING
    untrained: str = ""
    """How many of its steps ask a network at levels that it was not trained at, if any do."""
    message: str = ""
    """Why it failed, or what it did without because memory was short."""
    seconds: float = 0.0
    """Of the steps so far, pauses left out."""
    result: FloatImage | None = None
    """The samples as float32 [B, 3, H, W], once it is done and unless they were `let_go`."""
    survey: Survey | None = None
    """Where its steps lie on the map of the data set, and their posteriors."""
    ending: Ending | None = None
    """What needs its result, once it has ended and that is worked out."""
    let_go: bool = False
    """True once result and survey were given up for the memory of newer runs."""
    name: str = ""
    note: str = ""
    pinned: bool = False
    held: bool = False
    """True while it is paused."""
    verdict: Verdict | None = None
    """What running it again has shown."""
    distance: ReferenceDistance | None = None
    """How far its result is from the reference of its seed."""

    @property
    def title(self) -> str:
        """Its name, or its number where it has none."""
        return self.name or f"Run {self.number}"

    @property
    def forked_at(self) -> int | None:
        """The step of another run that it goes on from, None for a run from the beginning."""
        fork = self.experiment.fork
        return fork.step if fork is not None else None

    @property
    def nbytes(self) -> int:
        """Bytes of all that it holds; forks share some of it."""
        return sum(pieces(self).values())

    @property
    def touched(self) -> bool:
        """True if a person has made it theirs: it is not replaced by the next live run."""
        return self.pinned or bool(self.name or self.note)


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
    if run.ending is not None:
        yield run.ending, run.ending.nbytes
