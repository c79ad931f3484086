"""Operations on any schedule: each takes a `ScheduleSpec` and returns a new one. NumPy only.

Where it can, an operation keeps how the schedule was made (a shifted preset is still that preset
with its parameters); where it cannot, the result is a table of betas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import curve
from diffusion_gui.engine.schedules.build import (
    base_curve,
    base_length,
    build,
    family_of,
    zero_terminal_log_snr,
)
from diffusion_gui.engine.schedules.fitting import choose_points
from diffusion_gui.engine.schedules.schedule import (
    MAX_STEPS,
    Array,
    ControlPoint,
    Family,
    ScheduleSpec,
    from_log_snr,
)

LARGEST_SHIFT = 20.0
DEEPEST_FIRST = -23.0
"""Lowest log-SNR at t = 1 that a table of betas still holds to 1e-6 nats."""
LEAST_SCALE, LARGEST_SCALE = 0.1, 10.0
LOG_SNR_RANGE = (-70_000.0, 500.0)
"""Control points may leave the editor's +-20 nats: 10,000 steps of beta = 0.999 do."""


@dataclass(frozen=True, slots=True)
class Equivalents:
    """One shift of log-SNR in the words of different papers: they are the same operation."""

    sd3_shift: float
    """alpha of a flow's time shift (Esser et al. 2024): above 1 is noisier."""
    flux_mu: float
    """mu = ln alpha (Flux)."""
    input_scale: float
    """b, the factor on the clean picture (Chen 2023): below 1 is noisier."""
    resolution: float
    """Side in pixels for which a schedule made for 64 is shifted so (Hoogeboom et al. 2023)."""


def equivalents(shift: float) -> Equivalents:
    """Return what a shift by `shift` nats is called elsewhere: alpha = exp(-shift / 2)."""
    alpha = math.exp(-0.5 * shift)
    return Equivalents(alpha, -0.5 * shift, 1.0 / alpha, 64.0 * alpha)


def table(betas: Array, family: str = "") -> ScheduleSpec:
    """Return the spec of a schedule known by beta_1..beta_T, shape [T], each in (0, 1]."""
    values = np.asarray(betas, dtype=np.float64)
    return ScheduleSpec("", len(values), betas=tuple(values.tolist()), family=family)


def shifted(spec: ScheduleSpec, nats: float) -> ScheduleSpec:
    """Return `spec` with `nats` added to its log-SNR at every t; below 0 is noisier."""
    return placed(spec, spec.scale, spec.shift + nats)


def scaled(spec: ScheduleSpec, factor: float) -> ScheduleSpec:
    """Return `spec` with its log-SNR times `factor` > 0 at every t, so that alpha-bar = 0.5 stays.

    alpha-bar becomes sigmoid(factor * logit(alpha-bar)): above 1 the curve is steeper there.
    """
    return placed(spec, spec.scale * factor, spec.shift * factor)


def placed(spec: ScheduleSpec, scale: float, shift: float) -> ScheduleSpec:
    """Return `spec` with other values of `scale` and `shift`, its points taken along.

    Points alone have neither: they are moved by this much. Raises EngineError where a value or a
    point leaves its range.
    """
    if not LEAST_SCALE <= scale <= LARGEST_SCALE:
        limits = f"{LEAST_SCALE:g} to {LARGEST_SCALE:g}"
        raise EngineError(f"a scale must stay within {limits}, got {scale:g}")
    if not abs(shift) <= LARGEST_SHIFT:
        raise EngineError(f"a shift must stay within +-{LARGEST_SHIFT:g} nats, got {shift:g}")
    factor = scale / spec.scale
    nats = shift - factor * spec.shift
    points = tuple(replace(p, log_snr=factor * p.log_snr + nats) for p in spec.points)
    low, high = LOG_SNR_RANGE
    if any(not low <= point.log_snr <= high for point in points):
        raise EngineError(f"a control point would leave {low:g}..{high:g} nats; scale less")
    if not spec.has_base:
        return replace(spec, points=points)
    made = replace(spec, points=points, scale=scale, shift=shift)
    return _with_silent_end(spec, made) if points else made


def _with_silent_end(spec: ScheduleSpec, made: ScheduleSpec) -> ScheduleSpec:
    """Return `made`, its last point as far from its base as in `spec` where no signal is left."""
    before, after = base_curve(spec), base_curve(made)
    assert before is not None
    assert after is not None
    if not np.isneginf(build(spec).log_snr[-1]):
        return made
    bend = (spec.points[-1].log_snr - curve.finite_end(before)[-1]) * made.scale / spec.scale
    lowest = min(float(curve.finite_end(after)[-1] + bend), -curve.LOG_SNR_LIMIT)
    if len(made.points) > 1:
        lowest = min(lowest, made.points[-2].log_snr - curve.MIN_GAP)
    return replace(made, points=(*made.points[:-1], replace(made.points[-1], log_snr=lowest)))


def zero_terminal(spec: ScheduleSpec) -> ScheduleSpec:
    """Return `spec` rescaled so that no signal is left at T (Lin et al., arXiv:2305.08891).

    Raises EngineError for a variance-exploding process, which always keeps its signal.
    """
    if family_of(spec) is Family.VE:
        raise EngineError("a variance-exploding process always keeps its signal")
    if np.isneginf(build(spec).log_snr[-1]):
        return spec
    if not spec.points and not spec.shift and spec.scale == 1.0:
        return replace(spec, zero_terminal=True)
    return of_log_snr(zero_terminal_log_snr(build(spec).log_snr[1:]), family_of(spec))


def resampled(spec: ScheduleSpec, T: int) -> ScheduleSpec:
    """Return the same curve of log-SNR with T steps, both ends kept; T in 1..10,000."""
    if not 1 <= T <= MAX_STEPS:
        raise EngineError(f"T must be in 1..{MAX_STEPS}, got {T}")
    return replace(spec, T=T, base_T=base_length(spec) if spec.has_base else 0)


def blend(spec: ScheduleSpec, other: ScheduleSpec, ratio: float) -> ScheduleSpec:
    """Return the curve between two, (1 - ratio) log-SNR + ratio log-SNR', ratio in 0..1.

    It has the length and the family of `spec`; the ends of the range are the schedules themselves,
    `other` resampled to that length.
    """
    if not 0.0 <= ratio <= 1.0:
        raise EngineError(f"ratio must be in 0..1, got {ratio:g}")
    if ratio == 0.0:
        return spec
    target = build(resampled(other, spec.T)).log_snr[1:]
    if ratio == 1.0:
        return replace(resampled(other, spec.T), family=spec.family or family_of(spec).value)
    mixed = (1.0 - ratio) * build(spec).log_snr[1:] + ratio * target
    return of_log_snr(mixed, family_of(spec))


def split(spec: ScheduleSpec, log_snr: float) -> tuple[ScheduleSpec, ScheduleSpec]:
    """Return the part of `spec` cleaner than a level, and the rest: tables of T' and T - T' steps.

    The second part begins with one step from the clean picture to its first level. Raises
    EngineError where one of them would be empty, and where that step is beyond a table's digits.
    """
    levels = build(spec).log_snr[1:]
    clean = int(np.count_nonzero(levels >= log_snr))
    if not 0 < clean < len(levels):
        raise EngineError(
            f"log-SNR {log_snr:g} does not divide a schedule from {levels[0]:.4g} to"
            f" {levels[-1]:.4g}; choose a level between"
        )
    if -np.inf < levels[clean] < DEEPEST_FIRST:
        raise EngineError(
            f"the second part would begin at log-SNR {levels[clean]:.4g}, where its first beta is 1"
            f" but for rounding; choose a level above {DEEPEST_FIRST:g}"
        )
    family = family_of(spec)
    return of_log_snr(levels[:clean], family), of_log_snr(levels[clean:], family)


def join(clean: ScheduleSpec, noisy: ScheduleSpec, log_snr: float) -> ScheduleSpec:
    """Return the steps of `clean` above a level of log-SNR, followed by those of `noisy` below it.

    Raises EngineError where the two parts have no step or more than 10,000.
    """
    above, below = build(clean).log_snr[1:], build(noisy).log_snr[1:]
    levels = np.r_[above[above >= log_snr], below[below < log_snr]]
    if not 1 <= len(levels) <= MAX_STEPS:
        raise EngineError(f"the joined schedule would have {len(levels)} steps, not 1..{MAX_STEPS}")
    return of_log_snr(levels, family_of(clean))


def fit(spec: ScheduleSpec, tolerance: float = 0.05, most: int = 24) -> ScheduleSpec:
    """Return control points alone that draw `spec`: the fewest found within `tolerance` nats.

    Points are added greedily where the curve is furthest off, at most `most` of them. Levels
    beyond +-20 nats are drawn at +-20.
    """
    log_snr = np.clip(build(spec).log_snr[1:], -curve.LOG_SNR_LIMIT, curve.LOG_SNR_LIMIT)
    target, T = np.minimum.accumulate(log_snr), len(log_snr)
    chosen = choose_points(
        np.linspace(0.0, 1.0, T), target, {0, T - 1},
        lambda drawn: np.abs(drawn - target) / tolerance, most,
    )  # fmt: skip
    return ScheduleSpec("", T, points=_points(target, chosen), family=family_of(spec).value)


def difference(first: ScheduleSpec, second: ScheduleSpec) -> float:
    """Return by how many nats of log-SNR two schedules of one T differ at most, over t = 1..T.

    Levels beyond +-20 nats count as +-20, where control points end.
    """
    limit = curve.LOG_SNR_LIMIT
    levels = [np.clip(build(spec).log_snr[1:], -limit, limit) for spec in (first, second)]
    return float(np.abs(levels[0] - levels[1]).max())


def _points(log_snr: Array, chosen: list[int]) -> tuple[ControlPoint, ...]:
    u = np.linspace(0.0, 1.0, len(log_snr))
    gap = curve.MIN_GAP * np.arange(len(chosen))  # keeps flat stretches in falling order
    return tuple(
        ControlPoint(float(u[k]), float(log_snr[k] - 1e-3 * drop))
        for k, drop in zip(chosen, gap, strict=True)
    )


def of_log_snr(log_snr: Array, family: Family = Family.VP) -> ScheduleSpec:
    """Return the table of the schedule with log-SNR at t = 1..T, shape [T], strictly falling."""
    return table(from_log_snr(log_snr, family=family).beta[1:], family.value)
