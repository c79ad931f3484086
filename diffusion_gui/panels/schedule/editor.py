"""The schedule editor: preset and parameters, curves with handles, tools, findings.

Every part of it proposes edits, `edited(spec, text, merge key)`; this widget alone hands them to
the document and says what was refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSpacerItem, QWidget

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import ScheduleSpec, grid
from diffusion_gui.engine.schedules.build import without_points
from diffusion_gui.engine.schedules.doctor import Finding, Use, examine
from diffusion_gui.panels.common.panel_frame import Panel
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.schedule.doctor_view import DoctorArea, DoctorView
from diffusion_gui.panels.schedule.handles import HandlePlot
from diffusion_gui.panels.schedule.head_tools import HeadTools
from diffusion_gui.panels.schedule.lit_step import LitStep
from diffusion_gui.panels.schedule.operations_bar import OperationsBar
from diffusion_gui.panels.schedule.pane_chips import PaneChips
from diffusion_gui.panels.schedule.pin_menu import PinMenu
from diffusion_gui.panels.schedule.plots import PlotStack
from diffusion_gui.panels.schedule.point_row import PointRow
from diffusion_gui.panels.schedule.preset_row import PresetRow, row_of
from diffusion_gui.panels.schedule.schedule_menu import ScheduleMenu
from diffusion_gui.panels.schedule.table_view import ScheduleTable
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document
from diffusion_gui.state.editor_state import EditorState, Tool
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.user_presets import UserPresets
from diffusion_gui.state.view_state import ViewState

NARROWEST = 400
"""Room in pixels that the widest form of parameters takes, kept for all: nothing shifts."""


class ScheduleEditor(Panel):
    """Edits the document's schedule; every change is live and undoable."""

    grid_changed = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        shown: RunView,
        state: EditorState,
        comparison: Comparison,
        library: UserPresets,
        theme: Theme,
    ) -> None:
        super().__init__("scheduleEditor", "Schedule", theme)
        self._document = document
        self._view = view
        self._state = state
        self._comparison = comparison
        self._library = library
        self._build_head()
        self._build_form()
        self._build_plots()
        self._bind()
        self._show_schedule()
        self._lit = LitStep(document, shown, self.plots)

    def _build_head(self) -> None:
        self.tools = HeadTools(self._state, self._comparison, self.theme)
        self.head.addWidget(self.tools)
        self.body.addSpacerItem(QSpacerItem(NARROWEST, 0))

    def _build_form(self) -> None:
        self.presets = PresetRow(self.theme, self._library)
        self.body.addWidget(self.presets)

    def _build_plots(self) -> None:
        self.operations = OperationsBar(self._document, self._comparison)
        self.points = PointRow(self._document, self._state, self.theme)
        self.plots = PlotStack(
            self._document, self._view, self._state, self._comparison, self.theme
        )
        self.table = ScheduleTable(self._document, self._view, self._state, self.theme)
        self.chips = PaneChips(self._state)
        self.doctor = DoctorView(self.theme)
        below = QWidget()
        row = QHBoxLayout(below)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.chips)
        self.body.addWidget(self.operations)
        self.body.addWidget(self.points)
        self.body.addWidget(self.plots, 2)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(below)
        self.doctor_area = DoctorArea(self.doctor)
        self.body.addWidget(self.doctor_area)

    @property
    def alpha_bar(self) -> HandlePlot:
        """The plot of alpha-bar over t."""
        return self.plots.plot("alpha_bar")

    @property
    def beta(self) -> HandlePlot:
        """The plot of beta over t."""
        return self.plots.plot("beta")

    def _bind(self) -> None:
        document = self._document
        self.tools.reset.clicked.connect(self._on_reset)
        for part in (self.presets, self.plots, self.points, self.table, self.operations):
            part.edited.connect(self.apply)
        self.presets.finished.connect(document.end_gesture)
        self._library.failed.connect(self._on_refused)
        self.table.refused.connect(self._on_refused)
        self.table.left.connect(self.alpha_bar.setFocus)
        self.table.t_dragged.connect(self._view.set_t)
        self._bind_operations()
        self.points.finished.connect(document.end_gesture)
        self.points.add_wished.connect(lambda: self.plots.add_point(float(self._view.t)))
        self.points.remove_wished.connect(self.plots.remove_points)
        for over in (self.plots.gesture_finished, self.operations.let_go):
            over.connect(self._hold_still)
        self.plots.gesture_finished.connect(document.end_gesture)
        self.plots.t_dragged.connect(self._view.set_t)
        self.plots.mark_dragged.connect(self._on_mark)
        self.plots.mark_cancelled.connect(
            lambda was: document.replace(
                replace(document.experiment, sampling=was), "", "sampling-mark"
            )
        )
        self.doctor.fix_wished.connect(self._on_fix)
        self.doctor.range_changed.connect(self.plots.show_range)
        document.schedule_changed.connect(self.bar.clear)  # it was about the one before
        document.schedule_changed.connect(self._show_schedule)
        document.sampling_changed.connect(self._show_steps)
        document.sampling_changed.connect(self._show_findings)
        self._view.t_changed.connect(self.plots.show_time)
        self.theme.changed.connect(self._show_schedule)

    def _bind_operations(self) -> None:
        bar = self.operations
        bar.finished.connect(self._document.end_gesture)
        bar.finished.connect(self.alpha_bar.setFocus)
        bar.refused.connect(self._on_refused)
        bar.opened.connect(self.points.setHidden)  # its place goes to the bar
        bar.grips_moved.connect(self.plots.show_grips)
        self.plots.grip_dragged.connect(bar.drag_grip)
        self.plots.gesture_finished.connect(bar.show_grips)
        self._state.axes_changed.connect(bar.show_grips)
        self._state.panes_changed.connect(bar.show_grips)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the schedule's commands do, by the names of `app/actions.py`."""
        return {
            "savePreset": self.presets.ask_name,
            "drawFreehand": self._on_draw,
            "addPoint": lambda: self.plots.add_point(float(self._view.t)),
            "removePoints": lambda: self.plots.remove_points(sorted(self._state.chosen)),
            "stepToT": self._move_nearest_step,
            "resetCurve": self._on_reset,
            "switchSides": self._comparison.switch,
            "endSides": self._comparison.end,
            "pinSchedule": lambda: self._comparison.pin(self._spec),
            "clearPins": self._comparison.clear_pins,
            **self.operations.handlers(),
        }

    def set_menu(self, menu: QMenu, pins: QMenu) -> None:
        """Offer the window's schedule menu here too; fill its submenu of presets to pin."""
        self.tools.more.setMenu(menu)
        self.menu = ScheduleMenu(self._document, self._state, self._comparison, menu)
        library = self._library
        self.pin_menu = PinMenu(
            self._document, self._comparison, pins,
            lambda: [(name, library.get(name)) for name in library.names()],
        )  # fmt: skip

    @property
    def _spec(self) -> ScheduleSpec:
        return self._document.experiment.schedule

    @Slot(object, str, str)
    def apply(self, spec: ScheduleSpec, text: str, merge_key: str = "") -> None:
        """Make `spec` the document's schedule, or say why it cannot be."""
        self._hold_still()
        try:
            self._document.replace_schedule(spec, text, merge_key)
            self.bar.clear()
        except EngineError as error:
            self.bar.show_lines([str(error)])
            self._show_schedule()

    # --- what a person did --------------------------------------------------------------------

    @Slot()
    def _on_reset(self) -> None:
        self.apply(without_points(self._spec), "reset curve")

    @Slot()
    def _on_draw(self) -> None:
        drawing = self._state.tool is Tool.DRAW
        self._state.set_tool(Tool.POINTS if drawing else Tool.DRAW)

    @Slot(int, float)
    def _on_mark(self, index: int, t: float) -> None:
        """Move one of the sampler's steps: the grid becomes a list of t."""
        times = self._grid()
        if 0 <= index < len(times):
            times[index] = min(max(round(t), 1), self._document.schedule.T)
            levels = tuple(sorted({float(time) for time in times}, reverse=True))
            self._document.replace_sampling(
                "move a sampling step", "sampling-mark", spacing="times", levels=levels,
                spacing_params=(), steps=len(levels),
            )  # fmt: skip

    def _move_nearest_step(self) -> None:
        times = self._grid()
        if len(times):
            self._on_mark(int(np.argmin(np.abs(times - self._view.t))), float(self._view.t))
            self._document.end_gesture()

    @Slot(str)
    def _on_refused(self, line: str) -> None:
        self._hold_still()
        self.bar.show_lines([line])

    @Slot(object)
    def _on_fix(self, finding: Finding) -> None:
        assert finding.fix is not None
        self.apply(finding.fix.spec, finding.fix.label.lower())

    @Slot()
    def _hold_still(self) -> None:
        """Let what is said move nothing while the mouse holds something; afterwards it may."""
        panes = self.plots.panes.values()
        held = self.operations.held or any(pane.plot.held for pane in panes)
        self.bar.hold(held)

    # --- what is on show ------------------------------------------------------------------------

    def _grid(self) -> np.ndarray:
        """Return the times the sampler visits, descending, without 0; none where it cannot run."""
        sampling = self._document.experiment.sampling
        try:
            times = grid(
                self._document.schedule, sampling.steps, sampling.spacing,
                sampling.spacing_params, sampling.levels,
            )  # fmt: skip
        except EngineError:
            return np.zeros(0)
        return times[:-1]

    @Slot()
    def _show_steps(self) -> None:
        self.plots.steps = self._grid()
        self.plots.show_steps()

    @Slot()
    def _show_schedule(self) -> None:
        spec = self._spec
        row = row_of(spec)
        self.presets.show_spec(spec)
        drawn = bool(spec.points) and spec.has_base
        self.caption.setText("drawn" if drawn else f"{row.source}")
        self.tools.reset.setVisible(drawn)
        self.tools.show_sides()
        self.plots.steps = self._grid()
        self.plots.show_schedule()
        self.points.show_point()
        self.operations.follow()
        self._show_findings()

    @Slot()
    def _show_findings(self) -> None:
        sampling = self._document.experiment.sampling
        use = Use(sampling.spacing, sampling.steps, spacing_params=sampling.spacing_params)
        self.doctor.show_findings(examine(self._spec, use))
