"""Noise as a function of (seed, image, step): the same on every device, batch size and history.

NumPy only. Each (seed, image, step) owns its own stretch of a counter-based generator (Philox,
Salmon et al. 2011): the key is (seed, image), the step sits in the counter's third word, so two
steps are 2^128 draws apart and never overlap. The parts that a large noise is drawn in sit in the
second word, 2^64 draws apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError

START = 0
"""The step number of the noise a picture starts from; transition i of a run draws step i + 1."""

FloatImage = NDArray[np.float32]


def stream(seed: int, image: int, step: int, part: int = 0) -> np.random.Generator:
    """Return the generator of one noise, to draw it piece by piece: together they are the whole.

    `seed`, `image`, `step` and `part` are integers in 0..2^63 - 1; raises EngineError otherwise.
    """
    named = (("seed", seed), ("image", image), ("step", step), ("part", part))
    for name, value in named:
        if not 0 <= value < 2**63:
            raise EngineError(f"{name} must be an integer in 0..2^63 - 1, got {value}")
    bits = np.random.Philox(
        key=np.array([seed, image], dtype=np.uint64),
        counter=np.array([0, part, step, 0], dtype=np.uint64),
    )
    return np.random.Generator(bits)


def gaussian(seed: int, image: int, step: int, shape: Sequence[int]) -> FloatImage:
    """Return standard normal noise of `shape`, float32, a pure function of its arguments.

    `seed`, `image` and `step` are integers in 0..2^63 - 1; raises EngineError otherwise.
    """
    return stream(seed, image, step).standard_normal(tuple(shape), dtype=np.float32)


def gaussian_batch(seed: int, images: Sequence[int], step: int, shape: Sequence[int]) -> FloatImage:
    """Return the noise of several images at one step, stacked: [len(images), *shape]."""
    return np.stack([gaussian(seed, image, step, shape) for image in images])
