"""A slider and a number field for one value."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.panels.common.number_boxes import NumberBox
from diffusion_gui.panels.common.widgets import GAP, JumpSlider


class Knob(QWidget):
    """A slider and a number field for one value; `changed()` when a person moved either.

    `let_go()` when the slider was dragged and is no more.
    """

    changed = Signal()
    let_go = Signal()

    def __init__(
        self,
        name: str,
        tooltip: str,
        box: NumberBox,
        places: tuple[int, int],
        of_place: Callable[[int], float],
        to_place: Callable[[float], float],
        steps: tuple[int, int],
    ) -> None:
        super().__init__()
        self._of_place, self._to_place = of_place, to_place
        self.slider, self.box = JumpSlider(), box
        self.slider.setRange(*places)
        self.slider.setSingleStep(steps[0])
        self.slider.setPageStep(steps[1])
        self.box.setFixedWidth(72)
        for control, what in ((self.slider, "slider"), (box, "number")):
            control.setToolTip(tooltip)
            control.setAccessibleName(f"{name}, {what}")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.slider, 1)
        row.addWidget(box)
        self.slider.valueChanged.connect(self._on_slider)
        self.slider.sliderReleased.connect(self.let_go)
        box.valueChanged.connect(self._on_box)

    @property
    def value(self) -> float:
        """The value, as in the number field."""
        return self.box.value()

    def show_value(self, value: float) -> None:
        """Show a value, without a signal; the slider stands at its end where it reaches no more."""
        with QSignalBlocker(self.slider), QSignalBlocker(self.box):
            self.box.setValue(value)
            self.slider.setValue(round(self._to_place(self.box.value())))

    @Slot(int)
    def _on_slider(self, place: int) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(self._of_place(place))
        self.changed.emit()

    @Slot(float)
    def _on_box(self, value: float) -> None:
        self.show_value(value)
        self.changed.emit()


def number_box(low: float, high: float, step: float, name: str) -> NumberBox:
    """Return the number field of a knob, of three decimals."""
    box = NumberBox(low, high, 3)
    box.setSingleStep(step)
    box.setObjectName(name)
    return box
