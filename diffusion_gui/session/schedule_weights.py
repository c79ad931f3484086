"""Schedules inside other programs' binary files: NumPy arrays, safetensors, PyTorch state dicts.

Nothing in a file is executed, and no array is made before its size has been read.
"""

from __future__ import annotations

import io
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import MAX_STEPS, Family, ScheduleSpec
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.session.diffusers_config import Imported
from diffusion_gui.session.schedule_numbers import (
    check_length,
    family_named,
    of_alpha_bar,
    of_betas,
    of_either,
    without_clean,
)
from diffusion_gui.session.torch_weights import load_tensors

MOST_ARRAY_BYTES = 16 * (MAX_STEPS + 1) + 4096
"""A table is at most this large: complex numbers would not fit, nor a second one."""
BETAS = ("betas", "beta")
ALPHA_BARS = ("alphas_cumprod", "alpha_bar", "alphas_bar")


class NoScheduleError(EngineError):
    """A file has no table of a schedule in it, or cannot be read as weights at all."""


def from_npy(file: Path) -> Imported:
    """Read one array: betas, or alphas_cumprod where the values fall."""
    size = file.stat().st_size
    if size > MOST_ARRAY_BYTES:
        raise EngineError(f"the array has {size:,} bytes; a schedule has at most {MAX_STEPS} steps")
    spec, what = of_either(_array(file.read_bytes(), "the array"), "the array")
    return Imported(spec, (f"the array is read as {what}",))


def from_npz(file: Path) -> Imported:
    """Read the arrays `beta` or `alpha_bar`, and `family` where there is one."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = {Path(info.filename).stem: info for info in archive.infolist()}
            kind, name = _chosen(names)
            values = _array(_member(archive, names[name]), name)
            family = Family.VP
            if "family" in names:
                family = family_named(_text(_member(archive, names["family"])), "family")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise EngineError(f"the file is damaged ({error}); save it again") from None
    return Imported(_spec(kind, values, name, family))


def from_safetensors(file: Path) -> Imported:
    """Read the tensor `betas` or `alphas_cumprod` of a state dict, by its full or last name."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as content:
            kind, name = _chosen({name: name for name in content.keys()})  # noqa: SIM118
            shape = content.get_slice(name).get_shape()
            check_length(_length(shape, name), name)
            values = np.asarray(content.get_tensor(name), dtype=np.float64)
            family = (content.metadata() or {}).get("family", Family.VP)
    except (SafetensorError, TypeError, AttributeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NoScheduleError(
            f"not a readable safetensors file ({reason}); save it again"
        ) from None
    return Imported(_spec(kind, values, name, family_named(family, "family")))


def from_torch(file: Path) -> Imported:
    """Read the tensor `betas` or `alphas_cumprod` of a state dict, or a tensor alone.

    Only weights are loaded: a file whose pickle would run code is refused, not run.
    """
    try:
        content, tensors = load_tensors(file)
    except EngineError as error:
        raise NoScheduleError(str(error)) from None
    if list(tensors) == [""]:
        spec, what = of_either(_of_tensor(tensors[""], "the tensor"), "the tensor")
        return Imported(spec, (f"the tensor is read as {what}",))
    kind, name = _chosen(tensors)
    said = content.get("family") if isinstance(content, Mapping) else None
    family = family_named(said, "family") if isinstance(said, str) else Family.VP
    return Imported(_spec(kind, _of_tensor(tensors[name], name), name, family))


def _of_tensor(tensor: Any, name: str) -> Array:
    check_length(_length(tensor.shape, name), name)
    try:
        values = tensor.detach().double().numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        raise EngineError(f"{name}: cannot be read as numbers ({type(error).__name__})") from None
    return np.asarray(values, dtype=np.float64)


def _length(shape: Any, name: str) -> int:
    if len(shape) != 1:
        raise EngineError(f"{name}: the shape is {list(shape)}, but a schedule has one axis, t")
    return int(shape[0])


def _chosen(names: Mapping[str, object]) -> tuple[str, str]:
    """Return "betas" or "alpha_bar" and the name that holds them; betas are exact, so they win."""
    for kind, known in (("betas", BETAS), ("alpha_bar", ALPHA_BARS)):
        found = [name for name in names if name.rpartition(".")[2] in known]
        if found:
            return kind, min(found, key=lambda name: (len(name), name))
    there = ", ".join(name[:40] for name in list(names)[:6]) or "nothing"
    raise NoScheduleError(
        f"there is neither betas nor alphas_cumprod, only {there}; choose another"
    )


def _spec(kind: str, values: Array, name: str, family: Family = Family.VP) -> ScheduleSpec:
    if kind == "betas":
        return of_betas(without_clean(values), name, family)
    return of_alpha_bar(values, name, family)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MOST_ARRAY_BYTES:
        raise EngineError(f"{info.filename}: {info.file_size:,} bytes are too many for a schedule")
    return archive.read(info)


def _text(data: bytes) -> str:
    return str(_load(data, "family"))


def _array(data: bytes, name: str) -> Array:
    """Return the numbers of an .npy file as float64 [n]."""
    values = _load(data, name)
    if values.dtype.kind not in "fiu":
        raise EngineError(f"{name}: the type is {values.dtype}, not a number")
    check_length(_length(values.shape, name) or 0, name)
    return values.astype(np.float64)


def _load(data: bytes, name: str) -> np.ndarray[Any, Any]:
    """Return the array in the bytes of an .npy file, whose header must not promise more."""
    content = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(content)
        read = {(1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0}[version]  # fmt: skip
        shape, _, dtype = read(content)
        if dtype.hasobject or dtype.itemsize * np.prod(shape, dtype=np.float64) > len(data):
            raise EngineError(f"{name}: the header does not fit the file; save it again")
        content.seek(0)
        return np.asarray(np.load(content, allow_pickle=False))
    except (
        ValueError, KeyError, EOFError, SyntaxError, TypeError, MemoryError, tokenize.TokenError,
    ) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EngineError(f"{name}: not a NumPy array ({reason}); save it again") from None
