"""The page of runs: the tree of what was sampled, and what one may do with it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QRect,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QAction,
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPen,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QMenu,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.panels.common.icons import icon, set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import ElidedLabel, button, label
from diffusion_gui.panels.sampling.check_progress import CheckProgress
from diffusion_gui.panels.sampling.deleted_runs import DeletedRuns
from diffusion_gui.panels.sampling.run_details import RunDetails
from diffusion_gui.panels.sampling.runs_delegate import RunsDelegate
from diffusion_gui.panels.sampling.runs_model import Index, RunsModel
from diffusion_gui.state.document import Document
from diffusion_gui.state.run_checks import Check, RunChecks
from diffusion_gui.state.run_comparison import MOST_RUNS, RunComparison
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.runs import Outcome, Run
from diffusion_gui.state.sampling import RunState, SamplingController

INDENT = 14
PLAIN = Qt.KeyboardModifier.NoModifier
CHOOSE = QItemSelectionModel.SelectionFlag.ClearAndSelect


class RunsTree(QTreeView):
    """The rows; `picked` when one was chosen alone, by a click or an arrow key."""

    picked = Signal(QModelIndex)

    def __init__(self) -> None:
        super().__init__()
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


class RunsPage(QWidget):
    """Shows, names, pins, deletes, restores, compares and checks runs; `refused` says why not."""

    refused = Signal(str)

    def __init__(
        self,
        document: Document,
        controller: SamplingController,
        shown: RunView,
        comparison: RunComparison,
        checks: RunChecks,
        theme: Theme,
    ) -> None:
        super().__init__()
        self.setObjectName("runsPage")
        self._document = document
        self._controller = controller
        self._runs = controller.runs
        self._shown = shown
        self._comparison = comparison
        self._checks = checks
        self._theme = theme
        self._away = False
        """True while another page is on show: what happens is taken in when this one is again."""
        self._kept: frozenset[int] = frozenset()
        """Numbers of the runs that were chosen before all rows were made anew."""
        self._heights: object = None
        self.model = RunsModel(self._runs, self)
        self._build()
        self._build_actions()
        self._bind()
        self._compared = comparison.on
        self.tree.expandAll()
        self._show_shown()
        self._show_list()
        self._tint()

    # --- building ---------------------------------------------------------------------------

    def _build(self) -> None:
        self.tree = RunsTree()
        self.tree.setModel(self.model)
        parts = self._controller, self._shown, self._comparison, self._theme
        delegate = RunsDelegate(self.model, *parts)
        self.tree.setItemDelegate(delegate)
        self._runs.removed.connect(delegate.forget)
        self.empty = label("<b>No runs yet</b><br>Each is kept here with its settings,<br>"
                           "to look at again, fork or compare", "caption")  # fmt: skip
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.details = RunDetails(self._runs, self._checks)
        self.progress = CheckProgress(self._checks, self._theme)
        self.deleted = DeletedRuns(self._runs)
        self.compare = button("Compare", "", "chip")
        self.compare.setObjectName("compareRunsButton")
        self.more = button("", "More to do with the chosen runs", "chip")
        self.more.setObjectName("runsMenuButton")
        self.more.setAccessibleName("More to do with the chosen runs")
        self._count = ElidedLabel("caption")
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self._count, 1)
        head.addWidget(self.progress, 1)
        head.addWidget(self.compare)
        head.addWidget(self.more)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self.deleted)
        for widget, stretch in ((self.tree, 1), (self.empty, 1), (self.details, 0)):
            column.addWidget(widget, stretch)
        self.setMinimumWidth(250)

    def _build_actions(self) -> None:
        self.menu = QMenu(self)
        self.actions_by_name: dict[str, QAction] = {}
        for name, text, key, handler in (
            ("restoreRun", "Restore its settings", "Ctrl+Return", self.restore),
            ("compareRuns", "Compare the chosen runs", "C", self.compare_chosen),
            ("compareWithParent", "Compare with the run it forks from", "", self.compare_parent),
            ("finishRun", "Go on to its end", "", self.finish),
            ("-", "", "", None),
            ("verifyRun", "Verify: run it again and compare", "", self.verify),
            ("measureRun", "Distance to the 1000-step reference of its seed", "", self.measure),
            ("-", "", "", None),
            ("renameRun", "Rename", "F2", self.rename),
            ("noteRun", "Write a note", "N", self.write_note),
            ("pinRun", "Pin: keep it, and every step of it", "P", self.pin),
            ("deleteRuns", "Delete", "Del", self.delete),
        ):
            if handler is None:
                self.menu.addSeparator()
                continue
            self._add_action(name, text, key, handler)
        self.actions_by_name["pinRun"].setCheckable(True)
        self.more.setMenu(self.menu)

    def _add_action(self, name: str, text: str, key: str, handler: Callable[[], None]) -> None:
        action = self.actions_by_name[name] = QAction(text, self)
        action.setObjectName(name)
        action.triggered.connect(lambda: handler())
        self.menu.addAction(action)
        if key and key != "F2":  # the tree's own
            action.setShortcut(QKeySequence(key))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            self.tree.addAction(action)
        elif key:
            action.setText(f"{text}\t{key}")

    def _bind(self) -> None:
        self.tree.picked.connect(self._on_picked)
        self.tree.customContextMenuRequested.connect(self._show_menu)
        self.tree.selectionModel().selectionChanged.connect(self._show_chosen)
        self.model.rowsInserted.connect(self._on_rows)
        self.model.modelAboutToBeReset.connect(self._keep_chosen)
        self.model.modelReset.connect(self._choose_kept)
        self.compare.clicked.connect(self._on_compare)
        self.details.left.connect(self.tree.setFocus)
        self._runs.changed.connect(self._show_list)
        self._shown.run_changed.connect(self._show_shown)
        self._shown.grown.connect(self._on_grown)
        self._comparison.changed.connect(self._on_comparison)
        self._checks.changed.connect(self._show_chosen)
        self._controller.state_changed.connect(self._show_chosen)
        self._theme.changed.connect(self._tint)

    # --- what is chosen ---------------------------------------------------------------------

    def chosen(self) -> list[Run]:
        """Return the runs that are chosen, oldest first."""
        indices = self.tree.selectionModel().selectedIndexes()
        runs = [run for index in indices if (run := self.model.run(index)) is not None]
        return sorted(runs, key=lambda run: run.number)

    @property
    def _one(self) -> Run | None:
        """The run that is chosen, if it is one alone."""
        chosen = self.chosen()
        return chosen[0] if len(chosen) == 1 else None

    @Slot(QModelIndex)
    def _on_picked(self, index: QModelIndex) -> None:
        run = self.model.run(index)
        if run is not None:
            self._comparison.end()
            self._shown.show(run)

    @Slot(QModelIndex, int, int)
    def _on_rows(self, parent: QModelIndex, _first: int, _last: int) -> None:
        self.tree.expand(parent)

    @Slot()
    def _keep_chosen(self) -> None:
        if self.model.rowCount():
            self._kept = frozenset(run.number for run in self.chosen())

    @Slot()
    def _choose_kept(self) -> None:
        """Choose again what was chosen, when all rows have been made anew."""
        self.tree.expandAll()
        chosen = QItemSelection()
        for run in self._runs:
            index = self.model.index_of(run)
            if run.number in self._kept and index.isValid():
                chosen.select(index, index)
        if chosen.indexes():
            choice = self.tree.selectionModel()
            choice.setCurrentIndex(chosen.indexes()[0], QItemSelectionModel.SelectionFlag.NoUpdate)
            choice.select(chosen, CHOOSE)

    def showEvent(self, event: QShowEvent) -> None:
        """Take in what has happened meanwhile."""
        super().showEvent(event)
        if self._away:
            self._away = False
            self.model.set_watched(True)
            self._show_shown()
            self._on_comparison()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let the list be."""
        super().hideEvent(event)
        self._away = True
        self.model.set_watched(False)

    @Slot()
    def _show_shown(self) -> None:
        """Choose the row of the run on show, unless it is one of several."""
        if self._away:
            return
        index, chosen = self.model.index_of(self._shown.run), self.chosen()
        if index.isValid() and (len(chosen) < 2 or self._shown.run not in chosen):
            self.tree.selectionModel().setCurrentIndex(index, CHOOSE)
            self.tree.scrollTo(index)
        self.tree.viewport().update()

    @Slot()
    def _on_comparison(self) -> None:
        """Choose the run on show alone when a comparison ends: Del is meant for what is seen."""
        if self._away:
            return
        index = self.model.index_of(self._shown.run)
        if not self._comparison.on and self._compared and index.isValid():
            self.tree.selectionModel().setCurrentIndex(index, CHOOSE)
        self._compared = self._comparison.on
        self._show_list()

    @Slot()
    def _on_grown(self) -> None:
        if self._shown.run is not None:
            self.model.show_growth(self._shown.run)

    @Slot()
    def _show_list(self) -> None:
        if self._away:
            return
        count = len(self._runs)
        self.tree.setVisible(count > 0)
        self.details.setVisible(count > 0)
        self.compare.setVisible(count > 0)
        self.more.setVisible(count > 0)
        self.empty.setVisible(count == 0)
        if not self.chosen():
            self._show_shown()
        self._show_chosen()

    def _fit_rows(self) -> None:
        """Lay the rows out anew where one is higher than it was: a note, or what is said of it."""
        noted = frozenset(run.number for run in self._runs if run.note)
        fleeting = self._controller.fleeting
        heights = noted, fleeting.number if fleeting is not None else 0
        if heights != self._heights:
            self._heights = heights
            self.tree.scheduleDelayedItemsLayout()

    @Slot()
    def _show_chosen(self) -> None:
        if self._away:
            return
        self._fit_rows()
        chosen = self.chosen()
        one = chosen[0] if len(chosen) == 1 else None
        parent = self._runs.parent_of(one) if one is not None else None
        on = self._comparison.on
        able = {
            "restoreRun": one is not None,
            "compareRuns": 2 <= len(chosen) <= MOST_RUNS,
            "compareWithParent": parent is not None,
            "finishRun": one is not None and one.outcome is Outcome.STOPPED,
            "verifyRun": bool(chosen),
            "measureRun": bool(chosen),
            "renameRun": one is not None,
            "noteRun": one is not None,
            "pinRun": bool(chosen),
            "deleteRuns": bool(chosen),
        }
        for name, enabled in able.items():
            self.actions_by_name[name].setEnabled(enabled)
        self.actions_by_name["pinRun"].setChecked(bool(chosen) and all(r.pinned for r in chosen))
        self.compare.setText("End comparison" if on else "Compare")
        self.compare.setEnabled(on or able["compareRuns"] or able["compareWithParent"])
        self.compare.setToolTip(
            "Look at one run again" if on
            else "Look at the chosen runs together, or at a fork beside the run it goes on from:\n"
            f"choose 2 to {MOST_RUNS} with Ctrl or Shift"
        )  # fmt: skip
        self.details.set_run(one)
        self._show_count(len(chosen))

    def _show_count(self, chosen: int) -> None:
        """Say how many runs there are, and what Compare waits for."""
        count, checking = len(self._runs), self._checks.check is not None
        text = f"{count} run{'s' * (count != 1)}" if count else ""
        if count > 1 and not self.compare.isEnabled():
            text += f": choose 2 to {MOST_RUNS} to compare"
        elif chosen > 1 and not self._comparison.on:
            text += f", {chosen} chosen"
        self._count.setText(text)
        self._count.setVisible(not checking)

    @Slot(QPoint)
    def _show_menu(self, place: QPoint) -> None:
        self.menu.popup(self.tree.viewport().mapToGlobal(place))

    # --- what is done -----------------------------------------------------------------------

    @Slot()
    def _on_compare(self) -> None:
        if self._comparison.on:
            self._comparison.end()
        elif len(self.chosen()) > 1:
            self.compare_chosen()
        else:
            self.compare_parent()

    @Slot()
    def compare_chosen(self) -> None:
        """Look at the chosen runs together."""
        self._compare(self.chosen())

    @Slot()
    def compare_parent(self) -> None:
        """Look at a fork beside the run that it goes on from."""
        run = self._one
        parent = self._runs.parent_of(run) if run is not None else None
        if run is not None and parent is not None:
            self._compare([parent, run])

    def _compare(self, runs: list[Run]) -> None:
        try:
            self._comparison.compare(runs)
        except EngineError as error:
            self.refused.emit(str(error))

    @Slot()
    def restore(self) -> None:
        """Make a run's settings those of the document, as an undoable step."""
        if (run := self._one) is not None:
            self._document.replace(run.experiment, f"restore the settings of {run.title}")

    @Slot()
    def finish(self) -> None:
        """Go on with a stopped run to its end."""
        if (run := self._one) is not None:
            self._controller.finish(run)

    @Slot()
    def verify(self) -> None:
        """Run the chosen runs again and compare."""
        self._checks.ask(Check.VERIFY, *self.chosen())

    @Slot()
    def measure(self) -> None:
        """Measure the chosen runs by the reference of their seed."""
        self._checks.ask(Check.REFERENCE, *self.chosen())

    @Slot()
    def rename(self) -> None:
        """Edit the name in its row."""
        self.tree.edit(self.model.index_of(self._one))

    @Slot()
    def write_note(self) -> None:
        """Go to the note's line."""
        self.details.note.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot()
    def pin(self) -> None:
        """Pin the chosen runs, or let them go if all of them are pinned."""
        chosen = self.chosen()
        pinned = not all(run.pinned for run in chosen)
        with self._runs.together():
            for run in chosen:
                self._runs.pin(run, pinned)

    @Slot()
    def delete(self) -> None:
        """Delete the chosen runs but for those that are pinned; a line offers to put them back."""
        pinned = [run for run in self.chosen() if run.pinned]
        chosen = [run for run in self.chosen() if not run.pinned]
        if pinned:
            told = f"{pinned[0].title} is" if len(pinned) == 1 else f"{len(pinned)} runs are"
            self.refused.emit(f"{told} pinned: let go of the pin (P), then delete")
        if not chosen:
            return
        if self._controller.recorded in chosen and self._controller.state in (
            RunState.RUNNING, RunState.PAUSED,
        ):  # fmt: skip
            self._controller.stop()
        self.deleted.delete(chosen)
        left = list(self._runs)
        if not left:
            self.deleted.undo.setFocus()  # so that Ctrl+Z stays with the list
        if self._shown.run in chosen and left:
            self._shown.show(left[-1])

    def event(self, event: QEvent) -> bool:
        """Undo the last deletion by Ctrl+Z in the list; where there is none, leave it be."""
        asked = event.type() in (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)
        if asked and isinstance(event, QKeyEvent) and event.matches(QKeySequence.StandardKey.Undo):
            if event.type() is QEvent.Type.ShortcutOverride and self.deleted.any:
                event.accept()
                return True
            if event.type() is QEvent.Type.KeyPress and self.deleted.any:
                self.deleted.put_back()
                self.tree.setFocus()
                return True
        return super().event(event)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        set_icon(self.more, "ellipsis", tokens.text, tokens.disabled)
        for name, sign in (("restoreRun", "rotate-ccw"), ("compareRuns", "columns-2"),
                           ("verifyRun", "circle-check"), ("pinRun", "pin"),
                           ("deleteRuns", "trash-2")):  # fmt: skip
            if name != "pinRun":  # a check mark is in its place
                self.actions_by_name[name].setIcon(icon(sign, tokens.text, tokens.disabled))
        self.tree.viewport().update()
