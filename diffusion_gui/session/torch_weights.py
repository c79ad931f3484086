"""PyTorch's own files of weights: tensors alone, by name. Nothing in a file is executed.

torch reads them with `weights_only`, whose unpickler knows tensors and plain containers and calls
nothing else; arrays stay in the file until they are asked for.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.torch_loading import import_torch

ENDINGS = (".pt", ".pth", ".ckpt", ".bin")
_MOST_UNMAPPED = 1024**3
_MOST_DEPTH = 4


def load_tensors(file: Path) -> tuple[object, dict[str, Any]]:
    """Return what a file holds, and its tensors by their dotted names; "" for a tensor alone.

    Raises EngineError where the file holds more than weights, or is none.
    """
    mapped = zipfile.is_zipfile(file)
    if not mapped and file.stat().st_size > _MOST_UNMAPPED:
        raise EngineError("the file is too large to be read at once; save it as .safetensors")
    torch = import_torch()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
            return content, dict(_tensors(content))
    except Exception as error:  # whatever a broken or hostile file makes of the loader
        raise EngineError(
            f"not a file of weights alone ({type(error).__name__}); save the state dict, e.g. as"
            " .safetensors"
        ) from None


def _tensors(content: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of nested dicts by their dotted names."""
    if isinstance(content, Mapping) and depth < _MOST_DEPTH:
        for key, value in content.items():
            yield from _tensors(value, f"{name}.{key}".lstrip("."), depth + 1)
    elif hasattr(content, "numel"):
        yield name, content
