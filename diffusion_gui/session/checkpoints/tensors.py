"""The tensors of a checkpoint's file: names and shapes first, values when they are wanted.

Sizes are bounded before anything is read, values must be numbers. Nothing in a file is executed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session.model_header import first_line, opened
from diffusion_gui.session.torch_weights import ENDINGS as TORCH_ENDINGS
from diffusion_gui.session.torch_weights import load_tensors

if TYPE_CHECKING:
    from torch import Tensor

MOST_BYTES = 8 * 1024**3
"""A file may have so many; the largest U-Nets of pixels have some 2 GB."""
SAFE = ".safetensors"
ENDINGS = (SAFE, *TORCH_ENDINGS)
Shape = tuple[int, ...]
Poll = Callable[[], None]


@dataclass(frozen=True, eq=False)
class TensorFile:
    """A file of weights: shapes by name, and for .safetensors what its header says besides."""

    path: Path
    shapes: Mapping[str, Shape]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def read(self, names: Iterable[str], poll: Poll = lambda: None) -> dict[str, Tensor]:
        """Return tensors in float32; raises EngineError where one holds what is no number."""
        import torch

        found: dict[str, Tensor] = {}
        for name, value in self._values(names):
            poll()
            found[name] = value.to(torch.float32, copy=True).contiguous()
            if not bool(torch.isfinite(found[name]).all()):
                raise EngineError(
                    f"{self.path}: {name} holds values that are not numbers (NaN or infinite);"
                    " choose an earlier checkpoint"
                )
        return found

    def _values(self, names: Iterable[str]) -> Iterable[tuple[str, Tensor]]:
        if self.path.suffix.lower() != SAFE:
            there = _loaded(self.path)
            for name in names:
                if name not in there or tuple(there[name].shape) != self.shapes[name]:
                    raise EngineError(f"{self.path}: the file is another by now; open it again")
                yield name, there[name].detach()
            return
        with opened(self.path, "pt", MOST_BYTES) as file:
            for name in names:
                yield name, file.get_tensor(name)


def open_tensors(path: Path) -> TensorFile:
    """Return the names and shapes in a file; raises EngineError with one line where it is none."""
    check_size(path)
    if path.suffix.lower() == SAFE:
        return _safe(path)
    if path.suffix.lower() not in TORCH_ENDINGS:
        raise EngineError(f"{path}: a checkpoint is a folder or one of {', '.join(ENDINGS)}")
    return TensorFile(path, {name: tuple(value.shape) for name, value in _loaded(path).items()})


def _loaded(path: Path) -> dict[str, Any]:
    """Return the tensors of a file of torch's, mapped from it; raises EngineError, one line."""
    try:
        _, tensors = load_tensors(path)
    except EngineError as error:
        raise EngineError(f"{path}: {error}") from None
    except OSError as error:
        raise EngineError(f"{path}: cannot be read ({error.strerror or error})") from None
    for name, value in tensors.items():
        _check_plain(path, name, value)
    return tensors


def _check_plain(path: Path, name: str, value: Tensor) -> None:
    """Raise EngineError for a tensor that is not a plain array of numbers, all in the file."""
    import torch

    odd = value.is_quantized or value.is_complex() or value.is_meta
    if odd or value.layout != torch.strided:
        raise EngineError(f"{path}: {name} is no plain array of numbers; save it densely")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise EngineError(f"{path}: {name} promises more numbers than the file has")


def _safe(path: Path) -> TensorFile:
    try:
        with opened(path, "np", MOST_BYTES) as file:
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            return TensorFile(path, shapes, dict(file.metadata() or {}))
    except SafetensorError as problem:
        raise EngineError(f"{path}: no safetensors file ({first_line(problem)})") from None


def check_size(path: Path) -> None:
    """Raise EngineError where a file cannot be read, or is larger than any network of pictures."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise EngineError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not path.is_file():
        raise EngineError(f"{path}: this is not a file")
    if size > MOST_BYTES:
        raise EngineError(
            f"{path}: {size / 1024**3:.0f} GiB are more than the {MOST_BYTES // 1024**3} that a"
            " checkpoint may have here"
        )


def count(shapes: Mapping[str, Shape]) -> int:
    """Return how many numbers tensors hold together."""
    return sum(math.prod(shape) for shape in shapes.values())


def prefixes(shapes: Mapping[str, Shape], marker: str) -> list[str]:
    """Return what stands before a name in a file, once for each network in it: "", "ema.", ..."""
    ends = (name for name in shapes if name == marker or name.endswith(f".{marker}"))
    return sorted((name.removesuffix(marker) for name in ends), key=lambda text: (len(text), text))


def under(shapes: Mapping[str, Shape], prefix: str) -> dict[str, Shape]:
    """Return what stands below a prefix, without it."""
    return {
        name.removeprefix(prefix): shape
        for name, shape in shapes.items()
        if name.startswith(prefix)
    }


def compare(path: Path, found: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> None:
    """Raise EngineError, naming the first tensor, where weights do not fit a network."""
    for name, shape in wanted.items():
        if name not in found:
            raise EngineError(f"{path}: its weights do not fit: {name} is missing")
        if found[name] != shape:
            raise EngineError(
                f"{path}: its weights do not fit: {name} is {list(found[name])}, the network wants"
                f" {list(shape)}"
            )
    for name in found:
        if name not in wanted:
            raise EngineError(f"{path}: its weights do not fit: the network has no {name}")
