"""The line above a small plot: what it shows, and its value at t."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.panels.common.picture import CAPTION
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, label


class PlotHead(QWidget):
    """A name and a value; of several ways to say the value the longest that fits is shown."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = label(name, "caption")
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self._value = ElidedLabel("")
        self._texts: tuple[str, ...] = ("",)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.name)
        row.addWidget(self._value, 1)
        self.setFixedHeight(CAPTION)

    @property
    def value(self) -> str:
        """What is written beside the name."""
        return self._value.text()

    def set_value(self, *texts: str) -> None:
        """Write the value, in the first of these ways that there is room for."""
        self._texts = texts
        self._choose()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say it at more length, or less."""
        super().resizeEvent(event)
        self._choose()

    def _choose(self) -> None:
        room, wide = self._value.width(), self._value.fontMetrics().horizontalAdvance
        text = next((text for text in self._texts if wide(text) <= room), self._texts[-1])
        if text != self._value.text():
            self._value.setText(text)
            self._value.update()
