"""What is looked at: the time cursor and the selected picture. Observable, not undoable."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class ViewState(QObject):
    """The time cursor `t` in 0..T, shared by all panels, and the picture on show."""

    t_changed = Signal(int)
    picture_changed = Signal(str)

    def __init__(self, T: int, t: int, picture: str = "", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._T = T
        self._t = t
        self._picture = picture

    @property
    def t(self) -> int:
        """The time cursor."""
        return self._t

    @property
    def T(self) -> int:
        """The largest t."""
        return self._T

    @property
    def picture(self) -> str:
        """The id of the picture on show, or "" when there is none."""
        return self._picture

    def set_t(self, t: int) -> None:
        """Move the time cursor, clamped to 0..T."""
        t = min(max(int(t), 0), self._T)
        if t != self._t:
            self._t = t
            self.t_changed.emit(t)

    def set_T(self, T: int) -> None:
        """Follow a schedule of another length: the cursor keeps its share of the way."""
        if T != self._T:
            t = round(self._t / self._T * T)
            self._T = T
            self._t = -1
            self.set_t(t)

    def set_picture(self, picture: str) -> None:
        """Show another picture."""
        if picture != self._picture:
            self._picture = picture
            self.picture_changed.emit(picture)
