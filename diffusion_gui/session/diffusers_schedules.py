"""From the fields of a scheduler config to a `ScheduleSpec`: one function per kind of class.

diffusers counts its tables from 0: entry i is our t = i + 1. Numbers are made in float64, where
diffusers' own are float32. To add a kind, write its function and its row in `SCHEDULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Values, pack
from diffusion_gui.engine.schedules import (
    MAX_STEPS,
    PRESETS,
    Family,
    ScheduleSpec,
    build,
    operations,
)
from diffusion_gui.engine.schedules.curve import MIN_FALL
from diffusion_gui.engine.schedules.schedule import BETA_MAX, Array
from diffusion_gui.session.diffusers_classes import Kind
from diffusion_gui.session.diffusers_fields import Fields
from diffusion_gui.session.format import convert
from diffusion_gui.session.schedule_numbers import of_betas

IMAGE_SIZES = (64, 2048)
"""Sides in pixels for which a flow may be shifted."""
USUAL_SIZE = 1024
_CONTINUOUS_T = 1000
"""Steps of a schedule whose class knows only a continuous time."""
_SHIFT = PRESETS["flow"].params[0]

PRESET_OF = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "squaredcos_cap_v2": "cosine",
    "sigmoid": "sigmoid",
}
"""Our preset for a `beta_schedule`; `exp` and `laplace` are tables."""
_BETA_SCHEDULES = (*PRESET_OF, "exp", "laplace")


def make(fields: Fields, image_size: int | None) -> ScheduleSpec:
    """Return the schedule of a config; what is to be said about it goes to `fields.notes`.

    Raises EngineError, naming the key, where a value is of the wrong type or out of its range.
    """
    spec = SCHEDULES[fields.row.kind](fields, image_size or USUAL_SIZE)
    if image_size is None and spec.preset == "flow_dynamic":
        fields.notes.append(
            f"the shift depends on the picture's size, which a config does not hold: {USUAL_SIZE}"
            " pixels are assumed; give the image size"
        )
    return spec


# --- betas ---------------------------------------------------------------------------------------


def _betas(fields: Fields, size: int) -> ScheduleSpec:
    if fields.flag("use_flow_sigmas"):
        return _solver_flow(fields)
    spec = _table(fields) if fields.given("trained_betas") else _formula(fields)
    if fields.value("snr_shift_scale") is not None:
        spec = operations.shifted(spec, -math.log(fields.number("snr_shift_scale", 1e-3, 1e3)))
    if fields.flag("rescale_betas_zero_snr"):
        spec = operations.zero_terminal(spec)
    return spec


def _table(fields: Fields) -> ScheduleSpec:
    values = convert(fields.value("trained_betas"), list[float], "trained_betas")
    spec = of_betas(np.array(values), "trained_betas")
    if fields.given("num_train_timesteps") and _steps(fields) != spec.T:
        fields.notes.append(
            f"num_train_timesteps is {_steps(fields)}, but there are {spec.T} trained_betas:"
            " T is their number"
        )
    return spec


def _formula(fields: Fields) -> ScheduleSpec:
    name = fields.text("beta_schedule", _BETA_SCHEDULES)
    T = _steps(fields)
    if name == "exp":
        fields.notes.append("beta_schedule exp: ᾱ = exp(-12 t/T), taken as a table")
        return _capped(np.exp(-12.0 * np.arange(T + 1) / T))
    if name == "laplace":
        fields.notes.append(
            "beta_schedule laplace: diffusers' ᾱ is the square root of the paper's; its numbers"
            " are taken as a table, the preset laplace is the paper's"
        )
        return _capped(_laplace(np.arange(T + 1) / T))
    return ScheduleSpec(PRESET_OF[name], T, _params(fields, PRESET_OF[name]))


def _laplace(u: Array) -> Array:
    """Return alpha-bar as diffusers has it (its `betas_for_alpha_bar`)."""
    sign = np.where(u <= 0.5, 1.0, -1.0)
    log_snr = -0.5 * sign * np.log(1.0 - 2.0 * np.abs(0.5 - u) + 1e-6)
    return np.asarray(np.exp(-0.5 * np.logaddexp(0.0, -log_snr)))


def _capped(alpha_bar: Array) -> ScheduleSpec:
    """Return the table of alpha-bar at t = 0..T with beta capped, as diffusers makes it."""
    return operations.table(np.minimum(1.0 - alpha_bar[1:] / alpha_bar[:-1], BETA_MAX))


# --- sigmas --------------------------------------------------------------------------------------


def _sigmas(fields: Fields, size: int) -> ScheduleSpec:
    name = fields.text("sigma_schedule", ("karras", "exponential")) or "karras"
    return ScheduleSpec(name, _steps(fields), _params(fields, name))


def _ve_sde(fields: Fields, size: int) -> ScheduleSpec:
    return ScheduleSpec("ve", _steps(fields), _params(fields, "ve"))


def _vp_sde(fields: Fields, size: int) -> ScheduleSpec:
    return ScheduleSpec("vp_sde", _steps(fields), _params(fields, "vp_sde"))


def _karras_ve(fields: Fields, size: int) -> ScheduleSpec:
    _note_continuous(fields)
    fields.notes.append("diffusers takes σ² for σ in this class; here σ is the paper's")
    values = _params(fields, "exponential")
    return ScheduleSpec("exponential", _CONTINUOUS_T, values)


# --- flows ---------------------------------------------------------------------------------------


def _flow(fields: Fields, size: int) -> ScheduleSpec:
    T = _steps(fields)
    if fields.flag("use_dynamic_shifting"):
        spec = _dynamic(fields, T, size)
    else:
        spec = ScheduleSpec("flow", T, _params(fields, "flow"))
        _note_second_shift(fields, T)
    return _stretched(fields, spec)


def _solver_flow(fields: Fields) -> ScheduleSpec:
    """Return the flow of a solver that was made for betas (DPM-Solver, UniPC, ...)."""
    if fields.flag("use_dynamic_shifting"):
        fields.notes.append(
            "use_dynamic_shifting: the shift comes from the program that samples; flow_shift is"
            " taken"
        )
    alpha = fields.number("flow_shift", _SHIFT.minimum, _SHIFT.maximum)
    return _stretched(fields, ScheduleSpec("flow", _steps(fields), pack({"shift": alpha})))


def _dynamic(fields: Fields, T: int, size: int) -> ScheduleSpec:
    """Return a flow whose shift mu is linear in the tokens of the picture, (size / 16)^2."""
    shifts = [fields.number(key, -5.0, 5.0) for key in ("base_shift", "max_shift")]
    tokens = [fields.whole(key, 1, 10**6) for key in ("base_image_seq_len", "max_image_seq_len")]
    exponential = fields.text("time_shift_type", ("exponential", "linear")) != "linear"
    if exponential and tokens == [256, 4096]:
        values = {"size": float(size), "base_shift": shifts[0], "max_shift": shifts[1]}
        return ScheduleSpec("flow_dynamic", T, pack(values))
    if tokens[0] == tokens[1]:
        raise EngineError("max_image_seq_len equals base_image_seq_len; they must differ")
    slope = (shifts[1] - shifts[0]) / (tokens[1] - tokens[0])
    mu = shifts[0] + slope * ((size / 16.0) ** 2 - tokens[0])
    alpha = math.exp(min(mu, 100.0)) if exponential else mu
    if not _SHIFT.minimum <= alpha <= _SHIFT.maximum:
        raise EngineError(
            f"base_shift, max_shift: the shift at {size} pixels is {alpha:.3g}, outside"
            f" {_SHIFT.minimum:g} to {_SHIFT.maximum:g}; correct them or choose another image size"
        )
    fields.notes.append(f"use_dynamic_shifting: the shift is {alpha:.4g} at {size} pixels")
    return ScheduleSpec("flow", T, pack({"shift": alpha}))


def _note_second_shift(fields: Fields, T: int) -> None:
    """Say where diffusers' own steps end: it shifts the lowest level again."""
    alpha = fields.number("shift", _SHIFT.minimum, _SHIFT.maximum)
    if alpha == 1.0 or T == 1:
        return
    once = alpha / (T + alpha - 1.0)
    twice = alpha * once / (1.0 + (alpha - 1.0) * once)
    fields.notes.append(
        f"diffusers shifts the lowest level twice unless it is given sigmas: its last step is at"
        f" s = {twice:.4g}, here at {once:.4g}"
    )


def _stretched(fields: Fields, spec: ScheduleSpec) -> ScheduleSpec:
    """Return a flow stretched so that s is `shift_terminal` at t = 1 (LTX-Video)."""
    if not fields.value("shift_terminal") or spec.T == 1:
        return spec
    terminal = fields.number("shift_terminal", 1e-6, 1.0 - 1e-6)
    signal = build(spec).a[1:]
    a = signal * ((1.0 - terminal) / signal[0])
    with np.errstate(divide="ignore"):
        log_snr = 2.0 * (np.log(a) - np.log1p(-a))
    fields.notes.append(
        f"shift_terminal: s is stretched to end at {terminal:g} at t = 1 and taken as a table;"
        " diffusers stretches the levels it visits"
    )
    return operations.of_log_snr(log_snr, Family.FLOW)


# --- continuous in time ---------------------------------------------------------------------------


def _wuerstchen(fields: Fields, size: int) -> ScheduleSpec:
    """Return the clamped cosine of Stable Cascade; where it is clamped it still falls a little."""
    s, scaler = fields.number("s", 0.0, 1.0), fields.number("scaler", 0.05, 20.0)
    _note_continuous(fields)
    u = np.arange(1, _CONTINUOUS_T + 1) / _CONTINUOUS_T
    u = 1.0 - (1.0 - u) ** scaler if scaler > 1.0 else u**scaler
    angle = 0.5 * np.pi / (1.0 + s)
    alpha_bar = np.clip((np.cos((u + s) * angle) / np.cos(s * angle)) ** 2, 1e-4, 0.9999)
    fall = MIN_FALL * np.arange(_CONTINUOUS_T)
    log_snr = np.log(alpha_bar) - np.log1p(-alpha_bar)
    return operations.of_log_snr(np.minimum.accumulate(log_snr + fall) - fall)


def _ipndm(fields: Fields, size: int) -> ScheduleSpec:
    """Return the schedule with noise of deviation sin^2(pi u / 2), which ends without signal."""
    if fields.given("trained_betas"):
        raise EngineError(
            "trained_betas: in IPNDMScheduler they are deviations of noise; leave them out"
        )
    T = _steps(fields)
    u = np.arange(1, T + 1) / T
    s = np.sin(0.5 * np.pi * u) ** 2
    a = np.cos(0.5 * np.pi * u) * np.sqrt(1.0 + s)  # a^2 = 1 - s^2
    with np.errstate(divide="ignore"):
        log_snr = 2.0 * (np.log(a) - np.log(s))
    fields.notes.append("noise of deviation sin²(π t/2T), taken as a table")
    return operations.of_log_snr(np.r_[log_snr[:-1], -np.inf])


# --- common ---------------------------------------------------------------------------------------


def _steps(fields: Fields) -> int:
    return fields.whole("num_train_timesteps", 1, MAX_STEPS)


def _params(fields: Fields, preset: str) -> Values:
    """Return a preset's parameters, which are fields of the same names."""
    rows = [row for row in PRESETS[preset].params if row.name in fields.row.fields]
    return pack({row.name: fields.number(row.name, row.minimum, row.maximum) for row in rows})


def _note_continuous(fields: Fields) -> None:
    fields.notes.append(f"the class counts time from 0 to 1; {_CONTINUOUS_T:,} steps are taken")


SCHEDULES: dict[Kind, Callable[[Fields, int], ScheduleSpec]] = {
    Kind.BETAS: _betas,
    Kind.SIGMAS: _sigmas,
    Kind.FLOW: _flow,
    Kind.VE_SDE: _ve_sde,
    Kind.VP_SDE: _vp_sde,
    Kind.KARRAS_VE: _karras_ve,
    Kind.WUERSTCHEN: _wuerstchen,
    Kind.IPNDM: _ipndm,
}
