"""The value axes: what range a curve needs, and round places for snapping. No Qt."""

from __future__ import annotations

import math

import numpy as np

from diffusion_gui.engine.schedules.quantities import Quantity
from diffusion_gui.engine.schedules.schedule import Array

SNAP_PARTS = 40
"""An axis has about so many places to snap to."""


def axis_range(quantity: Quantity, values: Array, logarithmic: bool) -> tuple[float, float]:
    """Return the lowest and highest place of the axis for `values` at t = 0..T.

    Whole decades on a logarithmic axis; 0..1 for shares; else from the smallest to the largest
    finite value, on round numbers.
    """
    finite = values[np.isfinite(values)]
    if logarithmic:
        logs = quantity.on_axis(finite[finite > 0.0], True)
        if not len(logs):
            return -1.0, 0.0
        low, high = float(np.floor(logs.min())), float(np.ceil(logs.max() - 1e-9))
        return low, max(0.0 if quantity.unit_range else high, low + 1.0)
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if quantity.unit_range:
        return 0.0, 1.0 if high > 0.3 else _ceiling(high)
    step = nice_step(max(high - low, 1e-9) / 5.0)
    low = 0.0 if quantity.positive else math.floor(low / step) * step
    return low, max(math.ceil(high / step - 1e-9) * step, low + step)


def _ceiling(high: float) -> float:
    step = nice_step(max(high, 1e-9) / 5.0)
    return max(math.ceil(high / step - 1e-9), 1) * step


def nice_step(rough: float) -> float:
    """Return the smallest 1, 2, 5 times a power of ten that is not below `rough` > 0."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(n * power for n in (1.0, 2.0, 5.0, 10.0) if n * power >= rough * (1.0 - 1e-9))


def snapped(place: float, span: float) -> float:
    """Return the round place nearest to `place` on an axis of length `span`."""
    step = nice_step(max(span, 1e-9) / SNAP_PARTS)
    return round(place / step) * step
