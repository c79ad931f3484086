"""The tools in the head of the schedule editor: reset, the two sides, the notation, the menu."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, button
from diffusion_gui.panels.schedule.notation import NOTATIONS
from diffusion_gui.state.comparison import Comparison, side_texts
from diffusion_gui.state.editor_state import EditorState


class HeadTools(QWidget):
    """A row of buttons; `reset` and `more` are given what they do by the editor."""

    def __init__(self, state: EditorState, comparison: Comparison, theme: Theme) -> None:
        super().__init__()
        self._state = state
        self._comparison = comparison
        self._theme = theme
        self.side: dict[str, QPushButton] = {}
        self._build()
        self.notation.activated.connect(self._on_notation)
        comparison.changed.connect(self.show_sides)
        theme.changed.connect(self._tint)
        self._tint()

    def _build(self) -> None:
        self.reset = button("Reset", "Drop the drawn curve and return to the preset", "link")
        self.reset.setObjectName("resetCurveButton")
        for name in "AB":
            side = self.side[name] = button(name, "", "chip")
            side.setObjectName(f"side{name}Button")
            side.setCheckable(True)
            side.clicked.connect(lambda _=False, name=name: self._on_side(name))
        self.notation = Combo()
        self.notation.setObjectName("notationCombo")
        self.notation.setAccessibleName("Notation")
        self.notation.setToolTip("The notation in which curves and numbers are named")
        for key, row in NOTATIONS.items():
            self.notation.addItem(row.title, key)
        self.more = button("", "All that can be done with the schedule", "menu")
        self.more.setObjectName("scheduleMenuButton")
        self.more.setAccessibleName("Schedule menu")
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        for widget in (self.reset, *self.side.values(), self.notation, self.more):
            line.addWidget(widget)

    def _on_side(self, pressed: str) -> None:
        if pressed != self._comparison.side:
            self._comparison.switch()
        self.show_sides()

    @Slot()
    def _on_notation(self) -> None:
        key = self.notation.currentData()
        self._state.set_notation(key)
        level = NOTATIONS[key].level
        self._state.show_pane("" if level == "alpha_bar" else level)

    @Slot()
    def show_sides(self) -> None:
        """Say what is on each side, and which one is on show."""
        texts = side_texts(self._comparison)
        for name, side in self.side.items():
            side.setToolTip(texts[name])
            with QSignalBlocker(side):
                side.setChecked(name == self._comparison.side)

    @Slot()
    def _tint(self) -> None:
        set_icon(self.more, "ellipsis", self._theme.tokens.text, self._theme.tokens.disabled)
