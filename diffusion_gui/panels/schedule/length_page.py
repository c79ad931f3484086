"""The page that changes the number of steps. See `operation_page.py`."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QHBoxLayout

from diffusion_gui.engine.schedules import MAX_STEPS, ScheduleSpec, operations
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel
from diffusion_gui.panels.schedule.operation_page import OperationPage, caption


class LengthPage(OperationPage):
    """Another number of steps for the same curve."""

    title = "Change T, keep the curve"

    def __init__(self) -> None:
        super().__init__()
        self._spec = ScheduleSpec()
        self.T = IntegerBox(1, MAX_STEPS, 100)
        self.T.setObjectName("changeTSpin")
        self.T.setToolTip(f"T: number of noising steps, 1 to {MAX_STEPS:,}")
        self.T.setAccessibleName("New T")
        self.T.setFixedWidth(84)
        self.first = self.T
        self._was = ElidedLabel("caption")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(caption("T", self.T))
        row.addWidget(self.T)
        row.addWidget(self._was, 1)
        self.T.valueChanged.connect(self.changed)

    def begin(self, spec: ScheduleSpec) -> None:
        """Show the length of `spec`."""
        self._spec = spec
        with QSignalBlocker(self.T):
            self.T.setValue(spec.T)
        self._was.setText(f"steps, from {spec.T:,}: log-SNR stays over t/T, β changes")

    def result(self) -> ScheduleSpec:
        """Return the curve with the number of steps shown."""
        T = self.T.value()
        return self._spec if T == self._spec.T else operations.resampled(self._spec, T)

    def text(self) -> str:
        """Name the length."""
        return f"T = {self.T.value()}, curve kept"
