"""Undo and redo over immutable experiments.

Qt's own stack is not used: its commands are C++ objects that Python's garbage collector may free
while the stack still points to them (seen as a crash in `QUndoStack::clear`). The states are small
frozen values, so the history is simply the list of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.experiment import Experiment

LIMIT = 500
"""Undo steps kept."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A state, the name of the change that led to it, and the key of the drag it belongs to."""

    experiment: Experiment
    text: str
    merge_key: str
    note: object = None
    look: object = None


class History(QObject):
    """The experiments so far and the place of the current one; `moved()` when that changed."""

    leaving = Signal()
    """Before another step than the current one becomes current, or a new one."""
    moved = Signal()

    def __init__(self, first: Experiment, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._steps = [_Step(first, "", "")]
        self._place = 0
        self._passed = ""
        self._returned = False

    @property
    def current(self) -> Experiment:
        """The experiment at the current place."""
        return self._steps[self._place].experiment

    @property
    def note(self) -> object:
        """What was last noted at the current step, None for a step not seen before."""
        return self._steps[self._place].note

    @note.setter
    def note(self, note: object) -> None:
        self._steps[self._place] = replace(self._steps[self._place], note=note)

    @property
    def look(self) -> object:
        """What was looked at when the current step was left; None unless one has just come back."""
        return self._steps[self._place].look if self._returned else None

    def remember(self, look: object) -> None:
        """Keep beside the current step what is looked at; to be called on `leaving`."""
        self._steps[self._place] = replace(self._steps[self._place], look=look)

    @property
    def passed(self) -> str:
        """The merge key of the step that was just undone or done again, "" after another change."""
        return self._passed if self._returned else ""

    @property
    def undo_text(self) -> str:
        """What `undo` would take back, "" if there is nothing."""
        return self._steps[self._place].text

    @property
    def redo_text(self) -> str:
        """What `redo` would do again, "" if there is nothing."""
        return self._steps[self._place + 1].text if self._place + 1 < len(self._steps) else ""

    @property
    def count(self) -> int:
        """The number of steps that can be undone or redone."""
        return len(self._steps) - 1

    def push(self, experiment: Experiment, text: str, merge_key: str = "") -> None:
        """Make `experiment` the current one; what was undone is forgotten.

        With the same non-empty `merge_key` as the step before, both become one; if that ends where
        it began, no step is left.
        """
        self.leaving.emit()
        self._returned = False
        last = self._steps[self._place]
        del self._steps[self._place + 1 :]
        if merge_key and merge_key == last.merge_key:
            self._steps.pop()
        if self._steps and experiment == self._steps[-1].experiment:
            self._steps[-1] = _Step(experiment, self._steps[-1].text, "")
        else:
            self._steps.append(_Step(experiment, text, merge_key))
        del self._steps[: max(0, len(self._steps) - LIMIT - 1)]
        self._place = len(self._steps) - 1
        self.moved.emit()

    def amend(self, merge_key: str, text: str, change: Callable[[Experiment], Experiment]) -> bool:
        """Change the step of `merge_key` and all that were made after it; call it `text` now.

        So what takes a while stays one step, whatever is edited meanwhile. Returns False, and
        changes nothing, if there is no such step (any more) at or before the current place.
        """
        keys = [step.merge_key for step in self._steps[: self._place + 1]]
        if merge_key not in keys:
            return False
        first = keys.index(merge_key)
        self._returned = False
        self._steps[first] = replace(self._steps[first], text=text)
        self._steps[first:] = [
            replace(step, experiment=change(step.experiment)) for step in self._steps[first:]
        ]
        self.moved.emit()
        return True

    @Slot()
    def undo(self) -> None:
        """Go one step back, if there is one."""
        if self._place > 0:
            self._go(self._place, self._place - 1)

    @Slot()
    def redo(self) -> None:
        """Go one step forward, if there is one."""
        if self._place + 1 < len(self._steps):
            self._go(self._place + 1, self._place + 1)

    def _go(self, passed: int, place: int) -> None:
        """Undo or do again the step `passed`, which makes the one at `place` the current one."""
        self.leaving.emit()
        self._passed, self._returned = self._steps[passed].merge_key, True
        self._place = place
        self.moved.emit()
