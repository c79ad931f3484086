"""The titles of the panels that share a place: the one on show, and the others to go to."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton

from diffusion_gui.panels.common.widgets import Rigid

BETWEEN = 5


class _Tab(QPushButton):
    """As wide as its text: that of the panel on show is written in semi-bold."""

    def __init__(self, title: str, bold: bool) -> None:
        super().__init__(title)
        self._bold = bold

    def sizeHint(self) -> QSize:
        """Measure the letters that are drawn."""
        self.ensurePolished()
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold if self._bold else QFont.Weight.Normal)
        font.setPixelSize(13 if self._bold else 11)
        return QSize(QFontMetrics(font).horizontalAdvance(self.text()) + 1, 26)

    def minimumSizeHint(self) -> QSize:
        """Give up nothing."""
        return self.sizeHint()


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
            tab = _Tab(title, place == shown)
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
