"""The thread of the runs as the GUI thread sees it: one run at a time, or other work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.trajectory import Trajectory
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.few_cores import paced
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox
from diffusion_gui.state.run import Run
from diffusion_gui.state.sampling_worker import Estimate, Order, SamplingWorker

PREVIEW_MS = 66
"""Between two looks at a run that is made: more often is no better to see."""
PAINTING = paced(usual=0.08, few=0.05)
"""The share of the GUI thread that showing a run's progress may take: it shares the interpreter
with the run, and the processor's cache and clock."""


class RunThread(QObject):
    """What begins supersedes what was under way, of which nothing more is heard.

    `begun(run)` when the model of a run is built, `grown(trajectory)` now and then while it is
    made, then `ended(run)` or `failed(error)`. `estimated` and `answered` with what was asked for.
    """

    begun = Signal(object)
    grown = Signal(object)
    ended = Signal(object)
    failed = Signal(object)
    estimated = Signal(object)
    answered = Signal(object)
    _started = Signal(object, object)

    def __init__(
        self, store: PictureStore, networks: NetworkStore, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._worker = SamplingWorker(store, networks)
        self._asked: Job | None = None
        self._runner = JobRunner("sampling", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self.failed)
        self._mailbox = Mailbox(PREVIEW_MS, parent=self, share=PAINTING)
        self._mailbox.arrived.connect(self._on_frames)
        self._started.connect(self._on_started)

    @property
    def job(self) -> Job | None:
        """What is under way."""
        return self._runner.job

    def execute(self, order: Order, held: bool = False) -> None:
        """Begin a run; with `held` it waits before its first step."""
        mailbox = self._mailbox

        def work(job: Job) -> Run:
            started = partial(self._started.emit, job)
            return self._worker.execute(job, order, started, mailbox.put)

        self._runner.submit(work, held=held)

    def ask(self, work: Callable[[Job, SamplingWorker], object]) -> Job:
        """Do other work, which must not raise; `answered` brings what it returns."""
        asked = self._asked = self._runner.submit(lambda job: work(job, self._worker))
        return asked

    @property
    def asked(self) -> bool:
        """True while the thread works on what it was asked."""
        return self._asked is not None and self._asked is self._runner.job

    def estimate(self, experiment: Experiment, device: str, picture: str, t: int) -> None:
        """Ask the model of an experiment for x0_hat of a picture at `t`; `estimated` answers."""

        def work(job: Job) -> Estimate:
            return self._worker.estimate(job, experiment, device, picture, t)

        self._runner.submit(work)

    def cancel(self) -> None:
        """End what is under way."""
        self._runner.cancel()

    def shutdown(self) -> None:
        """End what is under way, and the thread; safe to call twice."""
        self._runner.shutdown()
        self._mailbox.close()

    @Slot(object, object)
    def _on_started(self, job: Job, run: Run) -> None:
        if job is self._runner.job:  # else late news of a run that was superseded
            self.begun.emit(run)

    @Slot(list)
    def _on_frames(self, newest: list[Trajectory]) -> None:
        self.grown.emit(newest[-1])

    @Slot(object)
    def _on_done(self, result: object) -> None:
        if isinstance(result, Estimate):
            self.estimated.emit(result)
        elif isinstance(result, Run):
            self.ended.emit(result)
        else:
            self.answered.emit(result)
