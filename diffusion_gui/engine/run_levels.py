"""The levels that a run without forks visits, as its schedule, spacing and start have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Sampling
from diffusion_gui.engine.samplers import Levels
from diffusion_gui.engine.schedules import SIGMA_MAX, SPACINGS, build, grid, highest
from diffusion_gui.engine.schedules.schedule import Array, Schedule


def planned_levels(experiment: Experiment) -> Levels:
    """Return the levels of an experiment without its fork.

    A run from a picture begins at exactly its t; of levels that a person listed, those above it
    are left out. The spacing's `sigma_max` is then that of the next level.
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
    top = highest(schedule, dict(sampling.spacing_params).get(SIGMA_MAX, 0.0))
    if top < first and sampling.steps > 1:  # one step down to the noisiest level that it may visit
        rest = _times(schedule, replace(sampling, steps=sampling.steps - 1), first)
        return np.r_[float(first), rest]
    times = _times(schedule, sampling, first)
    times[0] = first  # exactly there, also where the spacing would begin below it
    return times
