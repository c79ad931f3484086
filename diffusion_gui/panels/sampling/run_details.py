"""Below the list of runs: the note of the chosen one, and what was found out about it."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from diffusion_gui.engine.run_distance import is_random
from diffusion_gui.panels.common.widgets import ElidedLabel
from diffusion_gui.panels.sampling.runs_model import distance_text, verdict_text
from diffusion_gui.state.run import Run
from diffusion_gui.state.run_checks import RunChecks
from diffusion_gui.state.runs import Runs

ABOUT_REFERENCE = (
    "The reference: the same schedule, model, guidance and starting noise in 1000 steps of Heun\n"
    "(fewer where t has no more to visit), without fresh noise. rms over a picture's values in\n"
    "[−1, 1]: over the batch, and the least and most of its pictures."
)
ABOUT_RANDOM = (
    "\nThis run draws fresh noise on its way, so no number of steps brings it to the reference:\n"
    "the distance says how far that noise has led away, not how good the sampler is."
)


class NoteLine(QLineEdit):
    """A line of text in which Ctrl+Z takes back the last word, not all that was typed."""

    def __init__(self) -> None:
        super().__init__()
        self.textEdited.connect(self._part)

    @Slot(str)
    def _part(self, text: str) -> None:
        """End the step of undo where a word ends: moving the cursor does so."""
        place = self.cursorPosition()
        if place > 1 and text[place - 1 : place].isspace() and not text[place - 2].isspace():
            self.setCursorPosition(place - 1)
            self.setCursorPosition(place)


class FoundLine(ElidedLabel):
    """One line of what was found out; the tooltip has the whole of it, and what it means."""

    about = ""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it, and keep the tooltip."""
        super().paintEvent(event)
        self.setToolTip("\n".join(filter(None, (self.toolTip(), self.about))))


class RunDetails(QWidget):
    """Follows the run it is given, and the checks; `left` when its note is written.

    What was found out has a line each, the whole of it in a tooltip.
    """

    left = Signal()

    def __init__(self, runs: Runs, checks: RunChecks) -> None:
        super().__init__()
        self._runs = runs
        self._checks = checks
        self._run: Run | None = None
        self.note = NoteLine()
        self.note.setObjectName("runNote")
        self.note.setProperty("role", "low")
        self.note.setAccessibleName("Note on the run")
        self.note.setPlaceholderText("Note on this run")
        self.note.setToolTip("A note on the chosen run: kept with it, and keeps it in the list")
        self.message, self.verdict, self.distance = (FoundLine("caption") for _ in range(3))
        for shown, name in (
            (self.message, "checkMessage"), (self.verdict, "runVerdict"),
            (self.distance, "runDistance"),
        ):  # fmt: skip
            shown.setObjectName(name)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for widget in (self.message, self.verdict, self.distance, self.note):
            column.addWidget(widget)
        self.note.textEdited.connect(self._on_note)
        self.note.returnPressed.connect(self.left)
        checks.changed.connect(self._show)
        runs.changed.connect(self._show)
        self._show()

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
        run = self._run
        self.note.setVisible(run is not None)
        if run is not None and self.note.text() != run.note:
            with QSignalBlocker(self.note):
                self.note.setText(run.note)
        for shown, text in (
            (self.message, self._checks.message),
            (self.verdict, verdict_text(run) if run is not None else ""),
            (self.distance, distance_text(run) if run is not None else ""),
        ):
            shown.setText(text)
            shown.setVisible(bool(text))
        random = run is not None and is_random(run.experiment)
        self.distance.about = ABOUT_REFERENCE + (ABOUT_RANDOM if random else "")
