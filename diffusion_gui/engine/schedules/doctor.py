"""The schedule doctor: what is good or doubtful about a schedule, in plain words. NumPy only.

Every check is one function below and one entry of `_CHECK_OF`: it returns a `Finding` or None. A
finding carries the number and the times it is about, and where one of the mends in `mends.py` was
tried and helps, a fix: the new schedule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.params import Values
from diffusion_gui.engine.schedules import operations
from diffusion_gui.engine.schedules.build import build
from diffusion_gui.engine.schedules.mends import (
    HALF_MAX,
    LARGEST_JUMP,
    LEAK,
    NOISE,
    USUAL_T,
    Fix,
    candidates,
    falling_betas,
    largest_jump,
    legal_betas,
)
from diffusion_gui.engine.schedules.schedule import Array, Family, Schedule, ScheduleSpec
from diffusion_gui.engine.schedules.timesteps import SIGMA_MAX, grid, highest

__all__ = [
    "Finding",
    "Fix",
    "Severity",
    "Use",
    "examine",
    "examine_alpha_bar",
    "examine_table",
    "refuse",
]

FIRST = 0.99
"""Least alpha-bar at t = 1 that counts as clean."""
_IDLE, _IDLE_SHARE = 1e-3, 0.02
"""A step is idle that lowers log-SNR by less than this part of the median; such a share is told."""
_SPIKE = 10.0
"""A beta this many times as large as both neighbours stands out."""
_MOST_LEAK = 0.05
"""Betas whose usual length leaves more signal than this were not chosen for that length."""


class Severity(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"
    """Worth knowing; nothing needs to be done."""
    WARNING = "warning"
    ERROR = "error"
    """Not a schedule until it is mended."""


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
    """The schedule without this finding, and the text of its button."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a schedule is to be sampled with; empty or 0 where that is not known."""

    spacing: str = ""
    steps: int = 0
    prediction: str = ""
    """What a network predicts: "epsilon", "v_prediction", "sample"."""
    spacing_params: Values = ()


def examine(spec: ScheduleSpec, use: Use | None = None) -> tuple[Finding, ...]:
    """Return the findings, the most important first; never empty: what is good is one, too.

    The schedule of a finding's fix no longer has it, or only as a note. Raises EngineError where
    `spec` does not describe a schedule.
    """
    return _examine(spec, use or Use())


@lru_cache(maxsize=64)
def _examine(spec: ScheduleSpec, use: Use) -> tuple[Finding, ...]:
    schedule = build(spec)
    found = []
    for check in _CHECK_OF.values():
        finding = check(spec, schedule, use)
        if finding is not None:
            found.append(replace(finding, fix=_tried(finding, spec, schedule, use)))
    return tuple(sorted(found, key=lambda f: _ORDER.index(f.severity)))


def _tried(finding: Finding, spec: ScheduleSpec, schedule: Schedule, use: Use) -> Fix | None:
    """Return the first mend that removes a finding, or makes a note of a warning."""
    harmless = finding.kind == "clipped" and finding.severity is Severity.NOTE
    if harmless or finding.severity is Severity.GOOD:
        return None
    check = _CHECK_OF[finding.kind]
    for fix in candidates(finding.kind, spec, schedule, use.prediction):
        try:
            left = check(fix.spec, build(fix.spec), use)
        except EngineError:
            continue
        gone = left is None or left.severity is Severity.GOOD
        if gone or (left and _ORDER.index(left.severity) > _ORDER.index(finding.severity)):
            return fix
    return None


def examine_table(betas: Array) -> tuple[Finding, ...]:
    """Return what is wrong with a table of beta_1..beta_T that may not be a schedule at all.

    Its findings are errors whose fix is the nearest legal table; empty when all are in (0, 1] and
    only the last one is 1.
    """
    betas = np.asarray(betas, dtype=np.float64)
    fine = (betas > 0.0) & (betas <= 1.0)
    early = np.flatnonzero(betas[:-1] == 1.0)
    if fine.all() and not early.size:
        return ()
    fix = Fix("Move β into (0, 1)", operations.table(legal_betas(betas)))
    if fine.all():
        times = int(early[0]) + 1, int(early[-1]) + 1
        text = f"β = 1 before the end, at t = {times[0]}: no signal is left from there on"
        return (Finding("beta_range", Severity.ERROR, text, 1.0, times, fix),)
    bad = np.flatnonzero(~fine)
    t, value = int(bad[0]) + 1, float(betas[bad[0]])
    what = "rises" if value <= 0.0 else "falls below 0" if value > 1.0 else "is undefined"
    many = f" and at {bad.size - 1} more" if bad.size > 1 else ""
    text = f"β is outside (0, 1]: β = {spelled(value, 4)} at t = {t}{many}, so that ᾱ {what}"
    return (Finding("beta_range", Severity.ERROR, text, value, (t, int(bad[-1]) + 1), fix),)


def examine_alpha_bar(alpha_bar: Array) -> tuple[Finding, ...]:
    """Return what is wrong with alpha-bar at t = 1..T: where it does not fall within (0, 1).

    The fix draws the falling curve nearest in order; empty when it falls everywhere.
    """
    alpha_bar = np.asarray(alpha_bar, dtype=np.float64)
    falls = alpha_bar < np.r_[1.0, alpha_bar[:-1]]
    bad = np.flatnonzero(~(falls & (alpha_bar >= 0.0)))
    if not bad.size:
        return ()
    t = int(bad[0]) + 1
    text = f"ᾱ must fall at every step within 0 to 1, but it does not at t = {t}"
    fix = Fix("Make ᾱ fall", operations.table(falling_betas(alpha_bar)))
    number = float(alpha_bar[bad[0]])
    return (Finding("monotone", Severity.ERROR, text, number, (t, int(bad[-1]) + 1), fix),)


# --- the checks -------------------------------------------------------------------------------


def _end(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    last = float(schedule.alpha_bar[-1])
    T = schedule.T
    if last <= NOISE:
        text = f"Reaches noise: ᾱ_T = {spelled(last, 2)}"
        return Finding("end", Severity.GOOD, text, last, (T, T))
    signal = f"{spelled(100.0 * last**0.5)} % signal left at T (ᾱ_T = {spelled(last)})"
    if last <= LEAK:  # as with Stable Diffusion: its pictures are never very dark or bright
        text = f"Nearly reaches noise: {signal}, by which mean brightness leaks"
        return Finding("end", Severity.NOTE, text, last, (T, T))
    text = f"{signal}: samples start from pure noise that is never reached"
    return Finding("end", Severity.WARNING, text, last, (T, T))


def _too_short(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """Betas that were chosen for 1,000 steps do not add up in fewer."""
    made_for = spec.preset in ("linear", "scaled_linear", "quadratic", "sigmoid", "sqrt_beta",
                               "constant")  # fmt: skip
    last = float(schedule.alpha_bar[-1])
    if not made_for or spec.base_T or spec.points or spec.T >= USUAL_T or last <= LEAK:
        return None
    if build(replace(spec, T=USUAL_T)).alpha_bar[-1] > _MOST_LEAK:
        return None
    text = f"T = {spec.T} is short for these βs, which were chosen for 1,000 steps"
    return Finding("short", Severity.WARNING, text, float(spec.T), (1, spec.T))


def _start(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    first = float(schedule.alpha_bar[1])
    if first >= FIRST:
        return None
    text = f"Starts noisy: ᾱ₁ = {spelled(first, 4)}, fine detail is lost at once"
    return Finding("start", Severity.WARNING, text, first, (1, 1))


def _clipped(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    if not schedule.notes:
        return None
    over = 1 + np.flatnonzero(schedule.beta[1:] >= schedule.beta.max() - 1e-9)
    severity = Severity.NOTE if over.size == 1 and over[0] == schedule.T else Severity.WARNING
    times = int(over[0]), int(over[-1])
    return Finding("clipped", severity, "; ".join(schedule.notes), float(over.size), times)


def _overflow(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """1/a turns predicted noise into a picture, or sigma is the noise; float16 ends at 65,504."""
    log_snr = schedule.log_snr[1:]
    over = 1 + np.flatnonzero((0.5 * np.logaddexp(0.0, -log_snr) > math.log(HALF_MAX))
                              & np.isfinite(log_snr))  # fmt: skip
    if not over.size:
        return None
    nats = 0.5 * np.logaddexp(0.0, -log_snr[over - 1].min())
    largest = math.exp(min(nats, 700.0))
    name = {Family.VP: "1/√ᾱ", Family.VE: "σ"}.get(schedule.family, "1/a")
    text = f"{name} reaches {_power(nats)} from t = {over[0]} on: more than float16 can hold"
    return Finding("float16", Severity.NOTE, text, largest, (int(over[0]), int(over[-1])))


def _power(nats: float) -> str:
    """Return exp(nats) with two digits, also beyond the largest float."""
    exponent = math.floor(nats / math.log(10.0))
    digits = math.exp(nats - exponent * math.log(10.0))
    return f"{digits:.1f}e{exponent}"


def _jump(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """A step across which much is decided at once cannot be undone in one step either."""
    t, largest = largest_jump(schedule.log_snr[1:])
    if largest <= LARGEST_JUMP:
        return None
    text = (
        f"Jumps {spelled(largest, 2)} nats of log-SNR from t = {t} to {t + 1}: too few steps there"
    )
    return Finding("jump", Severity.WARNING, text, largest, (t, t + 1))


def _flat(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """Steps that change next to nothing are model calls for nothing."""
    falls = -np.diff(schedule.log_snr[1:])
    if not len(falls):
        return None
    middle = np.partition(falls, len(falls) // 2)[len(falls) // 2]  # np.median imports a lot
    idle = falls < _IDLE * middle
    ends = np.flatnonzero(np.diff(np.r_[0, idle.astype(int), 0]))
    runs = [(int(a), int(b)) for a, b in ends.reshape(-1, 2)]
    first, last = max(runs, key=lambda run: run[1] - run[0], default=(0, 0))
    if last - first < max(3, _IDLE_SHARE * schedule.T):
        return None
    times = first + 2, last + 1
    text = f"{last - first} steps, t = {times[0]} to {times[1]}, change next to nothing"
    return Finding("flat", Severity.NOTE, text, float(last - first), times)


def _spike(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    """A beta far above both its neighbours is hardly meant."""
    beta = schedule.beta
    if schedule.T < 4:
        return None
    around = np.maximum(beta[1:-2], beta[3:])
    out = beta[2:-1] / np.maximum(around, 1e-300)
    t = int(np.argmax(out)) + 2
    if out[t - 2] <= _SPIKE:
        return None
    text = f"β stands out at t = {t}: {spelled(beta[t], 2)} beside {spelled(around[t - 2], 2)}"
    return Finding("spike", Severity.NOTE, text, float(beta[t]), (t, t))


def _never_at_T(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    if not use.spacing or use.spacing in ("times", "sigmas"):
        return None
    first = float(grid(schedule, max(use.steps, 1), use.spacing, use.spacing_params)[0])
    top = highest(schedule, dict(use.spacing_params).get(SIGMA_MAX, 0.0))
    if first >= top - 1e-6:
        return None
    text = (
        f"{use.spacing} with {use.steps} steps begins at t = {spelled(first, 4)}, not at T ="
        f" {schedule.T}; trailing begins there"
    )
    return Finding("spacing", Severity.WARNING, text, first, (round(first), schedule.T))


def _noise_prediction(spec: ScheduleSpec, schedule: Schedule, use: Use) -> Finding | None:
    if use.prediction != "epsilon" or not np.isneginf(schedule.log_snr[-1]):
        return None
    T = schedule.T
    text = "No signal is left at T: predicted noise says nothing about x₀ there; predict v instead"
    return Finding("prediction", Severity.WARNING, text, 0.0, (T, T))


_CHECK_OF = {
    "end": _end,
    "short": _too_short,
    "start": _start,
    "jump": _jump,
    "clipped": _clipped,
    "spike": _spike,
    "flat": _flat,
    "prediction": _noise_prediction,
    "spacing": _never_at_T,
    "float16": _overflow,
}
_ORDER = (Severity.ERROR, Severity.WARNING, Severity.GOOD, Severity.NOTE)


def refuse(findings: tuple[Finding, ...]) -> None:
    """Raise EngineError with the first error among `findings`, if there is one."""
    for finding in findings:
        if finding.severity is Severity.ERROR:
            raise EngineError(finding.text)
