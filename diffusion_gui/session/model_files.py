"""The program's own networks as files: safetensors whose header says how to use them.

Two kinds of file, both written whole or not at all. A *model* holds the averaged weights under
the network's own names. A *training* holds all that goes on exactly where it was: weights, their
average and the optimiser's memory, in float32. The header's entry `diffusion_gui` is JSON: the
kind, the shape of the network, its words, how it was trained and for how long. Nothing in either
is code. Imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from diffusion_gui.engine.denoisers.unet import UNet, UNetConfig
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.training.trainer import State
from diffusion_gui.session.files import AnyPath, atomic_write, check_target, free_bytes

ENDINGS = (".safetensors",)
KEY = "diffusion_gui"
MODEL, TRAINING = "model", "training"
MOST_BYTES = 2 * 1024**3
"""A network of this program's takes some 30 MB, its training 120."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the header says; everything a reader needs besides the tensors."""

    kind: str
    network: UNetConfig
    training: TrainOptions
    step: int
    """Steps it was trained for."""
    name: str = ""
    """What it was trained on, for the model list."""
    version: int = 1


def save_model(path: AnyPath, state: State, name: str = "", half: bool = False) -> None:
    """Write the averaged weights of a training, in float16 if `half`.

    Raises EngineError with one line if the file cannot be written; an older one stays then.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {key: value.to(dtype) for key, value in part(state.tensors, "average").items()}
    _write(path, tensors, _header(MODEL, state, name))


def save_training(path: AnyPath, state: State, name: str = "") -> None:
    """Write a whole training; raises as `save_model` does."""
    _write(path, state.tensors, _header(TRAINING, state, name))


def read_header(path: AnyPath) -> Header:
    """Return what a file says of itself, without reading its tensors.

    Raises EngineError for a file that is no safetensors, or none of this program's.
    """
    with _opened(path) as file:
        return _header_of(path, file.metadata())


def read_model(path: AnyPath) -> tuple[UNet, Header]:
    """Return the network with its averaged weights, out of training, on the CPU, and its header.

    Takes a training too. Raises EngineError where the file does not hold what it says, or where
    a weight is not a number.
    """
    header, tensors = _read(path)
    weights = part(tensors, "average") if header.kind == TRAINING else tensors
    network = UNet(header.network)
    try:
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except RuntimeError as problem:
        raise EngineError(
            f"{path}: its weights do not fit its header ({_first(problem)})"
        ) from None
    return network.eval().requires_grad_(False), header


def read_training(path: AnyPath) -> tuple[State, Header]:
    """Return a training to go on with; raises EngineError as `read_model` does."""
    header, tensors = _read(path)
    if header.kind != TRAINING:
        raise EngineError(
            f"{path}: this is a finished model, not a training that can be resumed; choose the"
            " file ending in .training.safetensors"
        )
    return State(header.network, header.training, header.step, tensors), header


def training_path(model: AnyPath) -> Path:
    """Return where the training of a model file lies: beside it."""
    target = Path(model)
    return target.with_name(f"{target.stem}.training.safetensors")


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors of one part of a training, under their own names."""
    head = f"{prefix}."
    return {key.removeprefix(head): value for key, value in tensors.items() if key.startswith(head)}


def _header(kind: str, state: State, name: str) -> Header:
    return Header(kind, state.config, state.options, state.step, name)


def _write(path: AnyPath, tensors: Mapping[str, Tensor], header: Header) -> None:
    target = check_target(path, ENDINGS)
    need = sum(value.numel() * value.element_size() for value in tensors.values())
    free = free_bytes(target.parent)
    if need > free:
        raise EngineError(
            f"{target}: {need / 1024**2:.0f} MiB are needed and {free / 1024**2:.0f} MiB are free"
            " there; make room, or choose another place"
        )
    text = msgspec.json.encode(header).decode()
    content = save(dict(tensors), {KEY: text, "format": "pt"})
    atomic_write(target, lambda file: file.write(content))


def _read(path: AnyPath) -> tuple[Header, dict[str, Tensor]]:
    with _opened(path) as file:
        header = _header_of(path, file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    for name, value in tensors.items():
        if not bool(torch.isfinite(value).all()):
            raise EngineError(f"{path}: {name} holds values that are not numbers; train it anew")
    return header, tensors


def _opened(path: AnyPath) -> safe_open:
    target = Path(path)
    try:
        size = target.stat().st_size
        if size > MOST_BYTES:
            raise EngineError(
                f"{path}: {size / 1024**3:.0f} GiB is more than a network of this program's takes"
            )
        return safe_open(target, "pt")
    except SafetensorError as problem:
        raise EngineError(f"{path}: no safetensors file ({_first(problem)})") from None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise EngineError(f"{path}: cannot be read ({reason})") from None


def _header_of(path: AnyPath, metadata: Mapping[str, str] | None) -> Header:
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
    try:
        header.network.check()
        header.training.check()
    except EngineError as problem:
        raise EngineError(f"{path}: {problem}") from None
    return header


def _first(problem: Exception) -> str:
    """Return the first line of an error that says something."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 and lines[0].endswith(":") else lines[0]
