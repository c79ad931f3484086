"""The noise schedule as a value: x_t = a_t x_0 + s_t eps for t = 0..T. NumPy only.

`ScheduleSpec` says how a schedule is made (small, hashable, saved in files); `Schedule` holds the
arrays that follow from it. Read next: `presets.py` (formulas), `curve.py` (control points) and
`build.py` (spec -> schedule).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Values

Array = NDArray[np.float64]

MAX_STEPS = 10_000
BETA_MAX = 0.999
"""Largest beta a preset or a drawn curve may reach: one step keeps at least 0.1 % of alpha-bar."""


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """A point of a drawn curve: `u` = (t - 1) / (T - 1) in [0, 1], `log_snr` in nats."""

    u: float
    log_snr: float


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """How a schedule is made: a preset with parameters, or control points drawn from it on."""

    preset: str = "cosine"
    T: int = 1000
    params: Values = ()
    points: tuple[ControlPoint, ...] = ()
    """When not empty, the curve goes through these."""
    base_T: int = 0
    """The length of the preset that the points bend; 0 when they define the curve alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """A diffusion process on t = 0..T; every array has T + 1 entries and is read-only float64.

    `t = 0` is the clean image: alpha_bar[0] = 1, beta[0] = 0, log_snr[0] = +inf.
    """

    alpha_bar: Array
    """Share of the signal's variance left at t, in [0, 1]."""
    beta: Array
    """Variance added by the step t - 1 -> t, in [0, 1]."""
    log_snr: Array
    """ln(a^2 / s^2), natural logarithm; kept beside alpha_bar because it is exact near 0 and 1."""
    a: Array
    """Scale of x_0 at t: sqrt(alpha_bar)."""
    s: Array
    """Standard deviation of the noise at t: sqrt(1 - alpha_bar), without cancellation."""
    notes: tuple[str, ...] = ()
    """What was clamped while it was made, in plain words."""

    @property
    def T(self) -> int:
        """The number of noising steps."""
        return len(self.beta) - 1

    @property
    def alpha(self) -> Array:
        """1 - beta_t."""
        return 1.0 - self.beta

    @property
    def sigma(self) -> Array:
        """Noise per unit of signal, s / a = exp(-log_snr / 2); infinite where no signal is left."""
        with np.errstate(over="ignore"):
            return np.exp(-0.5 * self.log_snr)

    @property
    def posterior_variance(self) -> Array:
        """Variance of q(x_{t-1} | x_t, x_0), beta-tilde (DDPM, arXiv:2006.11239, eq. 7)."""
        variance = np.zeros_like(self.beta)
        noise = self.s**2
        variance[1:] = noise[:-1] / noise[1:] * self.beta[1:]
        return variance

    def snr_db(self, t: int) -> float:
        """Signal-to-noise ratio at t in decibel (for data of unit variance)."""
        return float(10.0 / np.log(10.0) * self.log_snr[t])


def from_betas(betas: Array, notes: tuple[str, ...] = ()) -> Schedule:
    """Build the schedule with steps beta_1..beta_T, `betas` of shape [T] in (0, 1].

    alpha-bar is accumulated as a sum of log1p(-beta): no float32, no product. Raises EngineError
    where a beta is not in (0, 1], naming its t.
    """
    betas = np.asarray(betas, dtype=np.float64)
    _check_length(len(betas))
    bad = np.flatnonzero(~((betas > 0.0) & (betas <= 1.0)))
    if bad.size:
        t = int(bad[0]) + 1
        raise EngineError(f"beta must be in (0, 1], but beta_{t} = {betas[t - 1]:g}")
    with np.errstate(divide="ignore"):
        log_abar = np.cumsum(np.log1p(-betas))
        log_noise = np.log(-np.expm1(log_abar))
    return _assemble(betas, log_abar, log_noise, notes)


def from_log_snr(log_snr: Array, notes: tuple[str, ...] = ()) -> Schedule:
    """Build the schedule whose log-SNR at t = 1..T is `log_snr` [T], strictly decreasing.

    beta_t = 1 - abar_t / abar_{t-1}, computed from ln sigmoid(log-SNR) so that it keeps its digits
    where alpha-bar is close to 0 or 1. Raises EngineError where the curve rises, naming its t.
    """
    log_snr = np.asarray(log_snr, dtype=np.float64)
    _check_length(len(log_snr))
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.diff(log_snr, prepend=np.inf) < 0.0))
    if bad.size:
        t = int(bad[0]) + 1
        raise EngineError(f"log-SNR must fall at every step, but it does not at t = {t}")
    log_abar = -np.logaddexp(0.0, -log_snr)
    betas = -np.expm1(np.diff(log_abar, prepend=0.0))
    return _assemble(betas, log_abar, -np.logaddexp(0.0, log_snr), notes)


def _assemble(betas: Array, log_abar: Array, log_noise: Array, notes: tuple[str, ...]) -> Schedule:
    """Prepend the clean image (t = 0) and freeze the arrays."""
    arrays = {
        "alpha_bar": np.exp(np.r_[0.0, log_abar]),
        "beta": np.r_[0.0, betas],
        "log_snr": np.r_[np.inf, log_abar - log_noise],
        "a": np.exp(0.5 * np.r_[0.0, log_abar]),
        "s": np.r_[0.0, np.exp(0.5 * log_noise)],
    }
    for array in arrays.values():
        array.flags.writeable = False
    return Schedule(**arrays, notes=notes)


def _check_length(T: int) -> None:
    if not 1 <= T <= MAX_STEPS:
        raise EngineError(f"T must be in 1..{MAX_STEPS}, got {T}")
