"""A curve with its control points: chosen, dragged and nudged by mouse and keys.

The plot knows places on its axes and the numbers of points, nothing of schedules: it says what a
person did with them, and shows what it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QRubberBand, QWidget

from diffusion_gui.panels.common.plot import ARROWS, CurvePlot
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import claims_escape
from diffusion_gui.panels.schedule.hold import Gesture, Hold
from diffusion_gui.panels.schedule.marks import Marks
from diffusion_gui.panels.schedule.pen import Pen
from diffusion_gui.panels.schedule.reach import ON_HANDLE, REACH, inside, nearest, step_at

HANDLE = 14
"""Diameter of a handle in pixels, its ring included: the disc itself has 12."""
ADD = Qt.KeyboardModifier.ControlModifier
BAND = Qt.KeyboardModifier.ShiftModifier


class HandlePlot(CurvePlot):
    """A curve with draggable points; pressing elsewhere moves the time cursor.

    `point_dragged(index, t, value)` follows every mouse move and `points_nudged(steps, value)`
    every key, in units of the axes; `gesture_finished()` says that it is over.
    """

    point_chosen = Signal(int, bool)
    """A point was pressed; True when it is to be added to those chosen."""
    points_chosen = Signal(object)
    point_dragged = Signal(int, float, float)
    later_dragged = Signal(int, float, float)
    """A point is dragged, and the later ones are to come along."""
    points_nudged = Signal(float, float)
    add_wished = Signal(float)
    remove_wished = Signal(object)
    draw_wished = Signal()
    """The tool that draws is to be taken, or put away."""
    stroke_drawn = Signal(object)
    gesture_cancelled = Signal()
    """What was drawn or dragged is to be as it was at the press."""
    mark_dragged = Signal(int, float)
    grip_dragged = Signal(int, float, float)
    gesture_finished = Signal()

    def __init__(self, theme: Theme, token: str) -> None:
        self._handles = pg.ScatterPlotItem(size=HANDLE, pxMode=True)
        self._points: list[tuple[float, float]] = []
        self._chosen: frozenset[int] = frozenset()
        self._lead = -1
        self._hold = Hold(self)
        self._pressed = QPoint()
        self._listened: QWidget | None = None
        self._drawing = False
        super().__init__(theme, token)
        self.marks = Marks(self, theme, token)
        self.pen = Pen(self, self.marks)
        self.pen.drawn.connect(self.stroke_drawn)
        self.pen.lifted.connect(self.gesture_finished)
        self.pen.cancelled.connect(self._on_cancelled)
        self.pen.t_wished.connect(self.t_dragged)
        self._handles.setZValue(10)
        self.addItem(self._handles, ignoreBounds=True)
        self._band = QRubberBand(QRubberBand.Shape.Rectangle, self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._tint()

    @property
    def points(self) -> list[tuple[float, float]]:
        """The handles as (t, value) on the axes."""
        return list(self._points)

    def set_points(self, points: Sequence[tuple[float, float]]) -> None:
        """Place the handles."""
        self._points = list(points)
        self._draw_handles()

    def set_chosen(self, chosen: Collection[int], lead: int) -> None:
        """Mark the chosen points; keys speak of `lead`."""
        before, self._chosen, self._lead = self._chosen, frozenset(chosen), lead
        if self._chosen != before:
            self._draw_handles()

    def show_handles(self, shown: bool) -> None:
        """Show the handles, or hide them while they are others at every move."""
        self._handles.setVisible(shown)

    @property
    def held(self) -> bool:
        """Whether the mouse holds something of this plot that changes the schedule."""
        still = (Gesture.NONE, Gesture.CURSOR, Gesture.BAND)
        return self.pen.down or self._hold.gesture not in still

    @property
    def drawing(self) -> bool:
        """Whether the mouse draws instead of moving points."""
        return self._drawing

    def set_drawing(self, drawing: bool) -> None:
        """Let the mouse draw, or move points."""
        self._drawing = drawing
        self.setCursor(Qt.CursorShape.CrossCursor if drawing else Qt.CursorShape.ArrowCursor)

    # --- mouse ------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a gesture: what lies under the mouse and the keys held decide which."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        place, keys = event.position(), event.modifiers()
        self._pressed = place.toPoint()
        if self.drawing:
            self.setFocus(Qt.FocusReason.MouseFocusReason)  # Esc is for the stroke
            self._hold.begin(Gesture.STROKE)
            there = self.to_data(place)
            self.pen.press(there.x(), there.y())
        elif (index := nearest(self, place, self.marks.grips)) >= 0:
            self._take(Gesture.GRIP, index, self.marks.grips[index], event)
        elif (index := self._handle_at(place)) >= 0:
            self._take_handle(index, event)
        elif (index := step_at(self, place, self.marks.times)) >= 0:
            self._take(Gesture.MARK, index, (self.marks.times[index], 0.0), event)
        elif keys & BAND:
            self._hold.begin(Gesture.BAND)
            self._band.setGeometry(QRect(self._pressed, QSize()))
            self._band.show()
        else:
            self._hold.begin(Gesture.CURSOR)
            super().mousePressEvent(event)

    def _take(
        self, gesture: Gesture, index: int, at: tuple[float, float], event: QMouseEvent
    ) -> None:
        """Take hold of something, and of the keyboard: Esc is for what is held."""
        self._hold.take(gesture, index, at, event)
        self.setFocus(Qt.FocusReason.MouseFocusReason)

    def _drag_grip(self, there: QPointF) -> None:
        """Drag a grip; what takes the keyboard then is asked for Esc until the grip is let go."""
        self.grip_dragged.emit(self._hold.index, there.x(), there.y())
        focused = QApplication.focusWidget()
        if focused is not None and focused not in (self, self._listened):
            self._listen_to(focused)

    def _listen_to(self, widget: QWidget | None) -> None:
        if self._listened is not None:
            self._listened.removeEventFilter(self)
        self._listened = widget
        if widget is not None:
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take Esc while a grip is dragged."""
        if watched is not self._listened:
            return bool(super().eventFilter(watched, event))
        if claims_escape(event):
            return True
        escape = isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape
        if not escape or event.type() != QEvent.Type.KeyPress:
            return False
        self._on_cancelled()
        return True

    def _let_go(self) -> tuple[Gesture, int]:
        self._listen_to(None)
        self.marks.show_held(None)
        return self._hold.let_go()

    def _take_handle(self, index: int, event: QMouseEvent) -> None:
        """Take hold of a point; it is chosen last, which may give the plot another size."""
        keys = event.modifiers()
        gesture = Gesture.LATER if keys & ADD else Gesture.HANDLE
        self._take(gesture, index, self._points[index], event)
        if gesture is Gesture.HANDLE:
            self.point_chosen.emit(index, bool(keys & BAND))

    def _drag_later(self, there: QPointF, clicked: bool) -> None:
        """Drag a point that takes the later ones along, once it is no click any more."""
        if clicked and self._hold.moved:
            self.point_chosen.emit(self._hold.index, False)
        if self._hold.moved:
            self.later_dragged.emit(self._hold.index, there.x(), there.y())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave what is held where it is."""
        super().resizeEvent(event)
        self._hold.settle()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Let what is held follow the mouse."""
        place, hold, clicked = event.position(), self._hold, not self._hold.moved
        there = hold.follow(event) if hold.index >= 0 else self.to_data(place)
        match hold.gesture:
            case Gesture.HANDLE:
                self.point_dragged.emit(hold.index, there.x(), there.y())
            case Gesture.LATER:
                self._drag_later(there, clicked)
            case Gesture.GRIP:
                self._drag_grip(there)
            case Gesture.MARK:
                self.mark_dragged.emit(hold.index, there.x())
                self.marks.show_held(min(max(round(there.x()), 1), self._T))
            case Gesture.STROKE:
                self.pen.move(there.x(), there.y())
            case Gesture.BAND:
                self._band.setGeometry(QRect(self._pressed, place.toPoint()).normalized())
            case Gesture.CURSOR:
                super().mouseMoveEvent(event)
            case Gesture.NONE:
                self._show_cursor(place)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the gesture."""
        clicked = not self._hold.moved
        gesture, index = self._let_go()
        if gesture is Gesture.BAND:
            self._band.hide()
            band = QRect(self._pressed, event.position().toPoint()).normalized()
            self.points_chosen.emit(inside(self, band, self._points))
        elif gesture is Gesture.STROKE:
            self.pen.lift()
        elif gesture is Gesture.LATER and clicked:
            self.point_chosen.emit(index, True)
        elif gesture not in (Gesture.NONE, Gesture.CURSOR):
            self.gesture_finished.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Remove the point under the mouse, or add one to the curve there; draw on."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        if self.drawing:  # two short strokes, one soon after the other
            self.mousePressEvent(event)
            return
        index = self._handle_at(event.position())
        if index >= 0:
            self.remove_wished.emit([index])
        else:
            self.add_wished.emit(self.to_data(event.position()).x())

    def _handle_at(self, place: QPointF) -> int:
        """Return the point under the mouse, or -1; a sampling step there goes before one nearby."""
        beside = step_at(self, place, self.marks.times) >= 0
        return nearest(self, place, self._points, ON_HANDLE if beside else REACH)

    def _show_cursor(self, place: QPointF) -> None:
        shape = Qt.CursorShape.ArrowCursor
        if self.drawing:
            shape = Qt.CursorShape.CrossCursor
        elif self._handle_at(place) >= 0 or nearest(self, place, self.marks.grips) >= 0:
            shape = Qt.CursorShape.SizeAllCursor
        elif step_at(self, place, self.marks.times) >= 0:
            shape = Qt.CursorShape.SizeHorCursor
        self.setCursor(shape)

    def _on_cancelled(self) -> None:
        self._let_go()
        self.gesture_cancelled.emit()

    # --- keys -------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Keep Esc from the window's own commands while it takes back a stroke or a drag."""
        if event.type() == QEvent.Type.ShortcutOverride and self.pen.down:
            event.accept()
            return True
        if self._hold.index >= 0 and claims_escape(event):
            return True
        return bool(super().event(event))

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """End a stroke drawn by keys: its last key would go elsewhere."""
        self.pen.lift_keys()
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose points with [ and ], nudge with the arrows (Shift: fine), add and remove; draw."""
        key, count = event.key(), len(self._points)
        if self.pen.key_pressed(event, self._drawing, round(self._cursor.value())):
            event.accept()
        elif key == Qt.Key.Key_Escape and self._hold.index >= 0:
            self._on_cancelled()
        elif key == Qt.Key.Key_D and not event.modifiers():
            self.draw_wished.emit()
        elif key in (Qt.Key.Key_BracketLeft, Qt.Key.Key_BracketRight) and count:
            step = 1 if key == Qt.Key.Key_BracketRight else -1
            at = (self._lead + step) % count if self._lead >= 0 else (0 if step > 0 else count - 1)
            self.point_chosen.emit(at, False)
        elif key == Qt.Key.Key_A and event.modifiers() & ADD:
            self.points_chosen.emit(list(range(count)))
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_wished.emit(sorted(self._chosen))
        elif key == Qt.Key.Key_Insert:
            self.add_wished.emit(float(self._cursor.value()))
        elif key in ARROWS and 0 <= self._lead < count and not event.modifiers() & ADD:
            self._nudge(*ARROWS[Qt.Key(key)], bool(event.modifiers() & BAND))
        else:
            super().keyPressEvent(event)

    def _nudge(self, right: float, up: float, fine: bool) -> None:
        steps, rise = self.stride(fine)
        self.points_nudged.emit(right * steps, up * rise)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """A key that was held down is one gesture."""
        if self.pen.down:
            self.pen.key_released(event)
        elif not event.isAutoRepeat() and event.key() in ARROWS:
            self.gesture_finished.emit()
        super().keyReleaseEvent(event)

    def _hidden_by(self, t0: float, t1: float, bottom: float, top: float) -> int:
        wide, tall = (0.5 * HANDLE * size for size in self.pixel())
        hidden = sum(
            t0 - wide <= t <= t1 + wide and bottom - tall <= value <= top + tall
            for t, value in (*self._points, *self.marks.grips)
        )
        return hidden + super()._hidden_by(t0, t1, bottom, top)

    # --- looks ------------------------------------------------------------------------------

    def _draw_handles(self) -> None:
        tokens = self.theme.tokens
        ring, chosen = self.line(tokens.panel, 2.0), self.line(tokens.text, 2.0)
        shown = [i for i, p in enumerate(self._points) if np.isfinite(p[1])]
        self._handles.setData(
            x=[self._points[i][0] for i in shown],
            y=[self._points[i][1] for i in shown],
            pen=[chosen if i in self._chosen else ring for i in shown],
            brush=pg.mkBrush(getattr(tokens, self._token)),
        )

    def _tint(self) -> None:
        super()._tint()
        self._draw_handles()
