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

from diffusion_gui.engine.forward import CLIPPED, Moment, Process, Shown, Span
from diffusion_gui.engine.images import (
    FloatImage,
    Picture,
    Pixels,
    arranged,
    colour,
    fit_within,
)
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
    clipped: float = 0.0
    """Share of the values that lie beyond the span."""


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
        self._moments: list[tuple[Process, Schedule, int, Moment]] = []
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

    @property
    def other_side(self) -> str:
        """The letter of the schedule not on show."""
        return other_letter(self.side)

    def set_comparing(self, comparing: bool) -> None:
        """Show both sides, or the one on show only."""
        if comparing != self._comparing:
            self._comparing = comparing
            self._on_sides()

    def tiles(self) -> Tiles | None:
        """Return x_0, x_t and its two parts at the time cursor, or None without a picture."""
        process, moment = self.process(), self.moment()
        if process is None or moment is None:
            return None
        shown = self._view.display.shown
        spans, beyond = moment.spans(shown), _clipped(moment, shown)
        other = self._other_view()
        return Tiles(
            Tile(process.pixels),
            Tile(moment.x_t(spans[0]), spans[0], beyond[0]),
            Tile(moment.signal(spans[1]), spans[1]),
            Tile(moment.noise(spans[2]), spans[2], beyond[1]),
            other,
        )

    def moment(self) -> Moment | None:
        """Return the picture on show at the time cursor, or None; its noise is drawn once."""
        process = self.process()
        if process is None:
            return None
        return self._moment_at(process, self._document.schedule, self._view.t)

    def other_moment(self) -> Moment | None:
        """Return the picture under the other side, or None while none is compared with."""
        process = self.process()
        if process is None or not self.comparing:
            return None
        schedule = self._other_schedule()
        return self._moment_at(process, schedule, self._other_t(schedule))

    def snr_db(self) -> float:
        """Return the signal-to-noise ratio at the time cursor in decibel, infinite at t = 0."""
        return self._document.schedule.snr_db(self._view.t)

    def _moment_at(self, process: Process, schedule: Schedule, t: int) -> Moment:
        """Return the moment, made anew only when it is neither of the last two."""
        for known in self._moments:
            if known[0] is process and known[1] is schedule and known[2] == t:
                return known[3]
        moment = process.at(schedule, t)
        self._moments = [*self._moments[-1:], (process, schedule, t, moment)]
        return moment

    def process(self) -> Process | None:
        """Return the forward process of the picture on show at its working size, or None."""
        if self._pixels is None:
            return None
        return self._at_size(max(self._pixels.shape))

    def _other_view(self) -> OtherView | None:
        moment = self.other_moment()
        if moment is None:
            return None
        shown = self._view.display.shown
        span, beyond = moment.spans(shown)[0], _clipped(moment, shown)[0]
        x_t = Tile(moment.x_t(span), span, beyond)
        return OtherView(self.other_side, self._other_t(self._other_schedule()), x_t)

    def _other_t(self, schedule: Schedule) -> int:
        """Return the same share of the way under the other side's schedule."""
        return round(self._view.t / self._view.T * schedule.T)

    def _other_schedule(self) -> Schedule:
        spec = self._comparison.other
        assert spec is not None
        return build(spec)

    def values(self) -> FloatImage:
        """Return up to 65,536 values of x_t at the time cursor, in [-1, 1] units, not clipped."""
        moment = self.moment()
        return np.zeros(0, dtype=np.float32) if moment is None else moment.values()

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
        self._moments.clear()
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
        self._moments.clear()
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


def _clipped(moment: Moment, shown: Shown) -> tuple[float, float]:
    """Return the shares of x_t and of its noise beyond what is shown."""
    return moment.clipped() if shown is Shown.CLIP else (0.0, 0.0)
