"""Pictures on screen that are zoomed, panned, read and dragged by mouse and keys."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication

from diffusion_gui.panels.common.picture_base import CAPTION as CAPTION
from diffusion_gui.panels.common.picture_base import PictureBase
from diffusion_gui.panels.common.resampling import SHARP_FROM
from diffusion_gui.panels.common.resampling import to_qimage as to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.zoom import WHOLE, Zoom, share

LEFT = Qt.MouseButton.LeftButton
CTRL = Qt.KeyboardModifier.ControlModifier
ALT = Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
NOTCHES = 3.0
"""Notches of a wheel that double the size."""
KEY_STEP = math.sqrt(2.0)
"""By how much + and - enlarge and shrink."""
CLOSE_UP = 8.0
"""The factor of a double click where the whole picture shows its pixels larger than 1:1 already."""
ARROWS = {
    Qt.Key.Key_Left: QPoint(-1, 0),
    Qt.Key.Key_Right: QPoint(1, 0),
    Qt.Key.Key_Up: QPoint(0, -1),
    Qt.Key.Key_Down: QPoint(0, 1),
}
LARGER, SMALLER = (Qt.Key.Key_Plus, Qt.Key.Key_Equal), (Qt.Key.Key_Minus, Qt.Key.Key_Underscore)
SNAP = 1.02
"""Below this factor a picture that shrinks is whole again."""


def draw(painter: QPainter, image: QImage, rect: QRect) -> None:
    """Draw an image into `rect`: smooth where it shrinks, sharp pixels where it is enlarged."""
    enlarged = rect.width() >= SHARP_FROM * image.width()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not enlarged)
    painter.drawImage(rect, image)


class PictureView(PictureBase):
    """One picture with a caption line above it, as large as the room allows.

    The wheel, a pinch, + and - zoom, a drag and the arrow keys pan what is zoomed in, a double
    click shows its pixels one to one, 0 the whole again: together with all views of the same
    `Zoom`. The mouse, or Alt with the arrow keys, marks a pixel in all of them.
    `dragged_out` when a drag with the left button begins on the picture while all of it is seen, or
    with Ctrl.
    """

    dragged_out = Signal()

    def __init__(
        self, theme: Theme, caption: str, tooltip: str, zoom: Zoom | None = None, name: str = ""
    ) -> None:
        super().__init__(theme, caption, zoom)
        self._pressed: QPoint | None = None
        self._held: QPointF | None = None
        self._stepped = False
        self.setObjectName(name)
        self.setToolTip(tooltip)
        self.setAccessibleName(caption)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._zoom.changed.connect(self._show_cursor)

    def zoom_to(self, factor: float, anchor: QPointF) -> None:
        """Enlarge the picture to a factor; what lies at `anchor` in the widget stays there."""
        room = self.room()
        if room is None:
            return
        factor = min(max(factor, WHOLE), room.most)
        if factor < min(self.factor(room), SNAP):
            factor = WHOLE
        corner = QPointF(self.area().topLeft())
        self._zoom.set(factor, room.about(self.place(), anchor - corner, factor))

    def zoom_by(self, ratio: float, anchor: QPointF) -> None:
        """Enlarge the picture by a ratio; what lies at `anchor` in the widget stays there."""
        room = self.room()
        if room is not None:
            self.zoom_to(self.factor(room) * ratio, anchor)

    def pan_by(self, way: QPointF) -> None:
        """Move a picture that is zoomed in by so many pixels of the screen."""
        room = self.room()
        if room is not None and self._zoom.zoomed:
            factor = self.factor(room)
            centre = room.centre(self.place().translated(way))
            self._zoom.set(factor, room.allowed(factor, centre))

    def _toggle(self, anchor: QPointF) -> None:
        """Show the whole picture, or its pixels one to one where that is larger."""
        room = self.room()
        if self._zoom.zoomed:
            self._zoom.reset()
        elif room is not None:
            one_to_one = 1.0 / (room.scale * self.devicePixelRatioF())
            self.zoom_to(one_to_one if one_to_one > SNAP else CLOSE_UP, anchor)

    def _mark_at(self, place: QPointF) -> None:
        """Mark the pixel under the mouse."""
        self._stepped = False
        if self._over(place):
            self._mark_pixel(self._pixel_at(share(self.snapped(), self._middle(place))))
        else:
            self._zoom.point(None)

    def _mark_again(self, place: QPointF) -> None:
        """Mark the pixel under the mouse, which is the same after a zoom but for rounding."""
        pixel = self.pixel()
        if pixel is None or not self.pixel_rect(pixel).adjusted(-1, -1, 1, 1).contains(place):
            self._mark_at(place)

    def _middle(self, place: QPointF) -> QPointF:
        """Return the middle of the screen pixel at a place of the mouse."""
        half = 0.5 / self.devicePixelRatioF()
        return place + QPointF(half, half)

    def _over(self, place: QPointF) -> bool:
        return self._image is not None and self.picture_rect().contains(place.toPoint())

    def _pixel_at(self, at: QPointF) -> QPoint:
        assert self._image is not None
        return QPoint(
            math.floor(at.x() * self._image.width()), math.floor(at.y() * self._image.height())
        )

    def _mark_pixel(self, pixel: QPoint) -> QPoint:
        """Mark the middle of a pixel, or of the nearest in the picture, and return it."""
        assert self._image is not None
        width, height = self._image.width(), self._image.height()
        x, y = min(max(pixel.x(), 0), width - 1), min(max(pixel.y(), 0), height - 1)
        self._zoom.point(QPointF((x + 0.5) / width, (y + 0.5) / height))
        return QPoint(x, y)

    def _step_mark(self, way: QPoint) -> None:
        """Mark the next pixel, at first the middle one of those seen, and keep it in sight."""
        pixel = self.pixel()
        if pixel is None:
            middle = QRectF(self.picture_rect()).center()
            pixel, way = self._pixel_at(share(self.snapped(), middle)), QPoint()
        rect = self.pixel_rect(self._mark_pixel(pixel + way))
        self._stepped = True
        seen = QRectF(self.area())
        right, down = max(seen.left() - rect.left(), 0.0), max(seen.top() - rect.top(), 0.0)
        left, up = max(rect.right() - seen.right(), 0.0), max(rect.bottom() - seen.bottom(), 0.0)
        self.pan_by(QPointF(right - left, down - up))

    def _show_cursor(self, at: QPoint | None = None) -> None:
        """Show what a press would do."""
        shape = Qt.CursorShape.ArrowCursor
        if self._held is not None:
            shape = Qt.CursorShape.ClosedHandCursor
        elif at is not None and self.zoom_tag().contains(at):
            shape = Qt.CursorShape.PointingHandCursor
        elif self._zoom.zoomed:
            shape = Qt.CursorShape.OpenHandCursor
        if self.cursor().shape() is not shape:
            self.setCursor(shape)

    # --- mouse ------------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the mouse; what a trackpad adds after the fingers left is not meant."""
        event.accept()
        if event.phase() is not Qt.ScrollPhase.ScrollMomentum:
            turned = event.angleDelta().y() or 2 * event.pixelDelta().y()
            self.zoom_by(2.0 ** (turned / 120.0 / NOTCHES), self._middle(event.position()))
            self._mark_again(event.position())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to pan, or remember where a drag out of the window may begin."""
        place = event.position()
        self._pressed = self._held = None
        if event.button() is not LEFT:
            return
        if self.zoom_tag().contains(place.toPoint()):
            self._zoom.reset()
            self._mark_at(place)
        elif self._over(place):
            if self._zoom.zoomed and not event.modifiers() & CTRL:
                self._held = place
            else:
                self._pressed = place.toPoint()
        self._show_cursor(place.toPoint())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan, begin a drag out of the window once the mouse moved far enough, mark a pixel."""
        place = event.position()
        if self._held is not None and event.buttons() & LEFT:
            self.pan_by(place - self._held)
            self._held = place
        elif self._pressed is not None and event.buttons() & LEFT:
            way = place.toPoint() - self._pressed
            if way.manhattanLength() >= QApplication.startDragDistance():
                self._pressed = None
                self.dragged_out.emit()
                return
        self._mark_at(place)
        self._show_cursor(place.toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._pressed = self._held = None
        self._show_cursor(event.position().toPoint())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the picture's pixels one to one, or all of it again."""
        self._pressed = self._held = None
        place = event.position()
        on_tag = self.zoom_tag().contains(place.toPoint())
        if event.button() is LEFT and self._over(place) and not on_tag:
            self._toggle(self._middle(place))
            self._mark_again(place)

    def leaveEvent(self, event: QEvent) -> None:
        """Mark nothing."""
        self._zoom.point(None)

    # --- keys and the rest ------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Take pinches; keep tooltips off the picture, and own keys from the window's commands."""
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() is Qt.NativeGestureType.ZoomNativeGesture:
                self.zoom_by(1.0 + event.value(), event.position())
                return True
        elif isinstance(event, QHelpEvent) and self._over(QPointF(event.pos())):
            event.ignore()
            return True
        elif (
            isinstance(event, QKeyEvent)
            and event.type() is QEvent.Type.ShortcutOverride
            and self._takes(event)
        ):
            event.accept()
            return True
        return super().event(event)

    def _takes(self, event: QKeyEvent) -> bool:
        """Return whether a key is the picture's own: arrows only where they would move it."""
        none = Qt.KeyboardModifier.NoModifier
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if self._image is None:
            return False
        if event.key() in ARROWS:
            return (held & ~SHIFT) == ALT or (held == none and self._zoom.zoomed)
        return event.key() in (*LARGER, *SMALLER, Qt.Key.Key_0) and (held & ~SHIFT) == none

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom with + - 0, pan with the arrows, move the mark with Alt and the arrows."""
        if not self._takes(event):
            super().keyPressEvent(event)
            return
        key, pixel = event.key(), self.pixel()
        seen = QRectF(self.picture_rect())
        anchor = seen.center() if pixel is None else self.pixel_rect(pixel).center()
        if key in LARGER:
            self.zoom_by(KEY_STEP, anchor)
        elif key in SMALLER:
            self.zoom_by(1.0 / KEY_STEP, anchor)
        elif key == Qt.Key.Key_0:
            self._zoom.reset()
        elif event.modifiers() & ALT:
            self._step_mark(ARROWS[Qt.Key(key)] * (10 if event.modifiers() & SHIFT else 1))
        else:
            way = ARROWS[Qt.Key(key)]
            self.pan_by(QPointF(-way.x() * seen.width() / 8, -way.y() * seen.height() / 8))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the ring."""
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take away the ring, and the mark that keys made."""
        if self._stepped:
            self._stepped = False
            self._zoom.point(None)
        self.update()
