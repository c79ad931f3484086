"""The loss at each noise level, as the latest pictures of a training had it. NumPy only."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.denoisers.unet_config import SIGMA_MAX, SIGMA_MIN

Numbers = NDArray[np.float64]

BINS = 32
MEMORY = 500
"""A bin's mean is of about so many of the latest pictures that fell into it."""


class LossByLevel:
    """Mean loss in equal bins of ln sigma, each an exponentially weighted mean of its pictures."""

    def __init__(
        self,
        low: float = SIGMA_MIN,
        high: float = SIGMA_MAX,
        bins: int = BINS,
        memory: float = MEMORY,
    ) -> None:
        """Begin without pictures; levels beyond `low` and `high` count in the outermost bins."""
        self.edges: Numbers = np.linspace(math.log(low), math.log(high), bins + 1)
        """Borders of the bins, ln sigma, [bins + 1]."""
        self._kept = 1.0 - 1.0 / memory
        self._total = np.zeros(bins)
        self._weight = np.zeros(bins)

    def add(self, sigmas: NDArray[np.floating], losses: NDArray[np.floating]) -> None:
        """Take in pictures' sigma and loss, [B] each; what is not a number is left out."""
        losses = np.asarray(losses, np.float64)
        fine = np.isfinite(losses) & (sigmas > 0.0)
        place = np.searchsorted(self.edges, np.log(sigmas[fine], dtype=np.float64), "right") - 1
        place = np.clip(place, 0, len(self._total) - 1)
        counts = np.bincount(place, minlength=len(self._total))
        sums = np.bincount(place, losses[fine], minlength=len(self._total))
        decay = self._kept**counts
        self._total = decay * self._total + sums
        self._weight = decay * self._weight + counts

    @property
    def centres(self) -> Numbers:
        """Middle of every bin, ln sigma, [bins]."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    @property
    def mean(self) -> Numbers:
        """Mean loss of every bin, [bins]; NaN where no picture fell yet."""
        return np.divide(
            self._total, self._weight, out=np.full_like(self._total, np.nan), where=self._weight > 0
        )

    @property
    def weight(self) -> Numbers:
        """About how many pictures each mean rests on, [bins]."""
        return self._weight.copy()

    def arrays(self) -> dict[str, Numbers]:
        """Return the bins as plain arrays, for a file; `take` reads them."""
        return {"total": self._total.copy(), "weight": self._weight.copy()}

    def take(self, arrays: Mapping[str, Numbers]) -> None:
        """Go on from `arrays`; does nothing where they are missing or do not fit."""
        none = np.empty(0)
        total, weight = arrays.get("total", none), arrays.get("weight", none)
        if total.shape == weight.shape == self._total.shape:
            self._total, self._weight = total.copy(), weight.copy()
