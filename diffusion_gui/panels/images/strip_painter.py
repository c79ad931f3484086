"""Paints the film strip: heads, frames, times, the mark of the cursor. No state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from diffusion_gui.engine.forward import Span
from diffusion_gui.panels.common.tokens import Tokens
from diffusion_gui.panels.images.strip_layout import GAP, LABEL, LETTER, Layout
from diffusion_gui.state.film import RowHead
from diffusion_gui.state.view_state import Scaling

CENTRE = Qt.AlignmentFlag.AlignCenter
_VCENTRE = Qt.AlignmentFlag.AlignVCenter
_ELIDE = Qt.TextElideMode.ElideRight


@dataclass(frozen=True, slots=True, eq=False)
class ImageRow:
    """One row on screen: its head, and its frames (t, picture) with what black and white are."""

    head: RowHead
    T: int
    frames: tuple[tuple[int, QImage], ...]
    spans: tuple[Span, ...]
    problem: str

    @property
    def times(self) -> tuple[int, ...]:
        """The t of its frames."""
        return tuple(t for t, _ in self.frames)


@dataclass(frozen=True, slots=True)
class Look:
    """What the rows are painted with."""

    tokens: Tokens
    share: float
    """Where the time cursor is, as a share of T."""
    picture: str
    """The picture on show."""
    side: str
    """The letter of the schedule on show."""
    scaling: Scaling
    focused: bool


def draw_rows(painter: QPainter, layout: Layout, rows: Sequence[ImageRow], look: Look) -> None:
    """Draw every row with its head."""
    for number, row in enumerate(rows):
        _draw_head(painter, layout, number, rows, look)
        if row.problem:
            _draw_problem(painter, layout, number, row, look)
        elif row.frames:
            _draw_frames(painter, layout, number, row, look)


def _draw_head(
    painter: QPainter, layout: Layout, number: int, rows: Sequence[ImageRow], look: Look
) -> None:
    """Draw the letter of the side, and the name of the picture beside the first of its rows."""
    head, tokens = rows[number].head, look.tokens
    top, shown = layout.row_top(number), head.picture == look.picture
    names = layout.left
    if head.side:
        names -= LETTER
        here = shown and head.side == look.side
        painter.setPen(QColor(tokens.accent if here else tokens.secondary))
        painter.drawText(QRect(names, top, LETTER - 4, layout.side), CENTRE, head.side)
    first = not number or rows[number - 1].head.picture != head.picture
    if names and first:
        painter.setPen(QColor(tokens.accent if shown else tokens.secondary))
        last = number + (1 if head.side else 0)
        room = QRect(0, top, names - GAP, layout.row_top(last) + layout.side - top)
        name = painter.fontMetrics().elidedText(_short(head.name), _ELIDE, room.width())
        painter.drawText(room, _VCENTRE, name)


def _draw_frames(painter: QPainter, layout: Layout, number: int, row: ImageRow, look: Look) -> None:
    """Draw the frames, their times, and in amber the one nearest the cursor and its place."""
    tokens, times, t = look.tokens, row.times, look.share * row.T
    nearest = min(range(len(times)), key=lambda i: abs(times[i] - t))
    for index, (time, image) in enumerate(row.frames):
        cell = layout.cell(number, index, len(times))
        _draw_image(painter, image, cell, look.scaling)
        if layout.has_times(number):
            below = QRect(cell.left() - GAP, cell.bottom() + 1, cell.width() + 2 * GAP, LABEL)
            painter.setPen(QColor(tokens.cursor_text if index == nearest else tokens.secondary))
            painter.drawText(below, CENTRE, str(time))
            if look.focused and index == nearest and row.head.side in ("", look.side):
                _draw_ring(painter, below, str(time), tokens)
    marked = layout.cell(number, nearest, len(times))
    width = 2 if row.head.picture == look.picture else 1
    painter.setPen(QPen(QColor(tokens.cursor), width))
    inset = width // 2
    painter.drawRect(marked.adjusted(inset, inset, -1, -1))
    if layout.has_times(number):
        _draw_wedge(painter, QPointF(layout.x_of(t, times), marked.bottom() + 1.5), tokens)


def _draw_image(painter: QPainter, image: QImage, cell: QRect, scaling: Scaling) -> None:
    """Draw a frame: pixel for pixel where it has the size of its cell, else as is wished."""
    wide = cell.width() * painter.device().devicePixelRatioF()
    sharp = wide >= 1.5 * image.width() if scaling is Scaling.AUTO else scaling is Scaling.NEAREST
    smooth = not sharp and abs(wide - image.width()) >= 1.0
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
    painter.drawImage(cell, image)


def _draw_wedge(painter: QPainter, tip: QPointF, tokens: Tokens) -> None:
    """Point at the exact place of t, also between two frames."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(tokens.cursor))
    painter.drawPolygon(QPolygonF([tip, tip + QPointF(3.5, 3.5), tip + QPointF(-3.5, 3.5)]))
    painter.restore()


def _draw_ring(painter: QPainter, line: QRect, text: str, tokens: Tokens) -> None:
    """Show that the strip has the keyboard: a ring around the time of the marked frame."""
    wide = painter.fontMetrics().horizontalAdvance(text) + 10
    ring = QRectF(line.center().x() - 0.5 * wide + 0.5, line.top() + 0.5, wide, LABEL - 1)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(tokens.accent), 1))
    painter.drawRoundedRect(ring, 5, 5)
    painter.restore()


def _draw_problem(
    painter: QPainter, layout: Layout, number: int, row: ImageRow, look: Look
) -> None:
    """Say where the frames would be why there are none."""
    room = layout.cell(number, 0, 1)
    room.setRight(layout.width)
    painter.setPen(QColor(look.tokens.error))
    text = painter.fontMetrics().elidedText(row.problem, _ELIDE, room.width())
    painter.drawText(room, _VCENTRE, text)


def draw_caption(painter: QPainter, layout: Layout, text: str, look: Look) -> None:
    """Draw the line above the rows."""
    painter.setPen(QColor(look.tokens.secondary))
    room = QRect(0, 0, layout.width, LABEL - 2)
    painter.drawText(room, _VCENTRE, painter.fontMetrics().elidedText(text, _ELIDE, room.width()))


def draw_more(painter: QPainter, layout: Layout, hidden: int, look: Look) -> None:
    """Say below the heads how many pictures there is no room for."""
    painter.setPen(QColor(look.tokens.secondary))
    painter.drawText(layout.more(), _VCENTRE, f"+{hidden} more")


def draw_drop(painter: QPainter, room: QRect, look: Look) -> None:
    """Say what a drop here will do."""
    veil = QColor(look.tokens.panel)
    veil.setAlpha(200)
    painter.fillRect(room, veil)
    painter.setPen(QPen(QColor(look.tokens.accent), 2))
    painter.drawRoundedRect(room.adjusted(1, 1, -1, -1), 6, 6)
    painter.drawText(room, CENTRE, "Drop to add a row")


def _short(name: str) -> str:
    """Return a file's name without its ending."""
    return PurePath(name).stem or name
