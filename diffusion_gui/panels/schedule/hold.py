"""What the mouse holds of a plot between press and release, and where on the axes that is."""

from __future__ import annotations

from enum import Enum, auto

from PySide6.QtCore import QPointF
from PySide6.QtGui import QMouseEvent

from diffusion_gui.panels.common.plot import CurvePlot

SLACK = 3.0
"""Pixels that the mouse goes before a press that could also be a click is a drag."""


class Gesture(Enum):
    """What a press began."""

    NONE = auto()
    HANDLE = auto()
    LATER = auto()
    """A handle and all later ones; a click until the mouse moves."""
    CURSOR = auto()
    BAND = auto()
    STROKE = auto()
    MARK = auto()
    GRIP = auto()


class Hold:
    """One gesture at a time, and the thing that follows the mouse in it.

    It goes as many pixels as the mouse does. The plot may be given another place or size
    meanwhile: what is held stays where it is on the axes.
    """

    def __init__(self, plot: CurvePlot) -> None:
        self._plot = plot
        self.gesture = Gesture.NONE
        self.index = -1
        self.moved = False
        """Whether the mouse has gone further than a click does."""
        self._mouse = QPointF()
        """Where the mouse was last, on the screen."""
        self._at = QPointF()
        """Where what is held was last, on the axes."""
        self._anchor = (QPointF(), QPointF())
        """The two as they were at the press, or when the plot was last given another size."""

    def begin(self, gesture: Gesture) -> None:
        """Begin a gesture that holds nothing."""
        self.gesture, self.index, self.moved = gesture, -1, False

    def take(
        self, gesture: Gesture, index: int, at: tuple[float, float], event: QMouseEvent
    ) -> None:
        """Take hold of thing number `index`, which is `at` (t, value)."""
        self.begin(gesture)
        self.index = index
        self._mouse, self._at = event.globalPosition(), QPointF(*at)
        self.settle()

    def follow(self, event: QMouseEvent) -> QPointF:
        """Return where on the axes what is held is now."""
        mouse, at = self._anchor
        self._mouse = event.globalPosition()
        self.moved = self.moved or (self._mouse - mouse).manhattanLength() > SLACK
        self._at = self._plot.to_data(self._plot.to_pixel(at.x(), at.y()) + self._mouse - mouse)
        return self._at

    def settle(self) -> None:
        """Leave what is held where it is: only what the mouse does from now on moves it."""
        self._anchor = (self._mouse, self._at)

    def let_go(self) -> tuple[Gesture, int]:
        """End the gesture; return which it was and what it held."""
        ended = self.gesture, self.index
        self.begin(Gesture.NONE)
        return ended
