"""The loss over the steps of a training, in bounded memory. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

MOST_POINTS = 2000
SMOOTHING = 100
"""About how many of the latest steps the smoothed loss is the mean of."""
_MOST_STRIDE = 2**40


class LossCurve:
    """Loss by step: means over `stride` steps in a row, which doubles whenever there are too many.

    Points are never more than `most`; a training of any length is drawn from its first step on.
    """

    def __init__(self, most: int = MOST_POINTS) -> None:
        """Begin without points; `most` is made even, and at least 2."""
        self.most = max(2, most + most % 2)
        self.stride = 1
        self._steps: list[float] = []
        self._losses: list[float] = []
        self._smooth: list[float] = []
        self._open: list[tuple[float, float]] = []
        self._mean, self._weight = 0.0, 0.0

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: int, loss: float) -> None:
        """Take in the loss of a step; one that is not a number is left out."""
        if not np.isfinite(loss):
            return
        kept = 1.0 - 1.0 / SMOOTHING
        self._mean = kept * self._mean + (1.0 - kept) * loss
        self._weight = kept * self._weight + (1.0 - kept)
        self._open.append((float(step), loss))
        if len(self._open) >= self.stride:
            steps, losses = zip(*self._open, strict=True)
            self._steps.append(sum(steps) / len(steps))
            self._losses.append(sum(losses) / len(losses))
            self._smooth.append(self.smoothed or 0.0)
            self._open.clear()
            if len(self._steps) >= self.most:
                self._halve()

    @property
    def smoothed(self) -> float | None:
        """Exponentially weighted mean of the losses so far, without a pull to 0; None before."""
        return self._mean / self._weight if self._weight else None

    @property
    def points(self) -> tuple[Numbers, Numbers, Numbers]:
        """Step, mean loss and smoothed loss of every point, [N] each."""
        return np.array(self._steps), np.array(self._losses), np.array(self._smooth)

    def arrays(self) -> dict[str, Numbers]:
        """Return the curve as plain arrays, for a file; `of_arrays` takes them."""
        rows = np.array([self._steps, self._losses, self._smooth]).reshape(3, -1)
        begun = np.array(self._open).reshape(-1, 2)
        return {
            "points": rows,
            "open": begun,
            "rest": np.array([self.stride, self._mean, self._weight]),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Numbers], most: int = MOST_POINTS) -> LossCurve:
        """Return the curve of `arrays`; an empty one where they are missing or do not fit."""
        curve, none = cls(most), np.empty(0)
        points, begun, rest = (arrays.get(name, none) for name in ("points", "open", "rest"))
        fits = points.ndim == begun.ndim == 2 and len(points) == 3 and begun.shape[1] == 2
        if not fits or rest.shape != (3,) or not 1.0 <= rest[0] <= _MOST_STRIDE:
            return curve
        curve.stride, curve._mean, curve._weight = int(rest[0]), float(rest[1]), float(rest[2])
        curve._steps, curve._losses, curve._smooth = points.tolist()
        curve._open = [(step, loss) for step, loss in begun.tolist()]
        while len(curve._steps) >= curve.most:
            curve._halve()
        return curve

    def _halve(self) -> None:
        """Join every two neighbours."""
        even = len(self._steps) - len(self._steps) % 2
        for name in ("_steps", "_losses"):
            values = np.array(getattr(self, name)[:even])
            setattr(self, name, values.reshape(-1, 2).mean(1).tolist())
        self._smooth = self._smooth[1:even:2]
        self.stride *= 2
