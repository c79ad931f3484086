"""The schedule doctor: what is good or doubtful about a schedule, in plain words. NumPy only.

Every check is one function below and one entry of `_CHECKS`: it returns a `Finding` or None. A
finding carries the number it is about, the times it is about, and where there is one a fix: a
function that returns a new schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Values
from diffusion_gui.engine.schedules import curve, operations
from diffusion_gui.engine.schedules.build import build, control_points, with_points
from diffusion_gui.engine.schedules.schedule import (
    BETA_MAX,
    MAX_STEPS,
    Array,
    Family,
    Schedule,
    ScheduleSpec,
)
from diffusion_gui.engine.schedules.timesteps import grid

LEAK = 0.005
"""Largest alpha-bar at T that counts as noise."""
FIRST = 0.99
"""Least alpha-bar at t = 1 that counts as clean."""
LARGEST_JUMP = 1.0
"""Nats of log-SNR that one step may cross where both signal and noise matter."""
VISIBLE = 5.0
"""Log-SNR within +-5 nats: beyond, the signal or the noise has less than 1 % of the variance."""
HALF_MAX = 65504.0
"""Largest float16."""
USUAL_T = 1000
"""The length for which the classical betas were chosen."""


class Severity(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"
    """Worth knowing; nothing needs to be done."""
    WARNING = "warning"
    ERROR = "error"
    """Not a schedule until it is mended."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A mend: what it does in a few words, and the function that returns the new schedule."""

    title: str
    make: Callable[[], ScheduleSpec]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its name, how bad, one line with the number, the times, and a mend."""

    kind: str
    severity: Severity
    text: str
    number: float = math.nan
    times: tuple[int, int] | None = None
    """First and last t that it is about."""
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What a schedule is to be sampled with; empty or 0 where that is not known."""

    spacing: str = ""
    steps: int = 0
    prediction: str = ""
    """What a network predicts: "epsilon", "v_prediction", "sample"."""
    spacing_params: Values = ()


def examine(spec: ScheduleSpec, use: Use | None = None) -> tuple[Finding, ...]:
    """Return the findings, the most important first; never empty.

    Raises EngineError where `spec` does not describe a schedule.
    """
    schedule = build(spec)
    found = [check(spec, schedule, use or Use()) for check in _CHECKS]
    findings = [finding for finding in found if finding is not None]
    return tuple(sorted(findings, key=lambda f: _ORDER.index(f.severity)))


def examine_table(betas: Array) -> tuple[Finding, ...]:
    """Return what is wrong with a table of beta_1..beta_T that may not be a schedule at all.

    Its findings are errors whose fix is the nearest legal table; empty when all are in (0, 1].
    """
    betas = np.asarray(betas, dtype=np.float64)
    bad = np.flatnonzero(~((betas > 0.0) & (betas <= 1.0)))
    if not bad.size:
        return ()
    t, value = int(bad[0]) + 1, float(betas[bad[0]])
    what = "rises" if value <= 0.0 else "falls below 0" if value > 1.0 else "is undefined"
    many = f" and at {bad.size - 1} more" if bad.size > 1 else ""
    text = f"β is outside (0, 1]: β = {value:.4g} at t = {t}{many}, so that ᾱ {what}"
    fix = Fix("move β into (0, 1)", lambda: operations.table(_legal(betas)))
    return (Finding("beta_range", Severity.ERROR, text, value, (t, int(bad[-1]) + 1), fix),)


def examine_alpha_bar(alpha_bar: Array) -> tuple[Finding, ...]:
    """Return what is wrong with alpha-bar at t = 1..T: where it does not fall within (0, 1).

    The fix draws the falling curve nearest in order; empty when it falls everywhere.
    """
    alpha_bar = np.asarray(alpha_bar, dtype=np.float64)
    betas = 1.0 - alpha_bar / np.r_[1.0, alpha_bar[:-1]]
    bad = np.flatnonzero(~((betas > 0.0) & (alpha_bar >= 0.0)))
    if not bad.size:
        return ()
    t = int(bad[0]) + 1
    text = f"ᾱ must fall at every step within 0 to 1, but it does not at t = {t}"
    fix = Fix("make ᾱ fall", lambda: operations.table(_falling(alpha_bar)))
    number = float(alpha_bar[bad[0]])
    return (Finding("monotone", Severity.ERROR, text, number, (t, int(bad[-1]) + 1), fix),)


def _legal(betas: Array) -> Array:
    return np.clip(np.nan_to_num(betas, nan=1e-8, posinf=BETA_MAX, neginf=1e-8), 1e-8, BETA_MAX)


def _falling(alpha_bar: Array) -> Array:
    clean = np.nan_to_num(alpha_bar, nan=1.0, posinf=1.0, neginf=0.0)
    lowest = np.minimum.accumulate(np.clip(clean, 1e-9, 1.0 - 1e-9))
    return _legal(1.0 - lowest / np.r_[1.0, lowest[:-1]])


# --- the checks -------------------------------------------------------------------------------


def _end(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    last = float(schedule.alpha_bar[-1])
    T = schedule.T
    if last <= LEAK:
        return Finding("end", Severity.GOOD, f"Reaches noise: ᾱ_T = {last:.2g}", last, (T, T))
    signal = f"{100.0 * last**0.5:.3g} % signal left at T (ᾱ_T = {last:.3g}):"
    text = f"{signal} samples start from pure noise that is never reached"
    fix = Fix("rescale to zero terminal SNR", lambda: operations.zero_terminal(spec))
    if schedule.family is Family.VE:
        nats = math.log(LEAK / (1.0 - LEAK)) - float(schedule.log_snr[-1]) - 1e-9
        fix = Fix("shift log-SNR down", lambda: operations.shifted(spec, nats))
    return Finding("end", Severity.WARNING, text, last, (T, T), fix)


def _too_short(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """Betas that were chosen for 1,000 steps do not add up in fewer."""
    made_for = spec.preset in ("linear", "scaled_linear", "quadratic", "sigmoid", "sqrt_beta",
                               "constant")  # fmt: skip
    last = float(schedule.alpha_bar[-1])
    if not made_for or spec.base_T or spec.points or spec.T >= USUAL_T or last <= LEAK:
        return None
    text = f"T = {spec.T} is short for these βs, which were chosen for 1,000 steps"
    longer = replace(spec, T=USUAL_T)
    fix = Fix("resample from T = 1,000", lambda: operations.resampled(longer, spec.T))
    return Finding("short", Severity.WARNING, text, float(spec.T), (1, spec.T), fix)


def _start(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    first = float(schedule.alpha_bar[1])
    if first >= FIRST:
        return None
    text = f"Starts noisy: ᾱ₁ = {first:.4g}, fine detail is lost at once"
    fix = Fix("raise the first point", lambda: _raise_first(spec)) if spec.T > 1 else None
    return Finding("start", Severity.WARNING, text, first, (1, 1), fix)


def _raise_first(spec: ScheduleSpec) -> ScheduleSpec:
    points = control_points(spec)
    return with_points(spec, (replace(points[0], log_snr=curve.logit(0.999)), *points[1:]))


def _clipped(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    if not schedule.notes:
        return None
    over = 1 + np.flatnonzero(schedule.beta[1:] >= schedule.beta.max() - 1e-9)
    severity = Severity.NOTE if over.size == 1 and over[0] == schedule.T else Severity.WARNING
    fix = None
    longer = replace(spec, T=min(10 * spec.T, MAX_STEPS))
    if severity is Severity.WARNING and spec.T < USUAL_T and not build(longer).notes:
        fix = Fix(f"use T = {longer.T:,}", lambda: longer)
    times = int(over[0]), int(over[-1])
    return Finding("clipped", severity, "; ".join(schedule.notes), float(over.size), times, fix)


def _overflow(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """1/sqrt(alpha-bar) turns predicted noise into a picture; float16 ends at 65,504."""
    log_snr = schedule.log_snr[1:]
    over = 1 + np.flatnonzero((0.5 * np.logaddexp(0.0, -log_snr) > math.log(HALF_MAX))
                              & np.isfinite(log_snr))  # fmt: skip
    if not over.size:
        return None
    lost = 0.5 * float(np.logaddexp(0.0, -log_snr[over - 1].min()))
    largest = math.exp(min(lost, 700.0))  # all that float64 holds
    text = f"1/√ᾱ reaches {largest:.2g} from t = {over[0]} on: more than float16 can hold"
    floor = -2.0 * math.log(0.9 * HALF_MAX)
    fix = Fix("raise ᾱ there", lambda: _raised(schedule, floor))
    times = int(over[0]), int(over[-1])
    return Finding("float16", Severity.NOTE, text, largest, times, fix)


def _raised(schedule: Schedule, floor: float) -> ScheduleSpec:
    """Return the schedule with log-SNR drawn up to `floor` where it is below."""
    log_snr = schedule.log_snr[1:]
    sloping = floor + curve.MIN_FALL * np.arange(len(log_snr))[::-1]  # it falls there, too
    return operations.of_log_snr(np.maximum(log_snr, sloping), schedule.family)


def _jump(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """A step across which much is decided at once cannot be undone in one step either."""
    level = np.clip(schedule.log_snr[1:], -VISIBLE, VISIBLE)
    falls = -np.diff(level)
    if not falls.size or falls.max() <= LARGEST_JUMP:
        return None
    t, largest = int(np.argmax(falls)) + 2, float(falls.max())
    text = f"Jumps {largest:.2g} nats of log-SNR from t = {t - 1} to {t}: too few steps there"
    T = min(math.ceil(schedule.T * largest / LARGEST_JUMP), MAX_STEPS)
    fix = Fix(f"resample to T = {T:,}", lambda: operations.resampled(spec, T))
    return Finding("jump", Severity.WARNING, text, largest, (t - 1, t), fix)


def _never_at_T(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    if not use.spacing or use.spacing in ("times", "sigmas"):
        return None
    first = float(grid(schedule, max(use.steps, 1), use.spacing, use.spacing_params)[0])
    if first >= schedule.T - 1e-6:
        return None
    text = (
        f"{use.spacing} with {use.steps} steps begins at t = {first:.4g}, not at T ="
        f" {schedule.T}; trailing begins there"
    )
    return Finding("spacing", Severity.WARNING, text, first, (round(first), schedule.T))


def _noise_prediction(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    if use.prediction != "epsilon" or schedule.a[-1] > 0.0:
        return None
    T = schedule.T
    text = "No signal is left at T: predicted noise says nothing about x₀ there; predict v instead"
    fix = None
    if spec.zero_terminal:
        fix = Fix("undo zero terminal SNR", lambda: replace(spec, zero_terminal=False))
    elif T > 1:
        fix = Fix("keep a little signal", lambda: _with_last_signal(spec, schedule))
    return Finding("prediction", Severity.WARNING, text, 0.0, (T, T), fix)


def _with_last_signal(spec: ScheduleSpec, schedule: Schedule) -> ScheduleSpec:
    log_snr = schedule.log_snr[1:].copy()
    log_snr[-1] = max(-curve.LOG_SNR_LIMIT, log_snr[-2] - 5.0)
    log_snr[-1] = min(log_snr[-1], log_snr[-2] - curve.MIN_GAP)
    return operations.of_log_snr(log_snr, schedule.family)


_CHECKS = (
    _end,
    _too_short,
    _start,
    _jump,
    _clipped,
    _noise_prediction,
    _never_at_T,
    _overflow,
)
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.GOOD, Severity.NOTE)


def refuse(findings: tuple[Finding, ...]) -> None:
    """Raise EngineError with the first error among `findings`, if there is one."""
    for finding in findings:
        if finding.severity is Severity.ERROR:
            raise EngineError(finding.text)
