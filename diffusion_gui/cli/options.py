"""The options of `diffusion-cli`, their help and checks made from the registries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from diffusion_gui.cli.reading import names
from diffusion_gui.engine.checkpoint_use import AVERAGED, TRAINED, PixelRange
from diffusion_gui.engine.denoisers import CLOSED_FORMS, MODELS
from diffusion_gui.engine.experiment import (
    DATA_SIZES,
    DEVICES,
    MAX_COUNT,
    MAX_OFFSET,
    MAX_SEED,
    NETWORK_SIZES,
    Fit,
    NoiseKind,
)
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.predictions import Prediction
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS
from diffusion_gui.engine.schedules import MAX_STEPS, PRESETS, SPACINGS
from diffusion_gui.session import export
from diffusion_gui.session.animation import KINDS
from diffusion_gui.session.diffusers_export import EXPORTED_CLASSES
from diffusion_gui.session.diffusers_schedules import IMAGE_SIZES
from diffusion_gui.session.schedule_import import READERS
from diffusion_gui.session.trajectory_export import ENDINGS


def _one_of(known: Collection[Any]) -> Callable[[Any], Any]:
    """Return an option callback that refuses what is not in `known`."""

    def checked(value: Any) -> Any:
        if value is not None and value not in known:
            raise typer.BadParameter(f"{value!r} is not known; choose one of: {names(known)}")
        return value

    return checked


def choice(*flags: str, known: Collection[Any], text: str) -> Any:
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
PresetName = Annotated[str | None, choice("--preset", known=PRESETS, text="A named schedule")]
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
    str | None, choice("--scheduler", known=EXPORTED_CLASSES, text="diffusers class of a .json")
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
FitName = Annotated[str, choice(known=tuple(map(str, Fit)), text="How it comes to that size")]
Background = Annotated[
    str, typer.Option(metavar="#RRGGBB", help="Behind transparent pixels and around a padded one.")
]
NoiseName = Annotated[
    str, choice("--noise", known=tuple(map(str, NoiseKind)), text="How noises at two t belong")
]
Offset = Annotated[float, typer.Option(min=0.0, max=MAX_OFFSET, help="Strength of offset noise.")]
ShownName = Annotated[str, choice("--range", known=tuple(map(str, Shown)), text="Display range")]
MotionFile = Annotated[
    Path | None,
    typer.Option("--animation", help=f"Also write x_t over t: {names(KINDS)}."),
]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Seed of all noise.")]
ModelName = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE",
        help=f"{names(MODELS)}; neural is the network that comes with the program, FILE another.",
    ),
]
NetworkSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--network-set", metavar="KEY=VALUE", show_default=False,
        help="How another program's checkpoint is called, where its file does not say it or is"
        f" wrong: prediction {names(Prediction)}; pixels {names(PixelRange)}; weights {AVERAGED},"
        f" {TRAINED}; schedule NAME|FILE; size; clip true, false; no_class.",
    ),
]  # fmt: skip
ModelSettings = Annotated[list[str] | None, _settings(MODELS, "--model-set")]
Images = Annotated[str, typer.Option(metavar="DIR|emoji", help="The images that the model knows.")]
SamplerName = Annotated[str, choice(known=SAMPLERS, text="Sampler")]
SamplerSettings = Annotated[list[str] | None, _settings(SAMPLERS)]
Steps = Annotated[
    int, typer.Option(min=1, max=MAX_STEPS, help="Steps, of one model call each or two.")
]
Count = Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="How many pictures.")]
Size = Annotated[
    int | None,
    typer.Option(
        min=NETWORK_SIZES[0], max=NETWORK_SIZES[1],
        help=f"Side of a picture in pixels: {names(DATA_SIZES)}, 32 if not given; of a network its"
        " own.",
    ),
]  # fmt: skip
SpacingSettings = Annotated[list[str] | None, _settings(SPACINGS, "--spacing-set")]
LevelList = Annotated[
    str | None,
    typer.Option("--levels", metavar="X,X,...", help="For the spacings times and sigmas."),
]
Label = Annotated[
    str,
    typer.Option(
        help="Only the images of this class folder, or with this word in the name; what a network"
        " shall draw, in words of its captions."
    ),
]
GuidanceName = Annotated[str, choice(known=("", *GUIDANCE), text="Guidance (with --label)")]
GuidanceSettings = Annotated[list[str] | None, _settings(GUIDANCE, "--guidance-set")]
Against = Annotated[
    str,
    choice(known=("", *CLOSED_FORMS), text="Guide away from this model instead of from no label"),
]
RestartSettings = Annotated[
    list[str] | None,
    _settings({"restart": SimpleNamespace(params=RESTART_PARAMS)}, "--restart-set"),
]
SpacingName = Annotated[str, choice(known=SPACINGS, text="How steps are spread over t")]
DeviceName = Annotated[str, choice(known=DEVICES, text="Where to compute")]
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
