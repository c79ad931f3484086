"""The numbers of every step of a run, as curves: over the batch, and for each picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.state.run import Run

Array = NDArray[np.float64]

MOST_POINTS = 500
"""Of a longer run evenly spaced steps are shown: more than a chart has pixels."""


class StepNumber(StrEnum):
    """A number that every step of a run has."""

    SIGMA = "sigma"
    """s / a, the noise-to-signal ratio."""
    CHANGE = "change"
    """Rms change of x0_hat since the step before, in [-1, 1] units."""
    COSINE = "cosine"
    """Cosine of eps_hat to that of the step before."""
    TIME = "time"
    """Milliseconds that the step took."""
    DISTANCE = "distance"
    """Rms distance of x0_hat to that of the last step, in [-1, 1] units, of 8-bit frames."""
    ENTROPY = "entropy"
    """Entropy of the posterior in bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A curve over `steps` [S]: `values` [S] of the batch and, if they differ, `each` [S, B].

    NaN and infinity where there is no number. The batch's value is the mean of its pictures', for
    rms numbers the root of the mean square.
    """

    steps: Array
    values: Array
    each: Array | None = None

    def at(self, step: int, image: int | None = None) -> float:
        """Return the value of the recorded step nearest to `step`, NaN where there is none."""
        if not len(self.steps):
            return float("nan")
        nearest = int(np.abs(self.steps - step).argmin())
        if image is None or self.each is None:
            return float(self.values[nearest])
        return float(self.each[nearest, image])


NOTHING = Series(np.zeros(0), np.zeros(0))
"""A curve without points."""


def series(run: Run, number: StepNumber) -> Series:
    """Return the curve of a number; without points while there is none."""
    frames = run.trajectory.frames
    some = frames[:: max(1, -(-len(frames) // MOST_POINTS))]
    steps = np.array([frame.index for frame in some], float)
    if number is StepNumber.SIGMA:
        return Series(steps, np.array([frame.sigma for frame in some], float))
    if number is StepNumber.TIME:
        return _times(frames)
    if number is StepNumber.DISTANCE:
        return _distances(run)
    if number is StepNumber.ENTROPY:
        return _entropies(run)
    if len(some) < 2:
        return NOTHING
    if number is StepNumber.CHANGE:
        return _rms(steps[1:], np.stack([frame.changes for frame in some[1:]]))
    cosines = np.stack([frame.cosines for frame in some[1:]]).astype(float)
    return Series(steps[1:], cosines.mean(axis=1), cosines)


def _times(frames: Sequence[Frame]) -> Series:
    """Return the milliseconds per step; a mean over those since the last point of the curve."""
    some = frames[:: max(1, -(-len(frames) // MOST_POINTS))]
    steps = np.array([frame.index for frame in some], float)
    age = np.array([frame.seconds for frame in some], float)
    if len(some) < 2:
        return NOTHING
    return Series(steps[1:], 1e3 * np.diff(age) / np.diff(steps))


def _distances(run: Run) -> Series:
    if run.ending is None:
        return NOTHING
    return _rms(run.ending.steps.astype(float), run.ending.distances)


def _entropies(run: Run) -> Series:
    if run.survey is None:
        return NOTHING
    each = run.survey.bits().astype(float)
    stride = max(1, -(-len(each) // MOST_POINTS))
    steps = np.arange(len(each), dtype=float)[::stride]
    each = each[::stride]
    known = np.isfinite(each).all(axis=1) if len(each) else np.zeros(0, bool)
    if not known.any():
        return NOTHING
    return Series(steps[known], each[known].mean(axis=1), each[known])


def _rms(steps: Array, each: NDArray[np.float32]) -> Series:
    wide = each.astype(float)
    return Series(steps, np.sqrt(np.square(wide).mean(axis=1)), wide)
