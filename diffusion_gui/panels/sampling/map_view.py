"""The map under mouse and keys: zoomed, panned, images and paths told and chosen there."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication

from diffusion_gui.panels.common.picture import ARROWS, KEY_STEP, LARGER, NOTCHES, SMALLER
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import claims_escape
from diffusion_gui.panels.sampling.map_canvas import REACH, MapCanvas
from diffusion_gui.panels.sampling.map_geometry import nearest

KEY_PAN = 24


class MapView(MapCanvas):
    """`sample_chosen` when a path is pressed.

    The wheel zooms where the mouse is, a drag pans, a double click or 0 shows the whole; + - and
    the arrows do it by keys. A press on an image shows it large, Esc or a press elsewhere puts it
    away.
    """

    sample_chosen = Signal(int)

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._pressed: QPoint | None = None
        self._panned = False
        self.setToolTip(
            "Press a path: choose its sample. Press an image: see it large.\n"
            "Wheel: zoom. Drag: move. Double click: the whole"
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)

    def image_at(self, at: QPointF) -> int | None:
        """Return the image of the data set at a place in the widget."""
        if self.scene is None or not self.plane.room.contains(at):
            return None
        return nearest(self.plane.to_screen(self.scene.atlas.plane.points), at, REACH)

    def sample_at(self, at: QPointF) -> int | None:
        """Return the sample whose path goes through a place in the widget."""
        if self.scene is None or not self.scene.count:
            return None
        best, least = None, REACH
        for path in self.scene.paths:
            apart = _distance_to_paths(self.plane.to_screen(path), at)
            sample = int(apart.argmin())
            if apart[sample] < least:
                best, least = sample, float(apart[sample])
        return best

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a drag, or a click."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._pressed, self._panned = event.position().toPoint(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan, or tell what is under the mouse."""
        place = event.position().toPoint()
        if self._pressed is None:
            self._hover(self.image_at(event.position()))
            return
        delta = place - self._pressed
        if self._panned or delta.manhattanLength() >= QApplication.startDragDistance():
            self._panned, self._pressed = True, place
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.plane.pan_by(QPointF(delta))
            self._moved()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag; a click chooses the path or shows the image."""
        if event.button() is not Qt.MouseButton.LeftButton or self._pressed is None:
            return
        self._pressed = None
        self.unsetCursor()
        if self._panned:
            return
        at = event.position()
        sample, image = self.sample_at(at), self.image_at(at)
        self.large = image if image is not None and image != self.large else None
        if sample is not None and (image is None or self._path_is_nearer(at, image)):
            self.large = None
            self.sample_chosen.emit(sample)
        self.update()

    def _path_is_nearer(self, at: QPointF, image: int) -> bool:
        if self.scene is None:
            return False
        place = self.plane.to_screen(self.scene.atlas.plane.points[image])
        own = float(np.hypot(*(place - (at.x(), at.y()))))
        paths = [_distance_to_paths(self.plane.to_screen(p), at) for p in self.scene.paths]
        return min(float(apart.min()) for apart in paths) < own

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole."""
        self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom where the mouse is."""
        notches = event.angleDelta().y() / 120.0
        self.plane.zoom_by(2.0 ** (notches / NOTCHES), event.position())
        self._moved()
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Keep Esc while it has an image to put away."""
        return (self.large is not None and claims_escape(event)) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom, pan, show the whole, put the large image away."""
        key = event.key()
        if key in LARGER or key in SMALLER:
            factor = KEY_STEP if key in LARGER else 1.0 / KEY_STEP
            self.plane.zoom_by(factor, self.plane.room.center())
        elif key in ARROWS:
            self.plane.pan_by(QPointF(ARROWS[Qt.Key(key)] * -KEY_PAN))
        elif key == Qt.Key.Key_0:
            self.plane.fit()
        elif key == Qt.Key.Key_Escape and self.large is not None:
            self.large = None
        else:
            super().keyPressEvent(event)
            return
        self._moved()

    def leaveEvent(self, event: QEvent) -> None:
        """Tell nothing any more."""
        super().leaveEvent(event)
        self._hover(None)

    def _hover(self, image: int | None) -> None:
        if image != self.hovered:
            self.hovered = image
            self.update()


def _distance_to_paths(screen: np.ndarray, at: QPointF) -> np.ndarray:
    """Return how far `at` is from each line through places [S, B, 2], in pixels: [B]."""
    offset = screen - (at.x(), at.y())
    begin, way = offset[:-1], np.diff(offset, axis=0)
    if not len(way):
        return np.hypot(offset[0, :, 0], offset[0, :, 1])
    length = np.maximum(np.square(way).sum(axis=2), 1e-12)
    share = np.clip(-(begin * way).sum(axis=2) / length, 0.0, 1.0)
    apart = np.hypot(*np.moveaxis(begin + share[..., None] * way, 2, 0))
    return np.where(np.isfinite(apart), apart, np.inf).min(axis=0)
