"""The drawer of the training panel: all that is not in the form."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Slot
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from diffusion_gui.engine.experiment import DEVICES
from diffusion_gui.engine.params import Values
from diffusion_gui.engine.training.options import Levels
from diffusion_gui.engine.training.params import PARAMS, values_of, with_values
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.number_boxes import NumberBox, show_number
from diffusion_gui.panels.common.param_rows import CAPTION, FIELD, ParamRows
from diffusion_gui.panels.common.widgets import label
from diffusion_gui.state.training_plans import TrainingPlans

WIDTH = 250
_DEVICES = {"auto": "Auto", "cpu": "CPU", "cuda": "CUDA", "mps": "Apple GPU"}
_LOG_NORMAL_ONLY = ("p_mean", "p_std")


class TrainingDrawer(QScrollArea):
    """Shows and edits the options of `plans.plan`."""

    def __init__(self, plans: TrainingPlans) -> None:
        super().__init__()
        self._plans = plans
        self.setObjectName("trainingDrawer")
        self.setProperty("role", "drawer")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedWidth(WIDTH)
        inside = QWidget()
        inside.setProperty("role", "drawer")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 12, 0)
        self.rows = ParamRows("training")
        self.rows.edited.connect(self._on_edited)
        column.addWidget(self.rows)
        column.addLayout(self._build_rest())
        column.addStretch(1)
        self.setWidget(inside)
        plans.changed.connect(self.show_plan)
        self.show_plan()

    def _build_rest(self) -> QGridLayout:
        self.save = NumberBox(0.1, 1e4, 1)
        self.save.setObjectName("trainingSaveMinutes")
        self.save.setFixedWidth(FIELD)
        self.save.setToolTip("A checkpoint is written every so many minutes, and at the end")
        self.save.valueChanged.connect(lambda value: self._plans.change(save_minutes=value))
        self.device = Combo()
        self.device.setObjectName("trainingDeviceCombo")
        for key in DEVICES:
            self.device.addItem(_DEVICES[key], key)
        self.device.setToolTip("Where to train")
        self.device.activated.connect(lambda: self._plans.change(device=self.device.currentData()))
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.setColumnMinimumWidth(0, CAPTION)
        grid.setColumnStretch(1, 1)
        for place, (text, control) in enumerate(
            (("Save, minutes", self.save), ("Device", self.device))
        ):
            head = label(text, "caption")
            head.setBuddy(control)
            head.setToolTip(control.toolTip())
            control.setAccessibleName(text)
            grid.addWidget(head, place, 0)
            grid.addWidget(control, place, 1, Qt.AlignmentFlag.AlignRight)
        return grid

    @Slot()
    def show_plan(self) -> None:
        """Show the options of the plan: those of a log-normal only where it is one."""
        plan = self._plans.plan
        log_normal = plan.options.levels is Levels.LOG_NORMAL
        rows = [row for row in PARAMS if log_normal or row.name not in _LOG_NORMAL_ONLY]
        self.rows.show_values(rows, values_of(plan.options))
        show_number(self.save, plan.save_minutes)
        with QSignalBlocker(self.device):
            self.device.setCurrentIndex(self.device.findData(plan.device))
        self.setEnabled(not self._plans.locked)

    @Slot(object)
    def _on_edited(self, values: Values) -> None:
        self._plans.change(options=with_values(self._plans.plan.options, values))
