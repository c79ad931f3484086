"""What one may do with the chosen runs: the menu of the page of runs, and its keys."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.deleted_runs import DeletedRuns
from diffusion_gui.panels.sampling.run_details import RunDetails
from diffusion_gui.panels.sampling.runs_tree import RunsTree
from diffusion_gui.state.document import Document
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_checks import Check, RunChecks
from diffusion_gui.state.run_comparison import MOST_RUNS, RunComparison
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import RunState, SamplingController


class RunCommands(QObject):
    """Actions `by_name` on what is chosen in the tree, and their menu; `refused` says why not."""

    refused = Signal(str)

    def __init__(
        self,
        tree: RunsTree,
        details: RunDetails,
        deleted: DeletedRuns,
        document: Document,
        controller: SamplingController,
        shown: RunView,
        comparison: RunComparison,
        checks: RunChecks,
    ) -> None:
        super().__init__(tree)
        self._tree = tree
        self._details = details
        self._deleted = deleted
        self._document = document
        self._controller = controller
        self._runs = controller.runs
        self._shown = shown
        self._comparison = comparison
        self._checks = checks
        self._build()

    def _build(self) -> None:
        self.menu = QMenu(self._tree)
        self.by_name: dict[str, QAction] = {}
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
        self.by_name["pinRun"].setCheckable(True)

    def _add_action(self, name: str, text: str, key: str, handler: Callable[[], None]) -> None:
        action = self.by_name[name] = QAction(text, self)
        action.setObjectName(name)
        action.triggered.connect(lambda: handler())
        self.menu.addAction(action)
        if key and key != "F2":  # the tree's own
            action.setShortcut(QKeySequence(key))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            self._tree.addAction(action)
        elif key:
            action.setText(f"{text}\t{key}")

    def show_able(self, chosen: list[Run]) -> None:
        """Enable what can be done with the runs that are chosen."""
        one = chosen[0] if len(chosen) == 1 else None
        parent = self._runs.parent_of(one) if one is not None else None
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
            self.by_name[name].setEnabled(enabled)
        self.by_name["pinRun"].setChecked(bool(chosen) and all(r.pinned for r in chosen))

    def able(self, name: str) -> bool:
        """Return whether a command can be given."""
        return self.by_name[name].isEnabled()

    def tint(self, theme: Theme) -> None:
        """Draw the icons in the colours of the theme."""
        tokens = theme.tokens
        for name, sign in (("restoreRun", "rotate-ccw"), ("compareRuns", "columns-2"),
                           ("verifyRun", "circle-check"), ("deleteRuns", "trash-2")):  # fmt: skip
            self.by_name[name].setIcon(icon(sign, tokens.text, tokens.disabled))

    @property
    def _one(self) -> Run | None:
        """The run that is chosen, if it is one alone."""
        chosen = self._tree.chosen()
        return chosen[0] if len(chosen) == 1 else None

    @Slot()
    def compare_or_end(self) -> None:
        """Look at the chosen runs together, at a fork beside its run, or at one run again."""
        if self._comparison.on:
            self._comparison.end()
        elif len(self._tree.chosen()) > 1:
            self.compare_chosen()
        else:
            self.compare_parent()

    @Slot()
    def compare_chosen(self) -> None:
        """Look at the chosen runs together."""
        self._compare(self._tree.chosen())

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
        self._checks.ask(Check.VERIFY, *self._tree.chosen())

    @Slot()
    def measure(self) -> None:
        """Measure the chosen runs by the reference of their seed."""
        self._checks.ask(Check.REFERENCE, *self._tree.chosen())

    @Slot()
    def rename(self) -> None:
        """Edit the name in its row."""
        self._tree.rename(self._one)

    @Slot()
    def write_note(self) -> None:
        """Go to the note's line."""
        self._details.note.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot()
    def pin(self) -> None:
        """Pin the chosen runs, or let them go if all of them are pinned."""
        chosen = self._tree.chosen()
        pinned = not all(run.pinned for run in chosen)
        with self._runs.together():
            for run in chosen:
                self._runs.pin(run, pinned)

    @Slot()
    def delete(self) -> None:
        """Delete the chosen runs but for those that are pinned; a line offers to put them back."""
        pinned = [run for run in self._tree.chosen() if run.pinned]
        chosen = [run for run in self._tree.chosen() if not run.pinned]
        if pinned:
            told = f"{pinned[0].title} is" if len(pinned) == 1 else f"{len(pinned)} runs are"
            self.refused.emit(f"{told} pinned: let go of the pin (P), then delete")
        if not chosen:
            return
        if self._controller.recorded in chosen and self._controller.state in (
            RunState.RUNNING, RunState.PAUSED,
        ):  # fmt: skip
            self._controller.stop()
        self._deleted.delete(chosen)
        left = list(self._runs)
        if not left:
            self._deleted.undo.setFocus()  # so that Ctrl+Z stays with the list
        if self._shown.run in chosen and left:
            self._shown.show(left[-1])
