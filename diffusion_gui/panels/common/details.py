"""All lines of a message that is too long for its bar."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from diffusion_gui.panels.common.widgets import GAP, PADDING, button, label


class Details(QDialog):
    """Shows lines to read and to copy; deleted when closed."""

    def __init__(self, lines: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("messageDetailsDialog")
        self.setWindowTitle("Details")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QPlainTextEdit("\n".join(lines))
        self.text.setObjectName("messageDetailsText")
        self.text.setAccessibleName("All lines of the message")
        self.text.setToolTip("Select lines to copy them (Ctrl+A, Ctrl+C)")
        self.text.setReadOnly(True)
        self.text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        close = button("Close", "Close this list (Esc)")
        close.clicked.connect(self.reject)
        last = QHBoxLayout()
        last.setSpacing(GAP)
        last.addWidget(label(f"{len(lines):,} lines", "caption"), 1)
        last.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(PADDING, PADDING, PADDING, PADDING)
        column.setSpacing(PADDING)
        column.addWidget(self.text, 1)
        column.addLayout(last)
        self.resize(620, 320)
