"""What lies under the mouse on a curve: points, the sampler's steps. Places are (t, value)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRect

from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.panels.common.plot import CurvePlot

REACH = 14.0
"""A press within this many pixels of a handle's centre takes hold of it."""
LANE = 14
"""Height in pixels of the lane above the axis in which the sampler's steps are taken hold of."""
LANE_ROOM = 9.0
"""Pixels for the steps below the handles, whose own room is part of the lane too."""
ON_HANDLE = 8.0
"""Within this many pixels of a handle's centre no step is meant."""
_HALF_STEP = 7.0

Points = Sequence[tuple[float, float]]


def nearest(plot: CurvePlot, position: QPointF, points: Points, reach: float = REACH) -> int:
    """Return the point nearest to the mouse and within `reach` pixels, or -1."""
    best = -1
    for index, (t, value) in enumerate(points):
        if not np.isfinite(value):
            continue
        offset = plot.to_pixel(t, value) - position
        distance = math.hypot(offset.x(), offset.y())
        if distance <= reach:
            best, reach = index, distance
    return best


def inside(plot: CurvePlot, band: QRect, points: Points) -> list[int]:
    """Return the points within a rectangle of the widget."""
    return [
        index for index, (t, value) in enumerate(points)
        if np.isfinite(value) and band.contains(plot.to_pixel(t, value).toPoint())
    ]  # fmt: skip


def step_at(plot: CurvePlot, position: QPointF, times: Array) -> int:
    """Return which of the sampler's steps is under the mouse, in the lane along the axis, or -1."""
    if not len(times):
        return -1
    floor = plot.to_pixel(0.0, plot.getViewBox().viewRange()[1][0])
    if not 0.0 <= floor.y() - position.y() <= LANE:
        return -1
    index = int(np.argmin(np.abs(times - plot.to_data(position).x())))
    away = plot.to_pixel(float(times[index]), 0.0).x() - position.x()
    return index if abs(away) <= _HALF_STEP else -1
