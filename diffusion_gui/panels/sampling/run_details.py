"""Below the list of runs: the note of the chosen one, what was found out about it, what goes on."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QProgressBar, QVBoxLayout, QWidget

from diffusion_gui.engine.run_distance import is_random
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import button, label
from diffusion_gui.panels.sampling.runs_model import distance_text, verdict_text
from diffusion_gui.state.run_checks import Check, RunChecks
from diffusion_gui.state.runs import Run, Runs

ABOUT_REFERENCE = (
    "The reference: the same schedule, model, guidance and starting noise in 1000 steps of Heun\n"
    "(fewer where t has no more to visit), without fresh noise. rms over a picture's values in\n"
    "[−1, 1]: mean, least and most of the batch."
)
ABOUT_RANDOM = (
    "\nThis run draws fresh noise on its way, so no number of steps brings it to the reference:\n"
    "the distance says how far that noise has led away, not how good the sampler is."
)
_DOING = {Check.VERIFY: "verifying", Check.REFERENCE: "drawing the reference of"}


class RunDetails(QWidget):
    """Follows the run it is given, and the checks."""

    def __init__(self, runs: Runs, checks: RunChecks, theme: Theme) -> None:
        super().__init__()
        self._runs = runs
        self._checks = checks
        self._theme = theme
        self._run: Run | None = None
        self.note = QLineEdit()
        self.note.setObjectName("runNote")
        self.note.setAccessibleName("Note on the run")
        self.note.setPlaceholderText("Note on this run")
        self.note.setToolTip("A note on the chosen run: kept with it, and keeps it in the list")
        self.found = label("", "caption")
        self.found.setObjectName("runFindings")
        self.found.setWordWrap(True)
        self._build_progress()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.work)
        column.addWidget(self.found)
        column.addWidget(self.note)
        self.note.textEdited.connect(self._on_note)
        self.cancel.clicked.connect(checks.cancel)
        checks.changed.connect(self._show)
        runs.changed.connect(self._show)
        theme.changed.connect(self._tint)
        self._tint()
        self._show()

    def _build_progress(self) -> None:
        self.work = QWidget()
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setObjectName("checkProgress")
        self.cancel = button("", "Give it up", "tool")
        self.cancel.setAccessibleName("Give the check up")
        self.cancel.setObjectName("cancelCheck")
        row = QHBoxLayout(self.work)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)

    def set_run(self, run: Run | None) -> None:
        """Tell of a run, or of none."""
        self._run = run
        self._show()

    @Slot(str)
    def _on_note(self, text: str) -> None:
        if self._run is not None:
            self._runs.annotate(self._run, text)

    @Slot()
    def _show(self) -> None:
        run, checks = self._run, self._checks
        self.note.setVisible(run is not None)
        if run is not None and self.note.text() != run.note:
            with QSignalBlocker(self.note):
                self.note.setText(run.note)
        told = [checks.message]
        if run is not None:
            told += [verdict_text(run), distance_text(run)]
        self.found.setText("\n".join(filter(None, told)))
        self.found.setVisible(any(told))
        measured = run is not None and run.distance is not None
        random = run is not None and is_random(run.experiment)
        tip = ABOUT_REFERENCE + (ABOUT_RANDOM if random else "")
        self.found.setToolTip(tip if measured else "")
        doing = checks.check is not None and checks.run is not None
        self.work.setVisible(doing)
        if checks.check is not None and checks.run is not None:
            self.progress.setFormat(f"{_DOING[checks.check]} {checks.run.title}  %p %")
            self.progress.setValue(round(1000 * checks.progress))

    @Slot()
    def _tint(self) -> None:
        set_icon(self.cancel, "x", self._theme.tokens.text, self._theme.tokens.disabled)
