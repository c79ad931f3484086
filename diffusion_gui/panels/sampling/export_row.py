"""How far an export of a run is, with a way to end it: meanwhile it stands in a line's place."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from diffusion_gui.panels.common.widgets import GAP, button

LEAST_HEIGHT = 16
"""In pixels: what the words in the bar need."""


class ExportRow(QWidget):
    """A bar and a Cancel, as high as the line whose place they take; `cancelled` when pressed."""

    cancelled = Signal()

    def __init__(self, line: QWidget) -> None:
        super().__init__()
        self._line = line
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        self.progress = QProgressBar()
        self.progress.setObjectName("runExportProgress")
        self.progress.setAccessibleName("Progress of the export")
        self.progress.setFormat("exporting %p %")
        self.cancel = button("Cancel", "Stop the export; no file is left behind", "link")
        self.cancel.setObjectName("cancelRunExportButton")
        self.cancel.setAccessibleName("Cancel the export of the run")
        self.cancel.clicked.connect(self.cancelled)
        height = max(line.sizeHint().height(), LEAST_HEIGHT)
        self.progress.setFixedHeight(height)
        self.cancel.setFixedHeight(height)
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        self.show_export(0, 0)

    @Slot(int, int)
    def show_export(self, done: int, total: int) -> None:
        """Show how far it is; (0, 0) while there is none."""
        self._line.setVisible(total == 0)
        self.setVisible(total > 0)
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)
