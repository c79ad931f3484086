"""Samples of a training beside the training pictures nearest to them. NumPy only.

A network that has memorised its pictures gives them back: the sample is then much nearer to one of
them than to any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.images import Pixels

COUNT = 16
"""Samples that are drawn each time."""
COPY = 1.0 / 3.0
"""A sample at less than this ratio d1 / d2 counts as a copy (Yoon et al., 2023)."""


@dataclass(frozen=True, slots=True, eq=False)
class ProgressSamples:
    """What the averaged weights draw at a step, and the nearest training pictures."""

    step: int
    seconds: float
    """Time of training so far."""
    captions: tuple[str, ...]
    pictures: Pixels
    """[N, size, size, 3]."""
    nearest: Pixels
    """The training picture nearest to each, [N, size, size, 3]."""
    distances: NDArray[np.float32]
    """To the nearest and the next training picture, rms per value in [-1, 1], [N, 2]; infinite
    where there is no next."""

    @property
    def ratios(self) -> NDArray[np.float32]:
        """d1 / d2 of each sample [N]: near 1 between pictures, near 0 a copy of one."""
        first, second = self.distances.T
        return np.divide(first, second, out=np.zeros_like(first), where=second > 0.0)

    @property
    def copies(self) -> int:
        """How many samples are copies of a training picture."""
        return int((self.ratios < COPY).sum())
