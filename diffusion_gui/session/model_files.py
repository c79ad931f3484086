"""The program's own networks as files: safetensors whose header says how to use them.

Two kinds of file, both written whole or not at all. A *model* holds the averaged weights under
the network's own names. A *training* holds all that goes on exactly where it was: weights, their
average and the optimiser's memory, in float32. The header's entry `diffusion_gui` is JSON: the
kind, the shape of the network, its words, how it was trained and for how long. Nothing in either
is code. Imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.network import Precision
from diffusion_gui.engine.denoisers.unet import UNet
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.trainer import State
from diffusion_gui.session.files import AnyPath, atomic_write, check_free, check_target
from diffusion_gui.session.model_header import (
    ENDINGS,
    KEY,
    MODEL,
    TRAINING,
    Header,
    first_line,
    header_of,
    opened,
    training_path,
)
from diffusion_gui.session.tensor_file import write_tensors

__all__ = ["read_model", "read_training", "save_model", "save_training", "training_path"]


def save_model(path: AnyPath, state: State, name: str = "", half: bool = False) -> None:
    """Write the averaged weights of a training, in float16 if `half`.

    Raises EngineError with one line if the file cannot be written; an older one stays then.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {key: value.to(dtype) for key, value in part(state.tensors, "average").items()}
    _write(path, tensors, _header(MODEL, state, name))


def save_training(path: AnyPath, state: State, name: str = "", half: bool = False) -> None:
    """Write a whole training; `half` is kept for its models. Raises as `save_model` does."""
    header = _header(TRAINING, state, name)
    kept = msgspec.structs.replace(header, precision=str(state.precision or ""), half=half)
    _write(path, state.tensors, kept)


def read_model(path: AnyPath) -> tuple[UNet, Header]:
    """Return the network with its averaged weights, out of training, on the CPU, and its header.

    Takes a training too. Raises EngineError where the file does not hold what it says, or where
    a weight is not a number.
    """
    header, tensors = _read(path)
    weights = part(tensors, "average") if header.kind == TRAINING else tensors
    with torch.device("meta"):  # no memory for what may not fit, and nothing random is drawn
        network = UNet(header.network)
    try:
        network.load_state_dict(
            {name: value.float() for name, value in weights.items()}, assign=True
        )
    except RuntimeError as problem:
        raise EngineError(
            f"{path}: its weights do not fit its header ({first_line(problem)})"
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
    precision = Precision(header.precision) if header.precision else None
    return State(header.network, header.training, header.step, tensors, precision), header


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors of one part of a training, under their own names."""
    head = f"{prefix}."
    return {key.removeprefix(head): value for key, value in tensors.items() if key.startswith(head)}


def _header(kind: str, state: State, name: str) -> Header:
    return Header(kind, state.config, state.options, state.step, name)


def _write(path: AnyPath, tensors: Mapping[str, Tensor], header: Header) -> None:
    target = check_target(path, ENDINGS)
    check_free(target, sum(value.numel() * value.element_size() for value in tensors.values()))
    text = msgspec.json.encode(header).decode()
    atomic_write(target, lambda file: write_tensors(file, tensors, {KEY: text}))


def _read(path: AnyPath) -> tuple[Header, dict[str, Tensor]]:
    with opened(path, "pt") as file:
        header = header_of(path, file.metadata())
        # copies: what is mapped goes when another program writes the file again
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    for name, value in tensors.items():
        if value.is_floating_point() and value.element_size() < 2:
            raise EngineError(f"{path}: {name} holds {value.dtype}; save it as float16 or float32")
        if not bool(torch.isfinite(value).all()):
            raise EngineError(f"{path}: {name} holds values that are not numbers; train it anew")
    return header, tensors
