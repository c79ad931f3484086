"""How the schedule is looked at: which points are chosen, which curves are on show, in what words.

Observable, not undoable; shared by the plots, the table and the controls around them.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from PySide6.QtCore import QObject, Signal

from diffusion_gui.engine.schedules.quantities import QUANTITIES

TABLE = "table"
"""The name of the pane that lists the numbers."""


class Tool(StrEnum):
    """What the mouse does on a curve."""

    POINTS = "points"
    DRAW = "draw"


class EditorState(QObject):
    """The chosen points, the third pane, the axes, the tool, snapping and the notation."""

    chosen_changed = Signal()
    panes_changed = Signal()
    axes_changed = Signal()
    tool_changed = Signal()
    notation_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._chosen: frozenset[int] = frozenset()
        self._lead = -1
        self._pane = ""
        self._logarithmic = {key: row.logarithmic for key, row in QUANTITIES.items()}
        self._tool = Tool.POINTS
        self._notation = "ddpm"
        self.snap = False
        """Whether dragged points stop at round values."""

    @property
    def chosen(self) -> frozenset[int]:
        """The places of the chosen control points."""
        return self._chosen

    @property
    def lead(self) -> int:
        """The chosen point that keys and number fields speak of, -1 for none."""
        return self._lead

    def choose(self, points: Collection[int], lead: int = -1) -> None:
        """Choose `points` and no others; `lead` is one of them, -1 for the first."""
        chosen = frozenset(points)
        if lead not in chosen:
            lead = min(chosen, default=-1)
        if (chosen, lead) != (self._chosen, self._lead):
            self._chosen, self._lead = chosen, lead
            self.chosen_changed.emit()

    def toggle(self, point: int) -> None:
        """Add a point to the chosen ones, or take it from them."""
        self.choose(self._chosen ^ {point}, point)

    @property
    def pane(self) -> str:
        """The third pane: a quantity's key, `TABLE`, or "" for none."""
        return self._pane

    def show_pane(self, pane: str) -> None:
        """Show another third pane, or none."""
        if pane != self._pane:
            self._pane = pane
            self.panes_changed.emit()

    def logarithmic(self, quantity: str) -> bool:
        """Return whether a quantity's value axis is logarithmic."""
        return self._logarithmic[quantity]

    def set_logarithmic(self, quantity: str, logarithmic: bool) -> None:
        """Change a quantity's value axis."""
        if self._logarithmic[quantity] != logarithmic:
            self._logarithmic[quantity] = logarithmic
            self.axes_changed.emit()

    @property
    def tool(self) -> Tool:
        """What the mouse does on a curve."""
        return self._tool

    def set_tool(self, tool: Tool) -> None:
        """Take another tool."""
        if tool is not self._tool:
            self._tool = tool
            self.tool_changed.emit()

    @property
    def notation(self) -> str:
        """The key of the notation in which curves are named."""
        return self._notation

    def set_notation(self, notation: str) -> None:
        """Name the curves in another notation."""
        if notation != self._notation:
            self._notation = notation
            self.notation_changed.emit()
