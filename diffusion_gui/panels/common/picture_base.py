"""A picture on screen with its caption, what is written on it, and the part that its zoom shows.

How it is painted and where things are; `picture.PictureView` adds what mouse and keys do.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.resampling import SHARP_FROM, seen_part, to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.zoom import CENTRE, WHOLE, Room, Zoom
from diffusion_gui.state.view_state import Scaling

CAPTION = 18
"""Height in pixels of the line of text above a picture."""
FRAMED_FROM = 5.0
"""From so many screen pixels a pixel on, the marked one is framed; below, a cross stands on it."""
CROSS = (3.0, 8.0)
"""Where the arms of the cross begin and end, in pixels from its middle."""
DARK = QColor(0, 0, 0, 160)
ELIDE = Qt.TextElideMode.ElideRight
LOW = 32
"""A picture of less height has its tags below it."""


class PictureBase(QWidget):
    """One picture with a caption line above it, as large as the room allows."""

    def __init__(self, theme: Theme, caption: str, zoom: Zoom | None) -> None:
        super().__init__()
        self._theme = theme
        self._caption = caption
        self._reading = ""
        self._zoom = zoom or Zoom(self)
        self._scaling = Scaling.AUTO
        self._pixels: Pixels | None = None
        self._small: Pixels | None = None
        self._image: QImage | None = None
        self._note = ""
        self._ready: tuple[object, QPoint, QImage] | None = None
        self.setMinimumSize(80, 80 + CAPTION)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.changed.connect(self.update)
        self._zoom.changed.connect(self.update)
        self._zoom.pointed.connect(self.update)

    @property
    def image(self) -> QImage | None:
        """The picture on show."""
        return self._image

    @property
    def pixels(self) -> Pixels | None:
        """The picture on show, uint8 [H, W, 3]."""
        return self._pixels

    @property
    def caption(self) -> str:
        """The line above the picture."""
        return self._caption

    @property
    def note(self) -> str:
        """What is written on the picture."""
        return self._note

    @property
    def zoom(self) -> Zoom:
        """What part of the picture is seen."""
        return self._zoom

    @property
    def reading(self) -> str:
        """What stands in place of the caption while a pixel is marked, or ""."""
        return self._reading

    def fits(self, text: str) -> bool:
        """Return whether there is room for a reading."""
        return _width(QFontMetrics(self._figures()), text) <= self.width()

    def fits_caption(self, text: str) -> bool:
        """Return whether a caption would be written whole."""
        room = self.width() - self._caption_left()
        return QFontMetrics(self._figures()).elidedText(text, ELIDE, room) == text

    def _caption_left(self) -> int:
        """Return where the caption begins: where the whole picture does."""
        room = self.room()
        return round(room.place(WHOLE, CENTRE).left()) if room else 0

    def set_pixels(
        self, pixels: Pixels | None, note: str = "", small: Pixels | None = None
    ) -> None:
        """Show uint8 [H, W, 3], or nothing; `note` is written on the picture.

        `small` has the means of squares of pixels; averaging these takes less time where the
        picture has many.
        """
        self._pixels, self._small = pixels, small
        self._image = None if pixels is None else to_qimage(pixels)
        self._ready = None
        self._note = note
        self.update()

    def set_caption(self, caption: str, spoken: str = "") -> None:
        """Change the line above the picture, and what a screen reader says instead."""
        if caption != self._caption:
            self._caption = caption
            self.update()
        if self.accessibleName() != (spoken or caption):
            self.setAccessibleName(spoken or caption)

    def set_reading(self, text: str) -> None:
        """Let a text stand in place of the caption, or the caption again with ""."""
        if text != self._reading:
            self._reading = text
            self.setAccessibleDescription(text)
            self.update()

    def set_scaling(self, scaling: Scaling) -> None:
        """Say how the picture is brought to the size of the screen."""
        if scaling != self._scaling:
            self._scaling = scaling
            self._ready = None
            self.update()

    # --- where things are -------------------------------------------------------------------------

    def picture_rect(self) -> QRect:
        """Return where the picture is seen in the widget."""
        return self.snapped().toAlignedRect().intersected(self.area())

    def area(self) -> QRect:
        """Return the room for the picture."""
        return self.rect().adjusted(0, CAPTION, 0, 0)

    def room(self) -> Room | None:
        """Return the picture in its room, or None where there is none."""
        area = self.area()
        if self._image is None or area.isEmpty():
            return None
        return Room(self._image.size(), QSizeF(area.size()))

    def factor(self, room: Room) -> float:
        """Return how many times larger than whole the picture is here."""
        return min(self._zoom.factor, room.most)

    def place(self) -> QRectF:
        """Return where the whole picture lies in `area`'s coordinates, seen or not."""
        room = self.room()
        if room is None:
            return QRectF(QPointF(), QSizeF(self.area().size()))
        return room.place(self.factor(room), self._zoom.centre)

    def snapped(self) -> QRectF:
        """Return where the whole picture lies in the widget, on whole pixels of the screen."""
        place, ratio = self.place(), self.devicePixelRatioF()
        corner = QPointF(self.area().topLeft())
        left, top = (round(v * ratio) / ratio for v in (place.left(), place.top()))
        size = (max(round(v * ratio), 1) / ratio for v in (place.width(), place.height()))
        return QRectF(QPointF(left, top) + corner, QSizeF(*size))

    def pixel(self) -> QPoint | None:
        """Return column and row of the marked pixel, or None."""
        mark = self._zoom.mark
        if mark is None or self._image is None:
            return None
        width, height = self._image.width(), self._image.height()
        return QPoint(
            min(int(mark.x() * width), width - 1), min(int(mark.y() * height), height - 1)
        )

    def pixel_rect(self, pixel: QPoint) -> QRectF:
        """Return where a pixel of the picture lies in the widget."""
        assert self._image is not None
        place = self.snapped()
        side = QSizeF(place.width() / self._image.width(), place.height() / self._image.height())
        corner = QPointF(pixel.x() * side.width(), pixel.y() * side.height())
        return QRectF(place.topLeft() + corner, side)

    def zoom_tag(self) -> QRect:
        """Return where the factor is written, empty while the whole picture is seen."""
        if not self._zoom.zoomed or self._image is None:
            return QRect()
        tag = self._tag(self._factor_text())
        tag.moveTopRight(self.picture_rect().topRight())
        return tag

    def _tag(self, text: str) -> QRect:
        metrics = QFontMetrics(self._figures())
        return QRect(0, 0, _width(metrics, text) + 8, metrics.height() + 2)

    def _note_tag(self) -> QRect:
        """Return where the note is written: on the picture, or below a low one."""
        rect, tag = self.picture_rect(), self._tag(self._note)
        tag.moveBottomLeft(rect.bottomLeft())
        if rect.height() < LOW:
            tag.moveTop(min(rect.bottom() + 2, self.height() - tag.height()))
        tag.moveLeft(max(min(tag.left(), self.width() - tag.width()), 0))
        return tag

    def _factor_text(self) -> str:
        room = self.room()
        factor = self.factor(room) if room else WHOLE
        side = room.scale * factor * self.devicePixelRatioF() if room else WHOLE
        times = f"{factor:.0f}×" if factor >= 9.95 else f"{factor:.2g}×"
        return times + ("  1:1" if abs(side - 1.0) < 1e-6 else "")

    def _figures(self) -> QFont:
        """Return the font of captions, with figures of one width."""
        font = QFont(self.font())
        font.setPixelSize(11)
        font.setFeature(QFont.Tag("tnum"), 1)
        return font

    # --- painting ---------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw caption, picture and what stands on it."""
        painter = QPainter(self)
        painter.setFont(self._figures())
        self._draw_caption(painter)
        if self._pixels is None or self.area().isEmpty():
            return
        self._draw_picture(painter, self._pixels)
        self._draw_mark(painter)
        if self._note:
            _draw_tag(painter, self._note_tag(), self._note)
        if self._zoom.zoomed:
            _draw_tag(painter, self.zoom_tag(), self._factor_text())
        if self.hasFocus():
            painter.setPen(QPen(QColor(self._theme.tokens.accent), 2))
            painter.drawRect(self.picture_rect().adjusted(1, 1, -1, -1))

    def _draw_caption(self, painter: QPainter) -> None:
        """Write the caption where the whole picture begins, or the reading."""
        tokens, metrics = self._theme.tokens, painter.fontMetrics()
        left = self._caption_left()
        text = self._reading
        if text:
            left = max(min(left, self.width() - _width(metrics, text)), 0)
        line = QRect(left, 0, self.width() - left, CAPTION - 2)
        if not text:
            text = metrics.elidedText(self._caption, ELIDE, line.width())
        painter.setPen(QColor(tokens.text if self._reading else tokens.secondary))
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextDontClip, text)

    def _draw_picture(self, painter: QPainter, pixels: Pixels) -> None:
        """Draw the part that is seen, pixel by pixel of the screen, scaled once per picture."""
        to_device = painter.deviceTransform()
        place = _on_device(to_device.mapRect(self.snapped()))
        seen = place.intersected(_on_device(to_device.mapRect(QRectF(self.area()))))
        if seen.isEmpty():
            return
        there = QRect(QPoint(), place.size()), seen.translated(-place.topLeft())
        if self._ready is None or self._ready[0] != there:
            smooth, small = self._smooth(to_device.m11()), self._small
            if smooth and small is not None and place.width() <= small.shape[1]:
                pixels = small
            self._ready = there, *seen_part(pixels, *there, smooth)
        painter.save()
        painter.setTransform(to_device.inverted()[0])
        painter.setClipRect(seen)
        painter.drawImage(place.topLeft() + self._ready[1], self._ready[2])
        painter.restore()

    def _smooth(self, ratio: float) -> bool:
        if self._scaling is not Scaling.AUTO:
            return self._scaling is Scaling.SMOOTH
        room = self.room()
        return room is not None and room.scale * self.factor(room) * ratio < SHARP_FROM

    def _draw_mark(self, painter: QPainter) -> None:
        """Frame the marked pixel, or put a cross on it where it is small, where it is seen."""
        pixel = self.pixel()
        if pixel is None:
            return
        rect = self.pixel_rect(pixel)
        middle = rect.center()
        if not QRectF(self.area()).contains(middle):
            return
        painter.save()
        painter.setClipRect(self.picture_rect())
        for colour, width in ((DARK, 3.0), (QColor(Qt.GlobalColor.white), 1.0)):
            painter.setPen(QPen(colour, width))
            if min(rect.width(), rect.height()) >= FRAMED_FROM:
                painter.drawRect(rect)
                continue
            for way in (QPointF(1, 0), QPointF(-1, 0), QPointF(0, 1), QPointF(0, -1)):
                painter.drawLine(middle + way * CROSS[0], middle + way * CROSS[1])
        painter.restore()


def _width(metrics: QFontMetrics, text: str) -> int:
    return metrics.horizontalAdvance(text)


def _on_device(rect: QRectF) -> QRect:
    """Return a rectangle with its corner and its size on whole pixels."""
    width, height = max(round(rect.width()), 1), max(round(rect.height()), 1)
    return QRect(round(rect.left()), round(rect.top()), width, height)


def _draw_tag(painter: QPainter, rect: QRect, text: str) -> None:
    painter.fillRect(rect, DARK)
    painter.setPen(Qt.GlobalColor.white)
    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, text)
