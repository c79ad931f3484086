"""The reverse process in the background: one run at a time, live, pausable, recorded.

What crosses threads is an immutable experiment on the way in and uint8 frames on the way out; the
other side of it is `sampling_worker.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine.errors import EngineError, ran_out_of_memory
from diffusion_gui.engine.experiment import EMOJI, MOST_FORKS, Experiment, Fork
from diffusion_gui.engine.forecast import obstacle
from diffusion_gui.engine.lineage import lineage, shortest
from diffusion_gui.engine.trajectory import Trajectory
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.run_inputs import arrangement
from diffusion_gui.state.data_labels import DataLabels
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox, reason
from diffusion_gui.state.pace import Pace
from diffusion_gui.state.runs import Outcome, Run, Runs
from diffusion_gui.state.sampling_worker import Estimate, Order, SamplingWorker
from diffusion_gui.state.trial import Trial

__all__ = ["Estimate", "Run", "RunState", "SamplingController", "depends_on"]

LIVE_SECONDS = 1.0
"""An edit samples again at once where that is expected to take less than this."""
SETTLE_SECONDS = 0.4
"""A longer run that is under way starts again when no other edit has followed for this long."""
TRIAL_SECONDS = 3.0
"""A live run whose time nobody knows is given up if there is no second step after so long."""
PAINTING = 0.25
"""The share of the GUI thread that showing a run's progress may take: it shares the interpreter
with the run."""
HELD_SECONDS = 0.5
"""So long the result before stays on show while an edit's run is made: a drag shows results, not
noise that becomes one ten times a second."""


class RunState(StrEnum):
    """What the reverse process is doing."""

    IDLE = "idle"
    LOADING = "loading"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


_ENDED = {
    Outcome.DONE: RunState.DONE,
    Outcome.STOPPED: RunState.STOPPED,
    Outcome.FAILED: RunState.FAILED,
}


def plain(experiment: Experiment) -> Experiment:
    """Return the run that a fork without any other settings is the rest of; else the experiment."""
    experiment = shortest(experiment)
    fork = experiment.fork
    if fork is None:
        return experiment
    alone = replace(experiment, fork=fork.parent.fork)
    same = depends_on(alone) == depends_on(fork.parent)
    return plain(fork.parent) if same else experiment


def depends_on(experiment: Experiment) -> tuple[Any, ...]:
    """Return the parts of an experiment that its samples depend on."""
    sampling = experiment.sampling
    pictures = () if sampling.data == EMOJI else experiment.pictures
    start = sampling.start is not None
    kept = sampling.inpaint is not None
    arranged = arrangement(experiment) if pictures or start or kept else None
    return experiment.schedule, sampling, experiment.seed, experiment.fork, pictures, arranged


class SamplingController(QObject):
    """Starts, holds and ends runs of the document's experiment; `recorded` is the newest one.

    `state_changed` when `state`, `message` or `outdated` changed, `frames_changed` when a
    trajectory grew, `estimated` and `answered` with what was asked for. With `live`, a change of
    what a run depends on samples again, latest wins; where that would take long it is `offered`
    instead. Where nobody knows, the first steps tell, out of sight (`Trial`).
    """

    state_changed = Signal()
    frames_changed = Signal()
    device_known = Signal(str)
    estimated = Signal(object)
    answered = Signal(object)
    _started = Signal(object, object)

    def __init__(
        self,
        document: Document,
        store: PictureStore,
        device: str = "auto",
        live: bool = True,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._engine = SamplingWorker(store)
        self._device = device
        self._live = live
        self.state = RunState.IDLE
        self.message = ""
        self.recorded: Run | None = None
        self.runs = Runs(self)
        self.pace = Pace()
        self.labels = DataLabels()
        self.offered: float | None = None
        """The seconds that a run would take which `live` did not make; infinity: many, no more is
        known."""
        self._requested: Experiment | None = None
        self._answered: Experiment | None = None
        """The document's experiment at the last order: what came after it are edits."""
        self._run_device = device
        self._stopped: Run | None = None
        self._trial: Trial | None = None
        self._asked: Job | None = None
        self._began = 0.0
        self._patience = QTimer(self, singleShot=True, interval=round(1000.0 * HELD_SECONDS))
        self._patience.timeout.connect(self._show_progress)
        self._tried = QTimer(self, singleShot=True, interval=round(1000.0 * TRIAL_SECONDS))
        self._tried.timeout.connect(self._give_up)
        self._runner = JobRunner("sampling", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)
        self._mailbox = Mailbox(parent=self, share=PAINTING)
        self._mailbox.arrived.connect(self._on_frames)
        self._started.connect(self._on_started)
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self._on_later)
        document.changed.connect(self._on_document)

    @property
    def trajectory(self) -> Trajectory | None:
        """The frames of the newest run."""
        return self.recorded.trajectory if self.recorded else None

    @property
    def experiment(self) -> Experiment | None:
        """The experiment of the newest run (the document may have moved on)."""
        return self.recorded.experiment if self.recorded else None

    @property
    def live(self) -> bool:
        """Whether an edit samples again."""
        return self._live

    @live.setter
    def live(self, live: bool) -> None:
        if live != self._live:
            self._live = live
            self.state_changed.emit()

    @property
    def fleeting(self) -> Run | None:
        """The run whose place the next edit's takes, if there is one."""
        return self.runs.fleeting if self._live else None

    @property
    def active(self) -> bool:
        """True while a run is loading, running or paused."""
        return self.state in (RunState.LOADING, RunState.RUNNING, RunState.PAUSED)

    @property
    def shown_state(self) -> RunState:
        """The state to show: a live run that is over in a moment leaves all at the one before."""
        return RunState.DONE if self._patience.isActive() else self.state

    @property
    def outdated(self) -> bool:
        """True if the document asks for other samples than the last run was asked for."""
        return self._is_other(self._requested)

    @property
    def _edited(self) -> bool:
        """True if `live` has something to sample: edits since the last order, and not yet seen."""
        return self.outdated and self._is_other(self._answered)

    def differs(self, run: Run) -> bool:
        """Return whether the document asks for other samples than those of a run."""
        return self._is_other(run.experiment)

    def _is_other(self, asked: Experiment | None) -> bool:
        wanted = self._document.experiment
        return asked is not None and depends_on(plain(asked)) != depends_on(plain(wanted))

    @property
    def armed(self) -> tuple[Run, int] | None:
        """The run and the step that a fork goes on from whose settings are no others yet."""
        wanted = self._document.experiment
        fork = wanted.fork
        if fork is None or plain(wanted) is wanted or self.active:
            return None
        parent = self.runs.find(fork.parent)
        return (parent, fork.step) if parent is not None else None

    @property
    def obstacle(self) -> str:
        """Why the document's model, guidance or pictures allow no run; "" where they do."""
        experiment = self._document.experiment
        return obstacle(experiment, self.labels.of(experiment))

    @property
    def device(self) -> str:
        """The device wished for."""
        return self._device

    def set_device(self, device: str) -> None:
        """Use another device from the next run on; a run in progress starts again there."""
        if device != self._device:
            self._device = device
            if self.active and self._stopped is not None:
                begun = self.recorded is not None and self.recorded.outcome is Outcome.RUNNING
                finishing = self.recorded if begun and self.recorded else self._stopped
                self.stop()
                self.finish(finishing)
            elif self.active:
                self.run()

    def run(self) -> None:
        """Start a run of the current experiment; a run in progress is superseded."""
        self._submit()

    def fork(self, run: Run, step: int) -> None:
        """Go on from a step of a run with the document's settings, as an undoable step.

        Size and count become those of the run. A run that is held is stopped. Nothing is sampled
        yet, unless settings are others and `live` does. A run that is the last of as many forks as
        there may be is not forked: `message` says so.
        """
        if sum(1 for _ in lineage(run.experiment)) > MOST_FORKS:
            line = f"{run.title} is the last of {MOST_FORKS} forks in a row; fork an earlier one"
            self._set_state(self.state, line)
            return
        if self.state is RunState.PAUSED:
            self.stop()
        had, wish = run.experiment.sampling, self._document.experiment
        sampling = replace(wish.sampling, size=had.size, count=had.count)
        forked = replace(wish, sampling=sampling, fork=Fork(run.experiment, step))
        self._document.replace(forked, f"fork {run.title} at step {step}")

    def unfork(self) -> None:
        """Sample from the beginning again, as an undoable step."""
        self._document.replace(replace(self._document.experiment, fork=None), "no fork")

    def finish(self, run: Run) -> None:
        """Go on with a run that was stopped, to its end; it keeps its place in the list."""
        if run.outcome is Outcome.STOPPED:
            fork = run.experiment.fork
            parent = self.runs.find(fork.parent) if fork is not None else None
            self._requested, self._answered = run.experiment, self._document.experiment
            self._patience.stop()
            self._order(Order(run.experiment, self._device, run.live, parent, run))

    def ask(self, work: Callable[[Job, SamplingWorker], object]) -> Job | None:
        """Do other work in the thread of the runs; `answered` brings what it returns.

        It must not raise. A run that begins cancels it, and so does another question. Returns
        None, and does nothing, while a run is active.
        """
        if self.active:
            return None
        asked = self._asked = self._runner.submit(lambda job: work(job, self._engine))
        self.state_changed.emit()  # who had asked before hears that it was cancelled
        return asked

    @property
    def asked(self) -> bool:
        """True while the thread works on what it was asked."""
        return self._asked is not None and self._asked is self._runner.job

    def ask_no_more(self) -> None:
        """Give up what was asked; a run goes on."""
        if self.asked:
            self._runner.cancel()
            self.state_changed.emit()

    def run_unless_begun(self) -> None:
        """Start a run unless exactly this one is under way."""
        if not self.active or self.state is RunState.PAUSED or self.outdated:
            self.run()

    def step(self) -> None:
        """Make one step: of the paused run, or of a new run that is then paused."""
        job = self._runner.job
        if self.state is RunState.PAUSED and job is not None:
            job.allow_step()
        elif self.active:
            self.pause()
        else:
            self._submit(paused=True)

    def pause(self) -> None:
        """Hold the run before its next step, one that is loading before its first."""
        job = self._runner.job
        if self.state in (RunState.LOADING, RunState.RUNNING) and job is not None:
            job.pause()
            self._set_state(RunState.PAUSED)

    def resume(self) -> None:
        """Go on with a paused run."""
        job = self._runner.job
        if self.state is RunState.PAUSED and job is not None:
            self._set_state(RunState.RUNNING)
            job.resume()

    def stop(self) -> None:
        """End the run now; the frames made so far are kept, and the run stays in the list."""
        self._later.stop()
        self._patience.stop()
        if self.active:
            self._end_trial()
            self._runner.cancel()
            if self.recorded is not None and self.recorded.outcome is Outcome.RUNNING:
                self.runs.keep(self.recorded)
            self._end(Outcome.STOPPED)
            self._set_state(RunState.STOPPED)

    def estimate(self, picture: str, t: int) -> bool:
        """Ask the document's model for x0_hat of a picture at `t` in 1..T; `estimated` answers.

        A newer question supersedes an older. Returns False, and asks nothing, while a run is
        active, or other work is done: the model and the device are its own.
        """
        if self.active or self.asked:
            return False
        experiment, device = self._document.experiment, self._device

        def work(job: Job) -> Estimate:
            return self._engine.estimate(job, experiment, device, picture, t)

        self._runner.submit(work)
        return True

    def shutdown(self) -> None:
        """End the run and the background thread; nothing is started afterwards."""
        self._live = False
        for timer in (self._later, self._patience, self._tried):
            timer.stop()
        self._runner.shutdown()
        self._mailbox.close()

    def _submit(self, paused: bool = False, live: bool = False) -> None:
        before = self._trial.before if self._trial is not None else self._requested
        experiment = self._requested = self._answered = self._document.experiment
        if not live:
            self._patience.stop()
        elif self.state is RunState.DONE:
            self._patience.start()
        fork = experiment.fork
        parent = self.runs.find(fork.parent) if fork is not None else None
        self._order(Order(experiment, self._device, live, parent), paused)
        if live and not self.pace.knows(experiment, self._device):
            self._trial = Trial(before)
            self._tried.start()

    def _order(self, order: Order, paused: bool = False) -> None:
        if self.active:
            self._end(Outcome.STOPPED)
        self._run_device, self.offered = order.device, None
        self._trial = None
        self._tried.stop()
        self._later.stop()
        self._stopped, mailbox = order.stopped, self._mailbox

        def work(job: Job) -> Run:
            started = partial(self._started.emit, job)
            return self._engine.execute(job, order, started, mailbox.put)

        self._runner.submit(work, held=paused)
        self._set_state(RunState.PAUSED if paused else RunState.LOADING)

    @Slot()
    def _on_document(self) -> None:
        """Sample again where that is wanted: now if it is quick, else offer it."""
        self.offered = None
        held = self.state in (RunState.IDLE, RunState.PAUSED)
        idle = held or not self.live or not self._edited
        if idle or self.armed or self.obstacle:
            self.state_changed.emit()
            return
        self._learn()
        expected = self.pace.expected(self._document.experiment, self._device) or 0.0
        if self.state is RunState.RUNNING:
            self._restart(expected >= LIVE_SECONDS)
        elif expected >= LIVE_SECONDS and self._trial is not None:
            self._withdraw(expected)
        elif expected >= LIVE_SECONDS and self.state is not RunState.LOADING:
            self.offered = expected
        else:
            self._submit(live=True)
            return
        self.state_changed.emit()

    def _restart(self, settle: bool) -> None:
        """Let an edit take effect in a run that is under way, now or soon.

        A short run may end first, or a long drag would show nothing.
        """
        left = LIVE_SECONDS - (time.monotonic() - self._began)
        if settle:
            self._later.stop()
            self._start_later(max(left, SETTLE_SECONDS))
        elif left > 0.0:
            self._start_later(left)
        else:
            self._submit(live=True)

    def _learn(self) -> None:
        """Learn from the newest run how long its model calls take."""
        if self.recorded is not None and self.state is not RunState.LOADING:
            self.pace.learn(self.recorded, self._run_device)

    def _start_later(self, seconds: float) -> None:
        if not self._later.isActive():
            self._later.start(round(1000.0 * seconds))

    @Slot()
    def _on_later(self) -> None:
        if not self.live or not self._edited or self.state is RunState.PAUSED:
            return
        if not self.obstacle:
            self._submit(live=True)

    @Slot(object, object)
    def _on_started(self, job: Job, run: Run) -> None:
        if job is not self._runner.job:
            return  # late news of a run that was superseded
        self.device_known.emit(run.device)
        if self._trial is not None:
            self._trial.run = run
        else:
            self._take_in(run)

    def _take_in(self, run: Run) -> None:
        self.recorded = run
        if self._stopped is not None:
            self.runs.replace(self._stopped, run)
        else:
            self.runs.add(run)
        self._began = time.monotonic()
        if self.state is RunState.LOADING:
            self._set_state(RunState.RUNNING)

    # --- a run whose time nobody knows ------------------------------------------------------

    def _judge(self) -> None:
        """Make a trial a run like others if it is quick, else offer it."""
        seconds = self._trial.expected if self._trial is not None else None
        if seconds is None:
            return
        if seconds < LIVE_SECONDS:
            self._end_trial()
        else:
            self._refuse(seconds)

    def _end_trial(self) -> None:
        """Take what was tried into the list, as far as it has come."""
        trial, self._trial = self._trial, None
        self._tried.stop()
        if trial is not None and trial.run is not None:
            self._take_in(trial.run)

    def _refuse(self, seconds: float) -> None:
        """Give the trial up for what it has shown."""
        trial = self._trial
        if trial is None:
            return
        if trial.run is not None and math.isfinite(seconds):
            self.pace.learn(trial.run, self._run_device)
        elif self._requested is not None:
            self.pace.doubt(self._requested, self._run_device)
        self._withdraw(seconds)

    def _withdraw(self, seconds: float) -> None:
        """Leave all as it was before the trial, and offer a run that takes so many seconds."""
        trial, self._trial = self._trial, None
        assert trial is not None
        self._tried.stop()
        self._patience.stop()
        self._runner.cancel()
        self._requested = self._answered = trial.before
        self.offered = seconds
        last = self.recorded
        ended = _ENDED.get(last.outcome) if last is not None else None
        self._set_state(ended or RunState.STOPPED, last.message if last is not None else "")

    @Slot()
    def _give_up(self) -> None:
        self._judge()
        self._refuse(math.inf)

    # --- what the thread tells --------------------------------------------------------------

    @Slot(list)
    def _on_frames(self, newest: list[Trajectory]) -> None:
        trial = self._trial.run if self._trial is not None else None
        if trial is not None and newest[-1] is trial.trajectory:
            self._judge()
        run = self.recorded
        if run is not None and newest[-1] is run.trajectory:
            self._learn()
            if not self._patience.isActive():
                self.frames_changed.emit()
            if self.active and run.message != self.message:
                self._set_state(self.state, run.message)

    @Slot()
    def _show_progress(self) -> None:
        """Show a live run that is not over yet."""
        self.frames_changed.emit()
        self.state_changed.emit()

    @Slot(object)
    def _on_done(self, result: object) -> None:
        if isinstance(result, Estimate):
            self.estimated.emit(result)
        elif isinstance(result, Run):
            self._on_run_done(result)
        else:
            self.answered.emit(result)
            self.state_changed.emit()

    def _on_run_done(self, run: Run) -> None:
        self._end_trial()
        self._learn()
        self._patience.stop()
        self.runs.end(run, Outcome.DONE)
        self.frames_changed.emit()
        self._set_state(RunState.DONE, run.message)
        if self.live and self._edited:
            self._on_document()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        line = _why(error)
        self._end_trial()
        self._patience.stop()
        self._end(Outcome.FAILED, line)
        self.frames_changed.emit()
        self._set_state(RunState.FAILED, line)

    def _end(self, outcome: Outcome, message: str = "") -> None:
        """Note how the newest run ended, if it had begun."""
        if self.recorded is not None and self.recorded.outcome is Outcome.RUNNING:
            self._learn()
            self.runs.end(self.recorded, outcome, message)

    def _set_state(self, state: RunState, message: str = "") -> None:
        self.state = state
        self.message = message
        self.state_changed.emit()


def _why(error: Exception) -> str:
    """Return in one line why a run failed."""
    if isinstance(error, EngineError) or ran_out_of_memory(error):
        return reason(error, "lower the count or the size of the samples")
    name, text = type(error).__name__, reason(error)
    what = f"{name}: {text}" if text != name else f"{name} in the model or the sampler"
    return f"the run failed: press Run to try again, or choose another model or sampler. {what}"
