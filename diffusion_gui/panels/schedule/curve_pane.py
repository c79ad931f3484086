"""One curve of the schedule over t: its heading, its plot, and everything that stands on it.

A pane shows what it is told and reads places off its axis; it changes nothing. What the mouse
does on it is up to `plots.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.schedules import Schedule, ScheduleSpec, build, editing
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.panels.common.plot import show_line
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, button, label
from diffusion_gui.panels.schedule.axes import axis_range
from diffusion_gui.panels.schedule.handles import HandlePlot
from diffusion_gui.panels.schedule.marks import Overlay
from diffusion_gui.panels.schedule.notation import NOTATIONS, level_text
from diffusion_gui.panels.schedule.reach import LANE_ROOM
from diffusion_gui.state.comparison import Pin
from diffusion_gui.state.editor_state import EditorState

CURVE_POINTS = 600
"""Points drawn per curve, however large T is: more than a plot has pixels to show."""
TOKENS = {"signal": "alpha_bar", "step": "log_snr", "flow": "sigma", "snr": "log_snr"}
"""Colours of the quantities that do not have one of their own name."""
_HELP = (
    "Drag points, double click adds, Shift+drag chooses, Ctrl+drag takes later points along."
    " F1 for keys"
)
HELD = "held by its neighbour; Ctrl+drag takes the later points along"
"""Shown in place of a curve's meaning."""


class CurvePane(QWidget):
    """One curve with its heading: what it is, in the notation, and the kind of its axis."""

    def __init__(self, theme: Theme, key: str, state: EditorState) -> None:
        super().__init__()
        self.key = key
        self.quantity = QUANTITIES[key]
        self._state = state
        self._read: tuple[Schedule, bool] | None = None
        self._values = self._places = np.zeros(0)
        self._overlaid: object = None
        """What the compared curves on show were made from."""
        self.plot = HandlePlot(theme, TOKENS.get(key, key))
        if key == "alpha_bar":  # the sampler's steps can be dragged there
            self.plot.room_below = LANE_ROOM
        self._build()
        self.name_in_notation()

    def _build(self) -> None:
        self.heading = label("", "caption")
        self.heading.setTextFormat(Qt.TextFormat.PlainText)
        self.hint = label("", "caption")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.log = button("log", "Logarithmic or linear value axis", "chip")
        self.log.setCheckable(True)
        self.log.setObjectName(f"log_{self.key}")
        self.log.setVisible(self.quantity.positive)
        self.log.toggled.connect(lambda on: self._state.set_logarithmic(self.key, on))
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(GAP)
        head.addWidget(self.heading)
        head.addWidget(self.hint, 1)
        head.addWidget(self.log)
        self.plot.getAxis("left").setWidth(40)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(2)
        self.column.addLayout(head)
        self.column.addWidget(self.plot, 1)

    @property
    def logarithmic(self) -> bool:
        """Whether the value axis is logarithmic."""
        return self._state.logarithmic(self.key)

    def value(self, place: float) -> float:
        """Return the value at a place of the axis."""
        return self.quantity.off_axis(place, self.logarithmic)

    def name_in_notation(self) -> None:
        """Write heading and tooltip in the words of the notation; follow the kind of axis."""
        formula, meaning = self._formula, self.quantity.meaning
        self.show_held(False)
        self.plot.setAccessibleName(f"{meaning} over t")
        self.plot.setToolTip(f"{formula}: {meaning}.\n{_HELP}")
        with QSignalBlocker(self.log):
            self.log.setChecked(self.logarithmic)
        self.plot.set_power_ticks(self.logarithmic)

    @property
    def _formula(self) -> str:
        formula = NOTATIONS[self._state.notation].formulas[self.key]
        # the read-out's symbol of log-SNR is in none of its formulas
        return f"{self.quantity.symbol} = {formula}" if self.key == "log_snr" else formula

    # --- what is on show --------------------------------------------------------------------

    def show_schedule(self, spec: ScheduleSpec, schedule: Schedule, steps: Array) -> None:
        """Show the curve of `schedule`, the points of `spec` on it, and the sampler's `steps`."""
        self._look(schedule)
        plot, T = self.plot, schedule.T
        if not plot.held:
            plot.set_ranges(T, *axis_range(self.quantity, self._values, self.logarithmic))
        t = _times(T)
        no_place = self.key == "beta" or (self._values[0] == 0.0 and self.logarithmic)
        first = 1 if no_place else 0
        show_line(plot.curve, t[first:], self._places[t[first:]])
        if self.key == "signal":
            noise = QUANTITIES["noise"]
            places = noise.on_axis(noise.values(schedule), self.logarithmic)
            plot.marks.show_companion(t, places[t])
        times = editing.times_of(spec)
        plot.set_points(list(zip(times, self._on_curve(times).tolist(), strict=True)))
        self.show_chosen()
        self.show_steps(schedule, steps)

    def show_held(self, held: bool) -> bool:
        """Say in the heading whether a neighbour holds the dragged point; return if that is new."""
        new = held == (not self.hint.text())
        self.hint.setText(HELD if held else "")
        formula = self._formula
        self.heading.setText(formula if held else f"{formula}   {self.quantity.meaning}")
        return new

    def show_chosen(self) -> None:
        """Mark the chosen points."""
        self.plot.set_chosen(self._state.chosen, self._state.lead)

    def show_steps(self, schedule: Schedule, times: Array) -> None:
        """Mark the levels that the sampler visits, t > 0, on the curve."""
        self._look(schedule)
        times = times[times <= schedule.T]
        self.plot.marks.show_steps(times, self._on_curve(times), self.key == "alpha_bar")

    def show_lit_step(self, t: float | None) -> None:
        """Light up the mark of one of the sampler's levels, or none."""
        if t is None:
            self.plot.marks.show_lit(None)
            return
        place = float(self._on_curve([t])[0])
        self.plot.marks.show_lit((t, place) if np.isfinite(place) else None)

    def show_overlays(self, compared: Sequence[Pin], T: int) -> None:
        """Draw the compared curves, where they are not on show already: an edit leaves them be."""
        wanted = (compared, T, self.logarithmic)
        if wanted != self._overlaid:
            self._overlaid = wanted
            self.plot.marks.show_overlays([self._overlay(pin, T) for pin in compared])

    def show_grips(self, levels: Sequence[tuple[float, float]]) -> None:
        """Show the handles of the whole curve, given as (t, log-SNR), where values have one."""
        places = []
        if self.quantity.log_snr is not None:
            low, high = self.plot.span
            for t, level in levels:
                place = self.quantity.on_axis(self.quantity.of_level(level), self.logarithmic)
                places.append((t, min(max(float(place), low), high)))
        self.plot.marks.show_grips(places)

    def show_time(self, schedule: Schedule, t: int) -> None:
        """Move the time cursor and write the value there."""
        before = schedule.log_snr[t - 1] if t > 0 else np.nan
        value = self.quantity.of_levels(np.asarray(before), np.asarray(schedule.log_snr[t]))
        text = f"{self.quantity.symbol} = {spelled(float(value), 4)}" if np.isfinite(value) else ""
        if self.key == "beta" and t == 0:
            text = "β is added from t = 1 on"
        notation = self._state.notation
        if self.key == "alpha_bar" and NOTATIONS[notation].level != "alpha_bar":
            text = f"{level_text(notation, schedule, t)}   {text}"
        place = float(self.quantity.on_axis(value, self.logarithmic))
        self.plot.set_time(t, place if np.isfinite(place) else 0.0, text)

    # --- numbers ----------------------------------------------------------------------------

    def _look(self, schedule: Schedule) -> None:
        """Take the values at t = 0..T and their places on the axis, once per schedule and axis."""
        wanted = (schedule, self.logarithmic)
        if wanted != self._read:
            self._read = wanted
            self._values = self.quantity.values(schedule)
            self._places = self.quantity.on_axis(self._values, self.logarithmic)

    def _on_curve(self, times: Sequence[float] | Array) -> Array:
        """Return the places at `times`: on the curve as drawn, inside the axis where it leaves."""
        inside = np.clip(self._places, *self.plot.span)
        return np.interp(times, np.arange(len(inside)), inside)

    def _overlay(self, pin: Pin, T: int) -> Overlay:
        schedule = build(pin.spec)
        t = _times(schedule.T)[1:]
        places = self.quantity.on_axis(self.quantity.values(schedule), self.logarithmic)[t]
        finite = np.where(np.isfinite(places), places, np.nan)
        return Overlay(t * (T / schedule.T), finite, pin.style)


@lru_cache(maxsize=16)
def _times(T: int) -> np.ndarray:
    """Return the t at which curves are drawn: all, or 600 with both ends' neighbours."""
    spread = np.linspace(0, T, min(T + 1, CURVE_POINTS)).round().astype(int)
    times = np.array(sorted({*spread.tolist(), 1, max(T - 1, 0)}))  # np.unique imports a lot
    times.flags.writeable = False
    return times
