"""What the options of `diffusion-cli` say, read and checked: schedules, settings, levels, times."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import typer

from diffusion_gui.engine.checkpoint_use import AVERAGED, TRAINED, PixelRange
from diffusion_gui.engine.denoisers import LEARNED, MODELS, NEURAL
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import DATA_SIZES, Guidance, NetworkRef
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.networks import About
from diffusion_gui.engine.params import Param, Values, pack, resolve
from diffusion_gui.engine.predictions import Prediction
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS
from diffusion_gui.engine.schedules import PRESETS, SIGMA_MAX, SPACINGS, ScheduleSpec, build
from diffusion_gui.session.format import MOST_LEVEL
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.schedule_import import READERS, Imported, load_schedule

NETWORK_SETTINGS = ("prediction", "pixels", "weights", "schedule", "size", "clip", "no_class")
"""What can be said of a checkpoint's use, see `checkpoint_use.Use`."""
USUAL_SIZE = 32
"""Side of the pictures of a closed form, where nobody says otherwise."""
_CHOICES = {
    "prediction": Prediction,
    "pixels": PixelRange,
    "weights": (AVERAGED, TRAINED),
    "clip": ("true", "false"),
}
_MOST_TIMES, _MOST_DIGITS = 64, 20


def names(known: Iterable[object]) -> str:
    """Return names as they stand in a sentence: "a, b, c"."""
    return ", ".join(str(name) for name in known if name != "")


def check_alone(context: typer.Context, apart: Collection[str], flag: str = "--from") -> None:
    """Raise EngineError where `flag` is given together with other options than those `apart`."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in apart and was_given(context, name):
            what = "run" if flag == "--from" else "training"
            raise EngineError(
                f"{flag} holds all settings of the {what}; leave {parameter.opts[0]} out"
            )


def was_given(context: typer.Context, name: str) -> bool:
    """Return whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def read_widths(text: str) -> tuple[int, ...]:
    """Return the whole numbers in "96,160,192"; raises EngineError, naming it, for others."""
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not part.isdecimal() or len(part) > _MOST_DIGITS:
            shown = part if len(part) <= _MOST_DIGITS else f"{part[:_MOST_DIGITS]}..."
            raise EngineError(f"--widths: {shown!r} is no number of channels; write 96,160,192")
    return tuple(map(int, parts))


def find_schedule(
    source: str,
    timesteps: int | None,
    settings: list[str] | None = None,
    image_size: int | None = None,
) -> Imported:
    """Return the schedule of a preset's name, or what a file says.

    Raises EngineError for an unknown name, and for a T that a file cannot be given.
    """
    if source in PRESETS:
        row = PRESETS[source]
        values = read_settings(settings, row.params, row.title)
        if image_size is not None:
            raise EngineError(f"--image-size goes with a file; leave it out for {source}")
        spec = ScheduleSpec(source, timesteps or 1000, values)
        build(spec)
        return Imported(spec)
    if not Path(source).suffix and not Path(source).exists():
        raise EngineError(
            f"schedule {source!r} is not known; choose one of: {names(PRESETS)},"
            f" or give a file: {names(READERS)}"
        )
    if settings:
        raise EngineError(f"--set goes with a named schedule; leave it out for {source}")
    found = load_schedule(source, image_size)
    if timesteps not in (None, found.spec.T):
        raise EngineError(
            f"--timesteps {timesteps}: {source} has T = {found.spec.T}; leave --timesteps out"
        )
    return found


def read_settings(
    given: list[str] | None, params: tuple[Param, ...], owner: str, flag: str = "--set"
) -> Values:
    """Return KEY=VALUE texts as checked values of `params`; raises EngineError, naming the key."""
    values: dict[str, float] = {}
    for text in given or []:
        key, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            raise EngineError(
                f"{flag} {text}: write KEY=NUMBER; {owner} has: {names(p.name for p in params)}"
            ) from None
        if key in values:
            raise EngineError(f"{flag} {key} is given twice; keep one of them")
        values[key] = number
    packed = pack(values)
    resolve(params, packed, f"{flag}: {owner}")
    return packed


def find_network(
    model: str, networks: NetworkStore, told: list[str] | None = None
) -> tuple[str, NetworkRef | None]:
    """Return the model of a name, or "neural" and the network in a file, taken into `networks`.

    `told` corrects how a file of another program says it is to be called. Raises EngineError for
    what is neither, and for a file that is no network.
    """
    if model in MODELS:
        if told:
            raise EngineError(f"--network-set goes with the file of a network; leave {told[0]} out")
        return model, None
    if not Path(model).exists():
        raise EngineError(
            f"--model: {model!r} is not known; choose one of: {names(MODELS)}, or give the file of"
            " a network"
        )
    return NEURAL, networks.open_model(model, use=read_use(told))


def read_use(told: list[str] | None) -> str:
    """Return KEY=VALUE texts as the text of a use (`checkpoints/use_text`), "" for none."""
    found: dict[str, Any] = {}
    for text in told or []:
        key, _, value = text.partition("=")
        if key not in NETWORK_SETTINGS:
            raise EngineError(f"--network-set {text}: write KEY=VALUE; {names(NETWORK_SETTINGS)}")
        if key == "schedule":
            found[key] = msgspec.to_builtins(find_schedule(value, None).spec)
        elif key == "clip" and value in ("true", "false"):
            found[key] = value == "true"
        elif key in ("size", "no_class"):
            found[key] = _whole(key, value)
        elif value in map(str, _CHOICES[key]):
            found[key] = value
        else:
            raise EngineError(
                f"--network-set {key}: {value[:20]!r} is not known; choose {names(_CHOICES[key])}"
            )
    if "schedule" in found:
        found["edm"] = False
    return json.dumps(found) if found else ""


def _whole(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise EngineError(f"--network-set {key}: {value[:20]!r} is not a whole number") from None


def read_size(size: int | None, network: About | None, model: str) -> int:
    """Return the side of the pictures: that of a network, or one of DATA_SIZES."""
    if model in LEARNED:
        return size or (network.size if network is not None else USUAL_SIZE)
    if size is not None and size not in DATA_SIZES:
        raise EngineError(f"--size {size} is not known; choose one of: {names(DATA_SIZES)}")
    return size or USUAL_SIZE


def read_model_settings(model: str, settings: list[str] | None) -> Values:
    """Return what is set of a model."""
    row = MODELS[model]
    return read_settings(settings, row.params, row.title, "--model-set")


def read_sampler_settings(sampler: str, settings: list[str] | None) -> Values:
    """Return what is set of a sampler."""
    row = SAMPLERS[sampler]
    return read_settings(settings, row.params, row.title)


def read_spacing_settings(
    spacing: str, settings: list[str] | None, sigma_max: float = 0.0
) -> Values:
    """Return what is set of a spacing; `sigma_max` where that is not, 0 for the schedule's."""
    row, given = SPACINGS[spacing], list(settings or [])
    if sigma_max and not row.listed and not any(text.startswith(f"{SIGMA_MAX}=") for text in given):
        given.append(f"{SIGMA_MAX}={sigma_max}")
    return read_settings(given, row.params, spacing, "--spacing-set")


def read_restart_settings(settings: list[str] | None) -> Values:
    """Return what is set of Restart."""
    return read_settings(settings, RESTART_PARAMS, "Restart", "--restart-set")


def read_guidance(method: str, settings: list[str] | None, against: str) -> Guidance:
    """Return the guidance asked for; raises EngineError for settings without a method."""
    if not method:
        if settings or against:
            raise EngineError(f"--guidance is missing; choose one of: {names(GUIDANCE)}")
        return Guidance()
    row = GUIDANCE[method]
    return Guidance(
        method, read_settings(settings, row.params, row.title, "--guidance-set"), against
    )


def read_levels(text: str | None, spacing: str) -> tuple[float, ...]:
    """Return the numbers in "14.6,3.9,0.9", which only the spacings that are lists take."""
    listed = [name for name, row in SPACINGS.items() if row.listed]
    if text is not None and spacing not in listed:
        raise EngineError(f"--levels goes with --spacing {' or '.join(listed)}; leave it out")
    return tuple(_level(part.strip()) for part in (text or "").split(",") if part.strip())


def _level(text: str) -> float:
    """Return one number of --levels; raises EngineError, naming it, for anything else."""
    try:
        level = float(text)
    except ValueError:
        level = math.nan
    if not 0.0 <= level < MOST_LEVEL:
        shown = repr(text if len(text) <= _MOST_DIGITS else f"{text[:_MOST_DIGITS]}...")
        raise EngineError(
            f"--levels: {shown} is not a level; give numbers from 0 on, as in 3.9,0.9"
        )
    return level


def read_times(text: str | None, T: int) -> list[int]:
    """Return the times in "0,250,500", each in 0..T; five even ones for None."""
    if text is None:
        return sorted({round(t) for t in np.linspace(0, T, 5).tolist()})
    parts = text.split(",")
    if len(parts) > _MOST_TIMES:
        raise EngineError(f"--t: {len(parts)} times; give at most {_MOST_TIMES}")
    times = []
    for part in map(str.strip, parts):
        if not part.isdecimal() or len(part) > _MOST_DIGITS or int(part) > T:
            shown = repr(part if len(part) <= _MOST_DIGITS else f"{part[:_MOST_DIGITS]}...")
            raise EngineError(f"--t: {shown} is not a time; give integers in 0..{T}")
        times.append(int(part))
    return times
