"""The film strip: rows of frames over t; press or drag to move t, press a row to show its picture.

`state/film.py` says what the rows are and computes them, `strip_layout.py` where they stand.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRect, QSize, Qt, Slot
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from diffusion_gui.engine.forward import CLIPPED
from diffusion_gui.engine.frame_times import Times
from diffusion_gui.panels.common.dropping import PICTURES_MIME, picture_ids
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.strip_layout import LABEL, LEAST, Layout, Wish, arrange
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
LEFT = Qt.MouseButton.LeftButton
_TOOLTIP = (
    "𝑥ₜ at several t, with the same noise ε in every row.\nPress or drag to move t; press a row to"
    " show its picture.\nKeys: ← → by frame, Shift for 1, Home, End, ↑ ↓ by picture."
)
_TURNS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
_KEYS = {*_TURNS, Qt.Key.Key_Home, Qt.Key.Key_End}


class FilmStrip(QWidget):
    """Rows of frames with their t below; the frames nearest the cursor are framed in amber.

    Frames are computed when they are painted: however fast they change, none is made that nobody
    sees. Pictures dragged here from the tray get a row.
    """

    def __init__(self, film: Film, view: ViewState, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("filmStrip")
        self.setAccessibleName("Film strip over t")
        self.setToolTip(_TOOLTIP)
        self._film = film
        self._view = view
        self._theme = theme
        self._budget = BUDGET
        self._first = 0
        self._rows: tuple[ImageRow, ...] | None = None
        self._held: tuple[int, float] | None = None
        self._dropping = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(LEAST + LABEL)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        film.rows_changed.connect(self._on_rows)
        film.changed.connect(self._on_frames)
        view.t_changed.connect(self._on_t)
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
        if self._rows is None:
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
        pixels = round(self.side * self.devicePixelRatioF())
        row = self._film.row(head, self._layout.most, pixels)
        frames = tuple((t, to_qimage(frame)) for t, frame in row.frames)
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
        self._arrange()
        self._rows = None
        self.update()

    def _arrange(self) -> None:
        heads, film = self._film.heads, self._film
        sides = len({head.side for head in heads}) or 1
        apart = sides > 1 and (
            self._view.display.frames is not Frames.T
            or film.schedule("A").T != film.schedule("B").T
        )
        self._wish = Wish(max(len(heads) // sides, 1), sides, apart, bool(film.note(0)))
        self._layout = arrange(self.width(), self._budget, self._wish)
        if self.maximumHeight() != self._layout.height:
            self.setMaximumHeight(self._layout.height)
            self.updateGeometry()

    def _scroll(self, pictures: int) -> None:
        """Show the rows of other pictures, so many further down."""
        self._first = min(max(self._first + pictures, 0), self.hidden_pictures)
        self._rows = None
        self.update()

    def _pictures(self) -> list[str]:
        return list(dict.fromkeys(head.picture for head in self._film.heads))

    def _place_of_picture(self) -> int:
        pictures = self._pictures()
        return pictures.index(self._view.picture) if self._view.picture in pictures else 0

    @Slot()
    def _on_t(self) -> None:
        if self.hasFocus():
            self.setAccessibleDescription(f"t = {self._view.t} of {self._view.T}")
        self.update()

    # --- mouse ----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Show the picture of the row; on a frame move t to exactly its own."""
        if event.button() is not LEFT or not self.heads:
            return
        place = event.position()
        row = self._layout.row_at(place.y())
        if place.x() >= self._layout.left:
            self._held = (row, self._off_middle(row, place))
            self._move_to(place)
        self._view.set_picture(self.heads[row].picture)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let t follow the mouse."""
        if self._held is not None and event.buttons() & LEFT:
            self._move_to(event.position())
        on_head = event.position().x() < self._layout.left
        shape = Qt.CursorShape.PointingHandCursor if on_head else Qt.CursorShape.ArrowCursor
        if self.cursor().shape() is not shape:
            self.setCursor(shape)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._held = None

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Bring other rows into view, if there are any."""
        turned = event.angleDelta().y()
        if self.hidden_pictures and turned:
            self._scroll(-1 if turned > 0 else 1)
        else:
            event.ignore()

    def index_at(self, row: int, place: QPointF) -> int | None:
        """Return the frame of a row that lies below or above a place, None between two frames."""
        count = len(self._times(self.heads[row].side))
        for index in range(count):
            cell = self._layout.cell(row, index, count)
            if cell.left() <= place.x() < cell.left() + cell.width():
                return index
        return None

    def _off_middle(self, row: int, place: QPointF) -> float:
        """Return how far from the middle of its frame a press is: the drag keeps that distance."""
        index = self.index_at(row, place)
        if index is None:
            return 0.0
        times = self._times(self.heads[row].side)
        return place.x() - self._layout.x_of(times[index], times)

    def _move_to(self, place: QPointF) -> None:
        assert self._held is not None
        row, off = self._held
        head = self.heads[min(row, len(self.heads) - 1)]
        t = self._layout.t_of(place.x() - off, self._times(head.side))
        self._view.set_t(round(t / self._film.schedule(head.side).T * self._view.T))

    # --- keys -----------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Keep the keys of the strip from the window's commands; say what lies under the mouse."""
        if event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            if event.key() in _KEYS and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                event.accept()
                return True
        elif event.type() is QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.told_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move t by frame, with Shift by 1; Home and End to 0 and T; Up and Down by picture."""
        key, view = event.key(), self._view
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            turn = _TURNS[Qt.Key(key)]
            by_one = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            view.set_t(view.t + turn if by_one else self._neighbour(turn))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            view.set_t(0 if key == Qt.Key.Key_Home else view.T)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self.heads:
            pictures = self._pictures()
            place = self._place_of_picture() + _TURNS[Qt.Key(key)]
            view.set_picture(pictures[min(max(place, 0), len(pictures) - 1)])
        else:
            super().keyPressEvent(event)

    def _neighbour(self, turn: int) -> int:
        """Return the time of the next frame to either side of t, t itself where there is none."""
        times, t = self._times(""), self._view.t
        if turn > 0:
            return next((time for time in times if time > t), t)
        return next((time for time in reversed(times) if time < t), t)

    # --- drops ----------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take pictures of the tray; all else is the panel's."""
        if event.mimeData().hasFormat(PICTURES_MIME):
            self._accept(event)
            self._mark_drop(True)
        else:
            event.ignore()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Keep accepting."""
        self._accept(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag has left."""
        self._mark_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Give every dropped picture a row."""
        self._mark_drop(False)
        self._accept(event)
        known = self._film.known(picture_ids(event.mimeData()))
        self._view.choose((*self._view.chosen, *known))

    def _accept(self, event: QDropEvent) -> None:
        event.setDropAction(Qt.DropAction.CopyAction)  # a move would take them out of the tray
        event.accept()

    def _mark_drop(self, over: bool) -> None:
        self._dropping = over
        self.update()

    # --- paint ----------------------------------------------------------------------------------

    def told_at(self, place: QPointF) -> str:
        """Return what is to be said about what lies at a place."""
        if not self.heads:
            return _TOOLTIP
        number = self._layout.row_at(place.y())
        row = self.rows[number]
        if row.problem:
            return row.problem
        if place.x() < self._layout.left:
            hidden = self.hidden_pictures
            more = f"\n{hidden} more: turn the wheel, or ↑ and ↓" if hidden else ""
            return f"{row.head.name}\nPress to show it{more}"
        index = self.index_at(number, place)
        if index is None:
            return _TOOLTIP
        return self._frame_told(row, index)

    def _frame_told(self, row: ImageRow, index: int) -> str:
        t, span = row.frames[index][0], row.spans[index]
        schedule = self._film.schedule(row.head.side)
        snr = "no noise yet" if t == 0 else f"SNR {schedule.snr_db(t):.1f} dB"
        told = f"t = {t}, {snr}"
        if span != CLIPPED:
            told += f"\nblack {span.low:.2f}, white {span.high:.2f}"
        return told.replace("-", "−") + f"\n{row.head.name}"

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
