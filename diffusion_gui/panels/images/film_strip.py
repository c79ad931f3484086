"""The film strip: the picture at evenly spaced t; press or drag to move the time cursor."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.picture import draw, to_qimage
from diffusion_gui.panels.common.theme import Theme

GAP = 6
LABEL = 16
MOST = 17
SMALLEST, LARGEST = 64, 120
"""Sides of a frame in pixels, in a narrow and in a wide window."""


class FilmStrip(QWidget):
    """Frames side by side with their t below; the frame nearest the cursor is framed in amber.

    `room_changed` asks the owner for new frames when the number or size that fits changed.
    """

    t_dragged = Signal(int)
    room_changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("filmStrip")
        self.setAccessibleName("Film strip over t")
        self.setToolTip("The picture at evenly spaced t. Press or drag to move t.")
        self._theme = theme
        self._frames: list[tuple[int, QImage]] = []
        self._t = 0
        self._T = 1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(SMALLEST + LABEL)
        theme.changed.connect(self.update)

    @property
    def frames(self) -> list[tuple[int, QImage]]:
        """The frames on show as (t, picture)."""
        return self._frames

    @property
    def side(self) -> int:
        """The side of a frame in pixels."""
        return self.height() - LABEL

    @property
    def count(self) -> int:
        """How many frames fit."""
        return max(2, min(MOST, (self.width() + GAP) // (self.side + GAP)))

    def set_frames(self, frames: list[tuple[int, Pixels]], T: int) -> None:
        """Show (t, uint8 [H, W, 3]) frames of a schedule of length T."""
        self._frames = [(t, to_qimage(pixels)) for t, pixels in frames]
        self._T = T
        self.update()

    def set_time(self, t: int) -> None:
        """Mark the frame nearest t."""
        self._t = t
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for as many frames as fit now."""
        super().resizeEvent(event)
        side = min(max(self.width() // 13, SMALLEST), LARGEST)
        self.setFixedHeight(side + LABEL)
        self.room_changed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move t to the press."""
        self._move_to(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let t follow the mouse."""
        self._move_to(event)

    def _move_to(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._frames:
            first, last = self._cell(0).center().x(), self._cell(len(self._frames) - 1).center().x()
            share = (event.position().x() - first) / max(last - first, 1)
            self.t_dragged.emit(round(min(max(share, 0.0), 1.0) * self._T))

    def _cell(self, index: int) -> QRect:
        """Return the square of frame `index`; the strip spans the whole width."""
        step = (self.width() - self.side) / max(len(self._frames) - 1, 1)
        return QRect(round(index * step), 0, self.side, self.side)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the frames, their times and the mark."""
        if not self._frames:
            return
        painter = QPainter(self)
        tokens = self._theme.tokens
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        nearest = min(range(len(self._frames)), key=lambda i: abs(self._frames[i][0] - self._t))
        for index, (t, image) in enumerate(self._frames):
            cell = self._cell(index)
            draw(painter, image, cell)
            here = index == nearest
            if here:
                painter.setPen(QPen(QColor(tokens.cursor), 2))
                painter.drawRect(cell.adjusted(1, 1, -1, -1))
            painter.setPen(QColor(tokens.cursor if here else tokens.secondary))
            below = QRect(cell.left() - GAP, self.side, cell.width() + 2 * GAP, LABEL)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, str(t))

    def sizeHint(self) -> QSize:
        """Leave the width to the layout."""
        return QSize(400, 80)
