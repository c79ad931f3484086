"""What a run has from the one it goes on from: a fork its first steps, a finished one all made.

One notion for everything that is not made a second time: estimates, frames, posteriors, and time.
Imports torch only where the tape is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.survey import Belief
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.state.run import Run

if TYPE_CHECKING:
    from diffusion_gui.engine.tape import Tape


@dataclass(frozen=True, slots=True, eq=False)
class Predecessor:
    """A run whose first `steps` steps are those of another as well.

    Both are on one device: estimates of another differ in their last bits, and what begins with
    them cannot be verified.
    """

    run: Run
    steps: int

    def frames(self, experiment: Experiment) -> dict[int, Frame]:
        """Return the frames that a run of `experiment` has in common with it, by their step."""
        if self.run.experiment.schedule.T != experiment.schedule.T:
            return {}  # their t are others
        return {one.index: one for one in self.run.trajectory.frames if one.index < self.steps}

    def belief(self, step: int) -> Belief | None:
        """Return the posterior of a step that both have, if it was noted."""
        survey = self.run.survey
        return survey.belief(step) if survey is not None and step < self.steps else None

    def seconds(self, step: int) -> float:
        """Return the age that the run had at a step; between the frames that are left, about."""
        frames = self.run.trajectory.frames
        if not frames:
            return 0.0
        steps, ages = zip(*((one.index, one.seconds) for one in frames), strict=True)
        return float(np.interp(step, steps, ages))


def predecessors(
    experiment: Experiment, device: str, stopped: Run | None, parent: Run | None
) -> list[Predecessor]:
    """Return what a run may go on from, what it has more of first.

    `stopped` is a run of the same experiment, `parent` the one that it forks from; `device` is that
    of the new run, in words.
    """
    fork, found = experiment.fork, list[Predecessor]()
    if stopped is not None and stopped.device == device:
        found.append(Predecessor(stopped, _made(stopped)))
    if parent is not None and fork is not None and parent.device == device:
        found.append(Predecessor(parent, min(fork.step, _made(parent))))
    return found


def tape_after(experiment: Experiment, before: list[Predecessor]) -> Tape:
    """Return the tape of a run, with the estimates that it need not ask for again."""
    from diffusion_gui.engine.reverse import tape_for

    for one in before:
        if (heard := one.run.tape) is not None and len(heard):
            same = one.run.experiment == experiment
            return heard.first(len(heard)) if same else tape_for(experiment, heard)
    return tape_for(experiment, None)


def _made(run: Run) -> int:
    """Return how many steps of a run were made."""
    last = run.trajectory.last
    return last.index + 1 if last is not None else 0
