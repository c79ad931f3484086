"""The options of `diffusion-cli train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diffusion_gui.cli.options import choice
from diffusion_gui.engine.denoisers.unet_config import GROUP
from diffusion_gui.engine.training.options import Levels, Weighting
from diffusion_gui.session.training_sets import TRAINING_SIZES

PRECISIONS = ("auto", "float32", "bfloat16", "float16")

Source = Annotated[
    str,
    typer.Argument(
        metavar="DIR|emoji",
        help="The pictures: a folder, called by class folders or file names; or the emoji.",
        show_default=False,
    ),
]
Model = Annotated[
    Path,
    typer.Option(
        "--output", "-o", show_default=False,
        help="The .safetensors to write; beside it .training.safetensors, to go on from.",
    ),
]  # fmt: skip
Side = Annotated[int, choice("--size", known=TRAINING_SIZES, text="Side of a picture in pixels")]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL|bundled", show_default=False,
        help="Begin with the weights of this model, of its size and shape, not with random ones.",
    ),
]  # fmt: skip
StepLimit = Annotated[
    int | None, typer.Option("--steps", min=1, help="End after so many steps in all.")
]
MinuteLimit = Annotated[
    float | None, typer.Option("--minutes", min=0.01, help="End after so many minutes.")
]
Batch = Annotated[int, typer.Option(min=1, max=4096, help="Pictures a step, over all processes.")]
Rate = Annotated[float, typer.Option("--lr", help="Learning rate; with --weights 0.0001.")]
Noise = Annotated[
    str, choice("--levels", known=tuple(map(str, Levels)), text="Which noise levels how often")
]
Weight = Annotated[
    str, choice(known=tuple(map(str, Weighting)), text="What an error weighs at a level")
]
Flip = Annotated[
    bool | None,
    typer.Option(
        "--flip/--no-flip", show_default=False,
        help="Mirror half of the pictures; if not given: those of a folder, not the emoji.",
    ),
]  # fmt: skip
Shift = Annotated[int, typer.Option(min=0, max=16, help="Move pictures by up to so many pixels.")]
Average = Annotated[
    float, typer.Option("--ema", help="What a step leaves of the averaged weights.")
]
Widths = Annotated[
    str, typer.Option(metavar="C,C,...", help=f"Channels by resolution, multiples of {GROUP}.")
]
Depth = Annotated[int, typer.Option(min=1, max=8, help="Blocks at each resolution.")]
Dropout = Annotated[float, typer.Option(help="Chance that a channel is dropped in a block.")]
PrecisionName = Annotated[
    str, choice("--precision", known=PRECISIONS, text="What products are made in")
]
Half = Annotated[bool, typer.Option("--half", help="Write the model in float16.")]
SaveMinutes = Annotated[
    float, typer.Option("--save-minutes", min=0.01, help="Write both files that often.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the training beside MODEL, exactly as it was."),
]
