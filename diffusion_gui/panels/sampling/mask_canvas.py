"""The picture with its mask, painted on with a round brush or by rectangles."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.engine import masks
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.masks import MASK_SIDE, Mask
from diffusion_gui.panels.common.resampling import to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.start_bar import veiled

LEAST, MOST, FIRST = 1, 32, 8
"""Diameter of the brush in cells of the mask, of which there are 64 a side."""
_WAYS = {
    Qt.Key.Key_Left: QPoint(-1, 0),
    Qt.Key.Key_Right: QPoint(1, 0),
    Qt.Key.Key_Up: QPoint(0, -1),
    Qt.Key.Key_Down: QPoint(0, 1),
}
_DARK, _LIGHT = QColor(0, 0, 0, 200), QColor(255, 255, 255, 230)


class MaskCanvas(QWidget):
    """Paints on `kept` with the left button, the other way with the right one.

    `stroked(kept, text)` when a stroke is done, `brush_changed` when `size`, `keeps` or
    `rectangular` is another.
    """

    stroked = Signal(object, str)
    brush_changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("maskCanvas")
        self.setAccessibleName("Mask: paint what is drawn anew")
        self._theme = theme
        self._pixels: Pixels | None = None
        self._message = ""
        self.kept: Mask = np.ones((MASK_SIDE, MASK_SIDE), bool)
        self.size_of_brush = FIRST
        self.keeps = False
        """Whether the left button keeps instead of having drawn anew."""
        self.rectangular = False
        self._stroke: tuple[Mask, QPointF, bool] | None = None
        """The mask before the stroke, where it began or stands, and what it paints."""
        self._mouse: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(256, 256)
        theme.changed.connect(self.update)

    @property
    def painting(self) -> bool:
        """True while a button is held."""
        return self._stroke is not None

    def set_picture(self, pixels: Pixels | None, message: str = "") -> None:
        """Show uint8 [size, size, 3], or a line in its place."""
        self._pixels, self._message = pixels, message
        self.update()

    def set_mask(self, kept: Mask) -> None:
        """Show a mask [64, 64], true where the picture is kept; ends a stroke unheard."""
        self.kept, self._stroke = kept, None
        self.update()

    def set_size(self, cells: int) -> None:
        """Change the diameter of the brush."""
        self.size_of_brush = min(max(cells, LEAST), MOST)
        self._brush_changed()

    def set_keeps(self, keeps: bool) -> None:
        """Say what the left button does."""
        self.keeps = keeps
        self._brush_changed()

    def set_rectangular(self, rectangular: bool) -> None:
        """Draw rectangles instead of strokes."""
        self.rectangular = rectangular
        self._brush_changed()

    def _brush_changed(self) -> None:
        self.update()
        self.brush_changed.emit()

    # --- where things are -------------------------------------------------------------------

    def picture_rect(self) -> QRect:
        """Return where the picture lies: the largest square, in the middle."""
        side = min(self.width(), self.height())
        corner = QPoint((self.width() - side) // 2, (self.height() - side) // 2)
        return QRect(corner, QSize(side, side))

    def cell_at(self, place: QPointF) -> QPointF:
        """Return a place of the widget in cells of the mask, also beyond its edge."""
        rect = self.picture_rect()
        return (place - QPointF(rect.topLeft())) * (MASK_SIDE / rect.width())

    def place_of(self, cell: QPointF) -> QPointF:
        """Return where a point of the mask lies in the widget."""
        rect = self.picture_rect()
        return QPointF(rect.topLeft()) + cell * (rect.width() / MASK_SIDE)

    # --- mouse and keys -----------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a stroke."""
        buttons = (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton)
        if event.button() not in buttons or self._stroke is not None or self._pixels is None:
            return
        value = self.keeps if event.button() is buttons[0] else not self.keeps
        cell = self.cell_at(event.position())
        self._stroke = self.kept, cell, value
        self._paint_to(cell)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with the stroke; let the brush follow."""
        self._mouse = event.position()
        if self._stroke is not None:
            self._paint_to(self.cell_at(event.position()))
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the stroke: one undo step."""
        if self._stroke is None or event.buttons() & (
            Qt.MouseButton.LeftButton | Qt.MouseButton.RightButton
        ):
            return
        before, _, value = self._stroke
        self._stroke = None
        if not np.array_equal(before, self.kept):
            self.stroked.emit(self.kept, "keep with the brush" if value else "paint the mask")
        self.update()

    def _paint_to(self, cell: QPointF) -> None:
        assert self._stroke is not None
        before, last, value = self._stroke
        ends = (last.x(), last.y()), (cell.x(), cell.y())
        if self.rectangular:
            self.kept = masks.rectangle(before, *ends, value)
        else:
            self.kept = masks.stroke(self.kept, *ends, self.size_of_brush / 2.0, value)
            self._stroke = before, cell, value
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Change the size of the brush."""
        event.accept()
        self.set_size(self.size_of_brush + (1 if event.angleDelta().y() > 0 else -1))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Change the brush with [ ] X R, move it with the arrows, paint with Space."""
        key, way = event.text().lower(), _WAYS.get(Qt.Key(event.key()))
        if way is not None:
            eight = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._move(way * (8 if eight else 1))
        elif event.key() == Qt.Key.Key_Space:
            self._dab()
        elif key in ("[", "]"):
            self.set_size(self.size_of_brush + (1 if key == "]" else -1))
        elif key == "x":
            self.set_keeps(not self.keeps)
        elif key == "r":
            self.set_rectangular(not self.rectangular)
        else:
            super().keyPressEvent(event)

    def _move(self, way: QPoint) -> None:
        """Move the brush by so many pixels of the picture, at first from its middle."""
        rect, pixels = self.picture_rect(), self._pixels
        if pixels is None:
            return
        side = rect.width() / len(pixels)
        place = self._mouse or QPointF(rect.center())
        column, row = (
            min(max(int(value // side) + step, 0), len(pixels) - 1)
            for value, step in (
                (place.x() - rect.left(), way.x()), (place.y() - rect.top(), way.y())
            )
        )  # fmt: skip
        self._mouse = QPointF(rect.topLeft()) + QPointF(column + 0.5, row + 0.5) * side
        self.update()

    def _dab(self) -> None:
        """Paint where the brush is, as a stroke of its own."""
        if self._mouse is None or self._pixels is None or self._stroke is not None:
            return
        cell = self.cell_at(self._mouse)
        at, before = (cell.x(), cell.y()), self.kept
        self.kept = masks.stroke(before, at, at, self.size_of_brush / 2.0, self.keeps)
        if not np.array_equal(before, self.kept):
            self.stroked.emit(self.kept, "keep with the brush" if self.keeps else "paint the mask")
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Show no brush."""
        self._mouse = None
        self.update()

    # --- painting -----------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture, the veil over what is drawn anew, and the brush."""
        painter = QPainter(self)
        if self._pixels is None:
            painter.setPen(QColor(self._theme.tokens.secondary))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._message)
            return
        shown = veiled(self._pixels, self.kept, QColor(self._theme.tokens.accent))
        painter.drawImage(self.picture_rect(), to_qimage(shown))
        self._draw_border(painter)
        if self._mouse is not None and not self.rectangular:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            radius = self.size_of_brush / 2.0 * self.picture_rect().width() / MASK_SIDE
            for colour, width in ((_DARK, 3.0), (_LIGHT, 1.0)):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(self._mouse, radius, radius)

    def _draw_border(self, painter: QPainter) -> None:
        """Draw the line between what is kept and what is drawn anew, pixel by pixel."""
        assert self._pixels is not None
        size, rect = len(self._pixels), self.picture_rect()
        known, side = masks.at_size(self.kept, size), rect.width() / size
        painter.setPen(QPen(QColor(self._theme.tokens.accent), 1.5))
        corner = QPointF(rect.topLeft())
        for row, column in np.argwhere(known[:, 1:] != known[:, :-1]).tolist():
            start = corner + QPointF(column + 1, row) * side
            painter.drawLine(start, start + QPointF(0.0, side))
        for row, column in np.argwhere(known[1:] != known[:-1]).tolist():
            start = corner + QPointF(column, row + 1) * side
            painter.drawLine(start, start + QPointF(side, 0.0))
        painter.setPen(QPen(QColor(self._theme.tokens.hairline)))
        painter.drawRect(QRectF(rect).adjusted(0, 0, -1, -1))

    def sizeHint(self) -> QSize:
        """Ask for a good size."""
        return QSize(420, 420)
