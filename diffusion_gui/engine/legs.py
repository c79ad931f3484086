"""The way of a run, fork by fork, before any model is built. No torch.

A run without forks is one leg: one sampler on its way down the levels. A fork that keeps the
sampler bends the rest of the levels and hands model, guidance and seed over, while the sampler
goes on and remembers what it saw: with nothing changed, every frame is the same to the last bit.
A fork that takes another sampler ends the leg at that step and begins a new one there.

Levels are pairs (a, s) of x_t = a x_0 + s eps, and the samplers step between any two of them; so a
fork may change the schedule and even its family. What is left of the new plan are its levels
that are cleaner than the fork's.

Read next: `lineage.py` for the runs behind a run, `run_levels.py` for the plan of each, `traces.py`
and `walks.py` for what a sampler makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import MAX_COUNT, MOST_FORKS, Experiment, Fit, Fork, Sampling
from diffusion_gui.engine.lineage import fork_refusal, lineage
from diffusion_gui.engine.run_levels import planned_levels
from diffusion_gui.engine.samplers import SAMPLERS, Levels
from diffusion_gui.engine.traces import Mark, Trace, traces
from diffusion_gui.engine.walks import repaints


@dataclass(frozen=True, slots=True)
class Owner:
    """From running step `step` on, `experiment` gives the model, the guidance and the seed."""

    step: int
    experiment: Experiment


@dataclass(frozen=True, eq=False)
class Leg:
    """One sampler on its way over `levels`; `first` is the running number of its first step.

    `end` is the running number of the step at which the next leg takes over, None for the last.
    """

    sampling: Sampling
    levels: Levels
    owners: tuple[Owner, ...]
    first: int = 0
    end: int | None = field(default=None)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Every step of the whole leg, also beyond `end`."""
        return self._trace.marks

    @property
    def estimates(self) -> tuple[tuple[float, float], ...]:
        """The level (a, s) of every estimate of the whole leg, in the order they are made."""
        return self._trace.estimates

    @cached_property
    def _trace(self) -> Trace:
        return traces.of(self.sampling, self.levels)

    @property
    def last(self) -> int:
        """The running number of the leg's last step, which the next leg may begin with."""
        return self.first + len(self.marks) - 1 if self.end is None else self.end

    @property
    def own_marks(self) -> tuple[Mark, ...]:
        """The steps that are the run's: the one at which the next leg takes over is not."""
        return self.marks if self.end is None else self.marks[: self.end - self.first]

    @property
    def T(self) -> int:
        """The T that the leg's times belong to."""
        return self.owners[-1].experiment.schedule.T

    def handovers(self) -> list[int]:
        """Return the number of the estimate, counted from 0, from which each owner is asked.

        A step's own estimate is the last one made when the step is there.
        """
        taken = [self.marks[owner.step - self.first].calls - 1 for owner in self.owners[1:]]
        return [0, *taken]


def legs(experiment: Experiment) -> tuple[Leg, ...]:
    """Return the legs of a run, in their order. Raises EngineError on bad settings."""
    root, *forks = reversed(list(lineage(experiment)))
    if len(forks) > MOST_FORKS:
        raise EngineError(f"more than {MOST_FORKS} forks in a row; start from an earlier run")
    count = root.sampling.count
    if not 1 <= count <= MAX_COUNT:
        raise EngineError(f"count must be in 1..{MAX_COUNT}, got {count}")
    ways: tuple[Leg, ...] = (Leg(root.sampling, planned_levels(root), (Owner(0, root),)),)
    past = [(-1, root, ways)]  # the forks that are not gone back behind, each with its way
    for one in forks:
        step = cast("Fork", one.fork).step
        _check_fork(one, step, past[-1][2][-1])
        while step <= past[-1][0]:
            past.pop()
        past.append((step, one, _forked(one, step, root, *past[-1][1:])))
    return past[-1][2]


def _forked(
    experiment: Experiment, step: int, root: Experiment, parent: Experiment, ways: tuple[Leg, ...]
) -> tuple[Leg, ...]:
    """Return the legs of a fork at a step at which `parent` owns the run."""
    *earlier, leg = _until(ways, step)
    planned = planned_levels(_alone(experiment, root))
    local = step - leg.first
    owners = tuple(owner for owner in leg.owners if owner.step < step)
    owners = (*owners, Owner(step, experiment))
    if _goes_on_alike(parent, experiment):
        T = experiment.schedule.T
        if leg.T == T and _same(planned, planned_levels(_alone(parent, root))):
            return (*earlier, replace(leg, owners=owners, end=None))
        bent = _joined(leg.levels.part(0, local), leg.T, planned, T)
        if _bends(experiment.sampling, len(leg.levels) - local, len(bent) - local):
            return (*earlier, replace(leg, levels=bent, owners=owners, end=None))
    mark = leg.marks[local]
    here = Levels(np.array([float(mark.t)]), np.array([mark.a]), np.array([mark.s]))
    rest = _joined(here, leg.T, planned, experiment.schedule.T)
    rest = replace(rest, whole=planned.run_length, goes_on=True)
    owner = Owner(step, experiment)
    taken = Leg(experiment.sampling, rest, (owner,), step)
    return (*earlier, replace(leg, end=step), taken) if step else (taken,)


def visited(experiment: Experiment) -> Iterator[Mark]:
    """Yield every step of a run; `calls` counts from its beginning, t in the run's own T."""
    calls, T = 0, experiment.schedule.T
    for leg in legs(experiment):
        for mark in leg.own_marks:
            yield replace(mark, calls=calls + mark.calls, t=in_time(mark.t, leg.T, T))
        if leg.end is not None:
            calls += leg.marks[leg.end - leg.first].calls  # also that of the step it ends at


def shared_calls(experiment: Experiment) -> int:
    """Return how many of its first estimates a fork has in common with its parent; 0 without."""
    if experiment.fork is None:
        return 0
    *earlier, last = legs(experiment)
    before = sum(leg.marks[cast("int", leg.end) - leg.first].calls for leg in earlier)
    return before + last.handovers()[-1]


def in_time(t: float, T: int, other: int) -> int:
    """Return time `t` of 0..T as a time of 0..other."""
    return round(t) if other == T else round(t * other / T)


def _alone(experiment: Experiment, root: Experiment) -> Experiment:
    """Return an experiment without its fork, starting where the run it forks from started."""
    start = root.sampling.start if root.schedule == experiment.schedule else None
    return replace(experiment, fork=None, sampling=replace(experiment.sampling, start=start))


def _until(ways: tuple[Leg, ...], step: int) -> tuple[Leg, ...]:
    """Return the legs that a run makes on its way to `step`."""
    return tuple(leg for leg in ways if leg.first < step or leg.first == 0)


def _check_fork(experiment: Experiment, step: int, leg: Leg) -> None:
    """Raise EngineError unless the run whose last leg is `leg` can be forked at `step`."""
    if not 0 <= step < leg.first + len(leg.levels):  # else it is: every level is stepped on
        last = leg.first + len(leg.marks) - 1
        if not 0 <= step < last:
            raise EngineError(f"a fork must be at a step in 0..{last - 1} of its run, got {step}")
    if line := fork_refusal(experiment):
        raise EngineError(line)


def _goes_on_alike(before: Experiment, after: Experiment) -> bool:
    """Return whether the sampler can go on, remembering what it saw."""
    names = ("sampler", "params", "restart", "inpaint")
    one, other = before.sampling, after.sampling
    alike = all(getattr(one, name) == getattr(other, name) for name in names)
    return alike and (other.inpaint is None or arrangement(before) == arrangement(after))


def arrangement(experiment: Experiment) -> tuple[bool, str]:
    """Return how pictures become squares: whether padded, else cropped, and on which colour."""
    return experiment.forward.fit is Fit.PAD, experiment.forward.background


def _bends(sampling: Sampling, before: int, after: int) -> bool:
    """Return whether a sampler comes to a step alike with `before` and `after` transitions to go.

    One that goes back up does not, nor does EDM's churn, whose share depends on their number.
    """
    if sampling.restart or repaints(sampling) or dict(sampling.params).get("churn", 0.0) > 0.0:
        return False
    return before == after or min(before, after) + 1 >= SAMPLERS[sampling.sampler].foresight


def _same(one: Levels, other: Levels) -> bool:
    pairs = ((one.t, other.t), (one.a, other.a), (one.s, other.s))
    return all(np.array_equal(first, second) for first, second in pairs)


def _joined(head: Levels, T: int, planned: Levels, other: int) -> Levels:
    """Return `head`, its times brought from T to `other`, and what of `planned` is cleaner."""
    a, s = float(head.a[-1]), float(head.s[-1])
    cleaner = planned.s * a < s * planned.a  # without dividing by a
    t = head.t if other == T else head.t * (other / T)
    return Levels(
        np.r_[t, planned.t[cleaner]],
        np.r_[head.a, planned.a[cleaner]],
        np.r_[head.s, planned.s[cleaner]],
        goes_on=head.goes_on,
    )
