"""The options of `diffusion-cli`, their help and checks made from the registries, and parsing."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import typer

from diffusion_gui.engine.denoisers import CLOSED_FORMS, MODELS
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    DATA_SIZES,
    DEVICES,
    MAX_COUNT,
    MAX_OFFSET,
    MAX_SEED,
    Fit,
    Guidance,
    NoiseKind,
)
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.params import Param, Values, pack, resolve
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS
from diffusion_gui.engine.schedules import (
    MAX_STEPS,
    PRESETS,
    SPACINGS,
    ScheduleSpec,
    build,
)
from diffusion_gui.session import export
from diffusion_gui.session.animation import KINDS
from diffusion_gui.session.diffusers_export import EXPORTED_CLASSES
from diffusion_gui.session.diffusers_schedules import IMAGE_SIZES
from diffusion_gui.session.format import MOST_LEVEL
from diffusion_gui.session.schedule_import import READERS, Imported, load_schedule
from diffusion_gui.session.trajectory_export import ENDINGS

_MOST_TIMES, _MOST_DIGITS = 64, 20


def names(known: Iterable[object]) -> str:
    """Return names as they stand in a sentence: "a, b, c"."""
    return ", ".join(str(name) for name in known if name != "")


def _one_of(known: Collection[Any]) -> Callable[[Any], Any]:
    """Return an option callback that refuses what is not in `known`."""

    def checked(value: Any) -> Any:
        if value is not None and value not in known:
            raise typer.BadParameter(f"{value!r} is not known; choose one of: {names(known)}")
        return value

    return checked


def _choice(*flags: str, known: Collection[Any], text: str) -> Any:
    """Return an option whose values and help are a registry's names."""
    return typer.Option(*flags, callback=_one_of(known), help=f"{text}: {names(known)}.")


def _settings(registry: Mapping[str, Any], flag: str = "--set") -> Any:
    """Return the option for the parameters of a registry's rows."""
    rows = [
        f"{param.name} ({name}) {param.minimum:g} to {param.maximum:g}"
        for name, row in registry.items()
        for param in row.params
    ]
    return typer.Option(flag, metavar="KEY=VALUE", help="; ".join(rows), show_default=False)


Output = Annotated[
    Path, typer.Option("--output", "-o", help="The .png to write.", show_default=False)
]
PresetName = Annotated[str | None, _choice("--preset", known=PRESETS, text="A named schedule")]
ScheduleFile = Annotated[
    Path | None, typer.Option("--from", help=f"Read {names(READERS)}, or a diffusers folder.")
]
ScheduleSource = Annotated[
    str,
    typer.Option("--schedule", metavar="NAME|FILE", help=f"{names(PRESETS)}; {names(READERS)}."),
]
Timesteps = Annotated[
    int | None,
    typer.Option(
        "--timesteps", min=1, max=MAX_STEPS, help="T of a named schedule; 1000 if not given."
    ),
]
PresetSettings = Annotated[list[str] | None, _settings(PRESETS)]
Check = Annotated[bool, typer.Option("--check", help="Exit with code 1 on any warning.")]
ScheduleTarget = Annotated[
    Path | None, typer.Option("--export", help=f"Write it as {names(export.SCHEDULE_WRITERS)}.")
]
SchedulerName = Annotated[
    str | None, _choice("--scheduler", known=EXPORTED_CLASSES, text="diffusers class of a .json")
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size", min=IMAGE_SIZES[0], max=IMAGE_SIZES[1],
        help="Pixels of the pictures, where a file's shift depends on it; 1024 if not given.",
    ),
]  # fmt: skip
Picture = Annotated[Path, typer.Argument(help="The picture to noise.", show_default=False)]
Times = Annotated[
    str | None,
    typer.Option("--t", metavar="T,T,...", help="Times in 0..T; five even ones if not given."),
]
PictureSize = Annotated[
    int, typer.Option(min=0, max=1024, help="Longest side in pixels; 0: as it is in the file.")
]
FitName = Annotated[str, _choice(known=tuple(map(str, Fit)), text="How it comes to that size")]
Background = Annotated[
    str, typer.Option(metavar="#RRGGBB", help="Behind transparent pixels and around a padded one.")
]
NoiseName = Annotated[
    str, _choice("--noise", known=tuple(map(str, NoiseKind)), text="How noises at two t belong")
]
Offset = Annotated[float, typer.Option(min=0.0, max=MAX_OFFSET, help="Strength of offset noise.")]
ShownName = Annotated[str, _choice("--range", known=tuple(map(str, Shown)), text="Display range")]
MotionFile = Annotated[
    Path | None,
    typer.Option("--animation", help=f"Also write x_t over t: {names(KINDS)}."),
]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of all noise.")]
ModelName = Annotated[str, _choice(known=MODELS, text="Model")]
ModelSettings = Annotated[list[str] | None, _settings(MODELS, "--model-set")]
Images = Annotated[str, typer.Option(metavar="DIR|emoji", help="The images that the model knows.")]
SamplerName = Annotated[str, _choice(known=SAMPLERS, text="Sampler")]
SamplerSettings = Annotated[list[str] | None, _settings(SAMPLERS)]
Steps = Annotated[
    int, typer.Option(min=1, max=MAX_STEPS, help="Steps, of one model call each or two.")
]
Count = Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="How many pictures.")]
Size = Annotated[int, _choice(known=DATA_SIZES, text="Side of a picture in pixels")]
SpacingSettings = Annotated[list[str] | None, _settings(SPACINGS, "--spacing-set")]
LevelList = Annotated[
    str | None,
    typer.Option("--levels", metavar="X,X,...", help="For the spacings times and sigmas."),
]
Label = Annotated[
    str, typer.Option(help="Only the images of this class folder, or with this word in the name.")
]
GuidanceName = Annotated[str, _choice(known=("", *GUIDANCE), text="Guidance (with --label)")]
GuidanceSettings = Annotated[list[str] | None, _settings(GUIDANCE, "--guidance-set")]
Against = Annotated[
    str,
    _choice(known=("", *CLOSED_FORMS), text="Guide away from this model instead of from no label"),
]
RestartSettings = Annotated[
    list[str] | None,
    _settings({"restart": SimpleNamespace(params=RESTART_PARAMS)}, "--restart-set"),
]
SpacingName = Annotated[str, _choice(known=SPACINGS, text="How steps are spread over t")]
DeviceName = Annotated[str, _choice(known=DEVICES, text="Where to compute")]
StartPicture = Annotated[
    Path | None, typer.Option("--start", help="Start from this picture noised to --t.")
]
StartTime = Annotated[int | None, typer.Option("--t", min=1, max=MAX_STEPS, help="See --start.")]
TrajectoryFile = Annotated[
    Path | None,
    typer.Option(
        help=f"Also write every step, exact floats ({names(ENDINGS)}): t, a, s, sigma, x_t, x0_hat."
    ),
]
AnimationFile = Annotated[
    Path | None, typer.Option(help=f"Also write x_t over the run: {names(KINDS)}.")
]
ExportedRun = Annotated[
    Path | None,
    typer.Option(
        "--from", help="Make the run of an exported .png or .json again, its forks included."
    ),
]


def check_alone(context: typer.Context, apart: Collection[str]) -> None:
    """Raise EngineError where --from is given together with other options than those `apart`."""
    for name, flags in ((p.name or "", p.opts) for p in context.command.params):
        source = context.get_parameter_source(name)
        if name not in apart and source is not None and source.name == "COMMANDLINE":
            raise EngineError(f"--from holds all settings of the run; leave {flags[0]} out")


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
