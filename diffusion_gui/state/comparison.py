"""Schedules held beside the one being edited: two sides A and B, and any number of pins.

They are what one looks at it against: not saved, and no undo step of their own. But every step of
the history remembers which side it was made on (`History.note`), so that undo and redo over a
switch bring back the letter with the schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec
from diffusion_gui.state.document import Document

OTHER = -1
"""The style of the side not on show; pins count from 0."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A schedule kept on show; `style` is its dash pattern and colour, kept while others go."""

    name: str
    spec: ScheduleSpec
    style: int


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides and the letter of the one on show; `number` tells one comparison from the next."""

    number: int
    shown: str
    A: ScheduleSpec
    B: ScheduleSpec

    def spec(self, letter: str) -> ScheduleSpec:
        """Return the schedule of one side."""
        return self.A if letter == "A" else self.B

    def edited(self, spec: ScheduleSpec) -> Sides:
        """Return the sides with another schedule on the one on show."""
        return replace(self, A=spec) if self.shown == "A" else replace(self, B=spec)

    def switched(self) -> Sides:
        """Return the sides with the other one on show."""
        return replace(self, shown=other_letter(self.shown))


class Comparison(QObject):
    """The side on show follows every edit; `other` is the one that `switch` brings back.

    `sides_changed` when the letter on show or the other side changed (an edit of the side on show
    is told by the document), `pins_changed` when the pins did, `changed` after either.
    """

    sides_changed = Signal()
    pins_changed = Signal()
    changed = Signal()

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document = document
        self._sides: Sides | None = None
        self._count = 0
        self._pins: tuple[Pin, ...] = ()
        document.schedule_changed.connect(self._follow)
        document.changed.connect(self._follow)
        self.sides_changed.connect(self.changed)
        self.pins_changed.connect(self.changed)

    # --- sides --------------------------------------------------------------------------------

    @property
    def side(self) -> str:
        """The letter of the side on show; "A" while there is only one."""
        return self._sides.shown if self._sides else "A"

    @property
    def other(self) -> ScheduleSpec | None:
        """The schedule of the side not on show, None while there is only one."""
        return self._sides.spec(other_letter(self._sides.shown)) if self._sides else None

    def sides(self) -> tuple[tuple[str, ScheduleSpec], ...]:
        """Return ("A", spec) and, while there are two, ("B", spec)."""
        if self._sides is None:
            return (("A", self._document.experiment.schedule),)
        return (("A", self._sides.A), ("B", self._sides.B))

    def compared(self) -> tuple[Pin, ...]:
        """Return what is drawn beside the schedule: the other side, named by its letter, and pins.

        The other side has the style `OTHER`.
        """
        if self.other is None:
            return self._pins
        return (Pin(other_letter(self.side), self.other, OTHER), *self._pins)

    @Slot()
    def switch(self) -> None:
        """Show the other side, as an undoable step; the first time B begins as a copy of A."""
        if self._sides is None:
            spec = self._document.experiment.schedule
            self._count += 1
            self._sides = Sides(self._count, "A", spec, spec)
        sides = self._sides = self._sides.switched()
        self._document.end_gesture()
        self._document.replace_schedule(sides.spec(sides.shown), f"show {sides.shown}")
        self._document.history.note = sides  # two equal sides are no step: this one changes hands
        self.sides_changed.emit()

    @Slot()
    def end(self) -> None:
        """Keep the side on show only, as A."""
        if self._sides is not None:
            self._sides = None
            self.sides_changed.emit()

    @Slot()
    def _follow(self) -> None:
        """Take the sides this step of the history was made on; a new step edits the one on show."""
        if self._sides is None:
            return
        before = (self.side, self.other)
        self._sides = self._noted() or self._sides.edited(self._document.experiment.schedule)
        self._document.history.note = self._sides
        if before != (self.side, self.other):
            self.sides_changed.emit()

    def _noted(self) -> Sides | None:
        """Return the sides as they were at this step, if it belongs to this comparison."""
        note = self._document.history.note
        if isinstance(note, Sides) and note.number == self._count:
            return note
        return None

    # --- pins ---------------------------------------------------------------------------------

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The pinned schedules, oldest first."""
        return self._pins

    def pin(self, spec: ScheduleSpec, name: str = "") -> Pin:
        """Keep a schedule as a thin curve, under `name` or what it is; return its pin.

        One that is pinned already is not pinned twice.
        """
        known = next((pin for pin in self._pins if pin.spec == spec), None)
        if known is not None:
            return known
        used = {pin.style for pin in self._pins}
        style = next(i for i in range(len(used) + 1) if i not in used)
        pin = Pin(self._free_name(name or title(spec), spec.T), spec, style)
        self._pins = (*self._pins, pin)
        self.pins_changed.emit()
        return pin

    def unpin(self, pin: Pin) -> None:
        """Take one pinned schedule away."""
        if pin in self._pins:
            self._pins = tuple(other for other in self._pins if other != pin)
            self.pins_changed.emit()

    def clear_pins(self) -> None:
        """Take all pinned schedules away."""
        if self._pins:
            self._pins = ()
            self.pins_changed.emit()

    def _free_name(self, name: str, T: int) -> str:
        """Return `name`; where it is taken, with its T if that tells them apart, else a number."""
        taken = {pin.name: pin.spec.T for pin in self._pins}
        if taken.get(name, T) != T:
            name = f"{name}, T = {T:,}"
        number, free = 2, name
        while free in taken:
            free = f"{name} {number}"
            number += 1
        return free


def other_letter(letter: str) -> str:
    """Return "B" for "A" and "A" for "B"."""
    return "B" if letter == "A" else "A"


def title(spec: ScheduleSpec) -> str:
    """Return what a schedule is called: its preset, and whether it was drawn."""
    if spec.preset in PRESETS:
        return PRESETS[spec.preset].title + (", drawn" if spec.points else "")
    return "Table" + (", drawn" if spec.points else "") if spec.betas else "Drawn curve"


def side_texts(comparison: Comparison) -> dict[str, str]:
    """Return what is on each side, in words, for "A" and "B"."""
    texts = {"B": "B: none yet; it begins as a copy of A (F7)"}
    for letter, spec in comparison.sides():
        here = "on show" if letter == comparison.side else "F7 shows it"
        texts[letter] = f"{letter}: {title(spec)}, T = {spec.T:,} ({here})"
    return texts
