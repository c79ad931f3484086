"""The noise schedule as a value: x_t = a_t x_0 + s_t eps for t = 0..T. NumPy only.

`ScheduleSpec` says how a schedule is made (small, hashable, saved in files); `Schedule` holds the
arrays that follow from it. Read next: `formulas.py`, `presets.py` (their rows), `curve.py` (control
points) and `build.py` (spec -> schedule).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Values

Array = NDArray[np.float64]

MAX_STEPS = 10_000
BETA_MAX = 0.999
"""Largest beta a preset or a drawn curve may reach: one step keeps at least 0.1 % of alpha-bar."""
_BELOW_ONE = 1.0 - 2.0**-53


class Family(StrEnum):
    """How a log-SNR is split into the scale of x_0 and that of the noise."""

    VP = "vp"
    """Variance preserving: a = sqrt(alpha_bar), s = sqrt(1 - alpha_bar)."""
    VE = "ve"
    """Variance exploding: a = 1, s = sigma."""
    SUB_VP = "sub_vp"
    """Below the variance-preserving one: s = 1 - a^2 (Song et al. 2021)."""
    FLOW = "flow"
    """The straight line of rectified flow: a = 1 - s."""


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """A point of a drawn curve: `u` = (t - 1) / (T - 1) in [0, 1], `log_snr` in nats."""

    u: float
    log_snr: float


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """How a schedule is made: base, zero_terminal, scale, shift, resampling, points, in this order.

    The base is a preset's formula or, with an empty `preset`, the table `betas`; with neither, the
    points are the whole curve.
    """

    preset: str = "cosine"
    T: int = 1000
    params: Values = ()
    betas: tuple[float, ...] = ()
    """beta_1..beta_n of a schedule known by its numbers: imported, joined or blended."""
    family: str = ""
    """A `Family`; empty for the preset's own, variance preserving for tables and curves."""
    base_T: int = 0
    """The length at which the base is made before it is resampled to T; 0 for T itself."""
    zero_terminal: bool = False
    """Rescale the base so that no signal is left at T (Lin et al., arXiv:2305.08891, alg. 1)."""
    scale: float = 1.0
    """Factor on the base's log-SNR at every t, before the shift, 0.1..10."""
    shift: float = 0.0
    """Nats added to the base's log-SNR at every t, after the scale."""
    points: tuple[ControlPoint, ...] = ()
    """When not empty, they bend the base, which then goes through them."""

    @property
    def has_base(self) -> bool:
        """Whether there is a formula or a table; else the points are the whole curve."""
        return bool(self.preset or self.betas)


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
    """Scale of x_0 at t: sqrt(alpha_bar) where the variance is preserved."""
    s: Array
    """Standard deviation of the noise at t, without cancellation."""
    family: Family = Family.VP
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
        variance[1:] = self.s[:-1] ** 2 * self.fresh_share[1:]
        return variance

    @property
    def fresh_share(self) -> Array:
        """Share of the noise variance at t that the step t - 1 -> t added: beta / (1 - abar)."""
        share = np.zeros_like(self.beta)
        share[1:] = self.beta[1:] / scales(self.log_snr[1:], Family.VP)[1] ** 2
        return share

    def log_snr_at(self, t: Array) -> Array:
        """Return log-SNR at fractional times `t` in 1..T, linear between the steps.

        Beside a level without signal (log-SNR -inf) the nearer of the two is taken.
        """
        t = np.asarray(t, dtype=np.float64)
        below = np.clip(np.floor(t), 1, self.T).astype(int)
        above = np.minimum(below + 1, self.T)
        w = np.clip(t - below, 0.0, 1.0)
        low, high = self.log_snr[below], self.log_snr[above]
        with np.errstate(invalid="ignore"):
            between = low + w * (high - low)
        return np.where(np.isfinite(high), between, np.where(w < 0.5, low, high))

    def t_at(self, log_snr: Array) -> Array:
        """Return the fractional times in 1..T where the log-SNR is `log_snr`, ends included."""
        level = np.maximum(self.log_snr[1:], np.finfo(np.float64).min)
        return np.interp(-np.asarray(log_snr), -level, np.arange(1.0, self.T + 1))

    def scales_at(self, t: Array) -> tuple[Array, Array]:
        """Return (a, s) at fractional times `t` in 0..T; exactly the arrays' at whole ones."""
        t = np.asarray(t, dtype=np.float64)
        whole = np.round(t).astype(int)
        a, s = scales(np.where(t == whole, 0.0, self.log_snr_at(t)), self.family)
        return np.where(t == whole, self.a[whole], a), np.where(t == whole, self.s[whole], s)

    def shown(self, t: int) -> tuple[float, float]:
        """Return (a, s) at t as pictures are shown: those of the variance-preserving twin."""
        scale = display_scale(float(self.a[t]), float(self.s[t]))
        return scale * float(self.a[t]), scale * float(self.s[t])

    def snr_db(self, t: int) -> float:
        """Signal-to-noise ratio at t in decibel (for data of unit variance)."""
        return float(10.0 / np.log(10.0) * self.log_snr[t])


def scales(log_snr: Array, family: Family) -> tuple[Array, Array]:
    """Return (a, s) of log-SNR values in a family of processes, without cancellation.

    Raises EngineError for a variance-exploding process whose sigma is beyond float64.
    """
    with np.errstate(over="ignore"):
        sigma, root = np.exp(-0.5 * log_snr), np.exp(0.5 * log_snr)
        match family:
            case Family.VE if not np.isfinite(sigma).all():
                raise EngineError(
                    "a variance-exploding process always keeps its signal; choose another family"
                    " or raise log-SNR above -1400"
                )
            case Family.VE:
                return np.ones_like(sigma), sigma
            case Family.FLOW:
                return 1.0 / (1.0 + sigma), 1.0 / (1.0 + root)
            case Family.SUB_VP:  # a solves a / (1 - a^2) = root
                s = 2.0 / (1.0 + np.hypot(1.0, 2.0 * root))
                return 1.0 / (0.5 * sigma + np.hypot(1.0, 0.5 * sigma)), s
            case Family.VP:
                half = 0.5 * np.logaddexp(0.0, -log_snr), 0.5 * np.logaddexp(0.0, log_snr)
                return np.exp(-half[0]), np.exp(-half[1])


def display_scale(a: float, s: float) -> float:
    """Return the factor that makes x_t = a x_0 + s eps its variance-preserving twin.

    So pictures of one SNR look alike in every family of processes, and none leaves the scale.
    """
    size = math.hypot(a, s)
    return 1.0 / size if abs(size - 1.0) > 1e-9 else 1.0


def from_betas(betas: Array, notes: tuple[str, ...] = (), family: Family = Family.VP) -> Schedule:
    """Build the schedule with steps beta_1..beta_T, `betas` of shape [T] in (0, 1].

    alpha-bar is accumulated as a sum of log1p(-beta): no float32, no product. Raises EngineError
    where a beta is not in (0, 1], or is 1 before the end, naming its t.
    """
    betas = np.asarray(betas, dtype=np.float64)
    _check_length(len(betas))
    bad = np.flatnonzero(~((betas > 0.0) & (betas <= 1.0)))
    if bad.size:
        t = int(bad[0]) + 1
        raise EngineError(f"beta must be in (0, 1], but beta_{t} = {betas[t - 1]:g}")
    early = np.flatnonzero(betas[:-1] == 1.0)
    if early.size:
        raise EngineError(f"beta must be below 1 before the end, but beta_{early[0] + 1} = 1")
    with np.errstate(divide="ignore"):
        log_abar = np.cumsum(np.log1p(-betas))
        log_noise = np.log(-np.expm1(log_abar))
    log_snr = log_abar - log_noise
    return _assemble(betas, log_abar, log_noise, log_snr, notes, family)


def from_log_snr(
    log_snr: Array, notes: tuple[str, ...] = (), family: Family = Family.VP
) -> Schedule:
    """Build the schedule whose log-SNR at t = 1..T is `log_snr` [T], strictly decreasing.

    beta_t = 1 - abar_t / abar_{t-1} = 1 / (1 + 1 / q) with q = (1 - abar_{t-1}) (exp(fall) - 1) and
    the fall of log-SNR in that step: so it keeps its digits where alpha-bar is close to 0 or 1,
    however small the step. Raises EngineError where the curve rises, naming its t.
    """
    log_snr = np.asarray(log_snr, dtype=np.float64)
    _check_length(len(log_snr))
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.diff(log_snr, prepend=np.inf) < 0.0))
    if bad.size:
        t = int(bad[0]) + 1
        raise EngineError(f"log-SNR must fall at every step, but it does not at t = {t}")
    log_abar, log_noise = -np.logaddexp(0.0, -log_snr), -np.logaddexp(0.0, log_snr)
    with np.errstate(over="ignore", divide="ignore"):
        odds = np.exp(log_noise[:-1]) * np.expm1(log_snr[:-1] - log_snr[1:])
        betas = np.r_[np.exp(log_noise[0]), 1.0 / (1.0 + 1.0 / odds)]
    signal = np.isfinite(log_snr)  # rounding must not take it all
    betas[signal] = np.minimum(betas[signal], _BELOW_ONE)
    return _assemble(betas, log_abar, log_noise, log_snr, notes, family)


def _assemble(
    betas: Array,
    log_abar: Array,
    log_noise: Array,
    log_snr: Array,
    notes: tuple[str, ...],
    family: Family,
) -> Schedule:
    """Prepend the clean image (t = 0) and freeze the arrays."""
    if family is Family.VP:  # straight from the logarithms that are at hand
        a, s = np.exp(0.5 * log_abar), np.exp(0.5 * log_noise)
    else:
        a, s = scales(log_snr, family)
    arrays = {
        "alpha_bar": np.exp(np.r_[0.0, log_abar]),
        "beta": np.r_[0.0, betas],
        "log_snr": np.r_[np.inf, log_snr],
        "a": np.r_[1.0, a],
        "s": np.r_[0.0, s],
    }
    for array in arrays.values():
        array.flags.writeable = False
    return Schedule(**arrays, family=family, notes=notes)


def _check_length(T: int) -> None:
    if not 1 <= T <= MAX_STEPS:
        raise EngineError(f"T must be in 1..{MAX_STEPS}, got {T}")
