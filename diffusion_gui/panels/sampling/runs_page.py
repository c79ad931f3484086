"""The page of runs: the tree of what was sampled, and what one may do with it."""

from __future__ import annotations

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import ElidedLabel, button, label
from diffusion_gui.panels.sampling.check_progress import CheckProgress
from diffusion_gui.panels.sampling.deleted_runs import DeletedRuns
from diffusion_gui.panels.sampling.run_commands import RunCommands
from diffusion_gui.panels.sampling.run_details import RunDetails
from diffusion_gui.panels.sampling.runs_delegate import RunsDelegate
from diffusion_gui.panels.sampling.runs_model import RunsModel
from diffusion_gui.panels.sampling.runs_tree import RunsTree
from diffusion_gui.state.document import Document
from diffusion_gui.state.run import Run
from diffusion_gui.state.run_checks import RunChecks
from diffusion_gui.state.run_comparison import MOST_RUNS, RunComparison
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import SamplingController

CHOOSE = QItemSelectionModel.SelectionFlag.ClearAndSelect


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
        self._bind()
        self._compared = comparison.on
        self.tree.expandAll()
        self._show_shown()
        self._show_list()
        self._tint()

    # --- building ---------------------------------------------------------------------------

    def _build(self) -> None:
        self.tree = RunsTree(self.model)
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
        self.commands = RunCommands(
            self.tree, self.details, self.deleted, self._document,
            self._controller, self._shown, self._comparison, self._checks,
        )  # fmt: skip
        self.actions_by_name = self.commands.by_name
        self.more.setMenu(self.commands.menu)
        self._lay_out()

    def _lay_out(self) -> None:
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

    def _bind(self) -> None:
        self.commands.refused.connect(self.refused)
        self.tree.picked.connect(self._on_picked)
        self.tree.customContextMenuRequested.connect(self._show_menu)
        self.tree.selectionModel().selectionChanged.connect(self._show_chosen)
        self.model.rowsInserted.connect(self._on_rows)
        self.model.modelAboutToBeReset.connect(self._keep_chosen)
        self.model.modelReset.connect(self._choose_kept)
        self.compare.clicked.connect(self.commands.compare_or_end)
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
        return self.tree.chosen()

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
        self.commands.show_able(chosen)
        on, able = self._comparison.on, self.commands.able
        self.compare.setText("End comparison" if on else "Compare")
        self.compare.setEnabled(on or able("compareRuns") or able("compareWithParent"))
        self.compare.setToolTip(
            "Look at one run again" if on
            else "Look at the chosen runs together, or at a fork beside the run it goes on from:\n"
            f"choose 2 to {MOST_RUNS} with Ctrl or Shift"
        )  # fmt: skip
        self.details.set_run(chosen[0] if len(chosen) == 1 else None)
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
        self.commands.menu.popup(self.tree.viewport().mapToGlobal(place))

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
        self.commands.tint(self._theme)
        self.tree.viewport().update()
