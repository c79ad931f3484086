"""The way of a run, fork by fork, before any model is built. No torch.

A run without forks is one leg: one sampler on its way down the levels. A fork that keeps the
sampler bends the rest of the levels and hands model, guidance and seed over, while the sampler
goes on and remembers what it saw: with nothing changed, every frame is the same to the last bit.
A fork that takes another sampler ends the leg at that step and begins a new one there.

Levels are pairs (a, s) of x_t = a x_0 + s eps, and the samplers step between any two of them; so a
fork may change the schedule and even its family. What is left of the new plan are its levels
that are cleaner than the fork's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from diffusion_gui.engine import inpainting
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    MAX_COUNT,
    MOST_FORKS,
    Experiment,
    Fit,
    Fork,
    Sampling,
)
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS, Walk, restart
from diffusion_gui.engine.schedules import SPACINGS, build, grid
from diffusion_gui.engine.schedules.schedule import Array, Schedule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a leg stands at one of its steps; `calls` estimates were made when it is there."""

    t: int
    a: float
    s: float
    calls: int


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
    def _trace(self) -> _Trace:
        return _traces.of(self.sampling, self.levels)

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


@dataclass(frozen=True, slots=True, eq=False)
class _Trace:
    """What a leg visits and asks, to the end of its levels."""

    marks: tuple[Mark, ...]
    estimates: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, sampling: Sampling, levels: Levels) -> _Trace:
        """Run the sampler on the number 0: exact for all of them, 2 us a step."""
        asked: list[tuple[float, float]] = []

        def note(x: Tensor, a: float, s: float) -> Tensor:
            asked.append((a, s))
            return x

        zero = cast("Tensor", 0.0)
        steps = walk_of(sampling)(note, zero, levels, lambda i: zero)
        marks = tuple(Mark(step.t, step.a, step.s, len(asked)) for step in steps)
        return cls(marks, tuple(asked))

    def __len__(self) -> int:
        return len(self.marks) + len(self.estimates)


class _Traces:
    """The newest traces: a chain of forks has most of its legs in common with the run before."""

    MOST = 500_000
    """Marks and estimates of all that are kept, some 150 bytes each; the newest one always is."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, _Trace] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, sampling: Sampling, levels: Levels) -> _Trace:
        """Return the trace of a sampler over levels."""
        inpaint = sampling.inpaint
        paint = (inpaint.method, inpaint.params) if inpaint is not None else None
        way = sampling.sampler, sampling.params, sampling.restart, paint
        values = levels.t.tobytes(), levels.a.tobytes(), levels.s.tobytes()
        key = *way, *values, levels.run_length, levels.goes_on
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        trace = _Trace.of(sampling, levels)
        with self._lock:
            self._kept[key] = trace
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self.MOST:
                self._kept.popitem(last=False)
        return trace


_traces = _Traces()


def origin(experiment: Experiment) -> Experiment:
    """Return the run without a fork that a run goes back to: that one makes the first x_t."""
    while experiment.fork is not None:
        experiment = experiment.fork.parent
    return experiment


def lineage(experiment: Experiment) -> Iterator[Experiment]:
    """Yield an experiment, the run that it forks from, the one that forks from, and so on."""
    yield experiment
    while experiment.fork is not None:
        experiment = experiment.fork.parent
        yield experiment


def shortest(experiment: Experiment) -> Experiment:
    """Return the same run without forks that it goes back behind.

    A fork of a fork at a step before that one, or at it, has nothing of its settings: it is a fork
    of the run before.
    """
    fork = experiment.fork
    while fork is not None and fork.parent.fork is not None:
        if fork.step > fork.parent.fork.step:
            break
        fork = replace(fork, parent=fork.parent.fork.parent)
    return experiment if fork is experiment.fork else replace(experiment, fork=fork)


def legs(experiment: Experiment) -> tuple[Leg, ...]:
    """Return the legs of a run, in their order. Raises EngineError on bad settings."""
    root, *forks = reversed(list(lineage(experiment)))
    if len(forks) > MOST_FORKS:
        raise EngineError(f"more than {MOST_FORKS} forks in a row; start from an earlier run")
    count = root.sampling.count
    if not 1 <= count <= MAX_COUNT:
        raise EngineError(f"count must be in 1..{MAX_COUNT}, got {count}")
    ways: tuple[Leg, ...] = (Leg(root.sampling, _planned(root), (Owner(0, root),)),)
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
    planned = _planned(_alone(experiment, root))
    local = step - leg.first
    owners = tuple(owner for owner in leg.owners if owner.step < step)
    owners = (*owners, Owner(step, experiment))
    if _goes_on_alike(parent, experiment):
        T = experiment.schedule.T
        if leg.T == T and _same(planned, _planned(_alone(parent, root))):
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


def walk_of(sampling: Sampling, known: tuple[Tensor, Tensor] | None = None) -> Walk:
    """Return the sampler with its parameters, Restart or RePaint around it if there is one.

    `known` are RePaint's picture [C, H, W] and mask [H, W]; without them it takes its way and
    pastes nothing. Raises EngineError for
    an unknown sampler and parameters out of range.
    """
    if sampling.sampler not in SAMPLERS:
        names = ", ".join(SAMPLERS)
        raise EngineError(f"unknown sampler {sampling.sampler!r}; choose one of: {names}")
    row = SAMPLERS[sampling.sampler]
    values = resolve(row.params, sampling.params, row.title)
    paint = inpainting.values_of(sampling.inpaint) if sampling.inpaint is not None else {}
    if repaints(sampling):
        if sampling.restart:
            raise EngineError("Restart and RePaint both go back up; choose one of them")
        if known is None:
            return inpainting.way(row, values, **paint)
        picture, where = known
        return lambda denoise, x, levels, noise: inpainting.repaint(
            row, denoise, x, levels, noise,
            picture=picture, known=where, values=values, **paint,
        )  # fmt: skip
    if not sampling.restart:
        return lambda denoise, x, levels, noise: row.walk(denoise, x, levels, noise, **values)
    back = resolve(RESTART_PARAMS, sampling.restart, "Restart")
    plain = walk_of(replace(sampling, restart=()))
    return lambda denoise, x, levels, noise: restart(plain, denoise, x, levels, noise, **back)


def repaints(sampling: Sampling) -> bool:
    """Return whether RePaint goes around the sampler."""
    return sampling.inpaint is not None and sampling.inpaint.method == inpainting.REPAINT


def _planned(experiment: Experiment) -> Levels:
    """Return the levels of an experiment without its fork.

    A run from a picture begins at exactly its t; of levels that a person listed, those above it
    are left out.
    """
    sampling, schedule = experiment.sampling, build(experiment.schedule)
    if sampling.start is None:
        return Levels.of(schedule, _times(schedule, sampling))
    first = sampling.start.t
    if not 1 <= first <= schedule.T:
        raise EngineError(f"start t must be in 1..{schedule.T}, got {first}; set it again")
    return Levels.of(schedule, _times_from(schedule, sampling, first))


def _times(schedule: Schedule, sampling: Sampling, first: int = 0) -> Array:
    return grid(
        schedule,
        sampling.steps,
        sampling.spacing,
        sampling.spacing_params,
        sampling.levels,
        first,
    )


def _times_from(schedule: Schedule, sampling: Sampling, first: int) -> Array:
    if sampling.spacing in SPACINGS and SPACINGS[sampling.spacing].listed:
        times = _times(schedule, sampling)
        return np.r_[float(first), times[times < first]]
    times = _times(schedule, sampling, first)
    times[0] = first  # exactly there, also where the spacing would begin below it
    return times


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


def fork_refusal(experiment: Experiment) -> str:
    """Return why a fork is refused for its pictures, "" if they are those of its run."""
    if experiment.fork is None:
        return ""
    wish, had = experiment.sampling, experiment.fork.parent.sampling
    if (wish.count, wish.size) == (had.count, had.size):
        return ""
    pictures = f"{had.count} picture{'s' * (had.count != 1)} of {had.size} px"
    return f"a fork keeps the {pictures} of its run; set count and size back, or take it away"


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
