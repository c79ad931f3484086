"""Schedules held beside the one being edited: two sides A and B, and any number of pins.

Not undoable and not saved with the experiment: they are what one looks at it against.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.state.document import Document

MOST_PINS = 8


@dataclass(frozen=True, slots=True)
class Pin:
    """A schedule kept on show; `style` is its dash pattern and colour, kept while others go."""

    name: str
    spec: ScheduleSpec
    style: int


class Comparison(QObject):
    """The side on show follows every edit; `other` is the one that F7 switches to.

    `changed` when sides or pins did.
    """

    changed = Signal()

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._sides: dict[str, ScheduleSpec] = {}
        self._side = "A"
        self._pins: tuple[Pin, ...] = ()
        document.schedule_changed.connect(self._on_schedule)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The pinned schedules, oldest first."""
        return self._pins

    @property
    def side(self) -> str:
        """The side on show, "A" or "B"."""
        return self._side

    @property
    def other(self) -> ScheduleSpec | None:
        """The schedule of the side not on show, None while there is only one."""
        return self._sides.get(self._other_side)

    @property
    def _other_side(self) -> str:
        return "B" if self._side == "A" else "A"

    def sides(self) -> tuple[tuple[str, ScheduleSpec], ...]:
        """Return ("A", spec) and, while there are two, ("B", spec)."""
        shown = {self._side: self._document.experiment.schedule}
        known = {**self._sides, **shown}
        return tuple((name, known[name]) for name in ("A", "B") if name in known)

    @Slot()
    def split(self) -> None:
        """Make the schedule on show both sides: from now on one is edited, the other kept."""
        self._sides = dict.fromkeys("AB", self._document.experiment.schedule)
        self.changed.emit()

    @Slot()
    def switch(self) -> None:
        """Show the other side; the first time it begins as a copy of this one."""
        if self.other is None:
            self.split()
        target = self.other
        assert target is not None
        self._sides[self._side] = self._document.experiment.schedule
        self._side = self._other_side
        self._document.end_gesture()
        self._document.replace_schedule(target, f"show {self._side}")
        self.changed.emit()

    @Slot()
    def end(self) -> None:
        """Keep the side on show only, as A."""
        self._sides, self._side = {}, "A"
        self.changed.emit()

    def pin(self, name: str) -> bool:
        """Keep the schedule on show as a thin curve; False where there are too many already."""
        if len(self._pins) >= MOST_PINS:
            return False
        used = {pin.style for pin in self._pins}
        style = next(i for i in range(MOST_PINS) if i not in used)
        self._pins = (*self._pins, Pin(name, self._document.experiment.schedule, style))
        self.changed.emit()
        return True

    def unpin(self, index: int) -> None:
        """Take one pinned schedule away."""
        self._pins = (*self._pins[:index], *self._pins[index + 1 :])
        self.changed.emit()

    def clear_pins(self) -> None:
        """Take all pinned schedules away."""
        self._pins = ()
        self.changed.emit()

    @Slot()
    def _on_schedule(self) -> None:
        """Follow the edit; where undo led to the other side's schedule, that side is on show."""
        if not self._sides:
            return
        spec = self._document.experiment.schedule
        if spec == self.other and spec != self._sides[self._side]:
            self._side = self._other_side
        else:
            self._sides[self._side] = spec
        self.changed.emit()
