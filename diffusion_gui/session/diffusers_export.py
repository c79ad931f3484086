"""Schedules as diffusers' `scheduler_config.json`. Does not import diffusers.

`trained_betas` is diffusers' 0-based table: entry i is our beta at t = i + 1. Flows and exploding
schedules have classes of their own, which know formulas only; what these cannot hold is written as
the table of the variance-preserving schedule with the same SNR. Our own spec travels beside it.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.schedules import PRESETS, Family, Schedule, ScheduleSpec
from diffusion_gui.session.diffusers_classes import CLASSES, VERSION, Kind
from diffusion_gui.session.diffusers_config import SPEC_KEY, TINY
from diffusion_gui.session.diffusers_schedules import PRESET_OF

NOTES_KEY = "_notes"
"""Where a written config says what it does not hold of the schedule."""
_NAME_OF = {preset: name for name, preset in PRESET_OF.items()}
_LEAST_FLOAT32 = 1e-37
_FLOW = "FlowMatchEulerDiscreteScheduler"
_EDM = "EDMEulerScheduler"
_EDM_SCHEDULES = {"karras": "karras", "exponential": "exponential", "ve": "exponential"}

TABLE_CLASSES = tuple(
    name
    for name, row in CLASSES.items()
    if row.kind is Kind.BETAS
    and "trained_betas" in row.fields
    and "snr_shift_scale" not in row.fields  # these move what the table says
)
"""Classes that read any table of betas."""
EXPORTED_CLASSES = (*TABLE_CLASSES, _FLOW, "FlowMatchHeunDiscreteScheduler", _EDM,
                    "EDMDPMSolverMultistepScheduler")  # fmt: skip


def to_config(schedule: Schedule, spec: ScheduleSpec | None, scheduler: str = "") -> dict[str, Any]:
    """Return the config of a diffusers scheduler with this schedule.

    Without a class name in `scheduler` it is the family's: DDPM, FlowMatchEuler or EDMEuler, and
    DDPM with a table where that class has no such formula. Raises EngineError for a class that is
    not one of `EXPORTED_CLASSES`, or that cannot hold the schedule.
    """
    if scheduler and scheduler not in EXPORTED_CLASSES:
        names = ", ".join(EXPORTED_CLASSES)
        raise EngineError(f"scheduler {scheduler!r} cannot be written; choose one of: {names}")
    fields = _formula(spec, scheduler) if spec is not None else None
    if fields is None:
        if scheduler and scheduler not in TABLE_CLASSES:
            raise EngineError(
                f"{scheduler} holds a formula, and this schedule is none of its; choose one that"
                f" reads betas, e.g. {TABLE_CLASSES[0]}"
            )
        fields = _table(schedule, spec, scheduler or TABLE_CLASSES[0])
    name = fields.pop("_class_name")
    config = {"_class_name": name, "_diffusers_version": VERSION, **fields}
    if spec is not None:
        config[SPEC_KEY] = msgspec.to_builtins(spec)
    return config


# --- tables ---------------------------------------------------------------------------------------


def _table(schedule: Schedule, spec: ScheduleSpec | None, name: str) -> dict[str, Any]:
    """Return the fields of a class that reads `trained_betas`.

    `beta_schedule` is added where diffusers has the same formula, for programs that look at it
    alone. Without signal at T predicted noise says nothing there, hence v.
    """
    known = CLASSES[name].fields
    silent = bool(np.isneginf(schedule.log_snr[-1]))
    betas = schedule.beta[1:].tolist()
    config: dict[str, Any] = {
        "_class_name": name,
        "num_train_timesteps": schedule.T,
        "trained_betas": betas,
        "prediction_type": "v_prediction" if silent else "epsilon",
        "timestep_spacing": "trailing",
        "clip_sample": False,
    }
    notes = []
    rounded = schedule.beta[1:-1].astype(np.float32)
    kept = schedule.alpha_bar[-2] > _LEAST_FLOAT32 and bool(np.all(rounded < 1.0))
    stretchable = schedule.T > 1 and kept  # else diffusers divides 0 by 0
    if silent and stretchable and "rescale_betas_zero_snr" in known:
        config["rescale_betas_zero_snr"] = True  # of no effect on the table; guards its last value
    elif silent:
        betas[-1] = 1.0 - min(TINY / max(float(schedule.alpha_bar[-2]), TINY), 0.5)
        notes.append(
            "no signal is left at T, but this class needs some: alpha_bar is at most 2^-24 there"
        )
    if schedule.alpha_bar[-2 if silent else -1] < _LEAST_FLOAT32:
        notes.append("alpha_bar falls below 1e-37, which is 0 in diffusers' float32")
    if schedule.family is not Family.VP:
        notes.append(
            f"the family is {schedule.family}: these betas are those of the variance-preserving"
            " schedule with the same signal-to-noise ratio"
        )
    elif spec is not None:
        config |= _named_formula(spec)
    config = {key: value for key, value in config.items() if key in known or key[0] == "_"}
    return config | ({NOTES_KEY: notes} if notes else {})


def _named_formula(spec: ScheduleSpec) -> dict[str, Any]:
    """Return diffusers' name and parameters for `spec`, or nothing where it has no such formula."""
    if spec.preset not in _NAME_OF or not _plain(spec) or spec.zero_terminal or spec.shift:
        return {}
    rows = PRESETS[spec.preset].params
    values = resolve(rows, spec.params, spec.preset)
    ends = {name: values[name] for name in ("beta_start", "beta_end") if name in values}
    if any(row.default != values[row.name] for row in rows if row.name not in ends):
        return {}
    return {"beta_schedule": _NAME_OF[spec.preset]} | ends


def _plain(spec: ScheduleSpec) -> bool:
    """Whether `spec` is a preset of its own family, at most shifted or rescaled."""
    own_family = spec.family in ("", PRESETS[spec.preset].family) if spec.preset else False
    return own_family and not spec.points and spec.scale == 1.0 and spec.base_T in (0, spec.T)


# --- formulas -------------------------------------------------------------------------------------


def _formula(spec: ScheduleSpec, scheduler: str) -> dict[str, Any] | None:
    """Return the fields of a class with the same formula as `spec`; None where there is none."""
    kind = CLASSES[scheduler].kind if scheduler else None
    values = _shifted(spec) if kind is not Kind.BETAS and _plain(spec) else None
    if values is None:
        return None
    if spec.preset in _EDM_SCHEDULES and kind in (None, Kind.SIGMAS):
        return {
            "_class_name": scheduler or _EDM,
            "num_train_timesteps": spec.T,
            "sigma_schedule": _EDM_SCHEDULES[spec.preset],
            **values,
        }
    if spec.preset in ("flow", "flow_dynamic") and kind in (None, Kind.FLOW):
        return _flow(spec, scheduler or _FLOW, values)
    return None


def _flow(spec: ScheduleSpec, name: str, values: dict[str, float]) -> dict[str, Any] | None:
    config = {"_class_name": name, "num_train_timesteps": spec.T}
    if spec.preset == "flow":
        note = "set_timesteps(n) shifts the lowest level twice; set_timesteps(sigmas=...) does not"
        return config | values | ({NOTES_KEY: [note]} if values["shift"] != 1.0 else {})
    if "use_dynamic_shifting" not in CLASSES[name].fields:
        return None
    return config | {
        "use_dynamic_shifting": True,
        "base_shift": values["base_shift"],
        "max_shift": values["max_shift"],
        "base_image_seq_len": 256,
        "max_image_seq_len": 4096,
    }


def _shifted(spec: ScheduleSpec) -> dict[str, float] | None:
    """Return a preset's parameters with the spec's shift in them; None where they leave a range."""
    rows = PRESETS[spec.preset].params
    values = resolve(rows, spec.params, spec.preset)
    nats = -0.5 * spec.shift
    for row in rows:
        if row.name in ("sigma_min", "sigma_max", "shift"):
            values[row.name] *= math.exp(nats)
        elif row.name in ("base_shift", "max_shift"):
            values[row.name] += nats
    inside = all(row.minimum <= values[row.name] <= row.maximum for row in rows)
    return values if inside else None
