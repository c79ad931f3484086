"""Where the rows and frames of the film strip stand, in pixels of the widget. Paints nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QRect

from diffusion_gui.engine.frame_times import Times

GAP = 6
LABEL = 16
"""Height of a line of times below frames, and of the line of text above all rows."""
LETTER = 16
"""Width before the frames in which the letter of a side stands, where there are two."""
NAME = 68
"""Width before the frames in which the names of pictures stand, where there are several."""
MOST = 17
LEAST, SMALLEST, LARGEST = 40, 64, 128
"""Side of a frame: the least among many rows; of one row in a narrow and in a wide window."""
LOW = 32
"""Least side of the frames of a single picture, where there is hardly any height."""
GIVEN = 16
"""By how many pixels frames are smaller where there are several rows."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shown: so many pictures, each under so many sides."""

    pictures: int = 1
    sides: int = 1
    apart: bool = False
    """Whether every row has times of its own, written below it."""
    captioned: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of square frames, from the top: caption, rows, times."""

    width: int
    rows: int
    """How many rows there is room for: all sides of a picture or none."""
    side: int
    most: int
    """How many frames fit in a row."""
    left: int
    """Where the frames begin; before it the heads of the rows."""
    top: int
    apart: bool

    @property
    def height(self) -> int:
        """The height of all of it."""
        return self.row_top(self.rows - 1) + self.side + LABEL

    def more(self) -> QRect:
        """Return where it is written how many pictures there is no room for."""
        return QRect(0, self.height - LABEL, self.left, LABEL)

    def row_top(self, row: int) -> int:
        """Return where the frames of a row begin."""
        return self.top + row * (self.side + (LABEL if self.apart else GAP))

    def row_at(self, y: float) -> int:
        """Return the row nearest to a height."""
        pitch = self.side + (LABEL if self.apart else GAP)
        return min(max(int((y - self.top) // pitch), 0), self.rows - 1)

    def has_times(self, row: int) -> bool:
        """Return whether the times of a row are written below it."""
        return self.apart or row == self.rows - 1

    def cell(self, row: int, index: int, count: int) -> QRect:
        """Return the square of one of `count` frames; they span the whole width."""
        step = (self.width - self.left - self.side) / max(count - 1, 1)
        place = QPoint(self.left + round(index * step), self.row_top(row))
        return QRect(place.x(), place.y(), self.side, self.side)

    def x_of(self, t: float, times: Times) -> float:
        """Return the place of `t`: piecewise linear between the middles of the frames."""
        return float(np.interp(t, times, self._middles(len(times))))

    def t_of(self, x: float, times: Times) -> float:
        """Return the time at a place: the inverse of `x_of`, between the first and the last."""
        return float(np.interp(x, self._middles(len(times)), times))

    def _middles(self, count: int) -> np.ndarray:
        first = self.left + 0.5 * self.side
        return np.linspace(first, self.width - 0.5 * self.side, count)


def arrange(width: int, budget: int, wish: Wish) -> Layout:
    """Return the layout of what is wished: as many rows as fit into `budget` pixels of height.

    The times stay where they are when a second row comes; the frames give it some height. There are
    always all sides of one picture, whatever the budget; the line above them is left out first.
    """
    largest = min(max(width // 13, SMALLEST), LARGEST)
    top = LABEL if wish.captioned else 0
    rows, side = wish.sides, LEAST
    for pictures in range(wish.pictures, 0, -1):
        rows = pictures * wish.sides
        times = rows * LABEL if wish.apart else (rows - 1) * GAP + LABEL
        side = min(largest - (GIVEN if rows > 1 else 0), (budget - top - times) // rows)
        if side >= LEAST:
            break
    else:
        if side < LOW:
            side, top = min(LEAST, side + top // rows), 0
    left = (NAME if wish.pictures > 1 else 0) + (LETTER if wish.sides > 1 else 0)
    fit = (width + GAP) // (largest + GAP) if rows < 3 else (width - left + GAP) // (side + GAP)
    most = min(max(fit, 2), MOST)
    return Layout(width, rows, max(side, LOW), most, left, top, wish.apart)
