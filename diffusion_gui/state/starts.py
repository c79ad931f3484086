"""What the reverse process starts from and keeps: set from what is on show, and seen beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine import masks
from diffusion_gui.engine.experiment import Inpaint, PictureRef, Start
from diffusion_gui.engine.images import Colour, Pixels, to_float, to_uint8
from diffusion_gui.engine.inpainting import REPAINT
from diffusion_gui.engine.inversion import INVERSION_PARAMS
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.params import Values
from diffusion_gui.engine.schedules.schedule import display_scale
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.run_inputs import arrangement
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner
from diffusion_gui.state.round_trips import RoundTrips
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.squares import Recent
from diffusion_gui.state.view_state import ViewState

MOST_SQUARES = 8
"""Pictures of which the model's square is kept."""
ITERATIONS = round(INVERSION_PARAMS[0].default)


class Starts(QObject):
    """Sets `start` and `inpaint` of the document's sampling.

    `refused(line)` where something is missing for it; `square_arrived` when a picture that `square`
    did not have yet has been read, or could not be.
    """

    refused = Signal(str)
    square_arrived = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        controller: SamplingController,
        store: PictureStore,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._controller = controller
        self._store = store
        self._strokes = itertools.count()
        self._method, self._params = REPAINT, dict[str, Values]()
        self._squares: Recent[Pixels | None] = Recent(MOST_SQUARES)
        self._reading: Hashable = None
        self._runner = JobRunner("model squares", self)
        self._runner.done.connect(self._on_read)
        self._runner.failed.connect(self._on_failed)
        self.trips = RoundTrips(document, controller, self)

    def shutdown(self) -> None:
        """End the thread; safe to call twice."""
        self._runner.shutdown()
        self.trips.shutdown()

    @property
    def start(self) -> Start | None:
        """What the next run starts from, None for pure noise."""
        return self._document.experiment.sampling.start

    @property
    def inpaint(self) -> Inpaint | None:
        """What the next run keeps, None for nothing."""
        return self._document.experiment.sampling.inpaint

    # --- where a run starts ---------------------------------------------------------------------

    @Slot()
    def from_noise(self) -> None:
        """Start from pure noise."""
        self._begin_with(None, "start from pure noise")

    @Slot()
    def from_here(self) -> None:
        """Start from the picture on show, noised to the t on show."""
        if self._at_t("denoise from"):
            start = Start(self._view.picture, self._view.t)
            self._begin_with(start, f"denoise from t = {start.t}")
            self._controller.run_unless_begun()

    @Slot()
    def inverted(self) -> None:
        """Start from the picture on show, taken up to the t on show by DDIM inversion."""
        if self._at_t("invert"):
            start = Start(self._view.picture, self._view.t, True, ITERATIONS)
            self._begin_with(start, f"invert up to t = {start.t}")
            self._controller.run_unless_begun()

    def set_strength(self, t: int) -> None:
        """Start at another t; changes that follow one another are one undo step."""
        if self.start is not None:
            self._begin_with(replace(self.start, t=t), f"start at t = {t}", "start t")

    def set_iterations(self, iterations: int) -> None:
        """Make so many corrections per step of the inversion."""
        if self.start is not None:
            start = replace(self.start, iterations=iterations)
            self._begin_with(start, f"{iterations} corrections per step", "start iterations")

    def end_gesture(self) -> None:
        """The slider was let go: its next change is another undo step."""
        self._document.end_gesture()

    def _begin_with(self, start: Start | None, text: str, key: str = "") -> None:
        """Start so; a fork would start where the run starts that it goes on with."""
        experiment = self._document.experiment
        sampling = replace(experiment.sampling, start=start)
        self._document.replace(replace(experiment, sampling=sampling, fork=None), text, key)

    def _at_t(self, what: str) -> bool:
        if not self._view.picture or self._view.t < 1:
            self.refused.emit(f"Move t above 0 and choose a picture to {what}")
            return False
        return True

    # --- what it keeps --------------------------------------------------------------------------

    @property
    def masked_picture(self) -> str:
        """The picture that the mask is on, or would be: the one on show; "" without any."""
        return self.inpaint.picture if self.inpaint is not None else self._view.picture

    @property
    def mask(self) -> masks.Mask:
        """Which pixels are kept [64, 64]; all of them without a mask."""
        if self.inpaint is None:
            return np.ones((masks.MASK_SIDE, masks.MASK_SIDE), bool)
        return masks.decode(self.inpaint.kept)

    @property
    def method(self) -> str:
        """How the rest is drawn, of `inpainting.INPAINTING`; remembered while there is no mask."""
        return self.inpaint.method if self.inpaint is not None else self._method

    @property
    def params(self) -> Values:
        """The parameters of the method."""
        if self.inpaint is not None:
            return self.inpaint.params
        return self._params.get(self._method, ())

    def set_mask(self, kept: masks.Mask, text: str, picture: str = "") -> None:
        """Keep these pixels [64, 64], as an undo step of its own; all of them end the mask."""
        picture = picture or self.masked_picture
        if not picture:
            self.refused.emit("Choose a picture in the tray to paint a mask on")
            return
        inpaint = None
        if not kept.all():
            inpaint = Inpaint(picture, masks.encode(kept), self.params, self.method)
        key = f"mask#{next(self._strokes)}"
        self._document.replace_sampling(text, key, inpaint=inpaint)

    def move_mask(self, picture: str) -> None:
        """Lay the mask on another picture."""
        self.set_mask(self.mask, "mask on another picture", picture)

    @Slot()
    def keep_nothing(self) -> None:
        """End the mask."""
        self._document.replace_sampling("no mask", inpaint=None)

    def set_method(self, method: str) -> None:
        """Draw the rest in another way, with the parameters that it had before."""
        self._params[self.method] = self.params
        self._method = method
        if self.inpaint is not None:
            changed = replace(self.inpaint, method=method, params=self._params.get(method, ()))
            self._document.replace_sampling("inpainting method", inpaint=changed)

    def set_params(self, params: Values) -> None:
        """Change the parameters of the method; edits that follow one another are one undo step."""
        self._params[self.method] = params
        if self.inpaint is not None:
            changed = replace(self.inpaint, params=params)
            self._document.replace_sampling("inpainting", "inpaint params", inpaint=changed)

    # --- pictures as the model takes them -------------------------------------------------------

    def unreadable(self, picture: str) -> bool:
        """Return whether a picture could not be read, or is in the tray no more."""
        key = self._key(picture)
        return key in self._squares and self._squares.get(key, lambda: None) is None

    def _key(self, picture: str) -> tuple[str, int, bool, Colour]:
        experiment = self._document.experiment
        return picture, experiment.sampling.size, *arrangement(experiment)

    def square(self, picture: str) -> Pixels | None:
        """Return a picture at the model's size, uint8 [size, size, 3]; None until it is read."""
        key = self._key(picture)
        _, size, pad, background = key
        if key in self._squares:
            return self._squares.get(key, lambda: None)
        if self._reading != key:
            self._reading = key

            def work(job: Job) -> tuple[Hashable, Pixels]:
                [pixels] = self._store.squares(
                    (PictureRef(picture, ""),), size, pad, background, job.poll
                )
                return key, pixels

            self._runner.submit(work)
        return None

    def noised(self) -> Pixels | None:
        """Return what the first sample of a run starts from: x_t, clipped for display.

        None without a start, for an inversion, which the model makes, and until it is read.
        """
        start, schedule = self.start, self._document.schedule
        if start is None or start.inverted or start.t > schedule.T:
            return None
        pixels = self.square(start.picture)
        if pixels is None:
            return None
        a, s = float(schedule.a[start.t]), float(schedule.s[start.t])
        x_0 = to_float(pixels)
        eps = gaussian(self._document.experiment.seed, 0, START, x_0.shape)
        scale = display_scale(a, s)
        return to_uint8(np.float32(scale * a) * x_0 + np.float32(scale * s) * eps)

    @Slot(object)
    def _on_read(self, read: tuple[Hashable, Pixels]) -> None:
        key, pixels = read
        self._squares.get(key, lambda: pixels)
        self._reading = None
        self.square_arrived.emit()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        """Show nothing in its place: why, the image panel says, and so does the run."""
        self._squares.get(self._reading, lambda: None)
        self._reading = None
        self.square_arrived.emit()
