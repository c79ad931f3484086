"""The line above the list of runs that says what was deleted and puts it back, last one first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.panels.common.widgets import ElidedLabel, button
from diffusion_gui.state.run import Run
from diffusion_gui.state.runs import Runs


class DeletedRuns(QWidget):
    """Remembers deletions, each of one run or several; shown while there is one to undo."""

    def __init__(self, runs: Runs) -> None:
        super().__init__()
        self._runs = runs
        self._deletions: list[tuple[Run, ...]] = []
        self.text = ElidedLabel("caption")
        self.undo = button("Undo", "Put back what was deleted last (Ctrl+Z in the list)", "link")
        self.undo.setObjectName("undoDeleteRun")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text, 1)
        row.addWidget(self.undo)
        self.undo.clicked.connect(self.put_back)
        runs.changed.connect(self._look)
        runs.forgotten.connect(self._forget)
        self.hide()

    @property
    def any(self) -> bool:
        """True while something can be put back."""
        return bool(self._deletions)

    def delete(self, chosen: Sequence[Run]) -> None:
        """Take runs out of the list, as one deletion."""
        with self._runs.together():
            for run in chosen:
                self._runs.delete(run)
        self._deletions.append(tuple(chosen))
        self._show()

    @Slot()
    def put_back(self) -> None:
        """Put back the runs that were deleted last."""
        if self._deletions:
            with self._runs.together():
                for run in self._deletions.pop():
                    self._runs.put_back(run)
            self._show()

    @Slot()
    def _look(self) -> None:
        """Forget what has come back by another way."""
        self._keep(lambda run: run not in self._runs)

    @Slot(object)
    def _forget(self, gone: Run) -> None:
        """Offer nothing that newer runs have taken the memory of."""
        self._keep(lambda run: run is not gone)

    def _keep(self, wanted: Callable[[Run], bool]) -> None:
        left = [tuple(filter(wanted, deletion)) for deletion in self._deletions]
        left = [deletion for deletion in left if deletion]
        if left != self._deletions:
            self._deletions = left
            self._show()

    def _show(self) -> None:
        self.setVisible(self.any)
        if self._deletions:
            last = self._deletions[-1]
            what = last[0].title if len(last) == 1 else f"{len(last)} runs"
            before = len(self._deletions) - 1
            more = f", {before} deletion{'s' * (before > 1)} before" if before else ""
            self.text.setText(f"{what} deleted{more}")
