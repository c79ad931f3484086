"""From a `ScheduleSpec` to its `Schedule`, checked and cached. NumPy only."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import pack, resolve
from diffusion_gui.engine.schedules import curve
from diffusion_gui.engine.schedules.presets import PRESETS
from diffusion_gui.engine.schedules.schedule import (
    BETA_MAX,
    MAX_STEPS,
    Array,
    ControlPoint,
    Family,
    Schedule,
    ScheduleSpec,
    from_betas,
    from_log_snr,
)

_LEAST_FALL = 1e-14
"""Nats by which every step of a table must lower log-SNR: less is lost to rounding further on."""


@lru_cache(maxsize=64)
def build(spec: ScheduleSpec) -> Schedule:
    """Return the schedule that `spec` describes.

    Raises EngineError for an unknown preset, a parameter out of range, or T outside 1..10,000.
    """
    _check_length("T", spec.T)
    base = _base(spec)
    if base is None:
        return _limited(curve.to_log_snr(spec.points, spec.T), family_of(spec))
    if not spec.points and base.T == spec.T:
        return base
    made = _limited(curve.to_log_snr(spec.points, spec.T, base.log_snr[1:]), base.family)
    still_clipped = not made.notes and made.beta.max() >= base.beta.max() - 1e-9
    return replace(made, notes=base.notes) if still_clipped else made


def build_preset(preset: str, T: int = 1000, **params: float) -> Schedule:
    """Return a preset's schedule, e.g. `build_preset("linear", 1000, beta_end=0.02)`."""
    return build(ScheduleSpec(preset, T, pack(params)))


def family_of(spec: ScheduleSpec) -> Family:
    """Return the family of processes that `spec` belongs to."""
    if not spec.family:
        return PRESETS[spec.preset].family if spec.preset in PRESETS else Family.VP
    if spec.family not in list(Family):
        raise EngineError(f"unknown family {spec.family!r}; choose one of: {', '.join(Family)}")
    return Family(spec.family)


def base_length(spec: ScheduleSpec) -> int:
    """Return the length at which the base of `spec` is made, before it is resampled to T."""
    return spec.base_T or len(spec.betas) or spec.T


def with_points(spec: ScheduleSpec, points: tuple[ControlPoint, ...]) -> ScheduleSpec:
    """Return `spec` drawn through `points`: its base is bent, a drawn curve stays what it is."""
    return replace(spec, points=points, base_T=base_length(spec) if spec.has_base else 0)


def base_curve(spec: ScheduleSpec) -> Array | None:
    """Return log-SNR [base length] of what the points of `spec` bend, None where they are all."""
    base = _base(spec)
    return None if base is None else base.log_snr[1:]


def without_points(spec: ScheduleSpec) -> ScheduleSpec:
    """Return the base of `spec` as it was before points bent it: T and a resampling stay.

    A curve that is points alone has no base, and is returned as it is.
    """
    if not spec.has_base:
        return spec
    plain = replace(spec, points=(), base_T=0)
    made_at = base_length(spec)
    return plain if base_length(plain) == made_at else replace(plain, base_T=made_at)


@lru_cache(maxsize=64)
def control_points(spec: ScheduleSpec) -> tuple[ControlPoint, ...]:
    """Return the handles of a schedule: its own points, or a few that lie on its curve."""
    return spec.points or curve.handles(build(spec).log_snr[1:])


@lru_cache(maxsize=64)
def _cached_base(spec: ScheduleSpec) -> Schedule:
    """Return the formula or table of a spec without points, rescaled, scaled and shifted."""
    made = _table(spec) if not spec.preset else _preset(spec)
    if not (spec.zero_terminal or spec.shift or spec.scale != 1.0):
        return made
    log_snr = made.log_snr[1:]
    if spec.zero_terminal:
        log_snr = zero_terminal_log_snr(log_snr)
    moved = _limited(spec.scale * log_snr + spec.shift, made.family)
    ends_clipped = spec.zero_terminal and made.beta[:-1].max() < made.beta[-1]  # no more it does
    return replace(moved, notes=moved.notes or (() if ends_clipped else made.notes))


def _base(spec: ScheduleSpec) -> Schedule | None:
    """Return what the points bend, None where they are the whole curve."""
    if spec.preset and spec.betas:
        raise EngineError("a schedule has a preset or a table of betas, not both; leave one out")
    if not spec.has_base:
        if not spec.points:
            raise EngineError("the schedule has no preset, no betas and no points; give one")
        if spec.zero_terminal or spec.shift or spec.scale != 1.0:
            raise EngineError(
                "shift, scale and zero_terminal change a formula or a table, not points"
            )
        return None
    return _cached_base(replace(spec, T=base_length(spec), base_T=0, points=()))


def _preset(spec: ScheduleSpec) -> Schedule:
    _check_length("T", spec.T)
    if spec.preset not in PRESETS:
        raise EngineError(f"unknown preset {spec.preset!r}; choose one of: {', '.join(PRESETS)}")
    row = PRESETS[spec.preset]
    values = resolve(row.params, spec.params, row.title)
    betas = row.betas(spec.T, values)
    assert betas.shape == (spec.T,), row.title
    if row.family is Family.VP:
        return from_betas(*_clip(betas, values.get(row.clip, BETA_MAX)), family_of(spec))
    betas = np.maximum(betas, 1e-12)  # rounding only: these know no cap on beta
    betas[:-1] = np.minimum(betas[:-1], 1.0 - 1e-12)
    if row.family is not Family.FLOW:  # only the straight line reaches pure noise
        betas[-1] = min(betas[-1], 1.0 - 1e-12)
    return from_betas(betas, family=family_of(spec))


def _table(spec: ScheduleSpec) -> Schedule:
    if spec.params:
        raise EngineError("a table of betas has no parameters; leave params out")
    if len(spec.betas) != spec.T:
        raise EngineError(f"base_T = {spec.T}, but the table has {len(spec.betas)} betas")
    made = from_betas(np.array(spec.betas), family=family_of(spec))
    flat = np.flatnonzero(~(np.diff(made.log_snr) < -_LEAST_FALL))
    if flat.size:
        t = int(flat[0]) + 1
        raise EngineError(
            f"beta_{t} = {made.beta[t]:g} is too small to lower alpha-bar in double precision;"
            " make it larger"
        )
    return made


def zero_terminal_log_snr(log_snr: Array) -> Array:
    """Return log-SNR [T] rescaled to end without signal, its first value kept.

    sqrt(alpha_bar) is moved to 0 at T and stretched to keep its start (arXiv:2305.08891, alg. 1).
    """
    root = np.exp(-0.5 * np.logaddexp(0.0, -log_snr))
    if len(root) > 1:
        if root[0] <= root[-1]:
            raise EngineError("there is hardly any noise at T to begin with; lower the curve first")
        root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    # many levels may have underflowed, or be 1 but for rounding
    signal = np.clip(np.square(root[:-1]), 1e-300, 1.0 - 2.0**-53)
    level = np.log(signal) - np.log1p(-signal)
    if np.any(np.diff(level) >= 0.0):
        level = curve.strictly_falling(level)
    return np.r_[level, -np.inf]


def _limited(log_snr: Array, family: Family) -> Schedule:
    """Return the schedule of a curve; where the variance is preserved beta stays under its cap."""
    notes: tuple[str, ...] = ()
    if family is Family.VP:
        log_snr, notes = curve.limit_betas(log_snr)
    return from_log_snr(log_snr, notes, family)


def _check_length(name: str, T: int) -> None:
    if not 1 <= T <= MAX_STEPS:
        raise EngineError(f"{name} must be in 1..{MAX_STEPS}, got {T}")


def _clip(betas: Array, beta_max: float) -> tuple[Array, tuple[str, ...]]:
    """Clip betas into [1e-12, beta_max] and say so where it changed something."""
    over = np.flatnonzero(betas > beta_max)
    notes: tuple[str, ...] = ()
    if over.size:
        first = int(over[0]) + 1
        where = f"at t = {first}" if over.size == 1 else f"from t = {first} on"
        notes = (f"β clipped to {beta_max:g} {where}",)
    return np.clip(betas, 1e-12, beta_max), notes
