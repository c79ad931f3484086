"""What the next run will cost, kept up with the settings: model calls, time, memory, obstacles.

The time is that of the last run with the same model, data, size, count and device, by the model
call; where there was none, of one of another size or count. Nothing here waits for torch: the
counting is done on numbers alone.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.forecast import Forecast, Problems, forecast
from diffusion_gui.engine.networks import About
from diffusion_gui.engine.numerals import size
from diffusion_gui.engine.schedules import SPACINGS
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import JobRunner
from diffusion_gui.state.networks import Networks
from diffusion_gui.state.sampling import SamplingController

MANY_STEPS = 100
"""From so many on the counting is done in a thread, when the edits have come to rest."""
REST_MS = 150


class Forecaster(QObject):
    """`changed` when `forecast`, `seconds` or `problems` is another."""

    changed = Signal()
    networks_changed = Signal()
    """There are other trained networks; what was worked out is worked out anew."""

    def __init__(
        self,
        document: Document,
        controller: SamplingController,
        parent: QObject | None = None,
        networks: Networks | None = None,
    ) -> None:
        super().__init__(parent)
        if networks is not None:
            networks.changed.connect(self._on_networks)
        self._document = document
        self._controller = controller
        self.forecast: Forecast | None = None
        self.problems: Problems = {}
        self._runner = JobRunner("forecast", self)
        self._runner.done.connect(self._take)
        self._soon = QTimer(self, singleShot=True)
        self._soon.timeout.connect(self.refresh)
        document.changed.connect(self._on_document)
        controller.state_changed.connect(self.changed)
        controller.frames_changed.connect(self._on_frames)
        self._said = ""
        self._asked: Experiment | None = None
        self._closed = False

    def shutdown(self) -> None:
        """Count nothing more, end the thread; safe to call twice."""
        self._closed = True
        self._soon.stop()
        self._runner.shutdown()

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each image that the document's model learns from."""
        return self._controller.labels.of(self._document.experiment)

    @property
    def network(self) -> About | None:
        """What the document's trained network says of itself; None for another model."""
        return self._controller.about(self._document.experiment)

    @property
    def seconds(self) -> float | None:
        """The time of a run with the document's settings, None before there is one to go by.

        Of another size, count or parameters it is in proportion to the pixels.
        """
        controller = self._controller
        each = controller.pace.nearest(self._document.experiment, controller.device)
        return each * (self.forecast.calls - self._old_calls()) if self.forecast and each else None

    def _old_calls(self) -> int:
        """Return how many of the calls a fork need not make: they are on its run's tape."""
        fork = self._document.experiment.fork
        if fork is None or self.forecast is None:
            return 0
        parent = self._controller.runs.find(fork.parent)
        return self.forecast.shared_calls if parent is not None and parent.tape else 0

    @property
    def problem(self) -> str:
        """The first thing that stands in a run's way, as a sentence; "" if there is none."""
        return sentence(next(iter(self.problems.values()), ""))

    @property
    def text(self) -> str:
        """The forecast in one line, or what stands in the run's way."""
        told = self.forecast
        if told is None:
            return self.problem
        old = self._old_calls()
        new = f" ({told.calls - old:,} new)" if old > 0 else ""
        parts = [f"NFE {told.calls:,}{new}", *self._fewer(told), self._time()]
        parts.append(f"keeps {told.kept:,} of {told.steps + 1:,} steps, {size(told.kept_bytes)}")
        if told.model_bytes is not None:
            parts.append(f"model {size(told.model_bytes)}")
        return "   ".join(parts)

    def _fewer(self, told: Forecast) -> list[str]:
        """Return, in a list, why a run makes fewer steps than were asked for."""
        experiment = self._document.experiment
        sampling, T = experiment.sampling, experiment.schedule.T
        first = sampling.start.t if sampling.start is not None else T
        row = SPACINGS.get(sampling.spacing)
        counts = row is not None and not row.listed and experiment.fork is None
        if not counts or sampling.steps <= first or told.steps >= sampling.steps:
            return []
        where = "T" if first == T else "t"
        return [f"no more than {first:,} steps from {where} = {first:,}"]

    def _time(self) -> str:
        controller, seconds = self._controller, self.seconds
        if not seconds:
            return "time unknown until the first run"
        like = controller.pace.per_call(self._document.experiment, controller.device)
        return f"{'about' if like else 'roughly'} {spoken(seconds)}"

    @Slot()
    def refresh(self) -> None:
        """Work all of it out for the document's settings, unless that is done already."""
        self._soon.stop()
        experiment, labels = self._document.experiment, self.labels
        network = self.network
        if experiment is self._asked:
            return
        self._asked = experiment
        self._runner.cancel()
        if _quick(experiment):
            self._take(forecast(experiment, labels, network))
        else:
            self._runner.submit(lambda job: forecast(experiment, labels, network))

    @Slot(object)
    def _take(self, told: tuple[Forecast | None, Problems]) -> None:
        self.forecast, self.problems = told
        self.changed.emit()

    @Slot()
    def _on_frames(self) -> None:
        """A run that goes on tells better and better how long its like takes."""
        if (text := self.text) != self._said:
            self._said = text
            self.changed.emit()

    @Slot()
    def _on_networks(self) -> None:
        self._asked = None
        self._on_document()
        self.networks_changed.emit()

    @Slot()
    def _on_document(self) -> None:
        if self._closed:
            return
        quick = _quick(self._document.experiment)
        if not quick or not self._soon.isActive():
            self._soon.start(0 if quick else REST_MS)


def _quick(experiment: Experiment) -> bool:
    """Return whether a few milliseconds are enough to count the model calls."""
    sampling = experiment.sampling
    again = bool(sampling.restart) or sampling.inpaint is not None or experiment.fork is not None
    return sampling.steps < MANY_STEPS and not again


def sentence(line: str) -> str:
    """Return what the engine says with a capital, as a line on its own."""
    return line[:1].upper() + line[1:]


def spoken(seconds: float) -> str:
    """Return a time with sensible digits: 40 ms, 1.2 s, 3 min."""
    if seconds < 1.0:
        return f"{max(seconds * 1000.0, 1.0):.2g} ms" if seconds < 0.0995 else f"{seconds:.2f} s"
    if seconds < 120.0:
        return f"{seconds:.1f} s" if seconds < 10.0 else f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min"
