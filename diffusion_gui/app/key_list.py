"""The list of all keys (F1), in two columns: in one it is taller than a small screen."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QWidget

from diffusion_gui.app.actions import shortcut_lines

GAP = 28


class KeyList(QDialog):
    """Says which key does what; deleted when closed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        lines = shortcut_lines()
        half = -(-len(lines) // 2)
        grid = QGridLayout(self)
        grid.setContentsMargins(GAP, GAP, GAP, GAP // 2)
        grid.setHorizontalSpacing(GAP)
        for column, part in enumerate((lines[:half], lines[half:])):
            grid.addWidget(_table(part), 0, column, Qt.AlignmentFlag.AlignTop)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        grid.addWidget(buttons, 1, 0, 1, 2)


def _table(lines: list[tuple[str, str]]) -> QLabel:
    rows = "".join(
        f"<tr><td style='padding-right:20px'><b>{escape(keys)}</b></td><td>{escape(text)}</td></tr>"
        for keys, text in lines
    )
    table = QLabel(f"<table cellpadding='3'>{rows}</table>")
    table.setTextFormat(Qt.TextFormat.RichText)
    return table
