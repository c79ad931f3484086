"""Schedules as diffusers' `scheduler_config.json`, and back. Does not import diffusers.

diffusers' `trained_betas` is its 0-based table: entry i is our beta at t = i + 1. Keys that begin
with an underscore are private to their writer there, which is where our own spec travels.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import pack, resolve
from diffusion_gui.engine.schedules import PRESETS, Schedule, ScheduleSpec, build, from_betas
from diffusion_gui.session.format import check_schedule, convert

SPEC_KEY = "_diffusion_gui"
_WRITTEN_FOR = "0.42.1"

_PRESET_OF = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "squaredcos_cap_v2": "cosine",
    "sigmoid": "sigmoid",
}
_NAME_OF = {preset: name for name, preset in _PRESET_OF.items()}


def to_config(schedule: Schedule, spec: ScheduleSpec | None) -> dict[str, Any]:
    """Return the config of a DDPMScheduler with exactly this schedule (every class reads it).

    `trained_betas` carries the schedule; `beta_schedule` is added where diffusers has the same
    formula, for programs that look at it alone.
    """
    config: dict[str, Any] = {
        "_class_name": "DDPMScheduler",
        "_diffusers_version": _WRITTEN_FOR,
        "num_train_timesteps": schedule.T,
        "trained_betas": schedule.beta[1:].tolist(),
        "prediction_type": "epsilon",
        "timestep_spacing": "trailing",
        "clip_sample": False,
    }
    if spec is not None:
        config |= _named_formula(spec)
        config[SPEC_KEY] = msgspec.to_builtins(spec)
    return config


def from_config(config: object) -> tuple[Schedule, ScheduleSpec | None]:
    """Return the schedule of a config and, where it is known how it was made, its spec.

    Raises EngineError, naming the key, for configs whose schedule is not a plain list of betas or
    one of diffusers' `beta_schedule` formulas.
    """
    if not isinstance(config, dict):
        raise EngineError("the file is not a scheduler config; it must hold one JSON object")
    if config.get("rescale_betas_zero_snr"):
        raise EngineError("rescale_betas_zero_snr: this is not supported; set it to false")
    if config.get("trained_betas") is None:
        spec = _from_formula(config)
        return build(spec), spec
    schedule = from_betas(np.array(convert(config["trained_betas"], list[float], "trained_betas")))
    own = _own_spec(config, schedule)
    return (build(own), own) if own is not None else (schedule, None)


def _named_formula(spec: ScheduleSpec) -> dict[str, Any]:
    """Return diffusers' name and parameters for `spec`, or nothing where it has no such formula."""
    if spec.points:
        return {}
    values = resolve(PRESETS[spec.preset].params, spec.params, spec.preset)
    defaults = {param.name: param.default for param in PRESETS[spec.preset].params}
    ends = {name: values[name] for name in ("beta_start", "beta_end") if name in values}
    fixed = {name: value for name, value in values.items() if name not in ends}
    if spec.preset not in _NAME_OF or any(defaults[name] != value for name, value in fixed.items()):
        return {}
    return {"beta_schedule": _NAME_OF[spec.preset]} | ends


def _from_formula(config: dict[str, Any]) -> ScheduleSpec:
    name = config.get("beta_schedule")
    if not isinstance(name, str) or name not in _PRESET_OF:
        known = ", ".join(_PRESET_OF)
        raise EngineError(
            f"beta_schedule: {name!r} cannot be read; give trained_betas, or one of: {known}"
        )
    preset = _PRESET_OF[name]
    T = convert(_required(config, "num_train_timesteps"), int, "num_train_timesteps")
    values = {
        param.name: convert(_required(config, param.name), float, param.name)
        for param in PRESETS[preset].params
        if param.name in ("beta_start", "beta_end")
    }
    return ScheduleSpec(preset, T, pack(values))


def _required(config: dict[str, Any], key: str) -> object:
    if key not in config:
        raise EngineError(f"{key}: the key is missing; add it")
    return config[key]


def _own_spec(config: dict[str, Any], schedule: Schedule) -> ScheduleSpec | None:
    """Return the spec this program wrote into the file, unless the betas were edited since."""
    if SPEC_KEY not in config:
        return None
    spec = convert(config[SPEC_KEY], ScheduleSpec, SPEC_KEY)
    check_schedule(spec, SPEC_KEY)
    betas = build(spec).beta
    same = betas.shape == schedule.beta.shape and np.allclose(betas, schedule.beta, 1e-9, 0.0)
    return spec if same else None
