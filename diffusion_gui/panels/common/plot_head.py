"""The line above a small plot: what it shows, and its value at t."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.panels.common.picture import CAPTION
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, label


class PlotHead(QWidget):
    """A name and a value; of several ways to say the value the longest that fits is shown.

    Where none fits, the name gives way to a shorter one.
    """

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names
        self.name = label(names[0], "caption")
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self._value = ElidedLabel("")
        self._texts: tuple[str, ...] = ("",)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.name)
        row.addWidget(self._value, 1)
        self.setMinimumWidth(40)
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
        name, text = self._fitting()
        if name != self.name.text():
            self.name.setText(name)
        if text != self._value.text():
            self._value.setText(text)
            self._value.update()

    def _fitting(self) -> tuple[str, str]:
        """Return the longest name and value that there is room for."""
        of_name = self.name.fontMetrics().horizontalAdvance
        of_value = self._value.fontMetrics().horizontalAdvance
        for name in self._names:
            room = self.width() - GAP - of_name(name)
            for text in self._texts:
                if of_value(text) <= room:
                    return name, text
        return self._names[-1], self._texts[-1]
