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
    Schedule,
    ScheduleSpec,
    from_betas,
    from_log_snr,
)


@lru_cache(maxsize=64)
def build(spec: ScheduleSpec) -> Schedule:
    """Return the schedule that `spec` describes.

    Raises EngineError for an unknown preset, a parameter out of range, or T outside 1..10,000.
    """
    if not 1 <= spec.T <= MAX_STEPS:
        raise EngineError(f"T must be in 1..{MAX_STEPS}, got {spec.T}")
    if not spec.points:
        return _preset(spec)
    if not spec.base_T:
        return from_log_snr(*curve.limit_betas(curve.to_log_snr(spec.points, spec.T)))
    base = _preset(replace(spec, T=spec.base_T))
    drawn = curve.to_log_snr(spec.points, spec.T, base.log_snr[1:])
    bent = from_log_snr(*curve.limit_betas(drawn))
    still_clipped = not bent.notes and bent.beta.max() >= base.beta.max() - 1e-9
    return replace(bent, notes=base.notes) if still_clipped else bent


def _preset(spec: ScheduleSpec) -> Schedule:
    if not 1 <= spec.T <= MAX_STEPS:
        raise EngineError(f"T must be in 1..{MAX_STEPS}, got {spec.T}")
    if spec.preset not in PRESETS:
        raise EngineError(f"unknown preset {spec.preset!r}; choose one of: {', '.join(PRESETS)}")
    row = PRESETS[spec.preset]
    values = resolve(row.params, spec.params, row.title)
    return from_betas(*_clip(row.betas(spec.T, values), values.get(row.clip, BETA_MAX)))


def build_preset(preset: str, T: int = 1000, **params: float) -> Schedule:
    """Return a preset's schedule, e.g. `build_preset("linear", 1000, beta_end=0.02)`."""
    return build(ScheduleSpec(preset, T, pack(params)))


def with_points(spec: ScheduleSpec, points: tuple[ControlPoint, ...]) -> ScheduleSpec:
    """Return `spec` drawn through `points`: a preset is bent, a drawn curve stays what it is."""
    return replace(spec, points=points, base_T=spec.base_T if spec.points else spec.T)


@lru_cache(maxsize=64)
def control_points(spec: ScheduleSpec) -> tuple[ControlPoint, ...]:
    """Return the handles of a schedule: its own points, or a few that lie on its preset."""
    return spec.points or curve.handles(build(spec).log_snr[1:])


def _clip(betas: Array, beta_max: float) -> tuple[Array, tuple[str, ...]]:
    """Clip betas into [1e-12, beta_max] and say so where it changed something."""
    over = np.flatnonzero(betas > beta_max)
    notes: tuple[str, ...] = ()
    if over.size:
        first = int(over[0]) + 1
        where = f"at t = {first}" if over.size == 1 else f"from t = {first} on"
        notes = (f"β clipped to {beta_max:g} {where}",)
    return np.clip(betas, 1e-12, beta_max), notes
