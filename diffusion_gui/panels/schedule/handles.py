"""The alpha-bar curve with its control points, dragged by mouse and nudged by keys."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent

from diffusion_gui.panels.common.plot import CurvePlot
from diffusion_gui.panels.common.theme import Theme

HANDLE = 13
"""Diameter of a handle in pixels."""
REACH = 14.0
"""A press within this many pixels of a handle's centre takes hold of it."""


class HandlePlot(CurvePlot):
    """A curve with draggable points.

    `point_dragged(index, t, value)` follows every mouse move and key press in data units;
    `drag_finished()` says that the gesture is over. Pressing elsewhere moves the time cursor.
    """

    point_dragged = Signal(int, float, float)
    drag_finished = Signal()

    def __init__(self, theme: Theme, token: str) -> None:
        self._handles = pg.ScatterPlotItem(size=HANDLE, pxMode=True)
        self._points: list[tuple[float, float]] = []
        self._held = -1
        self._chosen = -1
        self._offset = QPointF()
        super().__init__(theme, token)
        self._handles.setZValue(10)
        self.addItem(self._handles, ignoreBounds=True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._tint()

    @property
    def points(self) -> list[tuple[float, float]]:
        """The handles as (t, value)."""
        return list(self._points)

    def set_points(self, points: Sequence[tuple[float, float]]) -> None:
        """Place the handles."""
        self._points = list(points)
        if self._chosen >= len(self._points):
            self._chosen = -1
        self._draw_handles()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of a handle, or move the time cursor."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        self._held = self._chosen = self._near(event.position())
        if self._held < 0:
            super().mousePressEvent(event)
        else:
            self._offset = self.to_pixel(*self._points[self._held]) - event.position()
        self._draw_handles()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let the held handle follow the mouse."""
        if self._held >= 0:
            place = self.to_data(event.position() + self._offset)
            self.point_dragged.emit(self._held, place.x(), place.y())
            return
        near = self._near(event.position()) >= 0
        self.setCursor(Qt.CursorShape.SizeAllCursor if near else Qt.CursorShape.ArrowCursor)
        super().mouseMoveEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if self._held >= 0:
            self._held = -1
            self.drag_finished.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose a handle with Tab-free keys [ and ], nudge it with the arrows (Shift: fine)."""
        key, count = event.key(), len(self._points)
        if key in (Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight) and count:
            step = 1 if key == Qt.Key.Key_BracketRight else -1
            self._chosen = (self._chosen + step) % count
            self._draw_handles()
            return
        moves = {
            Qt.Key.Key_Up: (0.0, 1.0),
            Qt.Key.Key_Down: (0.0, -1.0),
            Qt.Key.Key_Left: (-1.0, 0.0),
            Qt.Key.Key_Right: (1.0, 0.0),
        }
        if key in moves and 0 <= self._chosen < count:
            fine = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            t, value = self._points[self._chosen]
            dt, dv = moves[Qt.Key(key)]
            t += dt * (1.0 if fine else max(1.0, self._T / 100.0))
            self.point_dragged.emit(self._chosen, t, value + dv * (0.001 if fine else 0.01))
            return
        super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """A key that was held down is one gesture."""
        if not event.isAutoRepeat():
            self.drag_finished.emit()
        super().keyReleaseEvent(event)

    def _near(self, position: QPointF) -> int:
        """Return the handle under the mouse, or -1."""
        best, reach = -1, REACH
        for index, point in enumerate(self._points):
            offset = self.to_pixel(*point) - position
            distance = (offset.x() ** 2 + offset.y() ** 2) ** 0.5
            if distance <= reach:
                best, reach = index, distance
        return best

    def _draw_handles(self) -> None:
        tokens = self.theme.tokens
        ring = pg.mkPen(tokens.panel, width=2)
        chosen = pg.mkPen(tokens.text, width=2)
        self._handles.setData(
            x=[p[0] for p in self._points],
            y=[p[1] for p in self._points],
            pen=[chosen if i == self._chosen else ring for i in range(len(self._points))],
            brush=pg.mkBrush(getattr(tokens, self._token)),
        )

    def _tint(self) -> None:
        super()._tint()
        self._draw_handles()
