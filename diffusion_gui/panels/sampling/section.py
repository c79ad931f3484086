"""A part of the settings drawer that folds away: heading with a summary, one line of trouble."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, button, label


class Section(QWidget):
    """Its `column` takes the controls; folded, it says in its heading what is set."""

    folded = Signal()

    def __init__(self, key: str, title: str, theme: Theme) -> None:
        super().__init__()
        self.key = key
        self._theme = theme
        self.heading: QPushButton = button(title, f"Show or hide the settings: {title}", "section")
        self.heading.setObjectName(f"{key}Section")
        self.heading.setCheckable(True)
        self.summary = ElidedLabel("caption")
        self.summary.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.problem = label("", "problem")
        self.problem.setObjectName(f"{key}Problem")
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.hide()
        self.content = QWidget()
        self.column = QVBoxLayout(self.content)
        self.column.setContentsMargins(0, 0, 0, GAP)
        self.column.setSpacing(4)
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self.heading)
        head.addWidget(self.summary, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(4)
        whole.addLayout(head)
        whole.addWidget(self.problem)
        whole.addWidget(self.content)
        self.heading.toggled.connect(self._on_toggled)
        theme.changed.connect(self._tint)
        self.content.hide()
        self._tint()

    def say(self, problem: str) -> None:
        """Say in one line what is impossible here, or nothing; also while folded."""
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))

    @Slot(bool)
    def _on_toggled(self, unfolded: bool) -> None:
        self.content.setVisible(unfolded)
        self._tint()
        self.folded.emit()

    @Slot()
    def _tint(self) -> None:
        name = "chevron-down" if self.heading.isChecked() else "chevron-right"
        tokens = self._theme.tokens
        set_icon(self.heading, name, tokens.secondary, tokens.disabled)
