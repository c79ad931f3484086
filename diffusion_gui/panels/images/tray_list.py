"""The thumbnails as a list: what is chosen in it, by mouse and keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.images.tray_model import Thumbnails, TrayModel
from diffusion_gui.panels.images.tray_row import CELL, TrayRow

ALT = Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
SELECT = QItemSelectionModel.SelectionFlag.ClearAndSelect
SIDEWAYS = (Qt.Key.Key_Left, Qt.Key.Key_Right)


class TrayList(TrayRow):
    """A row of thumbnails in which one or several are chosen.

    What a person does: `chosen(ids, id at the cursor)`, `remove_wished()`, `shift_wished(right)`
    and, when the key is up, `shift_finished()`; `menu_wished(place on the screen)`.
    """

    chosen = Signal(object, str)
    remove_wished = Signal()
    shift_wished = Signal(bool)
    shift_finished = Signal()
    menu_wished = Signal(QPoint)

    def __init__(self, model: TrayModel, thumbnails: Thumbnails, theme: Theme) -> None:
        super().__init__(model, thumbnails, theme)
        self.setObjectName("trayList")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._held = 0
        self.selectionModel().selectionChanged.connect(self._tell)
        self.selectionModel().currentChanged.connect(self._tell)

    @property
    def selected(self) -> tuple[str, ...]:
        """The ids of the pictures that are selected, in the order of the tray."""
        selection = self.selectionModel().selection()
        ranges = (selection.at(place) for place in range(selection.count()))
        rows = sorted(row for part in ranges for row in range(part.top(), part.bottom() + 1))
        return self.pictures.ids(rows)

    @property
    def current(self) -> str:
        """The id of the picture at the keyboard's cursor, "" if there is none."""
        index = self.currentIndex()
        return self.pictures.ids([index.row()])[0] if index.isValid() else ""

    def show_chosen(self, chosen: Sequence[str], on_show: str) -> None:
        """Select pictures with one of them on show; nothing is emitted."""
        moved, self.on_show = on_show != self.on_show, on_show
        with self.silent():
            if self.current != on_show:
                rows = self.pictures.rows([on_show])
                self.setCurrentIndex(self.pictures.index(rows[0], 0) if rows else QModelIndex())
            if set(self.selected) != set(chosen):
                self.selectionModel().select(self._ranges(chosen), SELECT)
        if moved:
            self.viewport().update()
            self._reveal(self.currentIndex())

    def _reveal(self, index: QModelIndex) -> None:
        """Scroll as little as brings a whole thumbnail into sight."""
        if index.isValid():
            self.executeDelayedItemsLayout()
            bar, left = self.horizontalScrollBar(), index.row() * CELL
            bar.setValue(min(max(bar.value(), left + CELL - self.viewport().width()), left))

    def _ranges(self, ids: Sequence[str]) -> QItemSelection:
        """Return the rows of pictures as a selection, one range for each run of rows."""
        selection, rows = QItemSelection(), self.pictures.rows(ids)
        first = 0
        for place, row in enumerate(rows):
            if place + 1 == len(rows) or rows[place + 1] != row + 1:
                ends = (self.pictures.index(rows[k], 0) for k in (first, place))
                selection.select(*ends)
                first = place + 1
        return selection

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Emit nothing meanwhile: what is chosen changes in parts, or by no person."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    @Slot()
    def _tell(self) -> None:
        if not self._held:
            self.chosen.emit(self.selected, self.current)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose what is pressed; the right button leaves several chosen ones as they are."""
        with self.silent():
            super().mousePressEvent(event)
        self._tell()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Begin a drag with a button down."""
        with self.silent():
            super().mouseMoveEvent(event)
        if event.buttons():
            self._tell()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on one of several chosen pictures chooses that one."""
        with self.silent():
            super().mouseReleaseEvent(event)
        self._tell()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete, Backspace: take out. Alt and an arrow: move. Space: the window's. Else walk."""
        key, modifiers = event.key(), event.modifiers()
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_wished.emit()
        elif key in SIDEWAYS and modifiers & ALT:
            self.shift_wished.emit(key == Qt.Key.Key_Right)
        elif key == Qt.Key.Key_Space and not modifiers:
            event.ignore()  # the window plays
        elif key == Qt.Key.Key_F10 and modifiers & SHIFT:
            self.menu_wished.emit(self._menu_place())
        else:
            with self.silent():
                super().keyPressEvent(event)
            self._tell()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """A move by a key that was held down is one step."""
        super().keyReleaseEvent(event)
        if not event.isAutoRepeat() and event.key() in SIDEWAYS:
            self.shift_finished.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu: at the mouse, or below the current picture if a key asked."""
        by_mouse = event.reason() is QContextMenuEvent.Reason.Mouse
        self.menu_wished.emit(event.globalPos() if by_mouse else self._menu_place())

    def _menu_place(self) -> QPoint:
        left = self.visualRect(self.currentIndex()).left()
        return self.viewport().mapToGlobal(QPoint(max(left, 0), CELL))
