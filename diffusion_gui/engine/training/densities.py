"""How often a training sees each noise level. NumPy only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.denoisers.unet_config import SIGMA_MAX, SIGMA_MIN
from diffusion_gui.engine.schedules.schedule import Schedule
from diffusion_gui.engine.training.options import Levels, TrainOptions

POINTS = 96
_SMOOTHING = 0.12
"""Width in ln sigma over which the steps of a schedule are smoothed into a density."""


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Share of the pictures by ln sigma: `values` integrate to 1 over `at`, [N] each."""

    at: NDArray[np.float64]
    values: NDArray[np.float64]


def levels_of(schedule: Schedule) -> NDArray[np.float64]:
    """Return s_t / a_t of t = 1 ... T, [T]; infinite where nothing of the picture is left."""
    with np.errstate(divide="ignore"):
        return np.divide(schedule.s[1:], schedule.a[1:])


def density(options: TrainOptions, sigma: NDArray[np.float64]) -> Density:
    """Return the density that the options draw levels from.

    Where they are a schedule's it is that of `sigma` [T], each as often as another.
    """
    at = np.linspace(math.log(SIGMA_MIN), math.log(SIGMA_MAX), POINTS)
    if options.levels is Levels.LOG_NORMAL:
        z = (at - options.p_mean) / options.p_std
        return Density(at, np.exp(-0.5 * z**2) / (options.p_std * math.sqrt(2.0 * math.pi)))
    steps = np.log(np.clip(sigma[sigma > 0.0], SIGMA_MIN, SIGMA_MAX))
    if not len(steps):
        return Density(at, np.zeros_like(at))
    bins = np.linspace(at[0], at[-1], 16 * POINTS + 1)
    counts, _ = np.histogram(steps, bins)
    middles = (bins[:-1] + bins[1:]) / 2
    z = (at[:, None] - middles) / _SMOOTHING
    kernel = np.exp(-0.5 * z**2) / (_SMOOTHING * math.sqrt(2.0 * math.pi))
    return Density(at, kernel @ (counts / len(steps)))
