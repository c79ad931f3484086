"""What the pages beside the pictures share: they follow the run on show, as often as is useful."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.panels.common.widgets import label
from diffusion_gui.panels.sampling.pace import Pace
from diffusion_gui.state.run_endings import RunEndings
from diffusion_gui.state.run_view import RunView


class FollowingPage(QWidget):
    """`content` with its `column` where there is something to see, else `empty`, which says why.

    `_pace.due` when run, step or choice are others. `endings`, if any, are watched while on show.
    """

    def __init__(
        self, name: str, shown: RunView, empty: str, endings: RunEndings | None = None
    ) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setMinimumWidth(180)
        self._shown = shown
        self._endings = endings
        self._pace = Pace(shown, self)
        for signal in (shown.run_changed, shown.grown, shown.step_changed, shown.shown_changed):
            signal.connect(self._pace.ask)
        self.content = QWidget()
        self.column = QVBoxLayout(self.content)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(4)
        self.empty = label(empty, "caption")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self.content)
        whole.addWidget(self.empty)

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the endings."""
        super().showEvent(event)
        if self._endings is not None:
            self._endings.set_watched(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """Let the work rest."""
        super().hideEvent(event)
        if self._endings is not None:
            self._endings.set_watched(False)
