"""Round trips of pictures in the thread of the runs: image to noise to image, with the error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import Cancelled
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, Mailbox, reason
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.sampling_worker import SamplingWorker

if TYPE_CHECKING:
    from diffusion_gui.engine.trips import Trip


@dataclass(frozen=True, slots=True)
class Told:
    """What a trip belongs to: which picture, with which settings."""

    picture: str
    experiment: Experiment
    iterations: int


@dataclass(frozen=True, slots=True, eq=False)
class _News:
    """From the thread: model calls made, of how many, and a picture's trip when it is there."""

    job: Job
    done: int
    total: int
    arrived: tuple[Told, Trip] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Ended:
    """The answer: all trips were made, or why not."""

    job: Job
    problem: str = ""


class RoundTrips(QObject):
    """Asks the sampling controller's thread; what begins there afterwards takes its place.

    `changed` when `trips`, `busy`, `progress` or `message` changed.
    """

    changed = Signal()

    def __init__(
        self, document: Document, controller: SamplingController, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._controller = controller
        self._job: Job | None = None
        self.trips: list[tuple[Told, Trip]] = []
        self.progress = (0, 0)
        """Model calls made, and of how many."""
        self.message = ""
        """Why the last wish was not fulfilled, in one line."""
        self._mailbox = Mailbox(newest_only=False, parent=self)
        self._mailbox.arrived.connect(self._on_news)
        controller.answered.connect(self._on_answered)
        controller.state_changed.connect(self._on_state)

    @property
    def busy(self) -> bool:
        """True while trips are being made."""
        return self._job is not None

    def make(self, pictures: Sequence[str], iterations: int) -> None:
        """Make the trips of pictures with the document's model, one after the other."""
        experiment, device = self._document.experiment, self._controller.device
        wanted, mailbox = tuple(pictures), self._mailbox

        def work(job: Job, engine: SamplingWorker) -> _Ended:
            try:
                _travel(job, engine, experiment, device, wanted, iterations, mailbox)
            except Cancelled:
                raise
            except Exception as error:  # whatever it is, it is said where it was asked
                return _Ended(job, reason(error, "lower the size of the samples"))
            return _Ended(job)

        if not wanted:
            self._say("Choose a picture in the tray first")
            return
        self._mailbox.close()
        job = self._controller.ask(work)
        if job is None:
            self._say("A run is under way: stop it, or wait for its end")
            return
        self._job, self.trips, self.progress = job, [], (0, 0)
        self._say("")

    @Slot()
    def cancel(self) -> None:
        """Stop; the trips made so far are kept."""
        if self._job is not None:
            self._job.cancel()
            self._finish("stopped")

    def shutdown(self) -> None:
        """Hear nothing more; safe to call twice."""
        self._mailbox.close()

    def _finish(self, message: str = "") -> None:
        self._job = None
        self._say(message)

    def _say(self, message: str) -> None:
        self.message = message
        self.changed.emit()

    @Slot(object)
    def _on_news(self, news: list[_News]) -> None:
        for one in news:
            if one.job is self._job or (self._job is None and one.arrived):
                self.progress = one.done, one.total
                if one.arrived is not None:
                    self.trips.append(one.arrived)
        self.changed.emit()

    @Slot(object)
    def _on_answered(self, answer: object) -> None:
        if isinstance(answer, _Ended) and answer.job is self._job:
            self._finish(answer.problem)

    @Slot()
    def _on_state(self) -> None:
        if self._job is not None and self._job.cancelled:
            begun = self._controller.active
            self._finish(f"stopped: {'a run has begun' if begun else 'something else was asked'}")


def _travel(
    job: Job,
    engine: SamplingWorker,
    experiment: Experiment,
    device: str,
    pictures: Sequence[str],
    iterations: int,
    mailbox: Mailbox,
) -> None:
    """Make the trips in the thread, and tell of each model call."""
    from diffusion_gui.engine.torch_loading import import_torch

    import_torch()
    from diffusion_gui.engine.trips import trip_calls

    total, made = len(pictures) * trip_calls(experiment, iterations), 0

    def counted() -> None:
        nonlocal made
        made += 1
        mailbox.put(_News(job, made, total))

    for picture in pictures:
        trip = engine.round_trip(job, experiment, device, picture, iterations, counted)
        mailbox.put(_News(job, made, total, (Told(picture, experiment, iterations), trip)))
