"""PyTorch's own files of weights: tensors alone, by name. Nothing in a file is executed.

torch reads them with `weights_only`, whose unpickler knows tensors and plain containers and calls
nothing else. Tensors stay in the file: whoever keeps one copies it, for a file that is written
again meanwhile takes what is mapped from it along, and the process with it.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.torch_loading import import_torch

ENDINGS = (".pt", ".pth", ".ckpt", ".bin")
_MOST_UNMAPPED = 1024**3
_MOST_DEPTH = 4
_MOST_NAMES = 100_000
_MOST_PICKLE = 64 * 1024**2
"""Bytes that the names and shapes in a file may take: those of the largest networks take 1 MB."""


def load_tensors(file: Path) -> tuple[object, dict[str, Any]]:
    """Return what a file holds, and its tensors by their dotted names; "" for a tensor alone.

    Raises EngineError where the file holds more than weights, or is none.
    """
    if not file.is_file():
        raise EngineError("this is not a file")
    mapped = zipfile.is_zipfile(file)
    if mapped:
        _check_archive(file)
    if not mapped and file.stat().st_size > _MOST_UNMAPPED:
        raise EngineError("the file is too large to be read at once; save it as .safetensors")
    torch = import_torch()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
            return content, _tensors(content)
    except EngineError:
        raise
    except Exception as error:  # whatever a broken or hostile file makes of the loader
        raise EngineError(
            f"not a file of weights alone ({type(error).__name__}); save the state dict, e.g. as"
            " .safetensors"
        ) from None


def _check_archive(file: Path) -> None:
    """Raise EngineError where unpacking a file would take more memory than the file is large."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise EngineError(f"not a whole file of weights ({error}); copy it again") from None
    for entry in entries:
        packed = entry.compress_type != zipfile.ZIP_STORED
        if packed or (entry.filename.endswith(".pkl") and entry.file_size > _MOST_PICKLE):
            raise EngineError(
                f"not as torch saves weights ({entry.filename[:40]} is"
                f" {'packed' if packed else 'too large'}); save the state dict as .safetensors"
            )


def _tensors(content: object) -> dict[str, Any]:
    """Return the tensors of nested dicts by their dotted names, every container visited once."""
    found: dict[str, Any] = {}
    waiting, seen = [("", content, 0)], set[int]()
    while waiting:
        name, value, depth = waiting.pop()
        if hasattr(value, "numel"):
            found[name] = value
        elif isinstance(value, Mapping) and depth < _MOST_DEPTH and id(value) not in seen:
            seen.add(id(value))
            below = [(f"{name}.{key}".lstrip("."), one, depth + 1) for key, one in value.items()]
            waiting += below[::-1]
        if len(found) + len(waiting) > _MOST_NAMES:
            raise EngineError(f"more than {_MOST_NAMES:,} names are no network's; choose another")
    return found
