"""Pictures on screen: uint8 arrays painted with their caption."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.theme import Theme

LEFT = Qt.MouseButton.LeftButton
CAPTION = 18
"""Height in pixels of the line of text above a picture."""


def to_qimage(pixels: Pixels) -> QImage:
    """Return uint8 [H, W, 3] as a QImage that shares the array's memory (and keeps it alive)."""
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    image.pixels = pixels  # type: ignore[attr-defined]
    return image


def draw(painter: QPainter, image: QImage, rect: QRect) -> None:
    """Draw an image into `rect`: smooth where it shrinks, sharp pixels where it is enlarged."""
    enlarged = rect.width() >= 1.5 * image.width()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not enlarged)
    painter.drawImage(rect, image)


def fitted(size: QSize, into: QRect) -> QRect:
    """Return the largest rectangle of `size`'s shape centred in the width and at the top."""
    scaled = size.scaled(into.size(), Qt.AspectRatioMode.KeepAspectRatio)
    left = into.left() + (into.width() - scaled.width()) // 2
    return QRect(QPoint(left, into.top()), scaled)


class PictureView(QWidget):
    """One picture with a caption line above it, as large as the room allows.

    `dragged_out` when a drag with the left button begins on the picture.
    """

    dragged_out = Signal()

    def __init__(self, theme: Theme, caption: str, tooltip: str) -> None:
        super().__init__()
        self._theme = theme
        self._caption = caption
        self._image: QImage | None = None
        self._note = ""
        self._pressed: QPoint | None = None
        self.setToolTip(tooltip)
        self.setAccessibleName(caption)
        self.setMinimumSize(80, 80 + CAPTION)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.changed.connect(self.update)

    @property
    def image(self) -> QImage | None:
        """The picture on show."""
        return self._image

    @property
    def caption(self) -> str:
        """The line above the picture."""
        return self._caption

    def set_pixels(self, pixels: Pixels | None, note: str = "") -> None:
        """Show uint8 [H, W, 3], or nothing; `note` is written on the picture."""
        self._image = None if pixels is None else to_qimage(pixels)
        self._note = note
        self.update()

    def set_caption(self, caption: str) -> None:
        """Change the line above the picture."""
        if caption != self._caption:
            self._caption = caption
            self.update()

    def picture_rect(self) -> QRect:
        """Return where the picture lies in the widget."""
        room = self.rect().adjusted(0, CAPTION, 0, 0)
        return fitted(self._image.size(), room) if self._image else room

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a drag may begin."""
        place = event.position().toPoint()
        on_picture = self._image is not None and self.picture_rect().contains(place)
        self._pressed = place if on_picture and event.button() is LEFT else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Begin a drag out of the window once the mouse has moved far enough."""
        if self._pressed is None or not event.buttons() & LEFT:
            return
        way = event.position().toPoint() - self._pressed
        if way.manhattanLength() >= QApplication.startDragDistance():
            self._pressed = None
            self.dragged_out.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw caption and picture."""
        painter = QPainter(self)
        rect = self.picture_rect()
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.tokens.secondary))
        line = QRect(rect.left(), 0, self.width() - rect.left(), CAPTION - 2)
        text = QFontMetrics(font).elidedText(
            self._caption, Qt.TextElideMode.ElideRight, line.width()
        )
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, text)
        if self._image is not None:
            draw(painter, self._image, rect)
            self._draw_note(painter, rect)

    def _draw_note(self, painter: QPainter, rect: QRect) -> None:
        if not self._note:
            return
        metrics = painter.fontMetrics()
        tag = QRect(0, 0, metrics.horizontalAdvance(self._note) + 8, metrics.height() + 2)
        tag.moveBottomLeft(rect.bottomLeft())
        painter.fillRect(tag, QColor(0, 0, 0, 160))
        painter.setPen(Qt.GlobalColor.white)
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, self._note)
