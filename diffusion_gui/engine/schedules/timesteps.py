"""Sampling grids: which levels of a schedule the reverse process visits. NumPy only.

Every spacing gives times t, counted 1..T (other libraries' index is t - 1). Those that think in
noise levels give fractional t, where the schedule's log-SNR, linear between its steps, is theirs.
To add a spacing, write its function and its row in `SPACINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Param, Values, resolve
from diffusion_gui.engine.schedules.schedule import Array, Schedule

Times = Callable[[Schedule, int, int, Mapping[str, float]], Array]
"""(schedule, first, n, parameters) -> at most n descending times in 1..first."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """A rule for the visited levels; `listed` where a person lists them (t or sigma)."""

    title: str
    source: str
    explanation: str
    times: Times
    params: tuple[Param, ...] = ()
    listed: str = ""


def grid(
    schedule: Schedule,
    num_steps: int,
    spacing: str = "trailing",
    values: Values = (),
    listed: tuple[float, ...] = (),
    first: int = 0,
) -> Array:
    """Return the visited times, descending, ending with 0: float64, at most num_steps + 1 of them.

    A run that begins at time `first` (0 for T) gets the spacing of the schedule cut off there, or
    at the parameter `sigma_max`, if that is lower.
    `listed` are the levels of the spacings "times" and "sigmas". Raises EngineError for an
    unknown spacing, num_steps < 1, and for levels outside the schedule.
    """
    if spacing not in SPACINGS:
        raise EngineError(f"unknown spacing {spacing!r}; choose one of: {', '.join(SPACINGS)}")
    if num_steps < 1:
        raise EngineError(f"steps must be at least 1, got {num_steps}")
    first = first or schedule.T
    row = SPACINGS[spacing]
    if row.listed:
        times = _listed(schedule, first, listed, row)
    else:
        options = resolve(row.params, values, row.title)
        first = min(first, highest(schedule, options[SIGMA_MAX]))
        times = row.times(schedule, first, min(num_steps, first), options)
    falling = np.sort(np.clip(times, 1.0, float(first)))[::-1]
    distinct = falling[np.diff(falling, prepend=np.inf) < 0.0]  # np.unique imports masked arrays
    return np.r_[distinct, 0.0]


def highest(schedule: Schedule, sigma_max: float) -> int:
    """Return the last t whose sigma is at most `sigma_max`, at least 1; T where that is 0."""
    if not sigma_max:
        return schedule.T
    return max(int(np.sum(schedule.sigma[1:] <= sigma_max * (1.0 + 1e-9))), 1)


def as_list(schedule: Schedule, times: Array, spacing: str) -> tuple[float, ...]:
    """Return visited `times` [n] in 1..T as the levels of a `spacing` that is a list: t or sigma.

    `grid` visits the same times with them, up to rounding.
    """
    if SPACINGS[spacing].listed == "t":
        return tuple(times.tolist())
    with np.errstate(over="ignore"):
        return tuple(np.exp(-0.5 * schedule.log_snr_at(times)).tolist())


def timesteps(T: int, num_steps: int, spacing: str = "trailing") -> NDArray[np.int64]:
    """Return the grid of a spacing that only counts steps: trailing, linspace or leading.

    Descending, ending with 0: int64, shape [n + 1], n = min(num_steps, T).
    """
    if spacing not in _COUNTING:
        raise EngineError(f"unknown spacing {spacing!r}; choose one of: {', '.join(_COUNTING)}")
    if num_steps < 1:
        raise EngineError(f"steps must be at least 1, got {num_steps}")
    return np.r_[_COUNTING[spacing](T, min(num_steps, T)).astype(np.int64), 0]


# --- by counting steps ------------------------------------------------------------------------


def _leading(T: int, n: int) -> Array:
    return np.arange(n, dtype=np.float64)[::-1] * (T // n) + 1.0


def _linspace(T: int, n: int) -> Array:
    return np.round(np.linspace(T - 1, 0, n)) + 1.0  # ties as in the 0-based tables


def _trailing(T: int, n: int) -> Array:
    return np.asarray(np.round(T - np.arange(n) * (T / n)), dtype=np.float64)


_COUNTING: dict[str, Callable[[int, int], Array]] = {
    "trailing": _trailing,
    "linspace": _linspace,
    "leading": _leading,
}


def _counted(name: str) -> Times:
    def times(schedule: Schedule, first: int, n: int, p: Mapping[str, float]) -> Array:
        return _COUNTING[name](first, n) + p.get("offset", 0.0)

    return times


def _beta_quantiles(schedule: Schedule, first: int, n: int, p: Mapping[str, float]) -> Array:
    share = 1.0 - np.arange(n) / n
    return np.round(beta_quantile(share, p["alpha"], p["beta"]) * (first - 1)) + 1.0


def beta_quantile(share: Array, alpha: float, beta: float) -> Array:
    """Return the quantiles of the Beta distribution, alpha and beta >= 0.3, error below 1e-7.

    The density in theta, x = sin^2 theta, is summed on a mesh that is fine at both ends.
    """
    y = np.linspace(0.0, 1.0, 20_001)
    mesh = 0.5 * np.pi * y**4 / (y**4 + (1.0 - y) ** 4)
    middle = 0.5 * (mesh[1:] + mesh[:-1])
    mass = np.sin(middle) ** (2.0 * alpha - 1.0) * np.cos(middle) ** (2.0 * beta - 1.0)
    cumulated = np.r_[0.0, np.cumsum(mass * np.diff(mesh))]
    return np.sin(np.interp(share, cumulated / cumulated[-1], mesh)) ** 2


# --- by noise levels ----------------------------------------------------------------------------


def _by_sigma(rule: Callable[[Array, float, float, Mapping[str, float]], Array]) -> Times:
    """Return the times of `rule(ramp, ln sigma_max, ln sigma_min, p)`, ramp 0..1 over the steps.

    It works with logarithms, for sigma itself may be beyond float. From pure noise, which has no
    sigma, the first step goes to the noisiest level that has one.
    """

    def times(schedule: Schedule, first: int, n: int, p: Mapping[str, float]) -> Array:
        top, begun = first, np.empty(0)
        if np.isneginf(schedule.log_snr[first]) and first > 1:
            top, n, begun = first - 1, n - 1, np.array([float(first)])
        if n < 2:
            return np.r_[begun, float(top)] if n else begun
        high, low = (-0.5 * float(schedule.log_snr[t]) for t in (top, 1))
        log_sigma = rule(np.linspace(0.0, 1.0, n), high, low, p)
        inner = schedule.t_at(-2.0 * log_sigma[1:])
        return np.r_[begun, float(top), inner]

    return times


def _karras(ramp: Array, high: float, low: float, p: Mapping[str, float]) -> Array:
    rho = p["rho"]
    with np.errstate(divide="ignore"):
        shares = np.log1p(-ramp), np.log(ramp)
    return np.asarray(rho * np.logaddexp(shares[0] + high / rho, shares[1] + low / rho))


def _exponential(ramp: Array, high: float, low: float, p: Mapping[str, float]) -> Array:
    return np.asarray(low + (high - low) * (1.0 - ramp) ** p.get("rho", 1.0))


def _table(values: tuple[float, ...], flow: bool = False) -> Times:
    """Return the times of a published table of sigma, or of a flow's s, log-linear for any n."""

    def times(schedule: Schedule, first: int, n: int, p: Mapping[str, float]) -> Array:
        places = np.linspace(0.0, 1.0, n + 1)[:-1]
        level = np.exp(np.interp(places, np.linspace(0.0, 1.0, len(values)), np.log(values)))
        with np.errstate(divide="ignore"):
            log_snr = 2.0 * (np.log1p(-level) - np.log(level)) if flow else -2.0 * np.log(level)
        return schedule.t_at(log_snr)

    return times


# --- listed by a person -------------------------------------------------------------------------


def _no_rule(schedule: Schedule, first: int, n: int, p: Mapping[str, float]) -> Array:
    raise AssertionError("listed levels have no rule")


def _listed(schedule: Schedule, first: int, listed: tuple[float, ...], row: Spacing) -> Array:
    values = np.asarray(listed, dtype=np.float64)
    values = values[values != 0.0]  # the clean end, which every grid has
    if not len(values):
        raise EngineError(f"{row.title}: list at least one {row.listed}, e.g. {row.explanation}")
    if not (np.isfinite(values).all() and values.min() > 0.0):
        raise EngineError(f"{row.title}: every {row.listed} must be a number above 0")
    if row.listed == "t":
        if values.min() < 1.0 or values.max() > first:
            worst = values.max() if values.max() > first else values.min()
            raise EngineError(f"{row.title}: t must be in 1..{first}, got {worst:g}")
        return values
    low, high = float(schedule.sigma[1]), float(schedule.sigma[first])
    if values.min() < low * (1 - 1e-6) or values.max() > high * (1 + 1e-6):
        worst = values.max() if values.max() > high * (1 + 1e-6) else values.min()
        raise EngineError(
            f"{row.title}: sigma must be in {low:.6g}..{high:.6g}, got {worst:g}; it is the"
            " schedule's range"
        )
    return schedule.t_at(-2.0 * np.log(values))


# fmt: off
AYS_SD15 = (
    14.6146412293, 6.4745760956, 3.8636745985, 2.694615152, 1.8841921177, 1.3943805092,
    0.9642583904, 0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582,
)
AYS_SDXL = (
    14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141,
    0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582,
)
AYS_SVD = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)
AYS_IF = (160.41, 8.081, 3.315, 1.885, 1.207, 0.785, 0.553, 0.293, 0.186, 0.03, 0.006)
GITS_SD = (
    14.61464119, 11.54541874, 7.49001646, 5.85520077, 4.45427561, 3.07277966, 1.98035145,
    1.24153244, 0.72133851, 0.34370604, 0.02916753,
)
OSS_FLUX = (0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0.001)
OSS_WAN = (
    1.0, 0.997, 0.995, 0.993, 0.991, 0.989, 0.987, 0.985, 0.98, 0.975, 0.973, 0.968, 0.96, 0.946,
    0.927, 0.902, 0.864, 0.776, 0.539, 0.208, 0.001,
)

SIGMA_MAX = "sigma_max"
"""The parameter of every spacing that is not listed."""
_TOP = Param(
    SIGMA_MAX, "σ ≤", 0.0, 0.0, 1e6,
    "Visit no level noisier than this σ = s / 𝑎: a network is asked only where it was trained.\n"
    "0: as noisy as the schedule is.",
    2, words="largest σ",
)
_RHO = Param(
    "rho", "ρ", 7.0, 1.0, 20.0, "More steps at small σ when larger. Range 1 to 20.", 2,
    words="exponent ρ",
)
_POLY = Param(
    "rho", "ρ", 1.5, 0.2, 10.0, "1 is exponential. Range 0.2 to 10.", 2,
    words="exponent ρ",
)
_OFFSET = Param(
    "offset", "offset", 0.0, 0.0, 10.0, "Added to every t; SD's is 1. 0 to 10.", 0,
    words="offset of t",
)
_SHAPE = (
    Param(
        "alpha", "α", 0.6, 0.3, 5.0, "Below 1: more steps at the clean end. 0.3 to 5.", 2,
        words="clean end α",
    ),
    Param(
        "beta", "β", 0.6, 0.3, 5.0, "Below 1: more steps at the noisy end. 0.3 to 5.", 2,
        words="noisy end β",
    ),
)

SPACINGS: dict[str, Spacing] = {
    "trailing": Spacing(
        "Trailing", "Lin et al. 2023", "Even in t, beginning at T.", _counted("trailing"), (_TOP,)
    ),
    "linspace": Spacing(
        "Linspace", "Lin et al. 2023", "Even in t from T to 1, both visited.", _counted("linspace"),
        (_TOP,),
    ),
    "leading": Spacing(
        "Leading", "Ho et al. 2020's code", "Even in t, ending at 1: T itself is never visited.",
        _counted("leading"), (_OFFSET, _TOP),
    ),
    "karras": Spacing(
        "Karras", "Karras et al. 2022 (EDM)", "Even in σ^(1/ρ) over the schedule's σ.",
        _by_sigma(_karras), (_RHO, _TOP),
    ),
    "exponential": Spacing(
        "Exponential", "k-diffusion", "Even in ln σ, that is in log-SNR.", _by_sigma(_exponential),
        (_TOP,),
    ),
    "polyexponential": Spacing(
        "Polyexponential", "k-diffusion", "A power ρ of the even steps in ln σ.",
        _by_sigma(_exponential), (_POLY, _TOP),
    ),
    "beta": Spacing(
        "Beta", "Lee et al. 2024", "At quantiles of a Beta distribution over t.",
        _beta_quantiles, (*_SHAPE, _TOP),
    ),
    "ays_sd15": Spacing(
        "AYS SD 1.5", "Sabour et al. 2024", "Align Your Steps for Stable Diffusion 1.5.",
        _table(AYS_SD15), (_TOP,),
    ),
    "ays_sdxl": Spacing(
        "AYS SDXL", "Sabour et al. 2024", "Align Your Steps for SDXL.", _table(AYS_SDXL), (_TOP,)
    ),
    "ays_svd": Spacing(
        "AYS SVD", "Sabour et al. 2024", "Align Your Steps for Stable Video Diffusion.",
        _table(AYS_SVD), (_TOP,),
    ),
    "ays_if": Spacing(
        "AYS IF", "Sabour et al. 2024", "Align Your Steps for DeepFloyd IF.", _table(AYS_IF),
        (_TOP,),
    ),
    "gits_sd": Spacing(
        "GITS SD", "Chen et al. 2024", "Trajectory-based steps for Stable Diffusion.",
        _table(GITS_SD), (_TOP,),
    ),
    "oss_flux": Spacing(
        "OSS Flux", "Pei et al. 2025", "Optimal stepsizes for Flux, in flow time.",
        _table(OSS_FLUX, flow=True), (_TOP,),
    ),
    "oss_wan": Spacing(
        "OSS Wan", "Pei et al. 2025", "Optimal stepsizes for Wan, in flow time.",
        _table(OSS_WAN, flow=True), (_TOP,),
    ),
    "times": Spacing("List of t", "by hand", "1000, 600, 200", _no_rule, listed="t"),
    "sigmas": Spacing("List of σ", "by hand", "14.6, 3.9, 0.9", _no_rule, listed="sigma"),
}
# fmt: on
