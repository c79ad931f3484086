"""What a run of an experiment will visit, before any model is built. No torch.

Read next: `reverse.py`, which runs it.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import MAX_COUNT, Experiment, Sampling
from diffusion_gui.engine.params import Values, resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS, Walk, restart
from diffusion_gui.engine.samplers.restart import Plan as Restarts
from diffusion_gui.engine.schedules import SPACINGS, build, grid
from diffusion_gui.engine.schedules.schedule import Array, Schedule


def plan(experiment: Experiment) -> Levels:
    """Return the levels a run of `experiment` visits, checked.

    A run from a picture begins at exactly its t; of levels that a person listed, those above it
    are left out.
    """
    sampling = experiment.sampling
    if not 1 <= sampling.count <= MAX_COUNT:
        raise EngineError(f"count must be in 1..{MAX_COUNT}, got {sampling.count}")
    schedule = build(experiment.schedule)
    if sampling.start is None:
        return Levels.of(schedule, _times(schedule, sampling))
    first = sampling.start.t
    if not 1 <= first <= schedule.T:
        raise EngineError(f"start t must be in 1..{schedule.T}, got {first}; set it again")
    return Levels.of(schedule, _times_from(schedule, sampling, first))


def transitions(experiment: Experiment, levels: Levels) -> int:
    """Return the number of transitions of a run over `levels`; it yields one step more."""
    given = experiment.sampling.restart
    return Restarts.of(levels, **_restart(given)).steps if given else len(levels)


def walk_of(sampling: Sampling) -> Walk:
    """Return the sampler with its parameters, Restart around it if there is one.

    Raises EngineError for an unknown sampler and parameters out of range.
    """
    if sampling.sampler not in SAMPLERS:
        known = ", ".join(SAMPLERS)
        raise EngineError(f"unknown sampler {sampling.sampler!r}; choose one of: {known}")
    row = SAMPLERS[sampling.sampler]
    follow = partial(row.walk, **resolve(row.params, sampling.params, row.title))
    if not sampling.restart:
        return follow
    values = _restart(sampling.restart)
    return lambda denoise, x, levels, noise: restart(follow, denoise, x, levels, noise, **values)


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


def _restart(given: Values) -> dict[str, float]:
    return resolve(RESTART_PARAMS, given, "Restart")
