"""What every page of the operations bar is: values that make another schedule of one.

A page begins at a schedule with values that change nothing; from there on `result()` is that
schedule under the operation. Pages know nothing of the document: `shift_pages.py`, `blend_page.py`,
`length_page.py`.
"""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.common.widgets import GAP, label


class OperationPage(QWidget):
    """The values of one operation; `changed()` when a person changed one."""

    changed = Signal()
    title = ""
    first: QWidget
    """What takes the keyboard when the page is begun."""

    def begin(self, spec: ScheduleSpec) -> None:
        """Start at `spec` with values that change nothing; emits nothing."""
        raise NotImplementedError

    def result(self) -> ScheduleSpec:
        """Return the schedule under the operation; raises EngineError where it cannot be."""
        raise NotImplementedError

    def text(self) -> str:
        """Return what undo calls the operation."""
        raise NotImplementedError


def caption(name: str, control: QWidget) -> QLabel:
    """Return a label for a control, with the control's tooltip."""
    result = label(name, "caption")
    result.setToolTip(control.toolTip())
    return result


def rows_of(page: QWidget) -> QGridLayout:
    """Return the layout of a page: a row per value, captions on the left."""
    grid = QGridLayout(page)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(GAP)
    grid.setVerticalSpacing(4)
    grid.setColumnStretch(1, 1)
    return grid
