"""The list of all keys (F1), grouped, in columns: in one it is taller than a small screen."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QWidget

from diffusion_gui.app.actions import shortcut_groups

GAP = 28
COLUMNS = 3
_HEADING = 2
"""Rows that a heading takes, with the room above it."""


class KeyList(QDialog):
    """Says which key does what; deleted when closed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout(self)
        grid.setContentsMargins(GAP, GAP // 2, GAP, GAP // 2)
        grid.setHorizontalSpacing(GAP)
        for column, part in enumerate(_columns()):
            grid.addWidget(_table(part), 0, column, Qt.AlignmentFlag.AlignTop)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        grid.addWidget(buttons, 1, 0, 1, COLUMNS)


Group = tuple[str, list[tuple[str, str]]]


def _columns() -> list[list[Group]]:
    """Return the groups in their order, in columns about as high as one another."""
    groups = list(shortcut_groups().items())
    whole = sum(len(lines) + _HEADING for _, lines in groups)
    columns: list[list[Group]] = [[] for _ in range(COLUMNS)]
    height = 0.0
    for title, lines in groups:
        rows = len(lines) + _HEADING
        column = min(int((height + 0.5 * rows) * COLUMNS / whole), COLUMNS - 1)
        columns[column].append((title, lines))
        height += rows
    return columns


def _table(groups: list[Group]) -> QLabel:
    rows = ""
    for title, lines in groups:
        rows += f"<tr><td colspan='2' style='padding-top:12px'><b>{escape(title)}</b></td></tr>"
        for keys, text in lines:
            rows += (
                f"<tr><td style='padding-right:16px; white-space:nowrap'>{escape(keys)}</td>"
                f"<td>{escape(text)}</td></tr>"
            )
    table = QLabel(f"<table cellpadding='2'>{rows}</table>")
    table.setTextFormat(Qt.TextFormat.RichText)
    return table
