"""How far an export of a run is, with a way to end it: a row that is there only meanwhile."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from diffusion_gui.panels.common.widgets import GAP, button


class ExportRow(QWidget):
    """A bar and a Cancel; `cancelled` when that was pressed."""

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
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
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        self.show_export(0, 0)

    @Slot(int, int)
    def show_export(self, done: int, total: int) -> None:
        """Show how far it is; (0, 0) while there is none."""
        self.setVisible(total > 0)
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)
