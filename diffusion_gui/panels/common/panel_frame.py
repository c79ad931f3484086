"""The frame of a panel: its head, its message bar, its body."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_gui.panels.common.message_bar import MessageBar
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, PADDING, ElidedLabel, label


class Panel(QFrame):
    """A titled card: title and caption on the left of its head, actions on the right."""

    def __init__(self, name: str, title: str, theme: Theme) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setProperty("role", "panel")
        self.setAccessibleName(title)
        self.theme = theme
        self.caption = ElidedLabel("caption")
        self.head = QHBoxLayout()
        self.head.setSpacing(GAP)
        self._title: QWidget = label(title, "title")
        self.head.addWidget(self._title)
        self.head.addWidget(self.caption, 1)
        self.bar = MessageBar(theme)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(PADDING, GAP, PADDING, PADDING)
        self.body.setSpacing(GAP)
        self.body.addLayout(self.head)
        self.body.addWidget(self.bar)

    def set_title(self, widget: QWidget) -> None:
        """Put something else where the title stands."""
        self.head.replaceWidget(self._title, widget)
        self._title.hide()
        self._title.deleteLater()
        self._title = widget
