"""What the image panel shows: the picture on show, noised to the time cursor, and its strip.

While two schedules are compared, both noise the same picture with the same eps: the other side at
the same share of the way, where its T is another.
The noise depends on the seed, its kind and the size of the picture alone. It is computed in the GUI
thread on request: one multiply-add per value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.forward import CLIPPED, Process, Span
from diffusion_gui.engine.images import (
    FloatImage,
    Picture,
    Pixels,
    arranged,
    colour,
    fit_within,
    square,
)
from diffusion_gui.engine.schedules import Schedule, build
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.session.library import PictureStore
from diffusion_gui.state.comparison import Comparison, other_letter
from diffusion_gui.state.document import Document
from diffusion_gui.state.view_state import ViewState

MOST_SIZES = 4
"""Sizes of which the noise is kept at hand."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A picture of the large view, uint8 [H, W, 3], and what its black and white stand for."""

    pixels: Pixels
    span: Span = CLIPPED


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """The four pictures of the large view."""

    x_0: Tile
    x_t: Tile
    signal: Tile
    noise: Tile
    other: OtherView | None = None
    """x_t under the other side, while two are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class OtherView:
    """x_t under the side not on show: its letter and its own t."""

    side: str
    t: int
    x_t: Tile


@dataclass(frozen=True, slots=True, eq=False)
class StripRow:
    """The frames (t, x_t) under one schedule of length T; `side` is "" where there is only one."""

    side: str
    T: int
    frames: tuple[tuple[int, Pixels], ...]


class ForwardPreview(QObject):
    """The forward process of the picture on show.

    `picture_changed` when another picture is on show, `tiles_changed` when x_t is another,
    `strip_changed` when the frames over t are; `sides_changed`, before them, when the sides are.
    """

    picture_changed = Signal()
    sides_changed = Signal()
    tiles_changed = Signal()
    strip_changed = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        store: PictureStore,
        comparison: Comparison,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._store = store
        self._comparison = comparison
        self._comparing = True
        self._processes: dict[tuple[int, bool], Process] = {}
        self._pixels: Pixels | None = None
        self.picture: Picture | None = None
        self._load()
        view.t_changed.connect(self._on_t)
        view.picture_changed.connect(self._on_picture)
        document.schedule_changed.connect(self._on_schedule)
        comparison.sides_changed.connect(self._on_sides)
        document.seed_changed.connect(self._on_seed)
        document.pictures_changed.connect(self._on_pictures)
        document.forward_changed.connect(self._on_forward)
        view.display_changed.connect(self.tiles_changed)

    @property
    def two_sides(self) -> bool:
        """Whether there is another side to compare with."""
        return self._comparison.other is not None

    @property
    def comparing(self) -> bool:
        """Whether both sides are shown: there are two, and that is wished."""
        return self._comparing and self.two_sides

    @property
    def side(self) -> str:
        """The letter of the schedule on show."""
        return self._comparison.side

    def set_comparing(self, comparing: bool) -> None:
        """Show both sides, or the one on show only."""
        if comparing != self._comparing:
            self._comparing = comparing
            self._on_sides()

    def tiles(self) -> Tiles | None:
        """Return x_0, x_t and its two parts at the time cursor, or None without a picture."""
        process = self.process()
        if process is None:
            return None
        moment = process.at(self._document.schedule, self._view.t)
        spans = moment.spans(self._view.display.shown)
        shown = zip((moment.x_t, moment.signal, moment.noise), spans, strict=True)
        x_t, signal, noise = (Tile(part(span), span) for part, span in shown)
        other = self._other_view(process) if self.comparing else None
        return Tiles(Tile(process.pixels), x_t, signal, noise, other)

    def process(self) -> Process | None:
        """Return the forward process of the picture on show at its working size, or None."""
        if self._pixels is None:
            return None
        return self._at_size(max(self._pixels.shape))

    def _other_view(self, process: Process) -> OtherView:
        schedule = self._other_schedule()
        t = round(self._view.t / self._view.T * schedule.T)
        moment = process.at(schedule, t)
        span = moment.spans(self._view.display.shown)[0]
        return OtherView(other_letter(self.side), t, Tile(moment.x_t(span), span))

    def _other_schedule(self) -> Schedule:
        spec = self._comparison.other
        assert spec is not None
        return build(spec)

    def strip(self, count: int, side: int) -> list[StripRow]:
        """Return about `count` frames evenly over 0..T, the central squares, `side` wide.

        One row, or A above B while both are compared, and none without a picture. Rather a few
        frames less than odd times: 0, 100, 200, ... where the T on show, 1000, allows it. Every
        frame is noised at its own size, so that a pixel of it has the SNR of that t.
        """
        if self._pixels is None:
            return []
        schedule, process = self._document.schedule, self._at_size(side, cropped=True)
        shares = np.linspace(0.0, 1.0, _frames(schedule.T, count))
        if not self.comparing:
            return [_row("", schedule, process, shares)]
        rows = [
            _row(self.side, schedule, process, shares),
            _row(other_letter(self.side), self._other_schedule(), process, shares),
        ]
        return sorted(rows, key=lambda row: row.side)

    def values(self) -> FloatImage:
        """Return up to 65,536 values of x_t at the time cursor, in [-1, 1] units, not clipped."""
        process = self.process()
        if process is None:
            return np.zeros(0, dtype=np.float32)
        return process.at(self._document.schedule, self._view.t).values()

    def _at_size(self, side: int, cropped: bool = False) -> Process:
        """Return the process of the picture at one size, made once per picture, noise and size."""
        assert self._pixels is not None
        key = (side, cropped)
        if key not in self._processes:
            if len(self._processes) >= MOST_SIZES:  # sizes of a window that was resized
                self._processes.clear()
            pixels = square(self._pixels, side) if cropped else fit_within(self._pixels, side)
            experiment = self._document.experiment
            self._processes[key] = Process(pixels, experiment.seed, experiment.forward)
        return self._processes[key]

    def _load(self) -> None:
        self._processes.clear()
        shown = (r for r in self._document.experiment.pictures if r.id == self._view.picture)
        self.picture = next(map(self._picture, shown), None)
        self._pixels = self._arranged(self.picture) if self.picture else None

    def _picture(self, ref: PictureRef) -> Picture:
        """Return a picture; its thumbnail, with a note, if its file has changed or is gone."""
        try:
            return self._store.get(ref.id)
        except EngineError as error:
            return Picture(ref.name, self._store.thumbnail(ref.id), (str(error),))

    def _arranged(self, picture: Picture) -> Pixels:
        forward = self._document.experiment.forward
        return arranged(picture, forward.size, forward.fit, colour(forward.background))

    @Slot()
    def _on_picture(self) -> None:
        self._load()
        self.picture_changed.emit()
        self.tiles_changed.emit()
        self.strip_changed.emit()

    @Slot()
    def _on_pictures(self) -> None:
        """Show the first picture when the one on show has left the tray."""
        pictures = self._document.experiment.pictures
        if self._view.picture not in {ref.id for ref in pictures}:
            self._view.set_picture(pictures[0].id if pictures else "")

    @Slot()
    def _on_sides(self) -> None:
        self.sides_changed.emit()
        self._on_schedule()

    @Slot()
    def _on_seed(self) -> None:
        self._processes.clear()
        self._on_schedule()

    @Slot()
    def _on_forward(self) -> None:
        self._on_picture()

    @Slot()
    def _on_schedule(self) -> None:
        self.tiles_changed.emit()
        self.strip_changed.emit()

    @Slot()
    def _on_t(self) -> None:
        self.tiles_changed.emit()


def _row(side: str, schedule: Schedule, process: Process, shares: Array) -> StripRow:
    """Return the frames at shares of the way from t = 0 to T."""
    times = (shares * schedule.T).round().astype(int).tolist()
    frames = tuple((t, process.at(schedule, t).x_t()) for t in times)
    return StripRow(side, schedule.T, frames)


def _frames(T: int, most: int) -> int:
    """Return a number of frames, at most `most` and not much less, that divides 0..T evenly."""
    most = min(most, T + 1)
    even = (n for n in range(most, int(0.7 * most), -1) if n > 1 and T % (n - 1) == 0)
    return next(even, most)
