"""From numbers that were read to a `ScheduleSpec`: betas, alpha-bar, log-SNR or sigma. NumPy only.

Every function takes the values at t = 1..T (sigmas also the other way round) and the name that
its errors begin with. They raise EngineError with one line: what, where, and the mend.
"""

from __future__ import annotations

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import MAX_STEPS, Family, ScheduleSpec, build, operations
from diffusion_gui.engine.schedules.doctor import examine_alpha_bar, examine_table
from diffusion_gui.engine.schedules.schedule import Array


def of_betas(betas: Array, name: str, family: Family = Family.VP) -> ScheduleSpec:
    """Return the table of beta_1..beta_T."""
    check_length(len(betas), name)
    for finding in examine_table(betas):
        raise EngineError(f"{name}: {finding.text}; correct it")
    return _built(operations.table(betas, _named(family)), name)


def of_alpha_bar(alpha_bar: Array, name: str, family: Family = Family.VP) -> ScheduleSpec:
    """Return the table of alpha-bar at t = 1..T; a first 1, at t = 0, is left out."""
    if len(alpha_bar) and alpha_bar[0] == 1.0:
        alpha_bar = alpha_bar[1:]
    check_length(len(alpha_bar), name)
    for finding in examine_alpha_bar(alpha_bar):
        raise EngineError(f"{name}: {finding.text}; correct it")
    before = np.r_[1.0, alpha_bar[:-1]]
    return of_betas((before - alpha_bar) / before, name, family)


def of_log_snr(log_snr: Array, name: str, family: Family = Family.VP) -> ScheduleSpec:
    """Return the table of log-SNR at t = 1..T."""
    check_length(len(log_snr), name)
    try:
        spec = operations.of_log_snr(log_snr, family)
    except EngineError as error:
        raise EngineError(f"{name}: {error}; correct it") from None
    return of_betas(np.array(spec.betas), name, family)


def of_sigmas(
    sigmas: Array, name: str, family: Family = Family.VP, shares: bool = False
) -> ScheduleSpec:
    """Return the schedule with these noise-to-signal ratios, ascending or descending.

    One 0, the clean end, is left out. With `shares` they are a flow's s = sigma / (1 + sigma).
    """
    if len(sigmas) > 1 and sigmas[0] > sigmas[-1]:
        sigmas = sigmas[::-1]
    if len(sigmas) and sigmas[0] == 0.0:
        sigmas = sigmas[1:]
    check_length(len(sigmas), name)
    most = 1.0 if shares else np.inf
    good = (sigmas > 0.0) & (sigmas <= most) & (np.diff(sigmas, prepend=0.0) > 0.0)
    good &= np.isfinite(sigmas)
    if not good.all():
        first = float(sigmas[np.argmin(good)])
        kind = "s must be numbers from 0 to 1" if shares else "sigmas must be numbers above 0"
        raise EngineError(f"{name}: {kind}, all falling or all rising, but see {first:g}")
    with np.errstate(divide="ignore"):
        log_snr = -2.0 * np.log(sigmas)
        log_snr += 2.0 * np.log1p(-sigmas) if shares else 0.0
    return of_log_snr(log_snr, name, family)


def of_either(values: Array, name: str) -> tuple[ScheduleSpec, str]:
    """Return the spec of betas or of alpha-bar, whichever `values` can be, and what they were.

    What falls all the way is alpha-bar (diffusers' alphas_cumprod), anything else betas.
    """
    if len(values) > 1 and np.all(np.diff(values) < 0.0):
        return of_alpha_bar(values, name), "alphas_cumprod"
    return of_betas(without_clean(values), name), "betas"


def without_clean(betas: Array) -> Array:
    """Return the betas without that of t = 0, which is 0."""
    return betas[1:] if len(betas) and betas[0] == 0.0 else betas


def check_length(T: int, name: str) -> None:
    """Raise EngineError unless T is in 1..10,000."""
    if not 1 <= T <= MAX_STEPS:
        raise EngineError(
            f"{name}: T must be in 1..{MAX_STEPS}, but there are {T} values; give 1 to {MAX_STEPS}"
        )


def family_named(text: str, name: str) -> Family:
    """Return the family called `text`; raises EngineError, naming the known ones."""
    if text not in list(Family):
        raise EngineError(f"{name}: family {text[:20]!r} is not known; use {' or '.join(Family)}")
    return Family(text)


def _named(family: Family) -> str:
    return "" if family is Family.VP else family.value


def _built(spec: ScheduleSpec, name: str) -> ScheduleSpec:
    try:
        build(spec)
    except EngineError as error:
        raise EngineError(f"{name}: {error}") from None
    return spec
