"""What is too much for the GUI thread: large pictures are opened and noised in the background.

A picture up to `LARGE` pixels is noised at once. Of a larger one, every n-th pixel is shown while
anything changes, and all of it once nothing has changed for a moment. For one picture on show this
takes, in bytes a pixel, 3 for the picture, 12 for its frozen noise up to 22 megapixels and none
beyond, and 9 for the three frames at rest, which are let go before others are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine import images
from diffusion_gui.engine.experiment import Experiment, Forward, NoiseKind, PictureRef
from diffusion_gui.engine.forward import LARGE, Process
from diffusion_gui.engine.images import MAX_SIDE, Picture, colour
from diffusion_gui.engine.noise_fields import WHOLE, stride_for
from diffusion_gui.session.picture_store import PictureStore, padded_side, side_needed
from diffusion_gui.state.jobs import Job, JobRunner, reason

REST_MS = 120
"""How long nothing must change until the whole of a large picture is noised."""
_MEND = "choose a smaller working size"


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """The forward process of a picture at its working size, and of as much as is noised at once."""

    kept: Picture
    notes: tuple[str, ...]
    """What was changed on opening it at its working size."""
    forward: Forward
    full: Process
    quick: Process

    @classmethod
    def of(
        cls, kept: Picture, arranged: Picture, experiment: Experiment, drawn: bool = True
    ) -> Sizes:
        """Noise an arranged picture; of many pixels every n-th is as much as the mouse can move.

        Where the noise is `drawn` once, that is more than where it is drawn at every t.
        """
        forward = experiment.forward
        full = Process(arranged.pixels, experiment.seed, forward)
        most = LARGE if drawn and forward.noise is NoiseKind.FROZEN else WHOLE
        return cls(kept, arranged.notes, forward, full, full.thinned(most))

    def noised(self, experiment: Experiment) -> Sizes:
        """Return the same pixels with the noise of another experiment."""
        arranged = Picture(self.kept.name, self.full.pixels, self.notes)
        return Sizes.of(self.kept, arranged, experiment)

    def arranged_as(self, forward: Forward) -> bool:
        """Return whether the pixels are what other settings make of the picture as well."""
        mine = replace(self.forward, noise=forward.noise, offset=forward.offset)
        return mine == forward


def as_kept(store: PictureStore, ref: PictureRef, experiment: Experiment) -> Sizes:
    """Return a picture as far as it is at hand and small: kept, or else its thumbnail.

    Bundled pictures are opened for it.
    """
    kept = store.at_hand(ref.id)
    if kept is None:
        kept = Picture(ref.name, store.thumbnail(ref.id), full_size=(MAX_SIDE, MAX_SIDE))
    side = padded_side(kept, experiment.forward)
    n = max(stride_for(kept.pixels.shape, LARGE), stride_for((side, side), LARGE))
    pixels = np.ascontiguousarray(kept.pixels[::n, ::n])
    alpha = None if kept.alpha is None else kept.alpha[::n, ::n]
    thin = replace(kept, pixels=pixels, alpha=alpha)
    lasting = not needs_opening(kept, experiment.forward)
    return Sizes.of(kept, _arranged(thin, experiment), experiment, drawn=lasting)


def needs_opening(kept: Picture, forward: Forward) -> bool:
    """Return whether the file gives more than what is kept, or this is much to arrange."""
    return side_needed(kept, forward) is not None


def _arranged(picture: Picture, experiment: Experiment) -> Picture:
    forward = experiment.forward
    pixels = images.arranged(picture, forward.size, forward.fit, colour(forward.background))
    return Picture(picture.name, pixels, picture.notes)


class LargePictures(QObject):
    """Opens pictures and makes frames in two threads of its own; the newest request wins.

    `opened(sizes)` or `failed(line)` answers `open`, `rendered(frames)` or `not_rendered(line)`
    answers `render_soon`.
    """

    opened = Signal(object)
    failed = Signal(str)
    rendered = Signal(object)
    not_rendered = Signal(str)

    def __init__(self, store: PictureStore, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._render: Callable[[Callable[[], None]], Any] | None = None
        self.opening = False
        """Whether a picture is being opened."""
        self._opener = JobRunner("large pictures", self)
        self._opener.done.connect(self._on_opened)
        self._opener.failed.connect(self._on_not_opened)
        self._renderer = JobRunner("large frames", self)
        self._renderer.done.connect(self.rendered)
        self._renderer.failed.connect(self._on_not_rendered)
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._on_rest)

    def open(self, picture_id: str, experiment: Experiment) -> None:
        """Read a picture and arrange it for its working size."""

        def work(job: Job) -> Sizes:
            store = self._store
            source = store.source(picture_id, experiment.forward)
            job.poll()
            arranged = _arranged(source, experiment)
            sizes = Sizes.of(store.read(picture_id, MAX_SIDE), arranged, experiment)
            if experiment.forward.noise is NoiseKind.FROZEN:
                sizes.quick.draw()  # the first frame need not wait for it
            return sizes

        self.opening = True
        self._opener.submit(work)

    def close(self) -> None:
        """Open nothing any more, and render nothing."""
        self.opening = False
        self._opener.cancel()
        self.drop()

    def render_soon(self, render: Callable[[Callable[[], None]], Any]) -> None:
        """Call `render(poll)` in the background once nothing has been dropped for a moment.

        While that is due or under way, further wishes are not needed.
        """
        if not self._rest.isActive() and self._renderer.job is None:
            self._render = render
            self._rest.start()

    def drop(self) -> None:
        """Forget what is due or under way."""
        self._rest.stop()
        self._render = None
        self._renderer.cancel()

    def shutdown(self) -> None:
        """Stop the threads."""
        self.drop()
        self.opening = False
        self._opener.shutdown()
        self._renderer.shutdown()

    @Slot()
    def _on_rest(self) -> None:
        render, self._render = self._render, None
        if render is not None:
            self._renderer.submit(lambda job: render(job.poll))

    @Slot(object)
    def _on_opened(self, sizes: Sizes) -> None:
        self.opening = False
        self.opened.emit(sizes)

    @Slot(object)
    def _on_not_opened(self, error: Exception) -> None:
        self.opening = False
        self.failed.emit(reason(error, _MEND))

    @Slot(object)
    def _on_not_rendered(self, error: Exception) -> None:
        self.not_rendered.emit(reason(error, _MEND))
