"""The curves of the schedule, one above the other over the same t: alpha-bar, beta, one more.

A gesture on any of them ends as an edit of the same control points (`engine/schedules/editing.py`).
While the mouse is down every edit starts from the schedule at the press, so that going back leads
back. What stands on a curve is in `curve_pane.py`.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.engine.experiment import Sampling
from diffusion_gui.engine.schedules import ScheduleSpec, editing, strokes
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.schedule.axes import snapped
from diffusion_gui.panels.schedule.curve_pane import CurvePane
from diffusion_gui.panels.schedule.handles import HandlePlot
from diffusion_gui.panels.schedule.legend import Legend
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document
from diffusion_gui.state.editor_state import EditorState, Tool
from diffusion_gui.state.view_state import ViewState

MISSED = 0.02
"""A dragged point that stays behind by this share of its axis is held by a neighbour."""


class PlotStack(QWidget):
    """All curves on show; `edited(spec, text, merge key)`, `gesture_finished()` for the editor."""

    edited = Signal(object, str, str)
    gesture_finished = Signal()
    t_dragged = Signal(int)
    grip_dragged = Signal(int, float, float)
    mark_dragged = Signal(int, float)
    mark_cancelled = Signal(object)
    """The sampling settings are to be again what they were: these."""
    bounded = Signal(bool)
    """Whether the point that is dragged is kept from its value by a neighbour."""

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
        self._shown = document.experiment.schedule
        self._key = ""
        self._sampling: Sampling | None = None
        self._grip: tuple[int, float, float] | None = None
        """What a drag began with: the schedule, the sampling settings or a grip's place."""
        self.steps: Array = np.zeros(0)
        """The levels that the sampler visits, t > 0."""
        self.lit: float | None = None
        """The one of them that lights up."""
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
        plot.later_dragged.connect(lambda i, t, y: self._on_dragged(pane, i, t, y, later=True))
        plot.points_nudged.connect(lambda steps, y: self._on_nudged(pane, steps, y))
        plot.add_wished.connect(self.add_point)
        plot.remove_wished.connect(self.remove_points)
        plot.stroke_drawn.connect(lambda places: self._on_stroke(pane, places))
        plot.gesture_cancelled.connect(self._on_cancelled)
        plot.draw_wished.connect(self._on_draw_wished)
        plot.set_drawing(self._state.tool is Tool.DRAW)
        plot.grip_dragged.connect(lambda i, t, y: self._on_grip(pane, i, t, y))
        plot.mark_dragged.connect(self._on_mark)
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

    def _on_dragged(
        self, pane: CurvePane, index: int, t: float, place: float, later: bool = False
    ) -> None:
        if self._origin is None:
            self._origin, self._key = self._spec, "curve"
        low, high = pane.plot.span
        if self._state.snap:
            t, place = snapped(t, self._spec.T), snapped(place, high - low)
        quantity, value = pane.quantity, pane.value(place)
        if later:
            spec = editing.drag_on(self._origin, index, t, quantity, value)
        else:
            chosen = self._state.chosen
            spec = editing.drag_points(self._origin, chosen, index, t, quantity, value)
        self.edited.emit(spec, "drag curve", self._key)
        missed = abs(pane.plot.points[index][1] - min(max(place, low), high))
        stopped = quantity.log_snr is None and missed > MISSED * (high - low)
        self._show_bounded(pane, stopped and not later and index + 1 < len(pane.plot.points))

    def _show_bounded(self, pane: CurvePane, stopped: bool) -> None:
        if pane.show_held(stopped):
            self.bounded.emit(stopped)

    def _on_nudged(self, pane: CurvePane, steps: float, rise: float) -> None:
        chosen, lead = self._state.chosen, self._state.lead
        if rise == 0.0:
            spec = editing.move_points(self._spec, chosen, steps, 0.0)
        else:
            t, place = pane.plot.points[lead]
            value = pane.value(place + rise)
            spec = editing.drag_points(self._spec, chosen, lead, t, pane.quantity, value)
        self.edited.emit(spec, "move points", "curve")

    def _on_grip(self, pane: CurvePane, index: int, t: float, place: float) -> None:
        if pane.quantity.log_snr is not None:
            if self._grip is None:
                begun = pane.plot.marks.grips[index][0]
                level = self._document.schedule.log_snr_at(np.array(begun))
                self._grip = index, begun, float(level)
            self.grip_dragged.emit(index, t, pane.quantity.log_snr(pane.value(place)))

    def _on_stroke(self, pane: CurvePane, places: list[tuple[float, float]]) -> None:
        if self._origin is None:
            self._origin, self._key = self._spec, "stroke"
            self._state.choose(())  # its points are others from now on
            self._show_handles(False)
        stroke = [(t, pane.value(place)) for t, place in places]
        spec = strokes.draw(self._origin, pane.quantity, stroke)
        self.edited.emit(spec, f"draw {pane.quantity.symbol}", self._key)

    @Slot(int, float)
    def _on_mark(self, index: int, t: float) -> None:
        self._sampling = self._sampling or self._document.experiment.sampling
        self.mark_dragged.emit(index, t)

    @Slot()
    def _on_cancelled(self) -> None:
        """Take a gesture back: nothing of it is left, not even a step to undo."""
        if self._origin is not None:
            self.edited.emit(self._origin, "", self._key)
        if self._grip is not None:
            self.grip_dragged.emit(*self._grip)
        if self._sampling is not None:
            self.mark_cancelled.emit(self._sampling)
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
        self._origin = self._sampling = self._grip = None
        for pane in self.panes.values():
            self._show_bounded(pane, False)
        self._show_handles(True)
        self.gesture_finished.emit()
        self._show_curves()

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
        chosen, before, self._shown = self._state.chosen, self._shown, self._spec
        dragged = self._origin is not None
        if not (dragged or editing.only_moved(before, self._shown, chosen)):
            self._state.choose(())  # under the same numbers there are other points now
        self._show_curves()

    def _show_curves(self) -> None:
        """Draw all curves; the axes stand still only where the mouse holds something."""
        for pane in self._visible():
            pane.show_schedule(self._spec, self._document.schedule, self.steps)
            pane.show_lit_step(self.lit)
        self._show_overlays()
        self.show_time()

    @Slot()
    def _show_chosen(self) -> None:
        for pane in self._visible():
            pane.show_chosen()

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
        compared = self._comparison.compared()
        for pane in self._visible():
            pane.show_overlays(compared, self._document.schedule.T)

    def show_steps(self) -> None:
        """Mark the sampler's `steps` on all curves."""
        for pane in self._visible():
            pane.show_steps(self._document.schedule, self.steps)

    def show_lit(self, t: float | None) -> None:
        """Light up one of the `steps` on all curves, or none."""
        self.lit = t
        for pane in self._visible():
            pane.show_lit_step(t)

    def show_range(self, times: tuple[int, int] | None, token: str = "warning") -> None:
        """Shade the t that a finding is about on every curve, or none."""
        for pane in self._visible():
            pane.plot.marks.show_range(times, token)

    def show_grips(self, levels: list[tuple[float, float]]) -> None:
        """Show the handles of the whole curve, given as (t, log-SNR), on the curves on show."""
        visible = self._visible()
        for pane in self.panes.values():
            pane.show_grips(levels if pane in visible else ())

    @Slot()
    def show_time(self) -> None:
        """Move the time cursor of all curves and write the values there."""
        schedule = self._document.schedule
        for pane in self._visible():
            pane.show_time(schedule, min(self._view.t, schedule.T))
