"""The rows of the film strip on screen: arranged, computed when they are painted, painted.

`film_strip.py` adds mouse, keys and drops. `state/film.py` says what the rows are and computes
them, `strip_layout.py` where they stand, `strip_painter.py` draws them.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QSize, Slot
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from diffusion_gui.engine.frame_times import Times
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.strip_layout import Layout, Wish, arrange
from diffusion_gui.panels.images.strip_painter import (
    ImageRow,
    Look,
    draw_caption,
    draw_drop,
    draw_more,
    draw_rows,
)
from diffusion_gui.state.film import Film, RowHead
from diffusion_gui.state.view_state import Frames, ViewState

BUDGET = 200
"""Height in pixels that may be taken until the panel says how much there is."""


class StripRows(QWidget):
    """As many rows of frames as there is room for, the one of the picture on show among them.

    Frames are computed when they are painted: however fast they change, none is made that nobody
    sees.
    """

    def __init__(self, film: Film, view: ViewState, theme: Theme) -> None:
        super().__init__()
        self._film = film
        self._view = view
        self._theme = theme
        self._budget = BUDGET
        self._first = 0
        self._rows: tuple[ImageRow, ...] | None = None
        self._pixels = 0
        self._dropping = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        film.rows_changed.connect(self._on_rows)
        film.changed.connect(self._on_frames)
        view.t_changed.connect(self.update)
        theme.changed.connect(self.update)
        self._on_rows()

    # --- what is on show ----------------------------------------------------------------------

    @property
    def layout_of_rows(self) -> Layout:
        """Where rows and frames stand."""
        return self._layout

    @property
    def side(self) -> int:
        """The side of a frame in pixels."""
        return self._layout.side

    @property
    def heads(self) -> tuple[RowHead, ...]:
        """The rows on show."""
        start = self._first * self._wish.sides
        return self._film.heads[start : start + self._layout.rows]

    @property
    def hidden_pictures(self) -> int:
        """How many chosen pictures there is no room for."""
        return max(self._wish.pictures - self._layout.rows // self._wish.sides, 0)

    @property
    def note(self) -> str:
        """The line above the frames."""
        return self._film.note(len(self._times("")))

    @property
    def rows(self) -> tuple[ImageRow, ...]:
        """The rows on show with their frames, computed if something has changed."""
        pixels = round(self.side * self.devicePixelRatioF())
        if self._rows is None or pixels != self._pixels:
            self._pixels = pixels
            self._rows = tuple(self._render(head) for head in self.heads)
        return self._rows

    @property
    def frames(self) -> tuple[tuple[int, QImage], ...]:
        """The frames (t, picture) of the first row."""
        return self.rows[0].frames if self.rows else ()

    def cell(self, row: int, index: int) -> QRect:
        """Return the square of a frame."""
        return self._layout.cell(row, index, len(self._times(self.heads[row].side)))

    def set_budget(self, height: int) -> None:
        """Take at most so many pixels of height, if one picture can be shown in them."""
        if height != self._budget:
            self._budget = height
            self._on_rows()

    def _times(self, side: str) -> Times:
        return self._film.times(side, self._layout.most)

    def _render(self, head: RowHead) -> ImageRow:
        row = self._film.row(head, self._layout.most, self._pixels)
        quick = QImage.Format.Format_RGB32  # what the screen has: repainted at every move of t
        frames = tuple((t, to_qimage(frame).convertToFormat(quick)) for t, frame in row.frames)
        return ImageRow(head, row.T, frames, row.spans, row.problem)

    @Slot()
    def _on_rows(self) -> None:
        """Make room for the rows, the one of the picture on show among them."""
        self._arrange()
        shown = self._place_of_picture()
        visible = max(self._layout.rows // self._wish.sides, 1)
        self._first = min(max(self._first, shown - visible + 1), shown)
        self._scroll(0)

    @Slot()
    def _on_frames(self) -> None:
        before = self._layout.rows
        self._arrange()
        self._rows = None
        self.update()
        if self._layout.rows != before:  # the line above came or went, or the lines of times
            self._on_rows()

    def _arrange(self) -> None:
        heads, film = self._film.heads, self._film
        sides = len({head.side for head in heads}) or 1
        apart = sides > 1 and (
            self._view.display.frames is not Frames.T
            or film.schedule("A").T != film.schedule("B").T
        )
        self._wish = Wish(max(len(heads) // sides, 1), sides, apart, bool(film.note(0)))
        self._layout = arrange(self.width(), self._budget, self._wish)
        self.setMinimumHeight(arrange(self.width(), 0, self._wish).height)  # never half a row
        if self.maximumHeight() != self._layout.height:
            self.setMaximumHeight(self._layout.height)
            self.updateGeometry()

    def _scroll(self, pictures: int) -> None:
        """Show the rows of other pictures, so many further down."""
        self._first = min(max(self._first + pictures, 0), self.hidden_pictures)
        self._rows = None
        self.update()

    def next_page(self) -> None:
        """Show the rows of the next pictures, after the last those of the first."""
        visible = max(self._layout.rows // self._wish.sides, 1)
        self._scroll(visible if self._first < self.hidden_pictures else -self._first)

    def _on_more(self, place: QPointF) -> bool:
        return self.hidden_pictures > 0 and self._layout.more().contains(place.toPoint())

    def _more_told(self) -> str:
        first, last = self._first + 1, self._wish.pictures - self.hidden_pictures + self._first
        rows = f"{first}" if first == last else f"{first} to {last}"
        turn = "next rows" if self._first < self.hidden_pictures else "first rows again"
        return (
            f"Pictures {rows} of {self._wish.pictures}"
            f"\nPress for the {turn}, or turn the wheel, or ↑ and ↓"
        )

    def _pictures(self) -> list[str]:
        return list(dict.fromkeys(head.picture for head in self._film.heads))

    def _place_of_picture(self) -> int:
        pictures = self._pictures()
        return pictures.index(self._view.picture) if self._view.picture in pictures else 0

    def index_at(self, row: int, place: QPointF) -> int | None:
        """Return the frame of a row that lies below or above a place, None between two frames."""
        count = len(self._times(self.heads[row].side))
        for index in range(count):
            cell = self._layout.cell(row, index, count)
            if cell.left() <= place.x() < cell.left() + cell.width():
                return index
        return None

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many frames as fit now."""
        super().resizeEvent(event)
        if event.oldSize().width() != self.width():
            self._on_rows()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Compute what has changed and draw the rows."""
        painter = QPainter(self)
        font = self.font()
        font.setPixelSize(11)
        painter.setFont(font)
        look = self._look()
        draw_rows(painter, self._layout, self.rows, look)
        if self._layout.top:
            draw_caption(painter, self._layout, self.note, look)
        if hidden := self.hidden_pictures:
            draw_more(painter, self._layout, hidden, look)
        if self._dropping:
            draw_drop(painter, self.rect(), look)

    def _look(self) -> Look:
        view = self._view
        return Look(
            self._theme.tokens, view.t / view.T, view.picture, self._film.side,
            view.display.scaling, self.hasFocus(),
        )  # fmt: skip

    def sizeHint(self) -> QSize:
        """Leave the width to the layout."""
        return QSize(400, self._layout.height)
