"""The pen of one plot: a freehand stroke, drawn by the mouse or by keys.

It knows places on the axes; what a stroke means is up to those who hear `drawn`.
"""

from __future__ import annotations

from enum import Enum, auto

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent

from diffusion_gui.panels.common.plot import ARROWS, CurvePlot
from diffusion_gui.panels.schedule.marks import Marks


class _Held(Enum):
    NOTHING = auto()
    MOUSE = auto()
    KEYS = auto()


class Pen(QObject):
    """Collects the places a stroke goes through and shows them as a thin line.

    By keys the pen is down while Space is held: it stands at the time cursor on the curve; up and
    down change the value there, and from then on left and right draw on.
    """

    drawn = Signal(object)
    """The whole stroke so far, [(t, place)] in the order drawn."""
    lifted = Signal()
    cancelled = Signal()
    t_wished = Signal(int)
    """The pen went to another time by keys."""

    def __init__(self, plot: CurvePlot, marks: Marks) -> None:
        super().__init__(plot)
        self._plot = plot
        self._marks = marks
        self._held = _Held.NOTHING
        self._stroke: list[tuple[float, float]] = []

    @property
    def down(self) -> bool:
        """Whether a stroke is being drawn."""
        return self._held is not _Held.NOTHING

    def press(self, t: float, place: float) -> None:
        """Begin a stroke with the mouse."""
        self._held, self._stroke = _Held.MOUSE, []
        self.move(t, place)

    def move(self, t: float, place: float) -> None:
        """Draw on."""
        self._stroke.append((t, place))
        self._marks.show_stroke(self._stroke)
        self.drawn.emit(list(self._stroke))

    def lift(self) -> None:
        """End the stroke."""
        self._put_away()
        self.lifted.emit()

    def cancel(self) -> None:
        """End the stroke as if it had not been drawn."""
        self._put_away()
        self.cancelled.emit()

    def _put_away(self) -> None:
        self._held, self._stroke = _Held.NOTHING, []
        self._marks.show_stroke(())

    def key_pressed(self, event: QKeyEvent, drawing: bool, t: int) -> bool:
        """Draw by keys, from the time cursor at `t`; return whether the key was the pen's."""
        key = Qt.Key(event.key())
        if self.down and key == Qt.Key.Key_Escape:
            self.cancel()
        elif key == Qt.Key.Key_Space and drawing and not event.modifiers():
            if not self.down:
                self._held = _Held.KEYS
        elif self._held is _Held.KEYS and key in ARROWS:
            fine = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._step(t, *ARROWS[key], fine)
        else:
            return self.down  # no other key does anything to a curve while it is being drawn
        return True

    def key_released(self, event: QKeyEvent) -> None:
        """End a stroke drawn by keys with Space."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.lift_keys()

    def lift_keys(self) -> None:
        """End a stroke drawn by keys, if there is one."""
        if self._held is _Held.KEYS:
            self.lift()

    def _step(self, t: int, right: float, up: float, fine: bool) -> None:
        low, high = self._plot.span
        steps, rise = self._plot.stride(fine)
        moved = min(max(t + int(right) * steps, 1), self._plot.T)
        if self._stroke:
            place = self._stroke[-1][1]
        else:
            t_shown, shown = self._plot.curve.getData()
            place = float(np.interp(moved, t_shown, shown)) if t_shown is not None else low
            place = min(max(place, low), high) if np.isfinite(place) else low
        place += up * rise
        if self._stroke or up:
            self.move(float(moved), min(max(place, low), high))
        if moved != t:
            self.t_wished.emit(moved)
