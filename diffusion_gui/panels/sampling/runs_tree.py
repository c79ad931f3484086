"""The tree of runs: how a row is chosen, and how a fork is joined to the run it goes on from."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QTreeView

from diffusion_gui.panels.sampling.runs_model import Index, RunsModel
from diffusion_gui.state.run import Run

INDENT = 14
PLAIN = Qt.KeyboardModifier.NoModifier


class RunsTree(QTreeView):
    """The rows; `picked` when one was chosen alone, by a click or an arrow key."""

    picked = Signal(QModelIndex)

    def __init__(self, model: RunsModel) -> None:
        super().__init__()
        self._runs_model = model
        self.setModel(model)
        self.setObjectName("runsTree")
        self.setAccessibleName("Runs")
        self.setToolTip(
            "Click: look at a run. Ctrl or Shift: choose several. Double click: rename it"
        )
        self.setProperty("role", "runs")
        self.setHeaderHidden(True)
        self.setIndentation(INDENT)
        self.setRootIsDecorated(False)
        self.setItemsExpandable(False)
        self.setExpandsOnDoubleClick(False)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)

    def chosen(self) -> list[Run]:
        """Return the runs that are chosen, oldest first."""
        indices = self.selectionModel().selectedIndexes()
        runs = [run for index in indices if (run := self._runs_model.run(index)) is not None]
        return sorted(runs, key=lambda run: run.number)

    def rename(self, run: Run | None) -> None:
        """Edit the name of a run in its row."""
        self.edit(self._runs_model.index_of(run))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Pick a row that was clicked without a key."""
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        if event.button() is Qt.MouseButton.LeftButton and event.modifiers() == PLAIN:
            self._pick(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Pick the row that a plain arrow key goes to, or that Enter is pressed on."""
        super().keyPressEvent(event)
        keys = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter)
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if event.key() in keys and held == PLAIN:
            self._pick(self.currentIndex())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the row in sight that is chosen."""
        super().resizeEvent(event)
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())

    def drawBranches(self, painter: QPainter, rect: QRect, index: Index) -> None:
        """Join a fork to the run that it goes on from; Qt would colour the room of a chosen one."""
        if not index.parent().isValid():
            return
        painter.setPen(QPen(self.palette().mid().color(), 1))
        x, y = rect.right() - INDENT // 2, rect.top() + rect.height() // 2
        last = not index.model().index(index.row() + 1, 0, index.parent()).isValid()
        painter.drawLine(x, rect.top(), x, y if last else rect.bottom())
        painter.drawLine(x, y, rect.right() - 1, y)

    def keyboardSearch(self, search: str) -> None:
        """Leave letters to the commands."""

    def _pick(self, index: QModelIndex) -> None:
        if index.isValid():
            self.picked.emit(index)
