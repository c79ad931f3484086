"""The curves of the schedule, one above the other over the same t: alpha-bar, beta, one more.

A gesture on any of them ends as an edit of the same control points (`engine/schedules/editing.py`).
While the mouse is down every edit starts from the schedule at the press, so that going back leads
back.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from diffusion_gui.engine.schedules import (
    Schedule,
    ScheduleSpec,
    build,
    control_points,
    editing,
    strokes,
)
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.panels.common.plot import show_line
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, button, label
from diffusion_gui.panels.schedule.axes import axis_range, snapped
from diffusion_gui.panels.schedule.handles import HandlePlot
from diffusion_gui.panels.schedule.legend import Legend
from diffusion_gui.panels.schedule.marks import Overlay
from diffusion_gui.panels.schedule.notation import NOTATIONS, level_text
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document
from diffusion_gui.state.editor_state import EditorState, Tool
from diffusion_gui.state.view_state import ViewState

CURVE_POINTS = 600
"""Points drawn per curve, however large T is: more than a plot has pixels to show."""
TOKENS = {"signal": "alpha_bar", "step": "log_snr", "flow": "sigma", "snr": "log_snr"}
"""Colours of the quantities that do not have one of their own name."""
_HELP = (
    "Drag a point to reshape the curve, drag elsewhere to move t.\nDouble click adds a point or"
    " removes it; Shift+drag chooses several.\nKeys: [ ] choose, arrows move (Shift: fine), Ins"
    " adds at t, Del removes.\nD draws the curve by hand: with the mouse, or with Space held, where"
    " ↑ ↓ change the value\nat t, then ← → draw on (Shift: fine). Esc takes the stroke back."
)


class CurvePane(QWidget):
    """One curve with its heading: what it is, in the notation, and the kind of its axis."""

    def __init__(self, theme: Theme, key: str, state: EditorState) -> None:
        super().__init__()
        self.key = key
        self._state = state
        self.heading = label("", "caption")
        self.heading.setTextFormat(Qt.TextFormat.PlainText)
        self.log = button("log", "Logarithmic or linear value axis", "chip")
        self.log.setCheckable(True)
        self.log.setObjectName(f"log_{key}")
        self.log.setVisible(QUANTITIES[key].positive)
        self.log.toggled.connect(lambda on: state.set_logarithmic(key, on))
        self.head = QHBoxLayout()
        self.head.setContentsMargins(0, 0, 0, 0)
        self.head.setSpacing(GAP)
        self.head.addWidget(self.heading)
        self.head.addStretch(1)
        self.head.addWidget(self.log)
        self.plot = HandlePlot(theme, TOKENS.get(key, key))
        self.plot.getAxis("left").setWidth(40)
        self.overlaid: object = None
        """What the compared curves on show were made from."""
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(2)
        self.column.addLayout(self.head)
        self.column.addWidget(self.plot, 1)
        self.name_in_notation()

    @property
    def logarithmic(self) -> bool:
        """Whether the value axis is logarithmic."""
        return self._state.logarithmic(self.key)

    def name_in_notation(self) -> None:
        """Write heading and tooltip in the words of the notation; follow the kind of axis."""
        row, notation = QUANTITIES[self.key], NOTATIONS[self._state.notation]
        formula = notation.formulas[self.key]
        self.heading.setText(f"{formula}   {row.meaning}")
        self.plot.setAccessibleName(f"{row.meaning} over t")
        self.plot.setToolTip(f"{formula}: {row.meaning}.\n{_HELP}")
        with QSignalBlocker(self.log):
            self.log.setChecked(self.logarithmic)
        self.plot.set_power_ticks(self.logarithmic)


class PlotStack(QWidget):
    """All curves on show; `edited(spec, text, merge key)`, `gesture_finished()` for the editor."""

    edited = Signal(object, str, str)
    gesture_finished = Signal()
    t_dragged = Signal(int)
    grip_dragged = Signal(int, float, float)
    mark_dragged = Signal(int, float)

    def __init__(
        self,
        document: Document,
        view: ViewState,
        state: EditorState,
        comparison: Comparison,
        theme: Theme,
    ) -> None:
        super().__init__()
        self._document = document
        self._view = view
        self._state = state
        self._comparison = comparison
        self._theme = theme
        self._origin: ScheduleSpec | None = None
        self._steps: Array = np.zeros(0)
        self._range: tuple[tuple[int, int], str] | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self.panes: dict[str, CurvePane] = {}
        for key in ("alpha_bar", "beta"):
            self._add_pane(key)
        state.chosen_changed.connect(self._show_chosen)
        state.panes_changed.connect(self._on_panes)
        state.axes_changed.connect(self._on_names)
        state.notation_changed.connect(self._on_names)
        state.tool_changed.connect(self._on_tool)
        self._legend: Legend | None = None
        comparison.changed.connect(self._show_compared)

    def _add_pane(self, key: str) -> CurvePane:
        pane = CurvePane(self._theme, key, self._state)
        plot = pane.plot
        plot.setObjectName({"alpha_bar": "alphaBarPlot"}.get(key, f"{key}Plot"))
        plot.t_dragged.connect(self.t_dragged)
        plot.point_chosen.connect(self._on_chosen)
        plot.points_chosen.connect(self._state.choose)
        plot.point_dragged.connect(lambda i, t, y: self._on_dragged(pane, i, t, y))
        plot.points_nudged.connect(lambda steps, y: self._on_nudged(pane, steps, y))
        plot.add_wished.connect(self.add_point)
        plot.remove_wished.connect(self.remove_points)
        plot.stroke_drawn.connect(lambda places: self._on_stroke(pane, places))
        plot.stroke_cancelled.connect(self._on_stroke_cancelled)
        plot.draw_wished.connect(self._on_draw_wished)
        plot.set_drawing(self._state.tool is Tool.DRAW)
        plot.grip_dragged.connect(lambda i, t, y: self._on_grip(pane, i, t, y))
        plot.mark_dragged.connect(self.mark_dragged)
        plot.gesture_finished.connect(self._on_finished)
        self.panes[key] = pane
        self._column.addWidget(pane, 6 if key == "alpha_bar" else 4)
        return pane

    def plot(self, key: str) -> HandlePlot:
        """Return the plot of one quantity, making it if it was never on show."""
        return (self.panes.get(key) or self._add_pane(key)).plot

    # --- gestures ---------------------------------------------------------------------------

    @property
    def _spec(self) -> ScheduleSpec:
        return self._document.experiment.schedule

    @Slot(int, bool)
    def _on_chosen(self, index: int, more: bool) -> None:
        if more:
            self._state.toggle(index)
        elif index in self._state.chosen:
            self._state.choose(self._state.chosen, index)
        else:
            self._state.choose({index}, index)

    def _on_dragged(self, pane: CurvePane, index: int, t: float, place: float) -> None:
        if self._origin is None:
            self._origin = self._spec
        if self._state.snap:
            low, high = pane.plot.span
            t, place = snapped(t, self._spec.T), snapped(place, high - low)
        quantity = QUANTITIES[pane.key]
        value = quantity.off_axis(place, pane.logarithmic)
        spec = editing.drag_points(self._origin, self._state.chosen, index, t, quantity, value)
        self.edited.emit(spec, "drag curve", "curve")

    def _on_nudged(self, pane: CurvePane, steps: float, rise: float) -> None:
        lead = self._state.lead
        t, place = pane.plot.points[lead]
        quantity = QUANTITIES[pane.key]
        value = quantity.off_axis(place + rise, pane.logarithmic)
        if rise == 0.0:
            spec = editing.move_points(self._spec, self._state.chosen, steps, 0.0)
        else:
            spec = editing.drag_points(self._spec, self._state.chosen, lead, t, quantity, value)
        self.edited.emit(spec, "move points", "curve")

    def _on_grip(self, pane: CurvePane, index: int, t: float, place: float) -> None:
        quantity = QUANTITIES[pane.key]
        value = quantity.off_axis(place, pane.logarithmic)
        if quantity.log_snr is not None:
            self.grip_dragged.emit(index, t, quantity.log_snr(value))

    def _on_stroke(self, pane: CurvePane, places: list[tuple[float, float]]) -> None:
        if self._origin is None:
            self._origin = self._spec
            self._state.choose(())  # its points are others from now on
            self._show_handles(False)
        quantity = QUANTITIES[pane.key]
        stroke = [(t, quantity.off_axis(place, pane.logarithmic)) for t, place in places]
        spec = strokes.draw(self._origin, quantity, stroke)
        self.edited.emit(spec, f"draw {quantity.symbol}", "stroke")

    @Slot()
    def _on_stroke_cancelled(self) -> None:
        if self._origin is not None:
            self.edited.emit(self._origin, "draw", "stroke")
        self._on_finished()

    @Slot()
    def _on_draw_wished(self) -> None:
        other = Tool.POINTS if self._state.tool is Tool.DRAW else Tool.DRAW
        self._state.set_tool(other)

    @Slot(float)
    def add_point(self, t: float) -> None:
        """Add a control point on the curve at time `t` and choose it."""
        spec, index = editing.add_point(self._spec, t)
        self.edited.emit(spec, "add point", "")
        self._state.choose({index}, index)

    @Slot(object)
    def remove_points(self, chosen: list[int]) -> None:
        """Remove control points; the ends stay."""
        spec = editing.remove_points(self._spec, chosen)
        if spec != self._spec:
            self._state.choose(())
            self.edited.emit(spec, "remove points", "")

    @Slot()
    def _on_finished(self) -> None:
        self._origin = None
        self._show_handles(True)
        self.gesture_finished.emit()
        self._show_ranges()

    # --- what is on show --------------------------------------------------------------------

    @Slot()
    def _on_panes(self) -> None:
        wanted = self._state.pane
        for key, pane in self.panes.items():
            pane.setVisible(key in ("alpha_bar", "beta", wanted))
        if wanted in QUANTITIES:
            self.plot(wanted)
            self.panes[wanted].show()
        self.show_schedule()

    @Slot()
    def _on_names(self) -> None:
        for pane in self.panes.values():
            pane.name_in_notation()
        self.show_schedule()

    @Slot()
    def _on_tool(self) -> None:
        for pane in self.panes.values():
            pane.plot.set_drawing(self._state.tool is Tool.DRAW)

    def _show_handles(self, shown: bool) -> None:
        for pane in self.panes.values():
            pane.plot.show_handles(shown)

    def _visible(self) -> list[CurvePane]:
        return [
            pane for key, pane in self.panes.items()
            if key in ("alpha_bar", "beta", self._state.pane)
        ]  # fmt: skip

    def show_schedule(self) -> None:
        """Show the document's schedule on all curves."""
        spec, schedule = self._spec, self._document.schedule
        count = len(control_points(spec))
        if any(index >= count for index in self._state.chosen):
            self._state.choose([i for i in self._state.chosen if i < count])
        for pane in self._visible():
            self._show_curve(pane, spec, schedule)
        self._show_overlays()
        self._show_steps()
        self.show_time()

    def _show_ranges(self) -> None:
        """Fit the axes again after a gesture, during which the one under the mouse stood still."""
        for pane in self._visible():
            self._show_curve(pane, self._spec, self._document.schedule)
        self._show_overlays()
        self._show_steps()
        self.show_time()

    def _show_curve(self, pane: CurvePane, spec: ScheduleSpec, schedule: Schedule) -> None:
        plot, quantity, T = pane.plot, QUANTITIES[pane.key], schedule.T
        values = quantity.values(schedule)
        first = 1 if pane.key == "beta" or (values[0] == 0.0 and pane.logarithmic) else 0
        shown = quantity.on_axis(values, pane.logarithmic)
        if not plot.held:
            plot.set_ranges(T, *axis_range(quantity, values, pane.logarithmic))
        t = _times(T)
        show_line(plot.curve, t[first:], shown[t[first:]])
        if pane.key == "signal":
            noise = QUANTITIES["noise"].values(schedule)
            plot.marks.show_companion(t, QUANTITIES["noise"].on_axis(noise, pane.logarithmic)[t])
        times = [editing.time_of(spec, point) for point in control_points(spec)]
        plot.set_points(list(zip(times, self._on_curve(pane, shown, times), strict=True)))
        plot.set_chosen(self._state.chosen, self._state.lead)

    def _on_curve(self, pane: CurvePane, shown: Array, times: list[float]) -> list[float]:
        """Return where the points lie: on the curve as drawn, inside the axis where it leaves."""
        low, high = pane.plot.span
        inside = np.clip(shown, low, high)
        return np.interp(times, np.arange(len(shown)), inside).tolist()

    @Slot()
    def _show_chosen(self) -> None:
        for pane in self._visible():
            pane.plot.set_chosen(self._state.chosen, self._state.lead)

    @Slot()
    def _show_compared(self) -> None:
        if self._legend is None and self._comparison.compared():
            pane = self.panes["alpha_bar"]
            self._legend = Legend(self._comparison, self._theme, pane.log)
            self._legend.edited.connect(self.edited)
            pane.column.insertWidget(1, self._legend)
            self._legend.show_compared()
        self._show_overlays()

    def _show_overlays(self) -> None:
        """Draw the compared curves, where they are not on show already: an edit leaves them be."""
        compared, T = self._comparison.compared(), self._document.schedule.T
        for pane in self._visible():
            wanted = (compared, T, pane.logarithmic)
            if wanted != pane.overlaid:
                pane.overlaid = wanted
                pane.plot.marks.show_overlays(
                    [self._overlay(pane, build(pin.spec), pin.style) for pin in compared]
                )

    def _overlay(self, pane: CurvePane, schedule: Schedule, style: int) -> Overlay:
        quantity, own = QUANTITIES[pane.key], self._document.schedule.T
        shown = quantity.on_axis(quantity.values(schedule), pane.logarithmic)
        t = _times(schedule.T)[1:]
        finite = np.where(np.isfinite(shown[t]), shown[t], np.nan)
        return Overlay(t * (own / schedule.T), finite, style)

    def set_steps(self, times: Array) -> None:
        """Mark the levels that the sampler visits, t > 0."""
        self._steps = times
        self._show_steps()

    def _show_steps(self) -> None:
        T = self._document.schedule.T
        times = self._steps[self._steps <= T]
        for pane in self._visible():
            quantity = QUANTITIES[pane.key]
            values = quantity.values(self._document.schedule)
            shown = quantity.on_axis(values, pane.logarithmic)
            places = np.array(self._on_curve(pane, shown, times.tolist()))
            pane.plot.marks.show_steps(times, places, pane.key == "alpha_bar")

    def show_range(self, times: tuple[int, int] | None, token: str = "warning") -> None:
        """Shade the t that a finding is about on every curve, or none."""
        for pane in self._visible():
            pane.plot.marks.show_range(times, token)

    def show_grips(self, levels: list[tuple[float, float]]) -> None:
        """Show the handles of the whole curve, given as (t, log-SNR), where values have one."""
        visible = self._visible()
        for pane in self.panes.values():
            quantity = QUANTITIES[pane.key]
            places = []
            if quantity.log_snr is not None and pane in visible:
                for t, level in levels:
                    value = quantity.of_levels(np.array(np.nan), np.array(level))
                    shown = float(quantity.on_axis(value, pane.logarithmic))
                    low, high = pane.plot.span
                    places.append((t, min(max(shown, low), high)))
            pane.plot.marks.show_grips(places)

    @Slot()
    def show_time(self) -> None:
        """Move the time cursor of all curves and write the values there."""
        schedule, t = self._document.schedule, min(self._view.t, self._document.schedule.T)
        leading = NOTATIONS[self._state.notation].level
        for pane in self._visible():
            quantity = QUANTITIES[pane.key]
            value = float(quantity.of_levels(*_levels(schedule, t)))
            text = f"{quantity.symbol} = {value:.4g}" if np.isfinite(value) else ""
            if pane.key == "beta" and t == 0:
                text = "β is added from t = 1 on"
            if pane.key == "alpha_bar" and leading != "alpha_bar":
                text = f"{level_text(self._state.notation, schedule, t)}   {text}"
            shown = float(quantity.on_axis(np.array(value), pane.logarithmic))
            pane.plot.set_time(t, shown if np.isfinite(shown) else 0.0, text)


def _levels(schedule: Schedule, t: int) -> tuple[Array, Array]:
    before = schedule.log_snr[t - 1] if t > 0 else np.nan
    return np.asarray(before), np.asarray(schedule.log_snr[t])


def _times(T: int) -> Array:
    """Return the t at which curves are drawn: all, or 600 with both ends' neighbours."""
    spread = np.linspace(0, T, min(T + 1, CURVE_POINTS)).round().astype(int)
    return np.unique(np.r_[spread, 1, max(T - 1, 0)])
