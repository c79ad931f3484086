"""What the image panel shows large: the picture on show, noised to the time cursor.

While two schedules are compared, both noise the same picture with the same eps: the other side at
the same share of the way, where its T is another.
The noise depends on the seed, its kind and the size of the picture alone. It is computed in the GUI
thread on request: one multiply-add per value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.forward import CLIPPED, Process, Span
from diffusion_gui.engine.images import FloatImage, Picture, Pixels, arranged, colour, fit_within
from diffusion_gui.engine.schedules import Schedule, build
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


class ForwardPreview(QObject):
    """The forward process of the picture on show.

    `picture_changed` when another picture is on show, `tiles_changed` when x_t is another;
    `sides_changed`, before it, when the sides are.
    """

    picture_changed = Signal()
    sides_changed = Signal()
    tiles_changed = Signal()

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
        self._processes: dict[int, Process] = {}
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

    def values(self) -> FloatImage:
        """Return up to 65,536 values of x_t at the time cursor, in [-1, 1] units, not clipped."""
        process = self.process()
        if process is None:
            return np.zeros(0, dtype=np.float32)
        return process.at(self._document.schedule, self._view.t).values()

    def _at_size(self, side: int) -> Process:
        """Return the process of the picture at one size, made once per picture, noise and size."""
        assert self._pixels is not None
        if side not in self._processes:
            if len(self._processes) >= MOST_SIZES:  # sizes of a window that was resized
                self._processes.clear()
            experiment = self._document.experiment
            self._processes[side] = Process(
                fit_within(self._pixels, side), experiment.seed, experiment.forward
            )
        return self._processes[side]

    def _load(self) -> None:
        self._processes.clear()
        known = {ref.id for ref in self._document.experiment.pictures}
        self.picture = self._store.get(self._view.picture) if self._view.picture in known else None
        self._pixels = self._arranged(self.picture) if self.picture else None

    def _arranged(self, picture: Picture) -> Pixels:
        forward = self._document.experiment.forward
        return arranged(picture, forward.size, forward.fit, colour(forward.background))

    @Slot()
    def _on_picture(self) -> None:
        self._load()
        self.picture_changed.emit()
        self.tiles_changed.emit()

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

    @Slot()
    def _on_t(self) -> None:
        self.tiles_changed.emit()
