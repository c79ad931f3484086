"""Undo commands. One kind suffices: the document goes from one experiment to another."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QUndoCommand

from diffusion_gui.engine.experiment import Experiment


class ReplaceExperiment(QUndoCommand):
    """Replace the whole experiment; successive ones with the same merge key become one."""

    ID = 1

    def __init__(
        self,
        before: Experiment,
        after: Experiment,
        text: str,
        merge_key: str,
        apply: Callable[[Experiment], None],
    ) -> None:
        super().__init__(text)
        self.before = before
        self.after = after
        self.merge_key = merge_key
        self._apply = apply

    def id(self) -> int:
        """Return the same number for all, so that Qt offers them to `mergeWith`."""
        return self.ID

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take over the newer command's experiment if both belong to one drag."""
        if not isinstance(other, ReplaceExperiment) or not self.merge_key:
            return False
        if other.merge_key != self.merge_key:
            return False
        self.after = other.after
        return True

    def redo(self) -> None:
        self._apply(self.after)

    def undo(self) -> None:
        self._apply(self.before)
