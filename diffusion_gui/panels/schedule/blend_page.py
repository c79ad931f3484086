"""The page that blends the schedule with another one. See `operation_page.py`."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QSizePolicy

from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build, operations
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.schedule.knob import Knob, number_box
from diffusion_gui.panels.schedule.operation_page import OperationPage, caption, rows_of
from diffusion_gui.state.comparison import Comparison, other_letter


class BlendPage(OperationPage):
    """Another schedule and how much of it."""

    title = "Blend with another schedule"

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self._comparison = comparison
        self._spec = ScheduleSpec()
        self._specs: list[tuple[str, ScheduleSpec]] = []
        self._chosen = ""
        """What a person chose last."""
        self.other = Combo()
        self.other.setObjectName("blendCombo")
        self.other.setAccessibleName("Other schedule")
        self.other.setToolTip("The other schedule: the side not on show, a pin or a preset")
        self.other.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.ratio = Knob(
            "Share of the other schedule",
            "r: share of the other's log-SNR, 0 (this schedule) to 1 (the other), no unit",
            number_box(0.0, 1.0, 0.01, "ratioSpin"), (0, 1000),
            lambda place: place / 1000.0, lambda ratio: 1000.0 * ratio, (10, 100),
        )  # fmt: skip
        self.ratio.slider.setObjectName("ratioSlider")
        self.first = self.ratio.slider
        grid = rows_of(self)
        for row, (name, control) in enumerate((("with", self.other), ("share r", self.ratio))):
            grid.addWidget(caption(name, control), row, 0)
            grid.addWidget(control, row, 1)
        self.other.activated.connect(self._on_chosen)
        self.ratio.changed.connect(self.changed)
        comparison.changed.connect(self._list)

    def begin(self, spec: ScheduleSpec) -> None:
        """Show a share of nothing of the schedule that was chosen last, else of the first.

        One that is no other than `spec` is passed over, if it can be: nothing would move.
        """
        self._spec = spec
        self.ratio.show_value(0.0)
        self._list()
        with QSignalBlocker(self.other):
            self.other.setCurrentIndex(self._first_choice())

    def _first_choice(self) -> int:
        last = self.other.findText(self._chosen)
        places = [last] if last >= 0 else []
        places += range(len(self._specs))
        levels = build(self._spec).log_snr
        return next(
            (
                place for place in places
                if not np.array_equal(build(self._specs[place][1]).log_snr, levels)
            ),
            0,
        )  # fmt: skip

    def result(self) -> ScheduleSpec:
        """Return the mixture."""
        return operations.blend(self._spec, self._other[1], self.ratio.value)

    def text(self) -> str:
        """Name the other schedule."""
        return f"blend with {self._other[0]}"

    @Slot()
    def _on_chosen(self) -> None:
        self._chosen = self.other.currentText()
        self.changed.emit()

    @property
    def _other(self) -> tuple[str, ScheduleSpec]:
        return self._specs[self.other.currentIndex()]

    @Slot()
    def _list(self) -> None:
        """List what there is; what is chosen stays chosen, by its name."""
        specs = self._choices()
        if specs == self._specs:
            return
        chosen = self.other.currentText()
        with QSignalBlocker(self.other):
            self.other.clear()
            self.other.addItems([name for name, _ in specs])
            self.other.setCurrentIndex(max(self.other.findText(chosen), 0))
        self._specs = specs

    def _choices(self) -> list[tuple[str, ScheduleSpec]]:
        """Return the side not on show, the pins and the presets, by name."""
        found = []
        if self._comparison.other is not None:
            side = other_letter(self._comparison.side)
            found.append((f"Side {side}", self._comparison.other))
        found += [(f"Pin: {pin.name}", pin.spec) for pin in self._comparison.pins]
        return found + [
            (row.title, ScheduleSpec(key, self._spec.T)) for key, row in PRESETS.items()
        ]
