"""The row of tools at the right of a panel's head."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from diffusion_gui.panels.common.widgets import GAP, button


class HeadRow(QWidget):
    """Chips one after the other, and at the end the button that opens the menu of exports."""

    def __init__(self) -> None:
        super().__init__()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GAP)

    def _chip(self, text: str, name: str, tooltip: str) -> QPushButton:
        """Add a chip that can be checked."""
        chip = button(text, tooltip, "chip")
        chip.setObjectName(name)
        chip.setCheckable(True)
        self._row.addWidget(chip)
        return chip

    def _add_export(self, name: str, tooltip: str) -> None:
        self.export = button("Export", tooltip, "menu")
        self.export.setObjectName(name)
        self._row.addWidget(self.export)

    def set_export_menu(self, menu: QMenu) -> None:
        """Give the export button its menu."""
        self.export.setMenu(menu)
