"""The film strip: the picture at evenly spaced t; press or drag to move the time cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.panels.common.picture import draw, to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.state.film import StripRow

GAP = 6
LABEL = 16
MOST = 17
SMALLEST, LARGEST = 64, 120
"""Sides of a frame in pixels, in a narrow and in a wide window."""
GIVEN = 16
"""By how many pixels frames are smaller where there are two rows."""
LETTER = 16
"""Width in pixels before the frames in which the letter of a row stands, where there are two."""


@dataclass(frozen=True, slots=True, eq=False)
class _Images:
    """One row on screen: the letter before it and its frames (t, picture)."""

    side: str
    T: int
    frames: tuple[tuple[int, QImage], ...]


class FilmStrip(QWidget):
    """Rows of frames with their t below; the frames nearest the cursor are framed in amber.

    Rows of one length share the line of times below the last; of several lengths, each has its own
    and stands at the same share of the way. `room_changed` asks the owner for new frames when the
    number or size that fits changed.
    """

    t_dragged = Signal(int)
    room_changed = Signal()

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("filmStrip")
        self.setAccessibleName("Film strip over t")
        self.setToolTip("The picture at evenly spaced t. Press or drag to move t.")
        self._theme = theme
        self._rows: tuple[_Images, ...] = ()
        self._shown = ""
        self._t = 0
        self._T = 1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(SMALLEST + LABEL)
        theme.changed.connect(self.update)

    @property
    def frames(self) -> tuple[tuple[int, QImage], ...]:
        """The frames on show as (t, picture), those of the first row where there are several."""
        return self._rows[0].frames if self._rows else ()

    @property
    def rows(self) -> dict[str, tuple[tuple[int, QImage], ...]]:
        """The frames of every row by its letter, "" where there is one only."""
        return {row.side: row.frames for row in self._rows}

    @property
    def side(self) -> int:
        """The side of a frame in pixels."""
        return self.room(len(self._rows))[1]

    def room(self, rows: int) -> tuple[int, int]:
        """Return how many frames fit in each of so many rows, and their side in pixels.

        The times stay where they are when a second row comes; the frames give it some height.
        """
        side = min(max(self.width() // 13, SMALLEST), LARGEST)
        count = max(2, min(MOST, (self.width() + GAP) // (side + GAP)))
        return count, side if rows < 2 else side - GIVEN

    def set_frames(self, rows: Sequence[StripRow], T: int, shown: str = "") -> None:
        """Show rows of uint8 frames; t runs over 0..T, and `shown` is the row it belongs to."""
        self._rows = tuple(
            _Images(row.side, row.T, tuple((t, to_qimage(pixels)) for t, pixels in row.frames))
            for row in rows
        )
        self._T, self._shown = T, shown
        self.setFixedHeight(self._top(len(rows)) if rows else SMALLEST + LABEL)
        self.update()

    def set_time(self, t: int) -> None:
        """Mark the frames nearest t."""
        self._t = t
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for as many frames as fit now."""
        super().resizeEvent(event)
        if event.oldSize().width() != self.width():
            self.room_changed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move t to the press."""
        self._move_to(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let t follow the mouse."""
        self._move_to(event)

    def _move_to(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton and self._rows:
            first = self.cell(0, 0).center().x()
            last = self.cell(0, len(self.frames) - 1).center().x()
            share = (event.position().x() - first) / max(last - first, 1)
            self.t_dragged.emit(round(min(max(share, 0.0), 1.0) * self._T))

    def _has_times(self, row: int) -> bool:
        """Return whether the times of a row are written below it."""
        last = row == len(self._rows) - 1
        return last or self._rows[row].T != self._rows[row + 1].T

    def _top(self, row: int) -> int:
        """Return where a row begins, or where the last ends."""
        below = sum(LABEL if self._has_times(i) else GAP for i in range(row))
        return row * self.side + below

    def cell(self, row: int, index: int) -> QRect:
        """Return the square of a frame; the rows span the whole width."""
        left = LETTER if len(self._rows) > 1 else 0
        step = (self.width() - left - self.side) / max(len(self.frames) - 1, 1)
        return QRect(left + round(index * step), self._top(row), self.side, self.side)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        for number, row in enumerate(self._rows):
            self._draw_row(painter, number, row)

    def _draw_row(self, painter: QPainter, number: int, row: _Images) -> None:
        """Draw the letter, the frames, their times and the mark."""
        tokens = self._theme.tokens
        place = self._t / self._T * row.T
        nearest = min(range(len(row.frames)), key=lambda i: abs(row.frames[i][0] - place))
        if row.side:
            painter.setPen(QColor(tokens.accent if row.side == self._shown else tokens.secondary))
            letter = QRect(0, self._top(number), LETTER - 4, self.side)
            painter.drawText(letter, Qt.AlignmentFlag.AlignCenter, row.side)
        for index, (t, image) in enumerate(row.frames):
            cell = self.cell(number, index)
            draw(painter, image, cell)
            here = index == nearest
            if here:
                painter.setPen(QPen(QColor(tokens.cursor), 2))
                painter.drawRect(cell.adjusted(1, 1, -1, -1))
            if self._has_times(number):
                painter.setPen(QColor(tokens.cursor if here else tokens.secondary))
                below = QRect(cell.left() - GAP, cell.bottom() + 1, cell.width() + 2 * GAP, LABEL)
                painter.drawText(below, Qt.AlignmentFlag.AlignCenter, str(t))

    def sizeHint(self) -> QSize:
        """Leave the width to the layout."""
        return QSize(400, 80)
