"""The row of tools over the plots: draw, snap, and the chosen point in numbers."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.engine.schedules import MAX_STEPS, ScheduleSpec, control_points, editing
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.number_boxes import IntegerBox, NumberBox
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, button, label
from diffusion_gui.panels.schedule.notation import NOTATIONS
from diffusion_gui.state.document import Document
from diffusion_gui.state.editor_state import EditorState, Tool

_RANGES = {"alpha_bar": (0.0, 1.0), "sigma": (0.0, 1e6), "flow": (0.0, 1.0), "log_snr": (-20, 20)}
_T_WIDTH, _VALUE_WIDTH = 62, 88
"""Room for t of five figures and for values of nine: 10000, 0.4036863."""
_DRAW = (
    "Draw: the mouse draws ᾱ, β or the third curve; the stroke becomes a schedule.\nD on a curve"
    " turns it on and off; Esc takes a stroke back.\nBy keys: hold Space on a curve, ↑ ↓ change the"
    " value at t, then ← → draw on (Shift: fine)."
)


class PointRow(QWidget):
    """Edits the leading chosen point by numbers; `edited(spec, text, merge key)`.

    It is as wide whatever is chosen, so that nothing moves under the mouse that chooses.
    """

    edited = Signal(object, str, str)
    finished = Signal()
    add_wished = Signal()
    remove_wished = Signal(object)

    def __init__(self, document: Document, state: EditorState, theme: Theme) -> None:
        super().__init__()
        self._document = document
        self._state = state
        self._theme = theme
        self._build()
        self._bind()
        self._tint()
        self.show_point()

    def _build(self) -> None:
        self._build_tools()
        self._build_fields()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        for tool in (self.draw, self.snap, self.add, self.remove):
            row.addWidget(tool)
        row.addWidget(self.what, 1)
        for shown in (self.t_name, self.t, self.value_name, self.value):
            row.addWidget(shown)

    def _build_tools(self) -> None:
        self.draw = button("", _DRAW, "tool")
        self.draw.setObjectName("drawButton")
        self.draw.setAccessibleName("Draw")
        self.draw.setCheckable(True)
        self.snap = button("", "Snap: dragged points stop at round values", "tool")
        self.snap.setObjectName("snapButton")
        self.snap.setAccessibleName("Snap")
        self.snap.setCheckable(True)
        self.add = button("", "Add a point to the curve at the time cursor (Ins)", "tool")
        self.add.setObjectName("addPointButton")
        self.add.setAccessibleName("Add a point at t")
        self.remove = button("", "Remove the chosen points (Del); the ends stay", "tool")
        self.remove.setObjectName("removePointButton")
        self.remove.setAccessibleName("Remove the chosen points")

    def _build_fields(self) -> None:
        self.t = IntegerBox(1, MAX_STEPS)
        self.t.setObjectName("pointTSpin")
        self.t.setAccessibleName("t of the chosen point")
        self.t.setToolTip("t: the time of the chosen point, in steps; the ends keep theirs")
        self.t.setFixedWidth(_T_WIDTH)
        self.value = NumberBox(0.0, 1.0, 6)
        self.value.setObjectName("pointValueSpin")
        self.value.setFixedWidth(_VALUE_WIDTH)
        self.t_name, self.value_name = label("t", "caption"), label("", "caption")
        self.value_name.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.what = ElidedLabel("caption")
        self.what.setObjectName("chosenPointsLabel")

    def _bind(self) -> None:
        self.draw.toggled.connect(lambda on: self._state.set_tool(Tool.DRAW if on else Tool.POINTS))
        self.snap.toggled.connect(self._on_snap)
        self.add.clicked.connect(self.add_wished)
        self.remove.clicked.connect(lambda: self.remove_wished.emit(sorted(self._state.chosen)))
        self.t.valueChanged.connect(self._on_t)
        self.value.valueChanged.connect(self._on_value)
        for box in (self.t, self.value):
            box.editingFinished.connect(self.finished)
        self._state.tool_changed.connect(self._on_tool)
        self._state.chosen_changed.connect(self.show_point)
        self._state.notation_changed.connect(self.show_point)
        self._theme.changed.connect(self._tint)

    @property
    def _key(self) -> str:
        return NOTATIONS[self._state.notation].level

    @Slot()
    def _on_tool(self) -> None:
        with QSignalBlocker(self.draw):
            self.draw.setChecked(self._state.tool is Tool.DRAW)

    @Slot(bool)
    def _on_snap(self, on: bool) -> None:
        self._state.snap = on

    @Slot(int)
    def _on_t(self, t: int) -> None:
        spec, lead = self._document.experiment.schedule, self._state.lead
        points = control_points(spec)
        if 0 <= lead < len(points):
            steps = t - editing.time_of(spec, points[lead])
            self.edited.emit(editing.move_points(spec, {lead}, steps, 0.0), "move point", "point")

    @Slot(float)
    def _on_value(self, value: float) -> None:
        spec, lead = self._document.experiment.schedule, self._state.lead
        points = control_points(spec)
        if 0 <= lead < len(points):
            t = editing.time_of(spec, points[lead])
            moved = editing.drag_point(spec, lead, t, QUANTITIES[self._key], value)
            self.edited.emit(moved, "move point", "point")

    @Slot()
    def show_point(self) -> None:
        """Show the leading chosen point, or say that none is chosen."""
        spec, lead = self._document.experiment.schedule, self._state.lead
        points = control_points(spec)
        inner = set(self._state.chosen) - {0, len(points) - 1}
        self.remove.setEnabled(bool(inner))
        many = len(self._state.chosen)
        self.what.setText(f"{many} points" if many > 1 else "")
        row = QUANTITIES[self._key]
        self.value_name.setText(row.symbol)
        self.value.setAccessibleName(f"{row.symbol} of the chosen point")
        self.value.setToolTip(f"{row.symbol}: {row.meaning}, of the chosen point")
        chosen = 0 <= lead < len(points)
        for widget in (self.t_name, self.t, self.value_name, self.value):
            widget.setEnabled(chosen)
        if chosen:
            self._show_numbers(spec, lead)
        else:
            self.t.clear()
            self.value.clear()

    def _show_numbers(self, spec: ScheduleSpec, lead: int) -> None:
        point = control_points(spec)[lead]
        value = float(QUANTITIES[self._key].of_level(point.log_snr))
        low, high = _RANGES[self._key]
        with QSignalBlocker(self.t), QSignalBlocker(self.value):
            self.t.setRange(1, spec.T)
            self.t.setValue(round(editing.time_of(spec, point)))
            self.t.setEnabled(0 < lead < len(control_points(spec)) - 1)
            self.value.setRange(low, high)
            self.value.setValue(value)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        named = zip(
            (self.draw, self.snap, self.add, self.remove),
            ("spline", "magnet", "plus", "minus"),
            strict=True,
        )
        for widget, name in named:
            set_icon(widget, name, tokens.text, tokens.disabled, tokens.accent)
