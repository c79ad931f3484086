"""Parameters one below the other: name, slider where the range is 0 to 1, field."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox

from diffusion_gui.engine.params import Param, Values
from diffusion_gui.panels.common.focused_wheel import FocusedWheel
from diffusion_gui.panels.common.number_boxes import NumberBox
from diffusion_gui.panels.common.params_form import ParamsForm
from diffusion_gui.panels.common.widgets import JumpSlider, label

FIELD = 76
"""Width in pixels of a field."""
CAPTION = 88
"""Least width of a name, so that the controls below one another begin in line."""
_NOTCHES = 200


class FieldSlider(FocusedWheel, JumpSlider):
    """A slider that turns with the wheel only while it has the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.rest_the_wheel()


class ParamRows(ParamsForm):
    """As `ParamsForm`, for a narrow column."""

    def __init__(self, prefix: str) -> None:
        self._sliders: dict[str, JumpSlider] = {}
        super().__init__(prefix)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnMinimumWidth(0, CAPTION)
        self._grid.setVerticalSpacing(4)

    def slider(self, name: str) -> JumpSlider:
        """Return the slider of a parameter that goes from 0 to 1."""
        return self._sliders[name]

    def show_values(self, params: Sequence[Param], values: Values) -> None:
        """Show `params` with `values`, defaults where a value is missing; emits nothing."""
        super().show_values(params, values)
        for name in self._sliders:
            self._follow(name)

    def _rebuild(self, params: tuple[Param, ...]) -> None:
        self._sliders = {}
        super()._rebuild(params)

    def _add(self, place: int, param: Param, control: NumberBox | QComboBox) -> None:
        head = label(param.caption, "caption")
        head.setBuddy(control)
        for widget in (head, control):
            widget.setToolTip(param.tooltip)
        control.setAccessibleName(param.caption)
        self._grid.addWidget(head, place, 0)
        if isinstance(control, QComboBox):
            self._grid.addWidget(control, place, 1, 1, 2)
            return
        control.setFixedWidth(FIELD)
        self._grid.addWidget(control, place, 2, Qt.AlignmentFlag.AlignRight)
        if (param.minimum, param.maximum) == (0.0, 1.0):
            self._grid.addWidget(self._build_slider(param, control), place, 1)

    def _build_slider(self, param: Param, control: NumberBox) -> JumpSlider:
        slider = self._sliders[param.name] = FieldSlider()
        slider.setObjectName(f"{self._prefix}_{param.name}_slider")
        slider.setAccessibleName(param.caption)
        slider.setToolTip(param.tooltip)
        slider.setRange(0, _NOTCHES)
        slider.valueChanged.connect(lambda place: control.setValue(place / _NOTCHES))
        slider.sliderReleased.connect(self.finished)
        control.valueChanged.connect(lambda _value: self._follow(param.name))
        return slider

    def _follow(self, name: str) -> None:
        """Bring a slider to where its field is."""
        slider, control = self._sliders[name], self._controls[name]
        if isinstance(control, NumberBox) and not slider.isSliderDown():
            with QSignalBlocker(slider):
                slider.setValue(round(control.value() * _NOTCHES))
