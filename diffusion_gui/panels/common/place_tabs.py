"""The titles of the panels that share a place: the one on show, and the others to go to."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton

from diffusion_gui.panels.common.widgets import Chip, Rigid

BETWEEN = 8


class PlaceTabs(Rigid):
    """Stands where a panel has its title; `wished` with the place of the title that is pressed."""

    wished = Signal(int)

    def __init__(self, titles: Sequence[str], tooltips: Sequence[str], shown: int) -> None:
        """Mark the panel that it stands in, whose place among the titles is `shown`."""
        super().__init__()
        self._shown = shown
        self.buttons: list[QPushButton] = []
        group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(BETWEEN)
        for place, (title, tooltip) in enumerate(zip(titles, tooltips, strict=True)):
            tab = Chip(title)  # as wide as its text in semi-bold
            tab.setProperty("role", "tab")
            tab.setToolTip(tooltip)
            tab.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            tab.setObjectName(f"{title.lower()}Tab")
            tab.setCheckable(True)
            tab.setChecked(place == shown)
            tab.clicked.connect(lambda _on, place=place: self._press(place))
            group.addButton(tab)
            row.addWidget(tab)
            self.buttons.append(tab)

    def _press(self, place: int) -> None:
        with QSignalBlocker(self):
            self.buttons[self._shown].setChecked(True)  # it stays the mark of this panel
        if place != self._shown:
            self.wished.emit(place)
