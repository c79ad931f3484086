"""Sampling grids: which of the T levels the reverse process visits. NumPy only.

The three spacings are those of Lin et al. (arXiv:2305.08891, table 2), here with t counted 1..T:
other libraries' index is t - 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError

Grid = NDArray[np.int64]


def _leading(T: int, n: int) -> Grid:
    return np.arange(n)[::-1] * (T // n) + 1


def _linspace(T: int, n: int) -> Grid:
    return np.round(np.linspace(T, 1, n)).astype(np.int64)


def _trailing(T: int, n: int) -> Grid:
    return np.round(T - np.arange(n) * (T / n)).astype(np.int64)


def timesteps(T: int, num_steps: int, spacing: str = "trailing") -> Grid:
    """Return the visited t, descending, ending with 0: shape [n + 1], n = min(num_steps, T).

    Raises EngineError for an unknown spacing or num_steps < 1.
    """
    if spacing not in SPACINGS:
        raise EngineError(f"unknown spacing {spacing!r}; choose one of: {', '.join(SPACINGS)}")
    if num_steps < 1:
        raise EngineError(f"steps must be at least 1, got {num_steps}")
    return np.r_[SPACINGS[spacing](T, min(num_steps, T)), 0]


SPACINGS: dict[str, Callable[[int, int], Grid]] = {
    "trailing": _trailing,
    "linspace": _linspace,
    "leading": _leading,
}
