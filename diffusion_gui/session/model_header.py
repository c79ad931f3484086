"""What a file of the program's own networks says of itself. Imports no torch.

`model_files.py` says what such a file is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from safetensors import SafetensorError, safe_open

from diffusion_gui.engine.denoisers.unet_config import MOST_PARAMETERS, UNetConfig
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.session.files import AnyPath

ENDINGS = (".safetensors",)
TRAINING_ENDING = ".training.safetensors"
KEY = "diffusion_gui"
MODEL, TRAINING = "model", "training"
PRECISIONS = ("", "float32", "bfloat16", "float16")
MOST_BYTES = 16 * MOST_PARAMETERS + 64 * 1024**2
"""A training keeps four numbers for each parameter; a network of the usual shape takes 30 MB."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the header says; everything a reader needs besides the tensors."""

    kind: str
    network: UNetConfig
    training: TrainOptions
    step: int
    """Steps it was trained for."""
    name: str = ""
    """What it was trained on, for the model list."""
    precision: str = ""
    """What a training's products are made in; "" for what suits the device."""
    half: bool = False
    """Whether the model beside a training is written in float16."""
    version: int = 1


def training_path(model: AnyPath) -> Path:
    """Return where the training of a model file lies: beside it."""
    target = Path(model)
    return target.with_name(target.stem + TRAINING_ENDING)


def read_header(path: AnyPath) -> Header:
    """Return what a file says of itself, without reading its tensors.

    Raises EngineError for a file that is no safetensors, or none of this program's.
    """
    with opened(path, "np") as file:
        return header_of(path, file.metadata())


def opened(path: AnyPath, framework: str, most: int = MOST_BYTES) -> safe_open:
    """Open a safetensors file; raises EngineError with one line where it is none."""
    target = Path(path)
    try:
        size = target.stat().st_size
        if not target.is_file():
            raise EngineError(f"{path}: this is not a file")
        if size > most:
            raise EngineError(
                f"{path}: {size / 1024**3:.0f} GiB is more than a network of this program's takes"
            )
        return safe_open(target, framework)
    except SafetensorError as problem:
        raise EngineError(f"{path}: no safetensors file ({first_line(problem)})") from None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise EngineError(f"{path}: cannot be read ({reason})") from None


def header_of(path: AnyPath, metadata: Mapping[str, str] | None) -> Header:
    """Return the header among a file's metadata, checked; raises EngineError where it is not."""
    text = (metadata or {}).get(KEY)
    if text is None:
        raise EngineError(f"{path}: its header does not say what network it is")
    try:
        header = msgspec.json.decode(text, type=Header)
    except msgspec.DecodeError as problem:
        raise EngineError(f"{path}: its header cannot be read: {problem}") from None
    if header.version != 1:
        raise EngineError(
            f"{path}: written by a newer program (version {header.version}); update this one"
        )
    if header.kind not in (MODEL, TRAINING):
        raise EngineError(f"{path}: its header says that it is of the kind {header.kind!r}")
    if header.precision not in PRECISIONS:
        raise EngineError(f"{path}: its header says that its precision is {header.precision!r}")
    if header.step < 0:
        raise EngineError(f"{path}: its header says that it was trained for {header.step} steps")
    try:
        header.network.check()
        header.training.check()
    except EngineError as problem:
        raise EngineError(f"{path}: {problem}") from None
    return header


def first_line(problem: Exception) -> str:
    """Return the first line of an error that says something."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0]
