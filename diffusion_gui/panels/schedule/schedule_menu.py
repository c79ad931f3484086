"""Keeps the window's schedule menu true: what can do nothing is grey, what is on is ticked."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from diffusion_gui.engine.schedules import control_points
from diffusion_gui.engine.schedules.build import without_points
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document
from diffusion_gui.state.editor_state import EditorState, Tool


class ScheduleMenu(QObject):
    """Greys the rows of a menu, by their object names, when it opens, and none while it is shut.

    A command may so be called from elsewhere at any time; it does nothing where there is nothing.
    """

    def __init__(
        self, document: Document, state: EditorState, comparison: Comparison, menu: QMenu
    ) -> None:
        super().__init__(menu)
        self._document = document
        self._state = state
        self._comparison = comparison
        self._actions: dict[str, QAction] = {row.objectName(): row for row in menu.actions()}
        menu.aboutToShow.connect(self._on_open)
        menu.aboutToHide.connect(self._on_close)
        state.tool_changed.connect(self._show_tool)

    def _useful(self) -> dict[str, bool]:
        spec = self._document.experiment.schedule
        inner = self._state.chosen - {0, len(control_points(spec)) - 1}
        return {
            "removePoints": bool(inner),
            "resetCurve": without_points(spec) != spec,
            "endSides": self._comparison.other is not None,
            "clearPins": bool(self._comparison.pins),
        }

    @Slot()
    def _on_open(self) -> None:
        for name, useful in self._useful().items():
            self._actions[name].setEnabled(useful)
        self._show_tool()

    @Slot()
    def _on_close(self) -> None:
        for name in self._useful():
            self._actions[name].setEnabled(True)

    @Slot()
    def _show_tool(self) -> None:
        self._actions["drawFreehand"].setChecked(self._state.tool is Tool.DRAW)
