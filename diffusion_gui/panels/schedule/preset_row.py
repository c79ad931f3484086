"""The row that says what a schedule starts from: preset, T, parameters, and the formula below.

The user's own presets are saved, renamed and removed here; a name is typed where the formula
stands, so that nothing moves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Values
from diffusion_gui.engine.schedules import MAX_STEPS, PRESETS, Preset, ScheduleSpec
from diffusion_gui.engine.schedules.build import without_points
from diffusion_gui.engine.schedules.describe import changes_of
from diffusion_gui.panels.common.number_boxes import IntegerBox, show_number
from diffusion_gui.panels.common.params_form import ParamsForm
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, Field, button
from diffusion_gui.panels.schedule.formula import HEIGHT, FormulaLine
from diffusion_gui.panels.schedule.name_row import NameRow
from diffusion_gui.panels.schedule.preset_combo import OWN, RECENT, PresetCombo
from diffusion_gui.state.user_presets import UserPresets

_TABLE = Preset(
    "Table",
    "numbers, edited or imported",
    "βₜ from a table of numbers",
    (),
    lambda T, p: np.empty(0),
)
_DRAWN = Preset("Drawn", "by hand", "log-SNR through the points", (), lambda T, p: np.empty(0))
"""What is said of schedules that have no formula."""
PRESET_TIP = "The formula the schedule starts from, your presets and recent schedules"
OWN_TIP = "Your preset. Right-click, or Shift+F10, to rename or delete it."


class PresetRow(QWidget):
    """Shows a `ScheduleSpec` and says how a person wants it changed.

    `edited(spec, undo text, merge key)` with every change, `finished()` when a field is left.
    """

    edited = Signal(object, str, str)
    finished = Signal()

    def __init__(self, theme: Theme, library: UserPresets) -> None:
        super().__init__()
        self._theme = theme
        self._library = library
        self._spec = ScheduleSpec()
        self._row: Preset | None = None
        self._renamed = ""
        self._asked = ""
        self._last_own = ""
        self._build_fields()
        self._build_lines()
        self._bind()
        self.show_spec(self._spec)

    def _build_fields(self) -> None:
        self.preset = PresetCombo()
        self.save = button("Save…", "Save the schedule as a preset of yours", "caption-link")
        self.save.setObjectName("savePresetButton")
        self.save.setAccessibleName("Save as preset")
        self.steps = IntegerBox(1, MAX_STEPS, 100)
        self.steps.setObjectName("scheduleTSpin")
        self.params = ParamsForm()
        choice = Field("Preset", self.preset, PRESET_TIP, self.save)
        top = Qt.AlignmentFlag.AlignTop
        self._fields = QHBoxLayout()
        self._fields.setSpacing(GAP)
        self._fields.addWidget(choice, 2, top)
        length = Field("T", self.steps, f"Number of noising steps, 1 to {MAX_STEPS:,}")
        self._fields.addWidget(length, 1, top)
        self._fields.addWidget(self.params, 3, top)

    def _build_lines(self) -> None:
        self.formula = FormulaLine(self._theme)
        self.naming = NameRow(self._theme)
        self._line = QStackedWidget()
        self._line.setFixedHeight(HEIGHT)
        self._line.addWidget(self.formula)
        self._line.addWidget(self.naming)
        self.menu = QMenu(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._fields)
        column.addWidget(self._line)
        QWidget.setTabOrder(self.preset, self.save)
        QWidget.setTabOrder(self.save, self.steps)

    def _bind(self) -> None:
        self.preset.activated.connect(self._on_preset)
        self.preset.menu_requested.connect(self._open_menu)
        self.preset.about_to_open.connect(self._library.load)
        self.save.clicked.connect(self.ask_name)
        self.steps.valueChanged.connect(self._on_T)
        self.steps.editingFinished.connect(self.finished)
        self.params.edited.connect(self._on_params)
        self.params.finished.connect(self.finished)
        self.naming.entered.connect(self._on_name)
        self.naming.cancelled.connect(self._close_naming)
        self.naming.field.textEdited.connect(self._forget_question)
        self._library.changed.connect(self._on_library)

    def show_spec(self, spec: ScheduleSpec) -> None:
        """Show a schedule's preset, T, parameters and formula; emits nothing."""
        self._spec = spec
        row = row_of(spec)
        name = self._library.name_of(spec)
        self._last_own = name or self._last_own
        self.preset.setPlaceholderText(row.title)
        self.preset.choose(OWN + name if name else spec.preset)
        self.preset.setToolTip(f"{name}\n{OWN_TIP}" if name else PRESET_TIP)
        show_number(self.steps, spec.T)
        self.params.show_values(row.params, spec.params)
        if row is not self._row:
            self._row = row
            self._order_tabs(row)
        drawing = spec.preset if row.latex and not _changed(spec) else ""
        self.formula.show_formula(_described(spec, row), drawing, _meaning(row))

    @Slot()
    def ask_name(self) -> None:
        """Ask, in the line of the formula, for the name to save the schedule under."""
        self._renamed = ""
        name = self.preset.own_name or self._last_own or self._library.title(self._spec)
        self._open_naming(name, "Save")

    def _ask_rename(self, name: str) -> None:
        self._renamed = name
        self._open_naming(name, "Rename")

    def _open_naming(self, name: str, verb: str) -> None:
        self._asked = ""
        self._line.setCurrentWidget(self.naming)
        self.naming.ask(name, verb)

    @Slot()
    def _close_naming(self) -> None:
        self._line.setCurrentWidget(self.formula)
        self.preset.setFocus()

    @Slot(str)
    def _on_name(self, typed: str) -> None:
        try:
            name = self._library.check_name(typed)
            if self._renamed:
                self._last_own = self._library.rename(self._renamed, name)
            elif name in self._library.names() and self._asked != name:
                self._asked = name
                self.naming.say("This name exists", "Overwrite")
                return
            else:
                self._last_own = self._library.save(name, self._spec)
        except EngineError as error:
            self.naming.say(str(error))
        else:
            self._close_naming()

    @Slot()
    def _forget_question(self) -> None:
        self._asked = ""

    @Slot(str, QPoint)
    def _open_menu(self, name: str, place: QPoint) -> None:
        """Open the menu of a preset of the user, or of the schedule as it is (name "")."""
        if self.menu.isVisible():  # some systems send both the key and what it means
            return
        self.menu.clear()
        self.menu.addAction("Save as preset…", self.ask_name)
        if name:
            self.menu.addAction(f"Rename “{name}”…", lambda: self._ask_rename(name))
            self.menu.addAction(f"Delete “{name}”", lambda: self._remove(name))
        self.menu.popup(place)

    def _remove(self, name: str) -> None:
        self._last_own = ""
        try:
            self._library.remove(name)
        except EngineError as error:  # a second window of the program was quicker
            self._library.failed.emit(str(error))

    @Slot()
    def _on_preset(self) -> None:
        key = self.preset.currentData()
        if key in PRESETS:
            spec = ScheduleSpec(preset=key, T=self._spec.T)
            self.edited.emit(spec, f"preset {PRESETS[key].title}", "")
        elif key.startswith(OWN):
            name = self.preset.own_name
            self.edited.emit(self._library.get(name), f"preset {name}", "")
        else:
            spec = self._library.recent()[int(key.removeprefix(RECENT))]
            self.edited.emit(spec, f"recent schedule {self.preset.currentText()}", "")
        self.show_spec(self._spec)  # also where the schedule was this one before

    @Slot(int)
    def _on_T(self, T: int) -> None:
        self.edited.emit(replace(self._spec, T=T), f"T = {T}", "schedule-T")

    @Slot(object)
    def _on_params(self, values: Values) -> None:
        spec = replace(without_points(self._spec), params=values)
        self.edited.emit(spec, "schedule parameters", "schedule-params")

    @Slot()
    def _on_library(self) -> None:
        self.preset.fill(self._library.names(), self._library.recent_titles())
        self.show_spec(self._spec)

    def _order_tabs(self, row: Preset) -> None:
        """Let Tab go from T through the parameters, which have been made only now."""
        before: QWidget = self.steps
        for param in row.params:
            control = self.params.control(param.name)
            QWidget.setTabOrder(before, control)
            before = control


def row_of(spec: ScheduleSpec) -> Preset:
    """Return the preset a schedule starts from, or what to say in the place of one."""
    return PRESETS.get(spec.preset, _TABLE if spec.betas else _DRAWN)


def _changed(spec: ScheduleSpec) -> bool:
    """Return whether a schedule is more than its preset's formula."""
    resampled = spec.base_T not in (0, spec.T)
    return bool(
        spec.points
        or spec.zero_terminal
        or spec.scale != 1.0
        or spec.shift
        or spec.family
        or resampled
    )


def _described(spec: ScheduleSpec, row: Preset) -> str:
    """Return the formula in plain text, or in words what was made of it."""
    if not _changed(spec) or not spec.has_base:
        return row.formula
    return "; ".join([row.title, *changes_of(spec)])


def _meaning(row: Preset) -> str:
    """Return the source and what each symbol means, a line each."""
    symbols = [f"{param.symbol}: {param.tooltip}" for param in row.params]
    return "\n".join([f"{row.title}: {row.source}", *symbols])
