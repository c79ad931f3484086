"""The curves of a schedule: what each shows at t = 0..T and, where it has one, its way back.

All are read off the log-SNR, so that every process has all of them. A quantity that is a level
(alpha-bar, sigma, ...) says which log-SNR a value means; one that belongs to a step (beta, the
fall of log-SNR) does not: `editing.drag_point` solves for it. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from diffusion_gui.engine.schedules.curve import LOG_SNR_LIMIT, logistic, logit
from diffusion_gui.engine.schedules.schedule import Array, Schedule

LEAST = 1e-12
"""Smallest value a logarithmic axis shows."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One curve over t.

    `of_levels(previous, current)` gives its values from the log-SNR at t - 1 and at t, any shape;
    `log_snr(value)` the log-SNR that a value stands for, None where it depends on two levels.
    """

    symbol: str
    meaning: str
    of_levels: Callable[[Array, Array], Array]
    log_snr: Callable[[float], float] | None = None
    logarithmic: bool = False
    """Whether a logarithmic axis is the usual one."""
    unit_range: bool = False
    """Whether its values lie in 0..1, which a linear axis then shows whole."""
    positive: bool = True
    """Whether a logarithmic axis is possible."""

    def values(self, schedule: Schedule) -> Array:
        """Return the values at t = 0..T, [T + 1]; nan where there is none (a step before t = 1)."""
        level = schedule.log_snr
        return self.of_levels(np.r_[np.nan, level[:-1]], level)

    def of_level(self, log_snr: Array | float) -> Array:
        """Return its values at levels, where it is one itself: it has a `log_snr`."""
        return self.of_levels(np.array(np.nan), np.asarray(log_snr))

    def on_axis(self, values: Array, logarithmic: bool) -> Array:
        """Return the values as plotted: log10 of them, at least -12, on a logarithmic axis."""
        return np.log10(np.maximum(values, LEAST)) if logarithmic else values

    def off_axis(self, place: float, logarithmic: bool) -> float:
        """Return the value at a place of the axis."""
        return 10.0 ** min(place, 300.0) if logarithmic else place


def _alpha_bar(_: Array, level: Array) -> Array:
    return logistic(level)


def _beta(before: Array, level: Array) -> Array:
    """Return 1 - alpha_bar_t / alpha_bar_{t-1}, 0 at t = 0."""
    with np.errstate(invalid="ignore"):
        fall = np.logaddexp(0.0, -before) - np.logaddexp(0.0, -level)
    return np.where(np.isnan(before), 0.0, np.where(np.isneginf(level), 1.0, -np.expm1(fall)))


def _sigma(_: Array, level: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.exp(-0.5 * level)


def _step(before: Array, level: Array) -> Array:
    with np.errstate(invalid="ignore"):
        fall = before - level
    return np.where(np.isfinite(fall), fall, np.nan)


def _snr(_: Array, level: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.exp(level)


def _bounded(log_snr: float) -> float:
    return min(max(log_snr, -LOG_SNR_LIMIT), LOG_SNR_LIMIT) if not math.isnan(log_snr) else 0.0


def _log(value: float) -> float:
    return math.log(value) if value > 0.0 else -math.inf


QUANTITIES: dict[str, Quantity] = {
    "alpha_bar": Quantity(
        "ᾱ", "signal left, by variance", _alpha_bar, logit, unit_range=True
    ),
    "beta": Quantity(
        "β", "noise added per step, by variance", _beta, logarithmic=True, unit_range=True
    ),
    "log_snr": Quantity(
        "λ", "log-SNR, in nats", lambda _, level: level, _bounded, positive=False
    ),
    "sigma": Quantity(
        "σ", "noise per unit of signal", _sigma, lambda v: _bounded(-2.0 * _log(v)),
        logarithmic=True,
    ),
    "signal": Quantity(
        "√ᾱ", "signal, by amplitude", lambda _, level: np.exp(-0.5 * np.logaddexp(0.0, -level)),
        lambda v: logit(min(max(v, 0.0), 1.0) ** 2), unit_range=True,
    ),
    "noise": Quantity(
        "√(1−ᾱ)", "noise, by amplitude", lambda _, level: np.exp(-0.5 * np.logaddexp(0.0, level)),
        lambda v: -logit(min(max(v, 0.0), 1.0) ** 2), unit_range=True,
    ),
    "step": Quantity("Δλ", "fall of log-SNR per step, in nats", _step, logarithmic=True),
    "flow": Quantity(
        "s", "flow time: share of the noise on the straight line",
        lambda _, level: 1.0 / (1.0 + _snr(_, 0.5 * level)),
        lambda v: _bounded(2.0 * (_log(1.0 - v) - _log(v))) if v < 1.0 else -LOG_SNR_LIMIT,
        unit_range=True,
    ),
    "snr": Quantity(
        "SNR", "signal-to-noise ratio, by variance", _snr, lambda v: _bounded(_log(v)),
        logarithmic=True,
    ),
}  # fmt: skip
