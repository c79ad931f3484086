"""The samples that a training drew on its way, in a file beside it, to go back through.

They are for looking at only: where the file cannot be read or written a training goes on without.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence

import numpy as np

from diffusion_gui.engine.training.copies import ProgressSamples
from diffusion_gui.session.files import AnyPath, atomic_write

ENDING = ".samples.npz"
MOST = 240
"""So many times samples were drawn are kept; of more every second of the older ones goes."""
_MOST_BYTES = 512 * 1024**2


def thin(samples: list[ProgressSamples]) -> None:
    """Let go every second of the older half where there are too many; the first stays."""
    if len(samples) > MOST:
        del samples[1 : MOST // 2 : 2]


def write_samples(path: AnyPath, samples: Sequence[ProgressSamples]) -> None:
    """Write the samples that are like the last, whole or not at all; raises EngineError."""
    samples = [one for one in samples if one.pictures.shape == samples[-1].pictures.shape]
    arrays = {
        "step": np.array([one.step for one in samples]),
        "seconds": np.array([one.seconds for one in samples]),
        "captions": np.frombuffer(json.dumps([one.captions for one in samples]).encode(), np.uint8),
        "pictures": np.array([one.pictures for one in samples]),
        "nearest": np.array([one.nearest for one in samples]),
        "distances": np.array([one.distances for one in samples]),
    }
    atomic_write(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def read_samples(path: AnyPath, size: int) -> list[ProgressSamples]:
    """Return the samples of a file, pictures of `size` pixels; none where it does not hold them."""
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > _MOST_BYTES:
                return []
        with np.load(path, allow_pickle=False) as found:
            captions = json.loads(found["captions"].tobytes())
            rows = zip(
                found["step"].tolist(), found["seconds"].tolist(), captions, found["pictures"],
                found["nearest"], found["distances"], strict=True,
            )  # fmt: skip
            samples = [
                ProgressSamples(int(step), float(seconds), tuple(map(str, told)), *arrays)
                for step, seconds, told, *arrays in rows
            ]
    except Exception:  # zip, zlib and NumPy's header reader raise a dozen kinds for a spoilt byte
        return []
    return [one for one in samples if _fits(one, size)]


def _fits(one: ProgressSamples, size: int) -> bool:
    count = len(one.captions)
    shape = (count, size, size, 3)
    pictures = one.pictures.shape == one.nearest.shape == shape
    bytes_ = one.pictures.dtype == one.nearest.dtype == np.uint8
    return pictures and bytes_ and one.distances.shape == (count, 2)
