"""The row in which a person writes the levels that a run visits, where its spacing is a list."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.engine.experiment import Sampling
from diffusion_gui.engine.schedules import MAX_STEPS, SPACINGS
from diffusion_gui.panels.common.numbers_field import NumbersField
from diffusion_gui.panels.common.widgets import label
from diffusion_gui.state.document import Document
from diffusion_gui.state.forecast import sentence


class LevelsRow(QWidget):
    """Shows and edits `sampling.levels`; what cannot be is said below the field, `said` then."""

    said = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document = document
        self.field = NumbersField()
        self.field.setObjectName("levelsField")
        self.field.setAccessibleName("Levels that are visited")
        self.problem = label("", "problem")
        self.problem.setObjectName("levelsProblem")
        self.problem.setWordWrap(True)
        self.problem.setTextFormat(Qt.TextFormat.PlainText)
        self.problem.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.field)
        column.addWidget(self.problem)
        self.field.edited.connect(self._on_edited)
        self.field.refused.connect(self._say)

    def show_levels(self, sampling: Sampling) -> None:
        """Show the levels; nothing where the spacing is no list."""
        listed = SPACINGS[sampling.spacing].listed
        self.setVisible(bool(listed))
        self.field.show_numbers(sampling.levels if listed else ())
        symbol = "t" if listed == "t" else "σ"
        self.field.setToolTip(f"Every {symbol}, apart by commas; the order does not matter")

    @Slot(object)
    def _on_edited(self, levels: tuple[float, ...]) -> None:
        """Visit what was written but for 0, where every run ends."""
        falling = tuple(sorted({level for level in levels if level}, reverse=True))
        if len(falling) > MAX_STEPS:
            self._say(f"{len(falling):,} levels are too many; write {MAX_STEPS:,} at most")
        elif not falling:
            self._say("0 alone leaves nothing to sample; write levels above it")
        else:
            self._document.replace_sampling("levels", levels=falling, steps=len(falling))

    @Slot(str)
    def _say(self, line: str) -> None:
        self.problem.setText(sentence(line))
        self.problem.setVisible(bool(line))
        if line:
            self.said.emit()
