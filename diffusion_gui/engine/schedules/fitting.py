"""Few control points for a curve of many: where to put them. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from diffusion_gui.engine.schedules import curve
from diffusion_gui.engine.schedules.schedule import Array


def choose_points(
    u: Array,
    target: Array,
    chosen: Collection[int],
    error: Callable[[Array], Array],
    most: int,
    base: Array | None = None,
    apart: float | Array = 0.0,
) -> list[int]:
    """Return places of `target` (log-SNR [n] at `u` [n], both in order) that draw it well.

    They are `chosen` and, one after the other, the place where `error(curve drawn)` [n] is
    largest, until it is nowhere above 1 or there are `most`. With a `base` [n] the points bend it.
    A new point keeps `apart` (one number, or one per place) in u from the others.
    """
    chosen = sorted(chosen)
    plain = np.zeros(len(u)) if base is None else base
    taken = np.zeros(len(u), dtype=bool)
    for place in chosen:
        taken |= np.abs(u - u[place]) <= apart
    while len(chosen) < min(most, len(u)):
        x, y = u[chosen], target[chosen]
        drawn = plain + curve.interpolate(x, y - plain[chosen], u)
        if np.any(drawn[1:] > drawn[:-1]):
            drawn = curve.between_points(x, y, u, drawn)
        off = np.where(taken, 0.0, error(drawn))
        worst = int(np.argmax(off))
        if off[worst] <= 1.0:
            break
        chosen = sorted({*chosen, worst})
        taken |= np.abs(u - u[worst]) <= apart
    return chosen
