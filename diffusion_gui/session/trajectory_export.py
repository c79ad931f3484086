"""A run's floats, step by step, as .npz or .safetensors, written while it goes. Knows no Qt.

Memory holds one step: what cannot be written in its place at once waits in a temporary file. Both
kinds hold x_t and x0_hat, float32 [n + 1, B, 3, H, W] in [-1, 1] units, not clipped, the noisiest
first; t, int64 [n + 1]; a, s and sigma = s / a, float64 [n + 1], of x_t = a x_0 + s eps; and the
experiment as JSON, in .safetensors as metadata.
"""

from __future__ import annotations

import io
import json
import math
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.session.files import AnyPath, WatchedFile, atomic_write, check_target, free_bytes
from diffusion_gui.session.format import encode
from diffusion_gui.session.watch import IDLE, Watch

if TYPE_CHECKING:
    from diffusion_gui.engine.samplers import Step

ENDINGS = (".npz", ".safetensors")
_BLOCK = 1024**2
_TYPES = {"<f4": "F32", "<f8": "F64", "<i8": "I64"}


def save_trajectory(
    path: AnyPath, steps: Iterable[Step], count: int, experiment: Experiment, watch: Watch = IDLE
) -> None:
    """Write the first `count` of a run's steps in the format that the ending of `path` names.

    `experiment` is the run's as it goes into files (`run_inputs.carriage`). The steps are asked
    for one by one, and what they raise ends it; no file is left then. Raises EngineError if it
    cannot be written.
    """
    target = check_trajectory(path, experiment, count)
    npz = target.suffix.lower() == ".npz"
    sampling = experiment.sampling
    shape = count, sampling.count, 3, sampling.size, sampling.size
    text = encode(experiment)

    def write(file: BinaryIO) -> None:
        watched = cast(BinaryIO, WatchedFile(file, watch.poll))
        with tempfile.TemporaryFile(dir=target.parent) as aside:
            if npz:
                _write_npz(watched, cast(BinaryIO, aside), _Walk(steps, count, watch), shape, text)
            else:
                _write_safetensors(watched, _Walk(steps, count, watch), shape, text)

    atomic_write(target, write, watch.poll)


def check_trajectory(path: AnyPath, experiment: Experiment, count: int) -> Path:
    """Return `path` if `count` steps can be written there, so that a long run fails before it.

    Raises EngineError for another ending, a missing folder, and where the disk has no room.
    """
    target = check_target(path, ENDINGS)
    sampling = experiment.sampling
    one = count * sampling.count * 3 * sampling.size**2 * 4
    need = one * (3 if target.suffix.lower() == ".npz" else 2)  # x0_hat waits beside an archive
    free = free_bytes(target.parent)
    if need > free:
        fewer = "steps, the rounds of Restart," if sampling.restart else "steps,"
        raise EngineError(
            f"{target}: {need / 1024**3:.1f} GiB are needed while it is written, and"
            f" {free / 1024**3:.1f} GiB are free there; lower {fewer} count or size, or choose"
            " another place"
        )
    return target


class _Walk:
    """The steps as pairs of arrays; where they stand is gathered on the way."""

    def __init__(self, steps: Iterable[Step], count: int, watch: Watch) -> None:
        self._steps, self._count, self._watch = steps, count, watch
        self._places: list[tuple[int, float, float]] = []

    def each(self, take: Callable[[NDArray[Any], NDArray[Any]], object]) -> None:
        """Hand x_t and x0_hat of every step to `take`, float32 [B, 3, H, W]."""
        for step, _ in zip(self._steps, range(self._count), strict=False):
            self._watch.poll()
            take(_floats(step.x_t), _floats(step.x0_hat))
            self._places.append((step.t, step.a, step.s))
            self._watch.progress(len(self._places), self._count)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return t, a, s and sigma of the steps so far."""
        t, a, s = zip(*self._places, strict=True)
        sigma = [y / x if x > 0.0 else math.inf for x, y in zip(a, s, strict=True)]
        return {
            "t": np.array(t, "<i8"),
            "a": np.array(a, "<f8"),
            "s": np.array(s, "<f8"),
            "sigma": np.array(sigma, "<f8"),
        }


def _floats(batch: Any) -> NDArray[Any]:
    return np.ascontiguousarray(batch.detach().float().cpu().numpy(), "<f4")


def _write_npz(
    file: BinaryIO, aside: BinaryIO, walk: _Walk, shape: tuple[int, ...], text: str
) -> None:
    """Write an uncompressed archive: a member at a time, so x0_hat waits in `aside`."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("x_t.npy", "w", force_zip64=True) as member:
            member.write(_npy_head(shape))

            def take(x_t: NDArray[Any], x0_hat: NDArray[Any]) -> None:
                member.write(x_t.tobytes())
                aside.write(x0_hat.tobytes())

            walk.each(take)
        aside.seek(0)
        with archive.open("x0_hat.npy", "w", force_zip64=True) as member:
            member.write(_npy_head(shape))
            while block := aside.read(_BLOCK):
                member.write(block)
        for name, values in (*walk.columns().items(), ("experiment", np.array(text))):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, values)


def _npy_head(shape: tuple[int, ...]) -> bytes:
    head = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, about)
    return head.getvalue()


def _write_safetensors(file: BinaryIO, walk: _Walk, shape: tuple[int, ...], text: str) -> None:
    """Write the head, then every step in its two places, then the numbers."""
    step = 4 * math.prod(shape[1:])
    sizes = {
        name: ("<i8" if name == "t" else "<f8", shape[:1]) for name in ("t", "a", "s", "sigma")
    }
    sizes |= dict.fromkeys(("x_t", "x0_hat"), ("<f4", shape))  # behind those of eight bytes
    table: dict[str, Any] = {"__metadata__": {"format": "np", "experiment": text}}
    begins, end = {}, 0
    for name, (kind, extent) in sizes.items():
        begins[name], end = end, end + int(kind[2]) * math.prod(extent)
        offsets = [begins[name], end]
        table[name] = {"dtype": _TYPES[kind], "shape": list(extent), "data_offsets": offsets}
    head = json.dumps(table).encode()
    head += b" " * (-len(head) % 8)
    first = 8 + len(head)
    file.write(struct.pack("<Q", len(head)) + head)
    done = 0

    def take(x_t: NDArray[Any], x0_hat: NDArray[Any]) -> None:
        nonlocal done
        for name, values in (("x_t", x_t), ("x0_hat", x0_hat)):
            file.seek(first + begins[name] + done * step)
            file.write(values.tobytes())
        done += 1

    walk.each(take)
    for name, column in walk.columns().items():
        file.seek(first + begins[name])
        file.write(column.tobytes())
