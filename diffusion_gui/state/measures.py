"""The measures of the picture on show, at the time cursor and over t.

A background thread takes the second moments of the picture with its noise (`engine.measures.Pair`)
and fills the table over log-SNR (`engine.measure_curves`); what comes of them at one t, or over t
of any schedule, is then a matter of a millisecond and done in the GUI thread. So a drag of t or of
the schedule needs no job, except where the noise is another at every t. Nothing is done while
nobody watches.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.experiment import Forward, NoiseKind
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.measure_curves import FIRST, LEVELS, Curves, Table, order
from diffusion_gui.engine.measures import Clean, Pair, histogram, kl_to_normal
from diffusion_gui.engine.noise_fields import NoiseField, snr_loss_db
from diffusion_gui.engine.schedules import Schedule, build
from diffusion_gui.engine.spectrum import Spectrum
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox, reason
from diffusion_gui.state.view_state import ViewState

MAX_SIDE = 1024
"""Of more rows or columns the central ones are measured, with a noise of their own."""
DRAWN_SIDE = 512
"""That part where the noise is drawn for every t: as much as keeps up with a drag of t."""
MOST_KEPT = 4
"""Pictures with their noise of which the moments are kept, at most 5 MB each."""
INTERVAL_MS = 60
_MEND = "choose a smaller working size"

Key = tuple[str, int, Forward]
"""The picture, the seed and what is done to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The measures at the time cursor; `spectrum` in units of white noise of variance 1."""

    snr_db: float
    psnr: float
    expected_psnr: float
    ssim: float
    kl: float
    values: int
    """How many values `kl` was measured on."""
    spectrum: Spectrum


@dataclass(frozen=True, slots=True)
class Sample:
    """The pixels that are measured: `width` x `height` of them."""

    stride: int
    """Every how many-th pixel of the picture, across and down."""
    width: int
    height: int
    central: bool
    """Whether they are only the middle of what `stride` leaves."""

    @property
    def whole(self) -> bool:
        """Whether these are all pixels."""
        return self.stride == 1 and not self.central


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    key: Key
    pixels: Pixels
    t: int
    log_snr: float
    table: Table | None


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    """From the worker: the picture with its noise at the t asked for, and the table so far."""

    key: Key
    pair: Pair
    table: Table


class Measures(QObject):
    """`changed` when a reading or the curves are others; `failed(line)` when none can be made."""

    changed = Signal()
    failed = Signal(str)

    def __init__(
        self,
        document: Document,
        view: ViewState,
        preview: ForwardPreview,
        comparison: Comparison,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._preview = preview
        self._comparison = comparison
        self._watched = False
        self._asked: tuple[Any, ...] | None = None
        self._results: OrderedDict[Key, _Result] = OrderedDict()
        self._table: Table | None = None
        """The last one that spans all levels: curves stay until there are others."""
        self._bench = _Bench()
        self._runner = JobRunner("measures", self)
        self._runner.failed.connect(self._on_failed)
        self._mailbox = Mailbox(INTERVAL_MS, parent=self)
        self._mailbox.arrived.connect(self._on_results)
        preview.picture_changed.connect(self._refresh)
        preview.tiles_changed.connect(self._refresh)

    @property
    def busy(self) -> bool:
        """Whether the background thread is at work."""
        return self._runner.busy

    @property
    def sample(self) -> Sample | None:
        """Which pixels of the picture on show are measured, or None without a picture."""
        process = self._preview.process()
        if process is None:
            return None
        height, width = (min(side, MAX_SIDE) for side in process.pixels.shape[:2])
        return Sample(process.stride, width, height, width * height < process.count)

    def set_watched(self, watched: bool) -> None:
        """Work while somebody watches, and only then."""
        self._watched = watched
        if watched:
            self._refresh()
        else:
            self._stop()

    def reading(self, values: FloatImage) -> Reading | None:
        """Return the measures at the time cursor, None before the first moments are there.

        None as well while there is no more of the picture than its thumbnail.
        `values` are those of x_t there (`Moment.values`). Where the noise is another at every t,
        the one measured last stands in until that of this t arrives.
        """
        result = self._results.get(self._key())
        if result is None or self._preview.pixels is None:
            return None
        pair = result.pair
        a, s = self._document.schedule.shown(self._view.t)
        return Reading(
            self._preview.snr_db(),
            pair.psnr(a, s),
            pair.expected_psnr(a, s),
            pair.ssim(a, s),
            kl_to_normal(histogram(values)),
            values.size,
            pair.spectrum(a, s),
        )

    def curves(self) -> Curves | None:
        """Return the measures over t of the schedule on show, None before there are any."""
        return self._curves(self._table, self._document.schedule) if self._table else None

    def other_curves(self) -> tuple[Curves, int] | None:
        """Return those of the other side and its T, None while the two are not compared."""
        spec = self._comparison.other
        if self._table is None or spec is None or not self._preview.comparing:
            return None
        schedule: Schedule = build(spec)
        return self._curves(self._table, schedule), schedule.T

    def _curves(self, table: Table, schedule: Schedule) -> Curves:
        """Return the measures over t, the SNR with the offset noise of the picture."""
        curves = table.curves(schedule)
        return replace(curves, snr_db=curves.snr_db - snr_loss_db(self._preview.offset))

    def shutdown(self) -> None:
        """End the background thread; safe to call twice."""
        self._watched = False
        self._stop()
        self._runner.shutdown()
        self._mailbox.close()

    def _key(self) -> Key:
        experiment = self._document.experiment
        return self._view.picture, experiment.seed, experiment.forward

    def _stop(self) -> None:
        self._asked = None
        self._runner.cancel()

    @Slot()
    def _refresh(self) -> None:
        """Ask for what is not known yet; of a picture only once it is open."""
        if not self._watched:
            return
        pixels = self._preview.pixels
        if pixels is None:
            self._stop()
            if not self._preview.opening:
                self._table = None
            return
        key, t = self._key(), self._view.t
        result = self._results.get(key)
        frozen = key[2].noise == NoiseKind.FROZEN
        if result is not None:
            self._results.move_to_end(key)
            if result.table.spans:
                self._table = result.table
            if frozen and result.table.complete:
                return
        level = float(self._document.schedule.log_snr[t])
        asked = (key,) if frozen else (key, t, level)
        if asked != self._asked:
            self._asked = asked
            table = result.table if result is not None else None
            self._submit(_Request(key, pixels, t, level, table))

    def _submit(self, request: _Request) -> None:
        bench, put = self._bench, self._mailbox.put
        self._runner.submit(lambda job: bench.run(job, request, put))

    @Slot(object)
    def _on_results(self, results: list[_Result]) -> None:
        result = results[-1]
        self._results[result.key] = result
        self._results.move_to_end(result.key)
        while len(self._results) > MOST_KEPT:
            self._results.popitem(last=False)
        if result.key == self._key() and self._preview.pixels is not None:
            if result.table.spans:
                self._table = result.table
            self.changed.emit()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self.failed.emit(f"The measures cannot be made: {reason(error, _MEND)}")


class _Bench:
    """The worker's side: keeps what all jobs on one picture and its noise need."""

    def __init__(self) -> None:
        self._key: Key | None = None
        self._clean: Clean
        self._noise: NoiseField
        self._table: Table
        self._frozen: Pair | None = None

    def run(self, job: Job, request: _Request, put: Callable[[_Result], None]) -> None:
        """Measure at the t asked for, then fill the table; report as it grows."""
        if request.key != self._key:
            self._open(request)
        if request.table is not None and request.table.known.sum() > self._table.known.sum():
            self._table = request.table
        pair = self._pair(job, request.t, request.log_snr, with_spectrum=True)
        put(_Result(request.key, pair, self._table))
        for row in order():
            if self._table.known[row]:
                continue
            job.poll()
            there = self._pair(job, row, float(LEVELS[row]), with_spectrum=False)
            self._table = self._table.taken(row, there)
            if self._table.known.sum() >= FIRST:
                put(_Result(request.key, pair, self._table))

    def _open(self, request: _Request) -> None:
        self._key = None  # until all of it is there
        _, seed, forward = request.key
        frozen = forward.noise == NoiseKind.FROZEN
        pixels = _central(request.pixels, MAX_SIDE if frozen else DRAWN_SIDE)
        self._clean = Clean(pixels)
        self._noise = NoiseField(seed, pixels.shape, forward.noise, forward.offset)
        self._table = Table.empty(self._clean.mean_square)
        self._frozen = None
        self._key = request.key

    def _pair(self, job: Job, t: int, log_snr: float, with_spectrum: bool) -> Pair:
        """Return the picture with its noise at a level; one pair where that is always the same."""
        assert self._key is not None
        forward = self._key[2]
        if self._frozen is not None:
            return self._frozen
        eps = self._noise.at(t, log_snr)
        job.poll()
        pair = Pair(self._clean, eps, forward.offset)
        if with_spectrum:
            pair = pair.with_spectrum(eps)
        if forward.noise == NoiseKind.FROZEN:
            self._frozen = pair
        return pair


def _central(pixels: Pixels, side: int) -> Pixels:
    """Return the middle of `pixels`, at most `side` pixels high and wide."""
    top, left = (max(length - side, 0) // 2 for length in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])
