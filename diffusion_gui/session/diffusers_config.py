"""Reading diffusers' `scheduler_config.json`. Does not import diffusers.

The schedule is made in `diffusers_schedules.py` from the fields that `diffusers_fields.py` checks
against the table of classes; here is what a config says besides: its use, and our own spec, which
travels in files that this program wrote (`diffusers_export.py`). Keys that begin with an underscore
are private to their writer there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Values, pack
from diffusion_gui.engine.schedules import SPACINGS, ScheduleSpec, build
from diffusion_gui.session.diffusers_classes import Kind
from diffusion_gui.session.diffusers_fields import Fields, short
from diffusion_gui.session.diffusers_schedules import IMAGE_SIZES, make
from diffusion_gui.session.format import check_schedule, convert

SPEC_KEY = "_diffusion_gui"
TINY = 2.0**-24
"""The alpha-bar that diffusers' solvers take for 0."""

_PREDICTIONS = {
    "epsilon": "epsilon",
    "v_prediction": "v_prediction",
    "sample": "sample",
    "flow_prediction": "flow",
}
_SPACING_FLAGS = {
    "use_karras_sigmas": ("karras", {"rho": 7.0}),
    "use_exponential_sigmas": ("exponential", {}),
    "use_lu_lambdas": ("exponential", {}),
    "use_beta_sigmas": ("beta", {"alpha": 0.6, "beta": 0.6}),
}
_UNSUPPORTED: tuple[tuple[str, object, str], ...] = (
    ("thresholding", False, "dynamic thresholding is not supported"),
    ("set_alpha_to_one", True, "the last step ends at the clean picture here, not at ᾱ₁"),
    ("final_sigmas_type", "zero", "the last step ends at the clean picture here"),
    ("interpolation_type", "linear", "log-SNR is interpolated here"),
    ("lambda_min_clipped", -np.inf, "levels are not clipped here"),
    ("invert_sigmas", False, "this is not supported; the flow is taken as it is"),
    ("stochastic_sampling", False, "this is not supported; choose a sampler that adds noise"),
)
"""Fields that say something which is not taken over: name, harmless value, what is done instead."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A schedule that was read, what there is to say about it, and how its file means to use it.

    Of the use, what the file does not tell is empty or False.
    """

    spec: ScheduleSpec
    notes: tuple[str, ...] = ()
    prediction: str = ""
    """What its network predicts: "epsilon", "v_prediction", "sample" or "flow"."""
    spacing: str = ""
    """A name of `SPACINGS`."""
    spacing_params: Values = ()
    clip_sample: bool = False


def from_config(config: object, image_size: int | None = None) -> Imported:
    """Return what a scheduler config says.

    A flow whose shift depends on the picture's size gets that of `image_size` pixels, 1024 if not
    given. Raises EngineError with one line, naming the key and the mend, where the schedule is not
    determined or a value cannot be right.
    """
    if not isinstance(config, dict):
        raise EngineError("the file is not a scheduler config; it must hold one JSON object")
    if image_size is not None and not IMAGE_SIZES[0] <= image_size <= IMAGE_SIZES[1]:
        low, high = IMAGE_SIZES
        raise EngineError(f"image size {image_size} is outside {low} to {high}; choose one within")
    fields = Fields(config)
    own = _own_spec(config)
    spec = make(fields, image_size or _own_size(own))
    with np.errstate(all="ignore"):  # a curve that rounding broke is refused by name
        build(spec)
        same = own is not None and _same(own, spec)
    spacing, params = _spacing(fields)
    imported = Imported(
        spec,
        prediction=_prediction(fields),
        spacing=spacing,
        spacing_params=params,
        clip_sample=fields.flag("clip_sample"),
    )
    _note_unsupported(fields)
    if own is not None and same:  # what this program wrote says more than any note
        return replace(imported, spec=own)
    return replace(imported, notes=tuple(fields.notes))


def _prediction(fields: Fields) -> str:
    if not fields.given("prediction_type") and not fields.predicts_epsilon():
        return "sample"
    name = fields.text("prediction_type", _PREDICTIONS) or fields.row.prediction
    return _PREDICTIONS.get(name, name)


def _spacing(fields: Fields) -> tuple[str, Values]:
    """Return the row of `SPACINGS` that a config asks for, and its parameters."""
    steps = fields.text("timestep_spacing", ("leading", "linspace", "trailing"))
    flags = [flag for flag in _SPACING_FLAGS if fields.flag(flag)]
    if len(flags) > 1:
        raise EngineError(f"{flags[0]} and {flags[1]} exclude each other; set one to false")
    if flags and fields.row.kind is Kind.FLOW:
        fields.notes.append(f"{flags[0]}: this spaces s, which is not supported")
    elif flags:
        return _by_level(fields, flags[0])
    if fields.row.kind is Kind.SIGMAS:
        exponential = fields.value("sigma_schedule") == "exponential"
        name, params = ("exponential", {}) if exponential else ("karras", {"rho": _rho(fields)})
        return name, _packed(name, params)
    name = steps or fields.row.spacing
    if fields.flag("use_flow_sigmas"):
        name = "trailing"
    offset = fields.whole("steps_offset", 0, 10) if "steps_offset" in fields.row.fields else 0
    return name, _packed(name, {"offset": float(offset)} if name == "leading" else {})


def _by_level(fields: Fields, flag: str) -> tuple[str, Values]:
    name, params = _SPACING_FLAGS[flag]
    if flag == "use_beta_sigmas":
        fields.notes.append(
            "use_beta_sigmas: diffusers takes the quantiles over σ, the paper over t; the paper's"
            " spacing is taken"
        )
    ends = [key for key in ("sigma_min", "sigma_max") if fields.given(key)]
    if fields.flag("use_flow_sigmas"):
        ends = ["use_flow_sigmas"]
    if ends:
        fields.notes.append(f"{' and '.join(ends)}: the steps cover the whole schedule here")
    return name, _packed(name, params)


def _rho(fields: Fields) -> float:
    row = SPACINGS["karras"].params[0]
    return fields.number("rho", row.minimum, row.maximum)


def _packed(spacing: str, params: Mapping[str, float]) -> Values:
    """Return parameters of a spacing without those that have its defaults."""
    defaults = {row.name: row.default for row in SPACINGS[spacing].params} if spacing else {}
    return pack({name: value for name, value in params.items() if value != defaults[name]})


def _note_unsupported(fields: Fields) -> None:
    for name, harmless, what in _UNSUPPORTED:
        value = fields.value(name)
        if value is not None and value != harmless:
            fields.notes.append(f"{name} is {short(value)}: {what}")


# --- the spec of this program ---------------------------------------------------------------------


def _own_spec(config: Mapping[str, object]) -> ScheduleSpec | None:
    if SPEC_KEY not in config:
        return None
    spec = convert(config[SPEC_KEY], ScheduleSpec, SPEC_KEY)
    with np.errstate(all="ignore"):
        check_schedule(spec, SPEC_KEY)
    return spec


def _own_size(own: ScheduleSpec | None) -> int | None:
    """Return the size for which our own spec shifts a flow; the fields beside it do not say."""
    if own is None or own.preset != "flow_dynamic":
        return None
    size = dict(own.params).get("size")
    return None if size is None else round(size)


def _same(own: ScheduleSpec, read: ScheduleSpec) -> bool:
    """Whether a config still holds the schedule of the spec in it: it may have been edited since.

    Where no signal is left at T, some classes are given a little of it.
    """
    ours, theirs = build(own), build(read)
    if ours.T != theirs.T:
        return False
    ends_alike = np.isclose(ours.beta[-1], theirs.beta[-1], 1e-9, 0.0) or (
        np.isneginf(ours.log_snr[-1]) and theirs.alpha_bar[-1] <= 1.01 * TINY
    )
    return bool(ends_alike) and np.allclose(ours.beta[:-1], theirs.beta[:-1], 1e-9, 0.0)
