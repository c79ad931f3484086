"""The line above a small plot: what it shows, and its value at t."""

from __future__ import annotations

from itertools import zip_longest

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.panels.common.picture import CAPTION
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, label

LEAST = 40
"""Least width in pixels, whatever is written."""


class PlotHead(QWidget):
    """A name and a value; of several ways to say the value the longest that fits is shown.

    Where none fits, the name gives way to a shorter one, in the end to none. With `widest`, the
    widest value in each of these ways, name and way depend on the room alone and not on the value,
    and there is always room for it.
    """

    def __init__(self, *names: str, widest: tuple[str, ...] = ("",)) -> None:
        super().__init__()
        self._names = (*names, "")
        self._widest = widest
        self.name = label(names[0], "caption")
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

    def set_names(self, *names: str) -> None:
        """Change what it shows, in words: the longest of these that there is room for."""
        if self._names != (*names, ""):
            self._names = (*names, "")
            self._choose()

    def set_value(self, *texts: str) -> None:
        """Write the value, in the first of these ways that there is room for."""
        self._texts = texts
        self._choose()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say it at more length, or less."""
        super().resizeEvent(event)
        self._choose()

    def changeEvent(self, event: QEvent) -> None:
        """Measure anew in another font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._choose()

    def showEvent(self, event: QShowEvent) -> None:
        """Measure in the font of the style, which is there by now."""
        super().showEvent(event)
        self._choose()

    def _choose(self) -> None:
        self.setMinimumWidth(max(self._width(self._widest[-1]), LEAST))
        name, text = self._fitting()
        if name != self.name.text():
            self.name.setText(name)
            self.name.setVisible(bool(name))
        if text != self._value.text():
            self._value.setText(text)

    def _fitting(self) -> tuple[str, str]:
        """Return the longest name and value that there is room for."""
        for name in self._names:
            taken = self.name.fontMetrics().horizontalAdvance(name) + GAP if name else 0
            for text, widest in zip_longest(self._texts, self._widest[: len(self._texts)]):
                if max(self._width(text), self._width(widest or "")) <= self.width() - taken:
                    return name, text
        return self._names[-1], self._texts[-1]

    def _width(self, value: str) -> int:
        return self._value.fontMetrics().horizontalAdvance(value)
