"""The map as it is drawn: layers that are kept between repaints, marks that are not."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.panels.common.picture import draw
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.map_geometry import MapGeometry
from diffusion_gui.panels.sampling.map_scene import MapScene, draw_data, draw_marks, draw_paths

REACH = 10.0
"""Pixels within which an image or a path is under the mouse; a card stands as far beside it."""
AXIS = 16
"""Pixels of the line below and of that at the left, which name the axes."""
HOVER_SIDE, LARGE_SIDE = 56, 144


class MapCanvas(QWidget):
    """Data set and paths; `zoomed` when the view moves."""

    zoomed = Signal()
    large: int | None = None
    """The image that is shown large; events ask for it while the widget is being built."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("trajectoryMap")
        self.setAccessibleName("Map of the data set and the paths of the samples")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self._theme = theme
        self.plane = MapGeometry()
        self.scene: MapScene | None = None
        self.hovered: int | None = None
        """The image under the mouse."""
        self._layers: dict[str, tuple[object, QPixmap]] = {}
        theme.changed.connect(self._on_theme)

    def show_scene(self, scene: MapScene) -> None:
        """Show another run, or more of it."""
        if self.scene is None or self.scene.atlas is not scene.atlas:
            self.hovered = self.large = None
            self.plane = MapGeometry()
            self._set_room()
        else:
            scene.images = self.scene.images
        self.scene = scene
        self.plane.set_extent(scene.atlas.plane.points, *scene.paths)
        self._layers.pop("paths", None)
        self.update()

    def fit(self) -> None:
        """Show the whole."""
        self.plane.fit()
        self._moved()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the layers: data and paths are kept between repaints, the marks are not."""
        painter = QPainter(self)
        tokens, room = self._theme.tokens, self.plane.room
        painter.fillRect(room, QColor(tokens.field))
        if self.scene is None:
            return
        painter.setClipRect(room)
        painter.drawPixmap(0, 0, self._layer("data", draw_data))
        painter.drawPixmap(0, 0, self._layer("paths", draw_paths, self.scene.chosen))
        draw_marks(painter, self.scene, self.plane, self._theme)
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
        key = self.plane.key, ratio, extra, self._theme.tokens.panel
        kept = self._layers.get(name)
        if kept is not None and kept[0] == key:
            return kept[1]
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        if self.scene is not None:
            paint(painter, self.scene, self.plane, self._theme)
        painter.end()
        self._layers[name] = key, pixmap
        return pixmap

    def _draw_told(self, painter: QPainter) -> None:
        """Draw the image under the mouse, or the one that is shown large, with its name."""
        index = self.large if self.large is not None else self.hovered
        if index is None or self.scene is None:
            return
        room, tokens = self.plane.room, self._theme.tokens
        most = LARGE_SIDE if self.large is not None else HOVER_SIDE
        side = int(min(most, room.width() - 16, room.height() - 40))
        name, metrics = self.scene.atlas.names[index], painter.fontMetrics()
        width = min(max(side, metrics.horizontalAdvance(name)) + 12, int(room.width()))
        x, y = self.plane.to_screen(self.scene.atlas.plane.points[index])
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
        room, explained = self.plane.room, self.scene.atlas.plane.explained
        below = QRectF(room.left(), room.bottom(), room.width(), AXIS)
        metrics = painter.fontMetrics()
        name = axis_name(1, explained[0], metrics, below.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, name)
        painter.rotate(-90.0)
        beside = QRectF(-room.bottom(), 0.0, room.height(), AXIS)
        name = axis_name(2, explained[1], metrics, beside.width())
        painter.drawText(beside, Qt.AlignmentFlag.AlignCenter, name)
        painter.resetTransform()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the room."""
        super().resizeEvent(event)
        self._set_room()

    def sizeHint(self) -> QSize:
        """Leave the size to the layout."""
        return QSize(280, 220)

    def _set_room(self) -> None:
        room = QRectF(AXIS, 0.0, self.width() - AXIS, self.height() - AXIS)
        self.plane.room = room

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
