"""Ctrl-C, and being asked to end by the system, close the window as a person would."""

from __future__ import annotations

import os
import signal
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier, Slot

from diffusion_gui.app.main_window import MainWindow

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts(QObject):
    """Closes the window without a question, so that a training is saved; a second one ends all.

    `code` is what the program shall exit with: 0, or 128 and the number of the signal.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.code = 0

    def install(self) -> None:
        """Take the signals over, where the system has them; nohup's choice stays."""
        if os.name != "posix":
            return
        self._ours, theirs = os.pipe()
        for end in (self._ours, theirs):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        self._notifier = QSocketNotifier(self._ours, QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_woken)
        for name in _NAMES:
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.code = 128 + number
        signal.signal(number, signal.SIG_DFL)

    @Slot()
    def _on_woken(self) -> None:
        """Python calls `_note` as soon as it runs again, which is here: Qt's loop is not its."""
        os.read(self._ours, 64)
        if self.code:
            self._window.leave()
