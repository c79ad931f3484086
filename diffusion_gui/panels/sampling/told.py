"""What was done with a run, said for a while near the menu from which it was asked for."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QWidget

SAID_MS = 6000


class Told(QObject):
    """`changed` when `text` is another; it is "" again after a while."""

    changed = Signal()

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self._owner = owner
        self.text = ""
        self._timer = QTimer(self, singleShot=True, interval=SAID_MS)
        self._timer.timeout.connect(self.forget)

    @Slot(str)
    def say(self, text: str) -> None:
        """Say a line, also to a screen reader."""
        self.text = text
        self._timer.start()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._owner, text))
        self.changed.emit()

    @Slot()
    def forget(self) -> None:
        """Say nothing any more."""
        self._timer.stop()
        self.text = ""
        self.changed.emit()
