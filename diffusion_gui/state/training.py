"""Training in the background: started, held and ended; how far it is, and what it draws.

What crosses threads is frozen: a plan and uint8 pictures on the way in; numbers, uint8 pictures and
finished networks on the way out. The other side is `training_worker.py`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.session import training_home
from diffusion_gui.session.training_home import Files
from diffusion_gui.session.training_samples import thin
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import JobRunner, Mailbox, reason
from diffusion_gui.state.networks import Networks
from diffusion_gui.state.run_state import RunState
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.training_plans import TrainingPlans
from diffusion_gui.state.training_worker import (
    TrainedNews,
    TrainingNews,
    TrainingOrder,
    TrainingWorker,
)

if TYPE_CHECKING:
    from diffusion_gui.engine.training.copies import ProgressSamples

SMALLER = "choose a smaller network, size or batch"


class TrainState(StrEnum):
    """What the training is doing."""

    IDLE = "idle"
    LOADING = "loading"
    """It was asked for; torch, pictures or a checkpoint are being read."""
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    """The step under way ends, then the checkpoint is written."""
    STOPPED = "stopped"
    """Ended before its limit; can be resumed."""
    DONE = "done"
    FAILED = "failed"


ACTIVE = (TrainState.LOADING, TrainState.RUNNING, TrainState.PAUSED, TrainState.STOPPING)


class TrainingController(QObject):
    """One training at a time, of `plans.plan`.

    `state_changed` when `state`, `waiting` or `message` did, `progressed` with new numbers,
    `sampled` with new samples, `trained` with the newest network, `ref`.
    """

    state_changed = Signal()
    progressed = Signal()
    sampled = Signal()
    trained = Signal()

    def __init__(
        self,
        document: Document,
        plans: TrainingPlans,
        sampling: SamplingController,
        networks: Networks,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document, self._sampling, self._networks = document, sampling, networks
        self.plans = plans
        self.state = TrainState.IDLE
        self.message = ""
        """One line: what went wrong, or what the training has to do without."""
        self.waiting = False
        """Whether the training waits for a run of the reverse process."""
        self.files: Files | None = None
        """Those of the training under way, or of the last one."""
        self.news: TrainingNews | None = None
        self.samples: list[ProgressSamples] = []
        self.ref: NetworkRef | None = None
        """The newest network of the training."""
        self._order: TrainingOrder | None = None
        self._build_thread()
        sampling.state_changed.connect(self._on_sampling)
        plans.data_changed.connect(self._on_data)

    def _build_thread(self) -> None:
        self._runner = JobRunner("training", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)
        self._numbers = Mailbox(100, parent=self, share=0.25)
        self._numbers.arrived.connect(self._on_numbers)
        self._others = Mailbox(100, newest_only=False, parent=self)
        self._others.arrived.connect(self._on_others)

    @property
    def active(self) -> bool:
        """True from the wish to train until the last checkpoint is written."""
        return self.state in ACTIVE

    @property
    def saved(self) -> bool:
        """Whether there is a checkpoint to copy."""
        if self.files is None:
            return False
        reached = self.news is not None and self.news.progress.saved > 0
        return reached or (not self.active and self.plans.opened is not None)

    def open(self, path: str) -> None:
        """Plan to go on with a training; `message` says why that cannot be."""
        try:
            self.plans.open(path)
        except EngineError as error:
            self._set_state(self.state, str(error))
            return
        self._forget()
        self._set_state(TrainState.IDLE)

    @Slot(str)
    def begin_with(self, path: str) -> None:
        """Plan to begin with the weights of a model; `message` says why that cannot be."""
        try:
            self.plans.begin_with(Path(path))
        except EngineError as error:
            self._set_state(self.state, str(error))

    def begin_anew(self) -> None:
        """Plan a training from random weights again."""
        if not self.active:
            self.plans.begin_anew()
            self._forget()
            self._set_state(TrainState.IDLE)

    def start(self) -> None:
        """Train as planned, from random weights or from what was opened."""
        if self.active:
            return
        try:
            self.plans.plan.options.check()
        except EngineError as error:
            self._set_state(TrainState.FAILED, str(error))
            return
        self.plans.watch()
        self.plans.locked = True
        self._set_state(TrainState.LOADING)
        self._on_data()

    def pause(self) -> None:
        """Hold the training after the step under way, with a checkpoint."""
        job = self._runner.job
        if self.state is TrainState.RUNNING and job is not None:
            job.pause()
            self.keep()
            self.waiting = False
            self._set_state(TrainState.PAUSED, self.message)

    def keep(self) -> None:
        """Have what was learned saved: after the step under way, or at once where it is held."""
        job = self._runner.job
        if self._order is not None and job is not None:
            self._order.keep.set()
            job.nudge()

    def resume(self) -> None:
        """Go on with a paused training, as soon as no run of the reverse process is under way."""
        job = self._runner.job
        if self.state is TrainState.PAUSED and job is not None:
            self._set_state(TrainState.RUNNING, self.message)
            self._on_sampling()
            if not self.waiting:
                job.resume()

    def stop(self) -> None:
        """End the training after the step under way, with a checkpoint that it goes on from."""
        job = self._runner.job
        if self._order is not None and job is not None:
            self._order.stop.set()
            self.waiting = False
            self._set_state(TrainState.STOPPING, self.message)
            job.resume()
        elif self.state is TrainState.LOADING:
            self._end(TrainState.STOPPED)

    def shutdown(self) -> None:
        """End the training with a checkpoint, and the threads; safe to call twice."""
        self._runner.shutdown()
        self.plans.shutdown()
        for box in (self._numbers, self._others):
            box.close()

    @Slot()
    def _on_data(self) -> None:
        """Begin as soon as the pictures are there."""
        if self.state is TrainState.LOADING and self._order is None:
            if self.plans.problem:
                self._end(TrainState.FAILED, self.plans.problem)
            elif self.plans.data is not None:
                self._execute()

    def _execute(self) -> None:
        plans, data = self.plans, self.plans.data
        assert data is not None
        if plans.opened is None:
            self._forget()
            self.files = training_home.new_files(plans.folder, plans.plan.name)
        else:
            self.files = plans.opened.files
        files, resumes = self.files, plans.opened is not None
        pictures, schedule = data.set.pictures, self._document.schedule
        plans.fix_levels()
        self._networks.expect(files.model)
        order = TrainingOrder(
            plans.plan, pictures, schedule, files, resumes, files.stem, tuple(self.samples)
        )
        self._order = order
        self._runner.submit(TrainingWorker(order, self._numbers.put, self._others.put).train)

    def _forget(self) -> None:
        """Show nothing of the training before."""
        self.news, self.ref, self.files = None, None, None
        self.samples.clear()
        self.sampled.emit()
        self.progressed.emit()

    @Slot()
    def _on_sampling(self) -> None:
        """Wait while a run of the reverse process is made: both want every core."""
        job = self._runner.job
        if self.state is not TrainState.RUNNING or job is None:
            return
        busy = self._sampling.state in (RunState.LOADING, RunState.RUNNING)
        if busy != self.waiting:
            self.waiting = busy
            if busy:
                job.pause()
            else:
                job.resume()
            self.state_changed.emit()

    # --- what the thread tells ----------------------------------------------------------------

    @Slot(list)
    def _on_numbers(self, newest: list[TrainingNews]) -> None:
        self.news = newest[-1]
        if self.state is TrainState.LOADING:
            self._set_state(TrainState.RUNNING)
            self._on_sampling()
        line = self.news.progress.problem or self.news.told
        if line != self.message:
            self._set_state(self.state, line)
        self.progressed.emit()

    @Slot(list)
    def _on_others(self, others: list[object]) -> None:
        for news in others:
            if isinstance(news, TrainedNews):
                self._networks.renew(self.ref, news.ref, news.network)
                self.ref = news.ref
                self.trained.emit()
            else:
                self.samples.append(news)  # type: ignore[arg-type]
                thin(self.samples)
                self.sampled.emit()

    @Slot(object)
    def _on_done(self, stopped: bool) -> None:
        self._deliver()
        self._end(TrainState.STOPPED if stopped else TrainState.DONE, self.message)

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self._deliver()
        self._end(TrainState.FAILED, reason(error, SMALLER))

    def _deliver(self) -> None:
        """Take in what the thread has put before its end."""
        self._others.flush()
        self._numbers.flush()

    def _end(self, state: TrainState, line: str = "") -> None:
        """Note how a training ended; it is what the next one goes on from, if it was saved."""
        trained, self._order, self.waiting = self._order is not None, None, False
        self.plans.locked = False
        self._set_state(state, line)
        if trained and self.files is not None:
            self.plans.settle(self.files)

    def _set_state(self, state: TrainState, message: str = "") -> None:
        self.state, self.message = state, message
        self.state_changed.emit()
