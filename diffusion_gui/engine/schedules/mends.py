"""Mends for what the doctor finds: each yields new schedules, the gentlest first. NumPy only.

A mend need not help on every schedule: `doctor.examine` tries them in order and offers the first
whose schedule no longer has the finding. To add one, write its function and its row in `MENDS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import curve, operations
from diffusion_gui.engine.schedules.build import build, control_points, with_points
from diffusion_gui.engine.schedules.schedule import (
    BETA_MAX,
    MAX_STEPS,
    Array,
    ControlPoint,
    Family,
    Schedule,
    ScheduleSpec,
)

LEAK, NOISE = 0.005, 0.001
"""Alpha-bar at T above which signal leaks, and up to which there is just noise."""
LARGEST_JUMP = 1.0
"""Nats of log-SNR that one step may cross where both signal and noise matter."""
VISIBLE = 5.0
"""Log-SNR within +-5 nats: beyond, the signal or the noise has less than 1 % of the variance."""
HALF_MAX = 65504.0
"""Largest float16."""
USUAL_T = 1000
"""The length for which the classical betas were chosen."""
_FIRST_LOG_SNR = curve.logit(0.999)
_MARGIN = 0.99


@dataclass(frozen=True, slots=True)
class Fix:
    """A mend: the text of its button, and the schedule that it makes."""

    label: str
    spec: ScheduleSpec


Mend = Callable[[ScheduleSpec, Schedule, str], Iterator[Fix]]
"""(spec, its schedule, what a network predicts) -> candidates; may raise EngineError."""


def largest_jump(log_snr: Array) -> tuple[int, float]:
    """Return the t before the largest visible fall of log-SNR [T], t = 1..T - 1, and its nats."""
    falls = -np.diff(np.clip(log_snr, -VISIBLE, VISIBLE))
    return (int(np.argmax(falls)) + 1, float(falls.max())) if falls.size else (1, 0.0)


def reach_noise(spec: ScheduleSpec, schedule: Schedule, prediction: str) -> Iterator[Fix]:
    """Rescale, or shift where no signal must be left (VE) or noise is predicted."""
    nats = math.log(NOISE / (1.0 - NOISE)) - float(schedule.log_snr[-1]) - 1e-6
    rescale = schedule.family is not Family.VE
    if rescale and prediction != "epsilon":
        yield Fix("Rescale to zero terminal SNR", operations.zero_terminal(spec))
    label = f"Shift log-SNR by {nats:.1f} nats"
    if abs(spec.shift + nats) <= operations.LARGEST_SHIFT:
        yield Fix(label, operations.shifted(spec, nats))
    moved = schedule.log_snr[1:] + nats
    yield Fix(label, operations.of_log_snr(moved, schedule.family))
    if rescale:
        yield Fix("Rescale to zero terminal SNR", operations.zero_terminal(spec))


def lengthen(spec: ScheduleSpec, schedule: Schedule, _: str) -> Iterator[Fix]:
    """Take the betas' own length and resample it."""
    longer = replace(spec, T=USUAL_T)
    yield Fix(f"Resample from T = {USUAL_T:,}", operations.resampled(longer, spec.T))


def start_clean(spec: ScheduleSpec, schedule: Schedule, _: str) -> Iterator[Fix]:
    """Raise the first control point, or make room for a first step."""
    if spec.T > 1:
        first, *rest = control_points(spec)
        height = max(_FIRST_LOG_SNR, first.log_snr + curve.MIN_GAP)
        points = (ControlPoint(0.0, height), *([first] if first.u > 0.0 else []), *rest)
        yield Fix("Raise the first point", with_points(spec, points))
    else:
        yield Fix(f"Use T = {USUAL_T:,}", replace(spec, T=USUAL_T))


def give_room(spec: ScheduleSpec, schedule: Schedule, _: str) -> Iterator[Fix]:
    """Take more steps, so that none has to be clipped."""
    for times in (2, 5, 10, 100, 1000):
        T = min(times * spec.T, MAX_STEPS)
        if T > spec.T:
            yield Fix(f"Use T = {T:,}", replace(spec, T=T))


def smooth(spec: ScheduleSpec, schedule: Schedule, _: str) -> Iterator[Fix]:
    """Resample until no step jumps; what no length mends is spread over the steps after it."""
    T, levels = spec.T, schedule.log_snr[1:]
    while T < MAX_STEPS:
        steeper = max(_steepest(levels) / (_MARGIN * LARGEST_JUMP), 1.0 + 1.0 / T)
        T = min(math.ceil(1 + (T - 1) * steeper), MAX_STEPS)
        made = operations.resampled(spec, T)
        levels = build(made).log_snr[1:]
        if largest_jump(levels)[1] <= LARGEST_JUMP:
            yield Fix(f"Resample to T = {T:,}", made)
    yield Fix("Spread the jump", operations.of_log_snr(_spread(schedule), schedule.family))


def _steepest(log_snr: Array) -> float:
    """Return the nats of the steepest step that crosses visible levels, also beyond these."""
    levels = curve.finite_end(log_snr)
    seen = (levels[1:] < VISIBLE) & (levels[:-1] > -VISIBLE)
    return float(-np.diff(levels)[seen].min(initial=0.0))


def _spread(schedule: Schedule) -> Array:
    """Return log-SNR [T] raised wherever one step would fall too far below the step before."""
    levels = schedule.log_snr[1:].tolist()
    for t in range(1, len(levels)):
        lowest = min(max(levels[t - 1], -VISIBLE), VISIBLE) - _MARGIN * LARGEST_JUMP
        if max(levels[t], -VISIBLE) < lowest:
            levels[t] = lowest
    return np.array(levels)


def fit_half(spec: ScheduleSpec, schedule: Schedule, _: str) -> Iterator[Fix]:
    """Raise log-SNR where 1/a or sigma overflows float16; an end without signal stays so."""
    log_snr = schedule.log_snr[1:]
    floor = -2.0 * math.log(0.9 * HALF_MAX)
    sloping = floor + curve.MIN_FALL * np.arange(len(log_snr))[::-1]  # it falls there, too
    raised = np.where(np.isneginf(log_snr), log_snr, np.maximum(log_snr, sloping))
    label = "Lower σ there" if schedule.family is Family.VE else "Raise ᾱ there"
    yield Fix(label, operations.of_log_snr(raised, schedule.family))


def leave_signal(spec: ScheduleSpec, schedule: Schedule, _: str) -> Iterator[Fix]:
    """Undo what took the signal at T, or leave a little of it there."""
    if spec.zero_terminal:
        yield Fix("Undo zero terminal SNR", replace(spec, zero_terminal=False))
    log_snr = schedule.log_snr[1:].copy()
    before = log_snr[-2] if len(log_snr) > 1 else 0.0
    low = max(-curve.LOG_SNR_LIMIT, before - 5.0)
    log_snr[-1] = min(low, before - curve.MIN_GAP)
    yield Fix("Keep a little signal", operations.of_log_snr(log_snr, schedule.family))


def legal_betas(betas: Array) -> Array:
    """Return the nearest betas that make a schedule."""
    return np.clip(np.nan_to_num(betas, nan=1e-8, posinf=BETA_MAX, neginf=1e-8), 1e-8, BETA_MAX)


def falling_betas(alpha_bar: Array) -> Array:
    """Return the betas of the falling curve nearest in order to alpha-bar at t = 1..T."""
    clean = np.nan_to_num(alpha_bar, nan=1.0, posinf=1.0, neginf=0.0)
    lowest = np.minimum.accumulate(np.clip(clean, 1e-9, 1.0 - 1e-9))
    return legal_betas(1.0 - lowest / np.r_[1.0, lowest[:-1]])


def candidates(kind: str, spec: ScheduleSpec, schedule: Schedule, prediction: str) -> Iterator[Fix]:
    """Yield the mends of a kind of finding, as long as they can be made."""
    if kind in MENDS:
        try:
            yield from MENDS[kind](spec, schedule, prediction)
        except EngineError:
            return


MENDS: Mapping[str, Mend] = {
    "end": reach_noise,
    "short": lengthen,
    "start": start_clean,
    "clipped": give_room,
    "jump": smooth,
    "float16": fit_half,
    "prediction": leave_signal,
}
