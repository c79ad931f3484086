"""The bar in which an operation on the whole schedule is made, live, as one undo step.

It appears when an operation with values is begun and edits the schedule at the beginning, never
what it made itself. When the document changes by something else (undo, another preset, a drag on a
curve), that becomes the new beginning. What a page is stands in `operation_page.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractSpinBox, QFrame, QHBoxLayout, QVBoxLayout

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.schedules import ScheduleSpec, operations
from diffusion_gui.panels.common.widgets import GAP, button, claims_escape, label
from diffusion_gui.panels.schedule.blend_page import BlendPage
from diffusion_gui.panels.schedule.knob import Knob
from diffusion_gui.panels.schedule.length_page import LengthPage
from diffusion_gui.panels.schedule.operation_page import OperationPage
from diffusion_gui.panels.schedule.shift_pages import ResolutionPage, ShiftScalePage
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document

_Page = TypeVar("_Page", bound=OperationPage)


class OperationsBar(QFrame):
    """One operation at a time; `edited(spec, text, merge key)` while it is made.

    `finished()` when it is over, `refused(reason)` where it cannot be, `said(text)` how one without
    values went, `opened(bool)` when the bar appears or goes, `grips_moved([(t, log-SNR)])` with the
    handles that belong on the curves.
    """

    edited = Signal(object, str, str)
    finished = Signal()
    refused = Signal(str)
    said = Signal(str)
    opened = Signal(bool)
    grips_moved = Signal(object)
    let_go = Signal()
    """A slider that was dragged is so no more."""

    def __init__(self, document: Document, comparison: Comparison) -> None:
        super().__init__()
        self.setObjectName("operationsBar")
        self.setProperty("role", "card")
        self._document = document
        self.page: OperationPage | None = None
        """The operation under way, None while there is none."""
        self._origin = self._shown = self._wish = document.experiment.schedule
        self._uses = 0
        self._comparison = comparison
        self._build()
        self.hide()

    def _build(self) -> None:
        self._title = label("", "title")
        self.cancel_button = button("Cancel", "Return to the schedule at the beginning (Esc)")
        self.done_button = button("Done", "Keep the schedule as it is now (Enter)")
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self._title, 1)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(GAP, 6, GAP, 6)
        self._column.setSpacing(4)
        self._column.addLayout(head)
        for press, name, action in (
            (self.cancel_button, "operationCancelButton", self.cancel),
            (self.done_button, "operationDoneButton", self.done),
        ):
            press.setObjectName(name)
            press.setProperty("role", "chip")
            press.clicked.connect(action)
            head.addWidget(press)

    # each page is made when it is first needed: none is, before the first paint

    @cached_property
    def shift_scale(self) -> ShiftScalePage:
        """The page of shift and scale."""
        return self._added(ShiftScalePage())

    @cached_property
    def blend(self) -> BlendPage:
        """The page of the blend."""
        return self._added(BlendPage(self._comparison))

    @cached_property
    def length(self) -> LengthPage:
        """The page of T."""
        return self._added(LengthPage())

    @cached_property
    def resolution(self) -> ResolutionPage:
        """The page of the resolution shift."""
        return self._added(ResolutionPage())

    def _added(self, page: _Page) -> _Page:
        page.hide()
        page.changed.connect(self._on_changed)
        for knob in page.findChildren(Knob):
            knob.let_go.connect(self.let_go)
        self._column.addWidget(page)
        return page

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the commands of this bar do, by the names of `app/actions.py`."""
        return {
            "shiftScale": lambda: self.begin(self.shift_scale),
            "blend": lambda: self.begin(self.blend),
            "changeT": lambda: self.begin(self.length),
            "resolutionShift": lambda: self.begin(self.resolution),
            "zeroTerminal": self._zero_terminal,
            "toPoints": self._to_points,
        }

    @property
    def held(self) -> bool:
        """Whether the mouse holds a slider of the bar."""
        return self.page is not None and any(
            knob.slider.isSliderDown() for knob in self.page.findChildren(Knob)
        )

    # --- one operation ----------------------------------------------------------------------

    def begin(self, page: OperationPage) -> None:
        """Open the bar at a page; an operation under way is kept as it is."""
        if self.page is not None:
            self.done()
        self.page = page
        self._title.setText(page.title)
        self.setAccessibleName(page.title)
        self._start()
        page.show()
        self.show()
        self.opened.emit(True)
        page.first.setFocus(Qt.FocusReason.OtherFocusReason)
        if isinstance(page.first, QAbstractSpinBox):
            page.first.selectAll()  # what is typed replaces what stands there

    @Slot()
    def done(self) -> None:
        """Keep the schedule as it is and close the bar."""
        if self.page is not None:
            for box in self.page.findChildren(QAbstractSpinBox):
                box.interpretText()  # what was typed and not yet entered
            page, self.page = self.page, None
            self._close(page)

    @Slot()
    def cancel(self) -> None:
        """Take back what was done here and close the bar."""
        if self.page is None:
            return
        page, self.page = self.page, None  # from here on nothing else edits
        self.edited.emit(self._origin, page.text(), self._key)
        self._close(page)

    def follow(self) -> None:
        """Take notice of the document's schedule: of another hand's, as the new beginning."""
        if self.page is None:
            return
        if self._document.experiment.schedule not in (self._shown, self._wish):
            self._start()
        self.show_grips()

    @Slot()
    def show_grips(self) -> None:
        """Say where the handles of the whole curve are, if there are any."""
        if isinstance(self.page, ShiftScalePage):
            self.grips_moved.emit(self.page.grips(self._document.experiment.schedule))

    @Slot(int, float, float)
    def drag_grip(self, index: int, t: float, log_snr: float) -> None:
        """Let the curve follow a handle; the keys go on from there with what it stands for."""
        if isinstance(self.page, ShiftScalePage):
            knob = self.page.scale if index else self.page.shift
            knob.slider.setFocus(Qt.FocusReason.MouseFocusReason)
            self.page.drag_grip(index, t, log_snr)

    def _start(self) -> None:
        """Begin at the document's schedule."""
        assert self.page is not None
        self._uses += 1
        self._origin = self._shown = self._wish = self._document.experiment.schedule
        self.page.begin(self._origin)
        self.show_grips()

    def _close(self, page: OperationPage) -> None:
        self.hide()
        page.hide()
        self.grips_moved.emit([])
        self.opened.emit(False)
        self.finished.emit()

    @property
    def _key(self) -> str:
        """The merge key of this use: no other gesture ends it."""
        return f"operation#{self._uses}"

    @Slot()
    def _on_changed(self) -> None:
        if self.page is None:  # a number that was not entered before the bar closed
            return
        try:
            self._wish = self.page.result()
        except EngineError as error:
            self.refused.emit(str(error))
            return
        self.edited.emit(self._wish, self.page.text(), self._key)
        self._shown = self._wish = self._document.experiment.schedule

    # --- operations without values -----------------------------------------------------------

    def _zero_terminal(self) -> None:
        self._at_once(operations.zero_terminal, "zero terminal SNR", "no signal is left at T now")

    def _to_points(self) -> None:
        spec = self._document.experiment.schedule
        alone = bool(spec.points) and not spec.has_base
        operation = (lambda s: s) if alone else operations.fit
        self._at_once(operation, "turn into points alone", "it is points alone already")
        made = self._document.experiment.schedule
        if made != spec:
            off = spelled(operations.difference(spec, made), 2)
            count = len(made.points)
            self.said.emit(f"Made {count} points, {off} nats off")

    def _at_once(
        self, operation: Callable[[ScheduleSpec], ScheduleSpec], text: str, nothing: str
    ) -> None:
        """Make an operation now, or say why nothing changes."""
        spec = self._document.experiment.schedule
        try:
            made = operation(spec)
        except EngineError as error:
            self.refused.emit(str(error))
            return
        if made == spec:
            self.refused.emit(f"The schedule stays as it is: {nothing}")
        else:
            self.edited.emit(made, text, "")

    # --- keys -------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Keep Esc from the window's shortcuts while the bar has the keyboard."""
        return claims_escape(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter keeps, Esc cancels."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.key() == Qt.Key.Key_Escape or (enter and self.cancel_button.hasFocus()):
            self.cancel()
        elif enter:
            self.done()
        else:
            super().keyPressEvent(event)
