"""What comes before the window closes: a question about runs, and a training's checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QMessageBox, QWidget

from diffusion_gui.app.parts import Parts
from diffusion_gui.state.training import TrainState

MOST_TITLES = 3


class LeaveQuestion(QMessageBox):
    """Close or Stay; `accepted` when it is Close. Enter and Esc stay."""

    def __init__(self, titles: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("leaveQuestion")
        self.setWindowTitle("Close Diffusion GUI")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setTextFormat(Qt.TextFormat.PlainText)
        named = ", ".join(titles[:MOST_TITLES])
        more = f" and {len(titles) - MOST_TITLES} more" if len(titles) > MOST_TITLES else ""
        what = "a run" if len(titles) == 1 else f"{len(titles)} runs"
        self.setText(f"Close and lose {what} that you pinned, named or noted?")
        self.setInformativeText(
            f"{named}{more}.\nRuns last as long as the window. Export saves one as a PNG that"
            " brings its settings back."
        )
        self.close_button = self.addButton("Close", QMessageBox.ButtonRole.AcceptRole)
        self.stay_button = self.addButton("Stay", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(self.stay_button)
        self.setEscapeButton(self.stay_button)


class Leaving(QObject):
    """Decides whether the window may close, and closes it later where it may not yet.

    `said(text)` tells what it waits for; `kept` when the window stays, as a training could not be
    saved and says so.
    """

    said = Signal(str)
    kept = Signal()

    def __init__(self, parts: Parts, window: QWidget) -> None:
        super().__init__(window)
        self._parts, self._window = parts, window
        self._agreed = self._waits = False
        parts.training.state_changed.connect(self._on_training)

    def may_close(self) -> bool:
        """Return whether nothing would be lost; else ask, or wait. A second try is believed."""
        kept = [run.title for run in self._parts.sampling.runs if run.touched]
        if kept and not self._agreed:
            self._ask(kept)
            return False
        if self._waits:
            return True
        self._parts.training.stop()
        self._waits = self._parts.training.active
        if self._waits:
            self.said.emit("The training is saved, then the window closes")
        return not self._waits

    @Slot()
    def _agree(self) -> None:
        self._agreed = True
        self._window.close()

    def _ask(self, titles: list[str]) -> None:
        if self._window.findChild(LeaveQuestion) is None:
            question = LeaveQuestion(titles, self._window)
            question.accepted.connect(self._agree)
            question.open()

    @Slot()
    def _on_training(self) -> None:
        if not self._waits or self._parts.training.active:
            return
        self._waits = False
        if self._parts.training.state is TrainState.FAILED:
            self.kept.emit()
        else:
            self._window.close()
