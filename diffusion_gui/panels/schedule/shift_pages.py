"""The pages that move log-SNR: shift and scale, and the shift between two sizes of picture.

Both say what the shift is called elsewhere. See `operation_page.py` for what a page is.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.schedules import ScheduleSpec, build, editing, operations
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.widgets import GAP, label
from diffusion_gui.panels.schedule.knob import Knob, number_box
from diffusion_gui.panels.schedule.operation_page import OperationPage, caption, rows_of

SHIFT_PLACES, SCALE_PLACES = 600, 200
"""The sliders' places on each side of their middle: to +-6 nats and to a factor of 4."""
LARGEST_SIDE = 16_384
"""Pixels: between 1 and this many lie less than 20 nats."""
LEVER = 0.3
"""A scale about log-SNR 0 is not read off a place nearer to it than this, in nats."""
_EQUIVALENTS = (
    "The same shift in other words:\n"
    "SD3 shift α = exp(−Δλ/2), the time shift of a flow; above 1 is noisier (Esser et al. 2024)\n"
    "μ = ln α, as Flux names it\n"
    "input scale b = 1/α, the factor on the clean picture (Chen 2023)\n"
    "resolution: the side in pixels for which a schedule made for 64 px is shifted so"
    " (Hoogeboom et al. 2023)"
)


class ShiftScalePage(OperationPage):
    """Scale and shift of log-SNR, as the schedule keeps them, and the shift's other names."""

    title = "Shift and scale log-SNR"

    def __init__(self) -> None:
        super().__init__()
        self._spec = ScheduleSpec()
        self._begun = (1.0, 0.0)
        self._grips = [1.0, 1.0]
        limit = operations.LARGEST_SHIFT
        self.shift = Knob(
            "Shift of log-SNR", "Δλ: nats added to log-SNR at every t; below 0 is noisier",
            number_box(-limit, limit, 0.1, "shiftSpin"), (-SHIFT_PLACES, SHIFT_PLACES),
            lambda place: place / 100.0, lambda nats: 100.0 * nats, (5, 50),
        )  # fmt: skip
        self.shift.slider.setObjectName("shiftSlider")
        self.scale = Knob(
            "Scale of log-SNR",
            "c: factor on log-SNR about 0, where ᾱ = 0.5; above 1 is steeper (no unit)",
            number_box(operations.LEAST_SCALE, operations.LARGEST_SCALE, 0.05, "scaleSpin"),
            (-SCALE_PLACES, SCALE_PLACES), lambda place: 4.0 ** (place / SCALE_PLACES),
            lambda factor: SCALE_PLACES * math.log(factor, 4.0), (2, 20),
        )  # fmt: skip
        self.scale.slider.setObjectName("scaleSlider")
        self.first = self.shift.slider
        self.equivalents = _equivalents_label()
        grid = rows_of(self)
        for row, (name, knob) in enumerate((("shift Δλ", self.shift), ("scale c", self.scale))):
            grid.addWidget(caption(name, knob), row, 0)
            grid.addWidget(knob, row, 1)
            knob.changed.connect(self._on_changed)
        grid.addWidget(self.equivalents, 2, 0, 1, 2)

    def begin(self, spec: ScheduleSpec) -> None:
        """Show the scale and the shift of `spec`; the grips lie on its curve."""
        self._spec = spec
        self._show(spec.scale, spec.shift)
        self._begun = self._shown
        self._grips = _grip_times(spec)

    def result(self) -> ScheduleSpec:
        """Return the schedule with scale and shift as shown; a knob not moved keeps all digits."""
        if self._shown == self._begun:
            return self._spec
        (scale, shift), begun = self._shown, self._begun
        return operations.placed(
            self._spec,
            self._spec.scale if scale == begun[0] else scale,
            self._spec.shift if shift == begun[1] else shift,
        )

    def text(self) -> str:
        """Return the title as a step."""
        return "shift and scale log-SNR"

    def grips(self, spec: ScheduleSpec) -> list[tuple[float, float]]:
        """Return the two handles of the whole curve, (t, log-SNR), where `spec` has them."""
        times = [min(t, float(spec.T)) for t in self._grips]
        return list(zip(times, build(spec).log_snr_at(np.array(times)).tolist(), strict=True))

    def drag_grip(self, index: int, t: float, log_snr: float) -> None:
        """Let the curve pass through (t, log_snr): grip 0 shifts it, grip 1 scales it."""
        t = min(max(t, 1.0), float(self._spec.T))
        level = float(build(self._spec).log_snr_at(np.array(t)))
        plain = (level - self._spec.shift) / self._spec.scale
        if not math.isfinite(plain) or math.isnan(log_snr):
            return
        scale, shift = self.scale.value, self.shift.value
        if index == 0:
            shift = log_snr - scale * plain
        elif abs(plain) >= LEVER:
            scale = (log_snr - shift) / plain
        else:
            return
        self._grips[index] = t
        self._show(scale, shift)
        self.changed.emit()

    @property
    def _shown(self) -> tuple[float, float]:
        return self.scale.value, self.shift.value

    def _show(self, scale: float, shift: float) -> None:
        self.scale.show_value(scale)
        self.shift.show_value(shift)
        self.equivalents.setText(_equivalents(self.shift.value))

    @Slot()
    def _on_changed(self) -> None:
        self.equivalents.setText(_equivalents(self.shift.value))
        self.changed.emit()


class ResolutionPage(OperationPage):
    """The shift between two sizes of picture: 2 ln(from / to) nats (Hoogeboom et al. 2023)."""

    title = "Resolution shift"

    def __init__(self) -> None:
        super().__init__()
        self._spec = ScheduleSpec()
        self.start, self.to = IntegerBox(1, LARGEST_SIDE, 16), IntegerBox(1, LARGEST_SIDE, 16)
        self.first = self.start
        self.equivalents = _equivalents_label()
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for name, box, text in (
            ("from", self.start, "Side of the pictures that the schedule was made for, in pixels"),
            ("to", self.to, "Side of the pictures that it is wanted for, in pixels;"
             " larger ones need more noise"),
        ):  # fmt: skip
            box.setObjectName(f"{name}PixelsSpin")
            box.setToolTip(text)
            box.setAccessibleName(f"Resolution {name}, in pixels")
            box.setFixedWidth(76)
            row.addWidget(caption(name, box))
            row.addWidget(box)
            box.valueChanged.connect(self._on_changed)
        row.addWidget(label("px", "caption"))
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.equivalents)

    @property
    def nats(self) -> float:
        """The shift of log-SNR."""
        return 2.0 * math.log(self.start.value() / self.to.value())

    def begin(self, spec: ScheduleSpec) -> None:
        """Show the same size twice."""
        self._spec = spec
        for box in (self.start, self.to):
            with QSignalBlocker(box):
                box.setValue(64)
        self._show()

    def result(self) -> ScheduleSpec:
        """Return the schedule shifted from one size to the other."""
        return operations.shifted(self._spec, self.nats)

    def text(self) -> str:
        """Name the sizes."""
        return f"shift from {self.start.value()} to {self.to.value()} px"

    def _show(self) -> None:
        self.equivalents.setText(f"Δλ {_signed(self.nats)} · {_equivalents(self.nats, size=False)}")

    @Slot()
    def _on_changed(self) -> None:
        self._show()
        self.changed.emit()


def _grip_times(spec: ScheduleSpec) -> list[float]:
    """Return where the handles of the whole curve are: t of the shift's, t of the scale's.

    Between control points, the first where log-SNR is nearest to 0 and the second to 2 nats.
    """
    places = [0.5 * (a + b) for a, b in pairwise(editing.times_of(spec))]
    if len(places) < 2:
        return [1.0 + 0.6 * (spec.T - 1), 1.0 + 0.3 * (spec.T - 1)]
    levels = build(spec).log_snr_at(np.array(places))
    order = np.argsort(np.abs(levels), kind="stable").tolist()
    scale = min(order[1:], key=lambda index: abs(levels[index] - 2.0))
    return [places[order[0]], places[scale]]


def _equivalents(nats: float, size: bool = True) -> str:
    """Return the other names of a shift in one line."""
    same = operations.equivalents(nats)
    parts = [
        f"SD3 shift {_short(same.sd3_shift)}",
        f"μ {_signed(same.flux_mu)}",
        f"input scale {_short(same.input_scale)}",
    ]
    if size:
        side = same.resolution
        parts.append(
            f"resolution {side:.0f} px" if side >= 9.5 else f"resolution {spelled(side, 2)} px"
        )
    return " · ".join(parts)


def _short(number: float) -> str:
    return f"{number:.2f}" if 0.095 <= number < 1000.0 else spelled(number)


def _signed(number: float) -> str:
    return f"{number:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _equivalents_label() -> QLabel:
    result = label("", "caption")
    result.setToolTip(_EQUIVALENTS)
    result.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return result
