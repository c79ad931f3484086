"""The film strip: every chosen picture at several t, under each side while two are compared.

All rows have the same noise: eps depends on the seed, its kind and the frame's size alone (image
index 0), so what differs between two rows is the picture or the schedule. A frame is the central
square of the picture as it is arranged, noised at its own size: a pixel of it has the SNR of its t.
It is never larger than the picture, which is enlarged when it is painted, as the large view is.

Frames are computed in the GUI thread when they are asked for: one multiply-add per value. What is
kept is bounded by count and keyed by all that it depends on, so nothing has to be taken back. With
12 frames a row it is at most 25 MB at 128 x 128, 85 MB at 256 x 256; beside it the fields of
Brownian paths, of which each of three sizes may keep `noise_fields.CACHE_BYTES`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NoiseKind
from diffusion_gui.engine.forward import CLIPPED, Noiser, Shown, Span
from diffusion_gui.engine.frame_times import (
    Times,
    even_in_log_snr,
    even_in_t,
    log_snr_range,
    of_levels,
)
from diffusion_gui.engine.images import FloatImage, Pixels, resize
from diffusion_gui.engine.noise_fields import NoiseField, snr_loss_db
from diffusion_gui.engine.schedules import Schedule, ScheduleSpec, build
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.squares import MOST_PICTURES, Recent, Squares
from diffusion_gui.state.view_state import Frames, ViewState

MOST_ROWS = 12
"""Rows of frames that are kept: one that did not change is not computed again."""
MOST_NOISES = 40
"""Noises kept where every t has its own."""
DECIBEL = 10.0 / math.log(10.0)
_RANGES = {
    Shown.NORMALISE: "each frame from its min to max",
    Shown.SYMMETRIC: "each frame symmetric around 0",
}


@dataclass(frozen=True, slots=True)
class RowHead:
    """What a row shows: a picture, under the side of that letter, "" where there is only one."""

    picture: str
    name: str
    side: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class StripRow:
    """The frames (t, x_t) of one row, uint8 [side, side, 3] each, t in 0..T of its schedule."""

    head: RowHead
    T: int
    frames: tuple[tuple[int, Pixels], ...]
    spans: tuple[Span, ...]
    """What black and white of each frame stand for."""
    problem: str = ""
    """Why there are no frames."""

    @property
    def side(self) -> str:
        """The letter of the side."""
        return self.head.side


class Film(QObject):
    """The rows of the strip; `rows_changed` when there are others, `changed` when frames are."""

    rows_changed = Signal()
    changed = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        store: PictureStore,
        comparison: Comparison,
        preview: ForwardPreview,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._comparison = comparison
        self._preview = preview
        self._squares = Squares(store, self)
        self._cleans: Recent[Pixels] = Recent(MOST_PICTURES)
        self._fields: Recent[NoiseField] = Recent(3)
        self._noises: Recent[FloatImage] = Recent(MOST_NOISES)
        self._rows: Recent[StripRow] = Recent(MOST_ROWS)
        self._runs: Recent[Array] = Recent(2)
        self._heads: tuple[RowHead, ...] | None = None
        for rows in (document.pictures_changed, view.chosen_changed, preview.sides_changed):
            rows.connect(self._on_rows)
        for frames in (document.schedule_changed, document.seed_changed, document.forward_changed):
            frames.connect(self.changed)
        self._squares.arrived.connect(self.changed)
        view.display_changed.connect(self.changed)
        document.sampling_changed.connect(self._on_sampling)

    def shutdown(self) -> None:
        """Stop the background thread; safe to call twice."""
        self._squares.shutdown()

    @Slot(list)
    def try_again(self, ids: list[str]) -> None:
        """Show these pictures, whose files have been opened, whether or not they could be read."""
        self._squares.try_again(ids)
        self.changed.emit()

    # --- what there is to show ----------------------------------------------------------------

    @property
    def heads(self) -> tuple[RowHead, ...]:
        """The rows: every chosen picture in the order of the tray, A above B while compared."""
        if self._heads is None:
            chosen = set(self._view.chosen)
            sides = ("A", "B") if self._preview.comparing else ("",)
            self._heads = tuple(
                RowHead(ref.id, ref.name, side)
                for ref in self._document.experiment.pictures
                if ref.id in chosen
                for side in sides
            )
        return self._heads

    @property
    def side(self) -> str:
        """The letter of the schedule on show."""
        return self._comparison.side

    def known(self, pictures: Iterable[str]) -> list[str]:
        """Return those of `pictures` that are in the tray."""
        there = {ref.id for ref in self._document.experiment.pictures}
        return [picture for picture in pictures if picture in there]

    def schedule(self, side: str) -> Schedule:
        """Return the schedule of a side; "" is the one on show."""
        return build(self._spec(side))

    def snr_db(self, side: str, t: int) -> float:
        """Return the signal-to-noise ratio of a side's x_t in decibel, offset noise counted in."""
        offset = self._document.experiment.forward.offset
        return self.schedule(side).snr_db(t) - snr_loss_db(offset)

    def times(self, side: str, most: int) -> Times:
        """Return the times of a row, at most `most`, as `Display.frames` places them.

        Evenly in t where the sampler's steps cannot be told.
        """
        frames, schedule = self._view.display.frames, self.schedule(side)
        if frames is Frames.LOG_SNR:
            return even_in_log_snr(schedule, most)
        if frames is Frames.STEPS:
            try:
                return of_levels(self._levels(side), most)
            except EngineError:
                pass
        return even_in_t(schedule.T, most)

    def note(self, shown: int) -> str:
        """Return what is to be said about a strip of so many frames, "" for the plain one."""
        display = self._view.display
        return "   ".join(filter(None, (self._placed(shown), _RANGES.get(display.shown, ""))))

    def _placed(self, shown: int) -> str:
        frames = self._view.display.frames
        if frames is Frames.LOG_SNR:
            return _in_log_snr(self._document.schedule, max(shown, 2))
        if frames is Frames.STEPS:
            try:
                count = len(self._levels(""))
            except EngineError as error:
                return f"evenly in t, for there are no steps: {error}"
            part = f"{shown} of {count} levels shown" if shown < count else "all shown"
            return f"{count - 1} steps, {part}"
        return ""

    def _levels(self, side: str) -> Array:
        """Return the times a run would visit under a side, descending, 0 at the end.

        Raises EngineError where it cannot run.
        """
        from diffusion_gui.engine.planning import plan  # not needed before the first paint

        experiment, spec = self._document.experiment, self._spec(side)
        start = experiment.sampling.start
        if start is not None and spec.T != experiment.schedule.T:
            t = max(1, round(start.t / experiment.schedule.T * spec.T))
            sampling = replace(experiment.sampling, start=replace(start, t=t))
            experiment = replace(experiment, sampling=sampling)
        run = replace(experiment, schedule=spec)
        return self._runs.get((spec, run.sampling), lambda: plan(run).t)

    def _spec(self, side: str) -> ScheduleSpec:
        other = self._comparison.other
        if side in ("", self._comparison.side) or other is None:
            return self._document.experiment.schedule
        return other

    # --- the frames ---------------------------------------------------------------------------

    def strip(self, count: int, side: int) -> list[StripRow]:
        """Return all rows with at most `count` frames, `side` wide; none without a picture."""
        return [self.row(head, count, side) for head in self.heads]

    def row(self, head: RowHead, count: int, side: int) -> StripRow:
        """Return one row with at most `count` frames of at most `side` pixels.

        Of a picture that is being read it shows the thumbnail; `changed` follows.
        """
        experiment, spec = self._document.experiment, self._spec(head.side)
        try:
            square, whole = self._squares.get(head.picture, experiment.forward)
        except EngineError as error:
            return StripRow(head, spec.T, (), (), str(error))
        times, side = self.times(head.side, count), min(side, len(square))
        made = (head.picture, whole, side, replace(experiment.forward, noise=NoiseKind.FROZEN))
        clean = self._cleans.get(made, lambda: resize(square, side, side))
        shown = self._view.display.shown
        key = (head, whole, spec, times, side, experiment.seed, experiment.forward, shown)
        return self._rows.get(key, lambda: self._render(head, clean, times))

    def _render(self, head: RowHead, clean: Pixels, times: Times) -> StripRow:
        schedule, shown = self.schedule(head.side), self._view.display.shown
        frames, spans = [], []
        for t in times:
            kernel = Noiser(clean, self._noise(len(clean), schedule, t))
            a, s = schedule.shown(t)
            span = CLIPPED if shown is Shown.CLIP else Span.of(shown, kernel.extent(a, s))
            frames.append((t, kernel.x_t(a, s, span)))
            spans.append(span)
        return StripRow(head, schedule.T, tuple(frames), tuple(spans))

    def _noise(self, side: int, schedule: Schedule, t: int) -> FloatImage:
        """Return eps of the frame at t; of one seed, size and level it is the same in all rows."""
        experiment = self._document.experiment
        kind, offset = experiment.forward.noise, experiment.forward.offset
        key = (experiment.seed, side, kind, offset)
        field = self._fields.get(
            key, lambda: NoiseField(experiment.seed, (side, side, 3), kind, offset)
        )
        level = float(schedule.log_snr[t]) if kind is NoiseKind.PATH else 0.0
        if kind is NoiseKind.FROZEN:
            return field.at(t, level)
        return self._noises.get((*key, t, level), lambda: field.at(t, level))

    @Slot()
    def _on_rows(self) -> None:
        self._heads = None
        self.rows_changed.emit()
        self.changed.emit()

    @Slot()
    def _on_sampling(self) -> None:
        if self._view.display.frames is Frames.STEPS:
            self.changed.emit()


def _in_log_snr(schedule: Schedule, shown: int) -> str:
    """Return what so many frames even in log-SNR are, from the first to the last.

    t = 0 has no noise, and the last step may fall far below the others: both stand apart.
    """
    high, low = log_snr_range(schedule, shown)
    if math.isinf(high):
        return "no step has any signal"
    apart = float(schedule.log_snr[-1]) != low
    times = even_in_log_snr(schedule, shown)[1 : -1 if apart else None]
    levels = [f"{DECIBEL * float(schedule.log_snr[t]):.0f} dB".replace("-", "−") for t in times]
    parts = ["x₀", *levels[:1], *["t = T"] * apart]
    if len(levels) > 1:
        parts[1] = f"evenly in log-SNR, {levels[0]} to {levels[-1]}"
    return ", then ".join(parts)
