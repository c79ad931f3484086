"""What is looked at: time cursor, pictures chosen, the way they are shown. Not undoable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from PySide6.QtCore import QObject, Signal

from diffusion_gui.engine.forward import Shown


class Page(StrEnum):
    """What the upper part of the image panel shows."""

    TILES = "tiles"
    CHAIN = "chain"
    MEASURES = "measures"


class Scaling(StrEnum):
    """How pictures are brought to the size of the screen."""

    AUTO = "auto"
    """Smooth where they shrink, sharp pixels where they are enlarged."""
    NEAREST = "nearest"
    SMOOTH = "smooth"


class Frames(StrEnum):
    """Where the frames of the film strip stand."""

    T = "t"
    LOG_SNR = "log-snr"
    STEPS = "steps"
    """The sampler's own steps."""


@dataclass(frozen=True, slots=True)
class Display:
    """How the image panel shows what it shows."""

    page: Page = Page.TILES
    shown: Shown = Shown.CLIP
    scaling: Scaling = Scaling.AUTO
    frames: Frames = Frames.T
    estimate: bool = False
    """Whether the model's x0_hat of one call at t stands beside x_t."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was looked at, as the steps of the history remember it."""

    t: int
    shown: Shown
    picture: str
    chosen: tuple[str, ...]


class ViewState(QObject):
    """The time cursor `t` in 0..T, shared by all panels, the picture on show and its fellows."""

    t_changed = Signal(int)
    picture_changed = Signal(str)
    chosen_changed = Signal()
    display_changed = Signal()

    def __init__(self, T: int, t: int, picture: str = "", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._T = T
        self._t = t
        self._picture = picture
        self._chosen: tuple[str, ...] = (picture,) if picture else ()
        self._display = Display()

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

    @property
    def chosen(self) -> tuple[str, ...]:
        """The ids of the pictures chosen in the tray; the one on show is among them."""
        return self._chosen

    @property
    def display(self) -> Display:
        """How the image panel shows what it shows."""
        return self._display

    @property
    def look(self) -> Look:
        """What is looked at."""
        return Look(self._t, self._display.shown, self._picture, self._chosen)

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
            if picture not in self._chosen:
                self._chosen = (picture,) if picture else ()
            self.picture_changed.emit(picture)
            self.chosen_changed.emit()

    def choose(self, pictures: Iterable[str], shown: str = "") -> None:
        """Choose pictures and show `shown` of them, by default the one on show, else the first."""
        chosen = tuple(dict.fromkeys(pictures))
        if shown not in chosen:
            shown = self._picture if self._picture in chosen else next(iter(chosen), "")
        if chosen == self._chosen and shown == self._picture:
            return
        self._chosen = chosen
        if shown == self._picture:
            self.chosen_changed.emit()
        else:
            self.set_picture(shown)

    def set_display(self, **changes: Any) -> None:
        """Change named fields of `display`."""
        display = replace(self._display, **changes)
        if display != self._display:
            self._display = display
            self.display_changed.emit()
