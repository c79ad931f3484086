"""A small sign that tells what a page means, on hover or when it is pressed."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Slot
from PySide6.QtWidgets import QToolButton, QToolTip

from diffusion_gui.panels.common.icons import icon
from diffusion_gui.panels.common.theme import Theme


class InfoSign(QToolButton):
    """Press it, also by key, to read what the mouse is told in the tooltip."""

    def __init__(self, theme: Theme, meaning: str) -> None:
        super().__init__()
        self._theme = theme
        self.setProperty("role", "bare")
        self.setToolTip(meaning)
        self.setAccessibleName("What this means")
        self.setAccessibleDescription(meaning)
        self.clicked.connect(self._tell)
        theme.changed.connect(self._tint)
        self._tint()

    @Slot()
    def _tell(self) -> None:
        QToolTip.showText(self.mapToGlobal(QPoint(0, self.height())), self.toolTip(), self)

    @Slot()
    def _tint(self) -> None:
        self.setIcon(icon("info", self._theme.tokens.secondary))
