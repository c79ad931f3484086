"""The map itself: zoomed and panned by mouse and keys, images and paths told and chosen there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from diffusion_gui.panels.common.picture import ARROWS, KEY_STEP, LARGER, NOTCHES, SMALLER, draw
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.map_geometry import MapGeometry, nearest
from diffusion_gui.panels.sampling.map_scene import MapScene, draw_data, draw_marks, draw_paths

REACH = 10.0
"""Pixels within which an image or a path is under the mouse."""
AXIS = 16
"""Pixels of the line below and of that at the left, which name the axes."""
HOVER_SIDE, LARGE_SIDE = 56, 144
KEY_PAN = 24


class MapView(QWidget):
    """Data set and paths. `sample_chosen` when a path is pressed, `zoomed` when the view moves.

    The wheel zooms where the mouse is, a drag pans, a double click or 0 shows the whole; + - and
    the arrows do it by keys. A press on an image shows it large, Esc or a press elsewhere puts it
    away.
    """

    sample_chosen = Signal(int)
    zoomed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("trajectoryMap")
        self.setAccessibleName("Map of the data set and the paths of the samples")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.setMouseTracking(True)
        self._theme = theme
        self.geometry_ = MapGeometry()
        self.scene: MapScene | None = None
        self.hovered: int | None = None
        """The image under the mouse."""
        self.large: int | None = None
        """The image that is shown large."""
        self._layers: dict[str, tuple[object, QPixmap]] = {}
        self._pressed: QPoint | None = None
        self._panned = False
        theme.changed.connect(self._on_theme)

    def show_scene(self, scene: MapScene) -> None:
        """Show another run, or more of it."""
        if self.scene is None or self.scene.atlas is not scene.atlas:
            self.hovered = self.large = None
            self.geometry_ = MapGeometry()
            self._set_room()
        else:
            scene.images = self.scene.images
        self.scene = scene
        self.geometry_.set_extent(scene.atlas.plane.points, *scene.paths)
        self._layers.pop("paths", None)
        self.update()

    def fit(self) -> None:
        """Show the whole."""
        self.geometry_.fit()
        self._moved()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the layers: data and paths are kept between repaints, the marks are not."""
        painter = QPainter(self)
        tokens, room = self._theme.tokens, self.geometry_.room
        painter.fillRect(room, QColor(tokens.field))
        if self.scene is None:
            return
        painter.setClipRect(room)
        painter.drawPixmap(0, 0, self._layer("data", draw_data))
        painter.drawPixmap(0, 0, self._layer("paths", draw_paths, self.scene.chosen))
        draw_marks(painter, self.scene, self.geometry_, self._theme)
        self._draw_told(painter)
        painter.setClipping(False)
        self._draw_axes(painter)
        if self.hasFocus():
            painter.setPen(QPen(QColor(tokens.accent), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(room.adjusted(0.5, 0.5, -0.5, -0.5))

    def _layer(
        self,
        name: str,
        paint: Callable[[QPainter, MapScene, MapGeometry, Theme], None],
        extra: object = None,
    ) -> QPixmap:
        ratio = self.devicePixelRatioF()
        key = self.geometry_.key, ratio, extra, self._theme.tokens.panel
        kept = self._layers.get(name)
        if kept is not None and kept[0] == key:
            return kept[1]
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        if self.scene is not None:
            paint(painter, self.scene, self.geometry_, self._theme)
        painter.end()
        self._layers[name] = key, pixmap
        return pixmap

    def _draw_told(self, painter: QPainter) -> None:
        """Draw the image under the mouse, or the one that is shown large, with its name."""
        index = self.large if self.large is not None else self.hovered
        if index is None or self.scene is None:
            return
        room, tokens = self.geometry_.room, self._theme.tokens
        most = LARGE_SIDE if self.large is not None else HOVER_SIDE
        side = int(min(most, room.width() - 16, room.height() - 40))
        name, metrics = self.scene.atlas.names[index], painter.fontMetrics()
        width = min(max(side, metrics.horizontalAdvance(name)) + 12, int(room.width()))
        x, y = self.geometry_.to_screen(self.scene.atlas.plane.points[index])
        card = QRectF(x + REACH, y + REACH, width, side + metrics.height() + 16)
        card.moveLeft(min(max(card.left(), room.left()), room.right() - card.width()))
        card.moveTop(min(max(card.top(), room.top()), room.bottom() - card.height()))
        painter.setPen(QPen(QColor(tokens.hairline), 1.0))
        painter.setBrush(QColor(tokens.panel))
        painter.drawRoundedRect(card, 6.0, 6.0)
        left = round(card.center().x() - 0.5 * side)
        draw(painter, self.scene.image(index), QRect(left, round(card.top()) + 6, side, side))
        painter.setPen(QColor(tokens.text))
        text = card.adjusted(6.0, side + 8.0, -6.0, -2.0)
        name = metrics.elidedText(name, Qt.TextElideMode.ElideRight, int(text.width()))
        painter.drawText(text, Qt.AlignmentFlag.AlignCenter, name)

    def _draw_axes(self, painter: QPainter) -> None:
        """Name both axes, with what they explain."""
        if self.scene is None:
            return
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.tokens.secondary))
        room, explained = self.geometry_.room, self.scene.atlas.plane.explained
        below = QRectF(room.left(), room.bottom(), room.width(), AXIS)
        metrics = painter.fontMetrics()
        name = axis_name(1, explained[0], metrics, below.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, name)
        painter.rotate(-90.0)
        beside = QRectF(-room.bottom(), 0.0, room.height(), AXIS)
        name = axis_name(2, explained[1], metrics, beside.width())
        painter.drawText(beside, Qt.AlignmentFlag.AlignCenter, name)
        painter.resetTransform()

    # --- mouse and keys ---------------------------------------------------------------------

    def image_at(self, at: QPointF) -> int | None:
        """Return the image of the data set at a place in the widget."""
        if self.scene is None or not self.geometry_.room.contains(at):
            return None
        return nearest(self.geometry_.to_screen(self.scene.atlas.plane.points), at, REACH)

    def sample_at(self, at: QPointF) -> int | None:
        """Return the sample whose path goes through a place in the widget."""
        if self.scene is None or not self.scene.count:
            return None
        best, least = None, REACH
        for path in self.scene.paths:
            apart = _distance_to_paths(self.geometry_.to_screen(path), at)
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
            self.geometry_.pan_by(QPointF(delta))
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
        place = self.geometry_.to_screen(self.scene.atlas.plane.points[image])
        own = float(np.hypot(*(place - (at.x(), at.y()))))
        paths = [_distance_to_paths(self.geometry_.to_screen(p), at) for p in self.scene.paths]
        return min(float(apart.min()) for apart in paths) < own

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the whole."""
        self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom where the mouse is."""
        notches = event.angleDelta().y() / 120.0
        self.geometry_.zoom_by(2.0 ** (notches / NOTCHES), event.position())
        self._moved()
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom, pan, show the whole, put the large image away."""
        key = event.key()
        if key in LARGER or key in SMALLER:
            factor = KEY_STEP if key in LARGER else 1.0 / KEY_STEP
            self.geometry_.zoom_by(factor, self.geometry_.room.center())
        elif key in ARROWS:
            self.geometry_.pan_by(QPointF(ARROWS[Qt.Key(key)] * -KEY_PAN))
        elif key == Qt.Key.Key_0:
            self.geometry_.fit()
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

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the room."""
        super().resizeEvent(event)
        self._set_room()

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(280, 220)

    def _hover(self, image: int | None) -> None:
        if image != self.hovered:
            self.hovered = image
            self.update()

    def _set_room(self) -> None:
        room = QRectF(AXIS, 0.0, self.width() - AXIS, self.height() - AXIS)
        self.geometry_.room = room

    def _moved(self) -> None:
        self.zoomed.emit()
        self.update()

    def _on_theme(self) -> None:
        self._layers.clear()
        self.update()


def axis_name(number: int, explained: float, metrics: QFontMetrics, width: float) -> str:
    """Return the longest name of a principal component that fits, with what it explains."""
    share = f"{100 * explained:.1f} %"
    texts = (
        f"principal component {number}: {share} of the variance",
        f"PC {number}: {share} of the variance",
        f"PC {number}: {share}",
    )
    return next((text for text in texts if metrics.horizontalAdvance(text) <= width), texts[-1])


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
