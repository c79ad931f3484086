"""The table of a schedule's numbers: read, copied, edited, pasted into; it follows the cursor.

Built when it is first on show. Edits go through `engine/schedules/columns.py`; `table_cells.py`
paints the cells.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QItemSelectionModel, Qt, Signal, Slot
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QFont,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemDelegate,
    QApplication,
    QHeaderView,
    QMenu,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import columns
from diffusion_gui.engine.schedules.columns import COLUMNS
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.schedule.table_cells import ROW, Cells, Head
from diffusion_gui.panels.schedule.table_model import NAMES, ScheduleModel
from diffusion_gui.state.document import Document
from diffusion_gui.state.editor_state import TABLE, EditorState
from diffusion_gui.state.view_state import ViewState

_TIME_WIDTH = 44
_SIZES = ((64, 12, 8), (54, 11, 8), (0, 10, 3))
"""From a width of the columns on: the size of their figures and the room on the right."""
_TYPED = frozenset("0123456789.,+-−∞")
_KEYS = QKeySequence.StandardKey


class ScheduleTable(QWidget):
    """The pane of numbers; `edited(spec, text, merge key)`, `refused(line)`, `t_dragged(t)`.

    `left()` when it is closed while it has the keyboard.
    """

    edited = Signal(object, str, str)
    refused = Signal(str)
    t_dragged = Signal(int)
    left = Signal()

    def __init__(
        self, document: Document, view: ViewState, state: EditorState, theme: Theme
    ) -> None:
        super().__init__()
        self._document = document
        self._view = view
        self._state = state
        self._theme = theme
        self.numbers: NumbersView | None = None
        self.hide()
        state.panes_changed.connect(self._on_pane)
        document.schedule_changed.connect(self._show_schedule)
        view.t_changed.connect(self._show_time)

    @Slot()
    def _on_pane(self) -> None:
        if self._state.pane == TABLE and self.numbers is None:
            self._build()
        focused = QApplication.focusWidget()
        if self._state.pane != TABLE and focused is not None and self.isAncestorOf(focused):
            self.left.emit()
        self.setVisible(self._state.pane == TABLE)

    def _build(self) -> None:
        self.numbers = NumbersView(ScheduleModel(self._document.schedule), self._theme)
        self.numbers.model_.number_typed.connect(self._on_number)
        self.numbers.column_pasted.connect(self._on_paste)
        self.numbers.t_pressed.connect(self.t_dragged)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.numbers)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # else it has no place in the tab order
        self.setTabOrder(self, self.numbers)  # late, but not last in the window
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    @Slot(int, str, str)
    def _on_number(self, t: int, name: str, text: str) -> None:
        spec = self._document.experiment.schedule
        try:
            made = columns.with_value(spec, name, t, columns.read_number(text))
        except EngineError as error:
            self.refused.emit(str(error))
        else:
            self.edited.emit(made, f"{COLUMNS[name].symbol} at t = {t}", "")

    @Slot(int, str, str)
    def _on_paste(self, t: int, name: str, text: str) -> None:
        spec = self._document.experiment.schedule
        try:
            made = columns.pasted(spec, name, t, columns.read_numbers(text, name))
        except EngineError as error:
            self.refused.emit(f"Not pasted: {error}")
        else:
            self.edited.emit(made, f"paste {COLUMNS[name].symbol}", "")

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what changed while the table was out of sight."""
        super().showEvent(event)
        self._show_schedule()
        self._show_time()

    @Slot()
    def _show_schedule(self) -> None:
        if self.numbers is not None and self.isVisible():
            self.numbers.model_.set_schedule(self._document.schedule)

    @Slot()
    def _show_time(self) -> None:
        if self.numbers is not None and self.isVisible():
            self.numbers.show_time(self._view.t)


class NumbersView(QTableView):
    """The table itself: selection, keys, copy and paste, the row at the time cursor."""

    t_pressed = Signal(int)
    column_pasted = Signal(int, str, str)
    """Row, column and clipboard text."""

    def __init__(self, model: ScheduleModel, theme: Theme) -> None:
        super().__init__()
        self.model_ = model
        self.t = -1
        """The row that is marked."""
        self._fonts: dict[tuple[int, QFont.Weight], QFont] = {}
        self.setObjectName("scheduleTable")
        self.setProperty("role", "numbers")
        self.setAccessibleName("Numbers of the schedule")
        self.setModel(model)
        self.setItemDelegate(Cells(self, theme))
        self._build(theme)

    def _build(self, theme: Theme) -> None:
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setMinimumHeight(5 * ROW)
        triggers = QTableView.EditTrigger
        self.setEditTriggers(
            triggers.DoubleClicked | triggers.EditKeyPressed | triggers.AnyKeyPressed
        )
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setMinimumSectionSize(ROW)
        rows.setDefaultSectionSize(ROW)
        head = Head(self, theme)
        self.setHorizontalHeader(head)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        head.resizeSection(0, _TIME_WIDTH)

    def show_time(self, t: int) -> None:
        """Mark the row at `t` and bring it into sight."""
        if t == self.t:
            return
        self.t = t
        self.viewport().update()
        row = self.model_.index(t, 0)
        if self.state() is QTableView.State.EditingState or not row.isValid():
            return
        if not self.viewport().rect().contains(self.visualRect(row)):
            self.scrollTo(row, QTableView.ScrollHint.PositionAtCenter)

    def look(self, weight: QFont.Weight = QFont.Weight.Normal) -> tuple[QFont, int]:
        """Return the font of the numbers, figures of one width, and their room on the right."""
        size, room = next(row[1:] for row in _SIZES if self.columnWidth(1) >= row[0])
        if (size, weight) not in self._fonts:
            font = QFont(self.font())
            font.setPixelSize(size)
            font.setWeight(weight)
            font.setFeature(QFont.Tag("tnum"), 1)
            self._fonts[size, weight] = font
        return self._fonts[size, weight], room

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """After Enter go down, where the next number is typed."""
        super().closeEditor(editor, hint)
        below = self.currentIndex().siblingAtRow(self.currentIndex().row() + 1)
        if hint is QAbstractItemDelegate.EndEditHint.SubmitModelCache and below.isValid():
            self.setCurrentIndex(below)

    # --- copy and paste ---------------------------------------------------------------------

    def copy(self) -> None:
        """Put the selected numbers with all their digits on the clipboard, under their names."""
        selected = self._selected()
        rows, places = np.flatnonzero(selected.any(1)), np.flatnonzero(selected.any(0))
        if not rows.size:
            return
        names = [NAMES[place] for place in places]
        listed = []
        for place, name in zip(places, names, strict=True):
            texts = self.model_.exact(name, rows)
            chosen = selected[rows, place].tolist()
            listed.append([text if on else "" for text, on in zip(texts, chosen, strict=True)])
        lines = ["\t".join(names), *("\t".join(row) for row in zip(*listed, strict=True))]
        QGuiApplication.clipboard().setText("\n".join(lines) + "\n")

    def copy_column(self) -> None:
        """Select the column of the current cell and copy it."""
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(self.currentIndex(), flag.ClearAndSelect | flag.Columns)
        self.copy()

    def paste(self) -> None:
        """Hand on the clipboard's text for the column of the current cell."""
        cell = self.currentIndex()
        if cell.isValid():
            text = QGuiApplication.clipboard().text()
            self.column_pasted.emit(cell.row(), NAMES[cell.column()], text)

    def _selected(self) -> np.ndarray:
        """Return which cells are selected, the current one where none is: bool [T + 1, columns]."""
        cells = np.zeros((self.model_.rowCount(), len(NAMES)), dtype=bool)
        selection = self.selectionModel().selection()
        for part in (selection.at(place) for place in range(selection.size())):
            cells[part.top() : part.bottom() + 1, part.left() : part.right() + 1] = True
        current = self.currentIndex()
        if not cells.any() and current.isValid():
            cells[current.row(), current.column()] = True
        return cells

    # --- mouse and keys ---------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Take copy and paste before the window's own commands of the same keys."""
        if (
            event.type() is QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and any(event.matches(key) for key in (_KEYS.Copy, _KEYS.Paste, _KEYS.SelectAll))
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy, paste, edit with Enter or by typing a number; letters are left to others."""
        if event.matches(_KEYS.Copy):
            self.copy()
        elif event.matches(_KEYS.Paste):
            self.paste()
        elif event.matches(_KEYS.SelectAll):
            self.selectAll()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            editing = self.state() is QTableView.State.EditingState  # it comes from the field
            if self.currentIndex().flags() & Qt.ItemFlag.ItemIsEditable and not editing:
                self.edit(self.currentIndex())
        elif event.text().isprintable() and event.text() and event.text() not in _TYPED:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a cell and move the time cursor to its row; with a modifier choose only."""
        super().mousePressEvent(event)
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        index = self.indexAt(event.position().toPoint())
        if event.button() is Qt.MouseButton.LeftButton and plain and index.isValid():
            self.t_pressed.emit(index.row())

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Start at the time cursor."""
        if not self.currentIndex().isValid():
            self.setCurrentIndex(self.model_.index(max(self.t, 1), 1))
        super().focusInEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer copy and paste, at the current cell when asked for by a key."""
        place = event.globalPos()
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            cell = self.visualRect(self.currentIndex())
            place = self.viewport().mapToGlobal(cell.bottomLeft())
        self._menu().popup(place)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy\tCtrl+C", self.copy)
        menu.addAction("Copy this column", self.copy_column)
        menu.addAction("Paste into this column\tCtrl+V", self.paste)
        menu.addSeparator()
        menu.addAction("Select all\tCtrl+A", self.selectAll)
        return menu
