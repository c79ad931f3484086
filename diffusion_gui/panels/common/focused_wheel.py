"""The wheel changes a field only while that has the focus: else what holds it is scrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    _Base = QWidget
else:
    _Base = object


class FocusedWheel(_Base):
    """To be inherited before the field's own class, whose `__init__` calls `rest_the_wheel`."""

    def rest_the_wheel(self) -> None:
        """Let no wheel bring the focus either, as Qt has it for fields."""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Pass on what was not meant for the field."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()
