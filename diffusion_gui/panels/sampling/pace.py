"""How often a page is drawn anew while a run grows: often enough to see, too seldom to slow it."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.state.few_cores import paced
from diffusion_gui.state.run import Outcome
from diffusion_gui.state.run_view import RunView

SECONDS_BETWEEN = paced(usual=0.2, few=1.0)
"""A repaint of a few charts takes 20 ms of the interpreter, which the run then does not have."""


class Pace(QObject):
    """`due` at once while the run on show stands still, else when the last time is a while ago."""

    due = Signal()

    def __init__(self, shown: RunView, parent: QObject) -> None:
        super().__init__(parent)
        self._shown = shown
        self._last = 0.0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._now)
        shown.led.connect(self._hurry)

    @Slot()
    def ask(self) -> None:
        """Ask for `due`: now, or soon."""
        left = SECONDS_BETWEEN - (time.monotonic() - self._last)
        if left <= 0.0 or not self._grows():
            self._now()
        elif not self._timer.isActive():
            self._timer.start(round(1000.0 * left) + 1)

    def _grows(self) -> bool:
        run = self._shown.run
        if run is None or run.held or run.trajectory.finished:
            return False
        return run.outcome is Outcome.RUNNING and self._shown.following

    @Slot()
    def _hurry(self) -> None:
        """Leave nothing for later where the run has come to rest."""
        if self._timer.isActive():
            self.ask()

    @Slot()
    def _now(self) -> None:
        self._timer.stop()
        self._last = time.monotonic()
        self.due.emit()
