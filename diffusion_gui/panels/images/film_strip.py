"""The film strip: rows of frames over t; press or drag to move t, press a row to show its picture.

What is shown is in `strip_rows.py`; here are mouse, keys, drops and what is told.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, Qt, Slot
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip

from diffusion_gui.engine.forward import CLIPPED
from diffusion_gui.panels.common.dropping import PICTURES, picture_ids
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.strip_painter import ImageRow
from diffusion_gui.panels.images.strip_rows import StripRows
from diffusion_gui.state.film import Film
from diffusion_gui.state.view_state import ViewState

NOTCH = 120
"""What a wheel tells for one notch, in eighths of a degree."""
LEFT = Qt.MouseButton.LeftButton
_TOOLTIP = (
    "𝑥ₜ at several t, with the same noise ε in every row.\nPress or drag to move t; press a row to"
    " show its picture.\nKeys: ← → by frame, Shift for 1, Home, End, ↑ ↓ by picture."
)
_TURNS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
_KEYS = {*_TURNS, Qt.Key.Key_Home, Qt.Key.Key_End}


class FilmStrip(StripRows):
    """Rows of frames with their t below; the frames nearest the cursor are framed in amber.

    Pictures dragged here from the tray get a row.
    """

    def __init__(self, film: Film, view: ViewState, theme: Theme) -> None:
        super().__init__(film, view, theme)
        self.setObjectName("filmStrip")
        self.setAccessibleName("Film strip over t")
        self.setToolTip(_TOOLTIP)
        self._held: tuple[int, float] | None = None
        self._turned = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        view.t_changed.connect(self._tell_t)

    @Slot()
    def _tell_t(self) -> None:
        """Let a screen reader know."""
        if self.hasFocus():
            self.setAccessibleDescription(f"t = {self._view.t} of {self._view.T}")

    # --- mouse ----------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Show the picture of the row; on a frame move t to exactly its own."""
        place = event.position()
        if event.button() is not LEFT or not self.heads or place.y() < self._layout.top:
            return
        if self._on_more(place):
            self.next_page()
            return
        row = self._layout.row_at(place.y())
        if place.x() >= self._layout.left:
            self._held = (row, self._off_middle(row, place))
            self._move_to(place)
        self._view.set_picture(self.heads[row].picture)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let t follow the mouse."""
        if self._held is not None and self.heads and event.buttons() & LEFT:
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
        if not self.hidden_pictures:
            event.ignore()
            return
        self._turned += event.angleDelta().y()
        notches = int(self._turned / NOTCH)
        self._turned -= notches * NOTCH
        self._scroll(-notches)

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
        if event.mimeData().hasFormat(PICTURES):
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

    # --- what is told ---------------------------------------------------------------------------

    def told_at(self, place: QPointF) -> str:
        """Return what is to be said about what lies at a place."""
        plain = _TOOLTIP if self._layout.top else "\n".join(filter(None, (self.note, _TOOLTIP)))
        if not self.heads:
            return plain
        if self._on_more(place):
            return self._more_told()
        number = self._layout.row_at(place.y())
        row = self.rows[number]
        if row.problem:
            return row.problem
        if place.x() < self._layout.left:
            hidden = self.hidden_pictures
            more = (
                f"\n{hidden} more: press “+{hidden} more”, turn the wheel, or ↑ and ↓"
                if hidden
                else ""
            )
            return f"{row.head.name}\nPress to show it{more}"
        index = self.index_at(number, place)
        if index is None:
            return plain
        return self._frame_told(row, index)

    def _frame_told(self, row: ImageRow, index: int) -> str:
        t, span = row.frames[index][0], row.spans[index]
        snr = "no noise yet" if t == 0 else f"SNR {self._film.snr_db(row.head.side, t):.1f} dB"
        told = f"t = {t}, {snr}"
        if span != CLIPPED:
            told += f"\nblack {span.low:.2f}, white {span.high:.2f}"
        return told.replace("-", "−") + f"\n{row.head.name}"
