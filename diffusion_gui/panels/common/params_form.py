"""A row of fields built from `Param` rows: the one form for presets and samplers."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QWidget

from diffusion_gui.engine.params import Param, Values, pack
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.number_boxes import NumberBox, show_number
from diffusion_gui.panels.common.widgets import GAP, Field

COLUMNS = 3


class ParamsForm(QWidget):
    """Fields for the parameters of what is chosen; `edited(values)` when a person changes one,
    `finished()` when the field is left."""

    edited = Signal(object)
    finished = Signal()

    def __init__(self, prefix: str = "param") -> None:
        super().__init__()
        self._prefix = prefix
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        self._params: tuple[Param, ...] | None = None
        self._controls: dict[str, NumberBox | QComboBox] = {}

    def control(self, name: str) -> NumberBox | QComboBox:
        """Return the control of one parameter."""
        return self._controls[name]

    def show_values(self, params: Sequence[Param], values: Values) -> None:
        """Show `params` with `values`, defaults where a value is missing; emits nothing."""
        if tuple(params) != self._params:
            self._rebuild(tuple(params))
        given = dict(values)
        for param in params:
            control = self._controls[param.name]
            value = given.get(param.name, param.default)
            if isinstance(control, QComboBox):
                with QSignalBlocker(control):
                    control.setCurrentIndex(round(value))
            else:
                show_number(control, value)

    def _rebuild(self, params: tuple[Param, ...]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._params = params
        self._controls = {}
        for place, param in enumerate(params):
            control = self._build(param)
            control.setObjectName(f"{self._prefix}_{param.name}")
            self._controls[param.name] = control
            self._add(place, param, control)
        self.setVisible(bool(params))

    def _add(self, place: int, param: Param, control: NumberBox | QComboBox) -> None:
        """Give a control its place and its name."""
        field = Field(param.symbol, control, param.tooltip)
        control.setAccessibleName(param.caption)
        self._grid.addWidget(field, place // COLUMNS, place % COLUMNS)

    def _build(self, param: Param) -> NumberBox | QComboBox:
        if param.choices:
            combo = Combo()
            combo.addItems(param.choices)
            combo.currentIndexChanged.connect(self._on_edited)
            return combo
        box = NumberBox(param.minimum, param.maximum, param.decimals)
        box.valueChanged.connect(self._on_edited)
        box.editingFinished.connect(self.finished)
        return box

    def _on_edited(self) -> None:
        values = {}
        for param in self._params or ():
            control = self._controls[param.name]
            value = control.currentIndex() if isinstance(control, QComboBox) else control.value()
            values[param.name] = param.clamp(float(value))
        self.edited.emit(pack(values))
