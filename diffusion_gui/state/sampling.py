"""The reverse process in the background: one run at a time, live, pausable, recorded.

What crosses threads is an immutable experiment on the way in and uint8 frames on the way out; the
other side of it is `sampling_worker.py`.
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Slot

from diffusion_gui.engine.denoisers import LEARNED
from diffusion_gui.engine.experiment import MOST_FORKS, Experiment, Fork
from diffusion_gui.engine.forecast import obstacle
from diffusion_gui.engine.lineage import lineage
from diffusion_gui.engine.networks import About
from diffusion_gui.engine.run_words import model_name
from diffusion_gui.engine.trajectory import Trajectory
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.data_labels import DataLabels
from diffusion_gui.state.dependence import plain, same_samples
from diffusion_gui.state.document import Document
from diffusion_gui.state.live import LiveSampling
from diffusion_gui.state.pace import Pace
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.run_control import RunControl
from diffusion_gui.state.run_state import ENDED, RunState, failure
from diffusion_gui.state.sampling_worker import Estimate, Order
from diffusion_gui.state.trial import Trial

__all__ = ["Estimate", "Run", "RunState", "SamplingController"]


class SamplingController(RunControl):
    """Starts, holds and ends runs of the document's experiment; `recorded` is the newest one.

    `state_changed` also when `outdated` did. With `live`, a change of what a run depends on samples
    again, latest wins; where that would take long it is `offered` instead. Where nobody knows, the
    first steps tell, out of sight (`Trial`).
    """

    def __init__(
        self,
        document: Document,
        store: PictureStore,
        device: str = "auto",
        live: bool = True,
        parent: QObject | None = None,
        networks: NetworkStore | None = None,
    ) -> None:
        super().__init__(store, networks, parent)
        self._document = document
        self._device = device
        self._live = live
        self.labels = DataLabels()
        self._requested: Experiment | None = None
        self._answered: Experiment | None = None
        """The document's experiment at the last order: what came after it are edits."""
        self._stopped: Run | None = None
        self._judge = LiveSampling(self)
        self._bind()

    def _bind(self) -> None:
        self._document.changed.connect(self._on_document)
        thread, judge = self._thread, self._judge
        thread.begun.connect(self._on_begun)
        thread.grown.connect(self._on_grown)
        thread.ended.connect(self._on_ended)
        thread.failed.connect(self._on_failed)
        judge.due.connect(self._on_due)
        judge.unveiled.connect(self._show_progress)
        judge.proved.connect(self._take_in_trial)
        judge.refused.connect(self._drop_trial)

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
    def pace(self) -> Pace:
        """How long the model calls of the runs took."""
        return self._judge.pace

    @property
    def offered(self) -> float | None:
        """The seconds of a run that `live` did not make; infinity: many, no more is known."""
        return self._judge.offered

    @property
    def fleeting(self) -> Run | None:
        """The run whose place the next edit's takes, if there is one."""
        return self.runs.fleeting if self._live else None

    @property
    def shown_state(self) -> RunState:
        """The state to show: a live run that is over in a moment leaves all at the one before."""
        return RunState.DONE if self._judge.veiled else self.state

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

    def other_model(self, run: Run) -> str:
        """Return what the model of a run is called, "" where the document's is called so too."""
        own = model_name(run.experiment)
        return own if own != model_name(self._document.experiment) else ""

    def _is_other(self, asked: Experiment | None) -> bool:
        return asked is not None and not same_samples(asked, self._document.experiment)

    @property
    def armed(self) -> tuple[Run, int] | None:
        """The run and the step that a fork goes on from whose settings are no others yet."""
        wanted = self._document.experiment
        fork = wanted.fork
        if fork is None or plain(wanted) is wanted or self.active:
            return None
        parent = self.runs.find(fork.parent)
        return (parent, fork.step) if parent is not None else None

    def about(self, experiment: Experiment) -> About | None:
        """Return what the trained network of an experiment says of itself; None for none."""
        sampling = experiment.sampling
        return self.networks.about(sampling.network) if sampling.model in LEARNED else None

    @property
    def obstacle(self) -> str:
        """Why the document's model, guidance or pictures allow no run; "" where they do."""
        experiment = self._document.experiment
        return obstacle(experiment, self.labels.of(experiment), self.about(experiment))

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
            self._requested, self._answered = run.experiment, self._document.experiment
            self._judge.unveil()
            self._order(run.experiment, run.live, stopped=run)

    def run_unless_begun(self) -> None:
        """Start a run unless exactly this one is under way."""
        begun = self.active and self.state is not RunState.PAUSED and not self.outdated
        if not begun or self._judge.trial is not None:  # a trial may be given up
            self.run()

    def step(self) -> None:
        """Make one step: of the paused run, or of a new run that is then paused."""
        job = self._thread.job
        if self.state is RunState.PAUSED and job is not None:
            job.allow_step()
        elif self.active:
            self.pause()
        else:
            self._submit(paused=True)

    def stop(self) -> None:
        """End the run now; the frames made so far are kept, and the run stays in the list."""
        self._judge.stop()
        if self.active:
            self._take_in_trial(self._judge.take_trial())
            self._thread.cancel()
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
        self._thread.estimate(self._document.experiment, self._device, picture, t)
        return True

    def shutdown(self) -> None:
        """End the run and the background thread; nothing is started afterwards."""
        self._live = False
        self._judge.shutdown()
        self._thread.shutdown()

    def _submit(self, paused: bool = False, live: bool = False) -> None:
        trial = self._judge.trial
        before = trial.before if trial is not None else self._requested
        experiment = self._requested = self._answered = self._document.experiment
        if not live:
            self._judge.unveil()
        elif self.state is RunState.DONE:
            self._judge.veil()
        self._order(experiment, live, paused)
        if live:
            self._judge.try_out(experiment, before)

    def _order(
        self, experiment: Experiment, live: bool, paused: bool = False, stopped: Run | None = None
    ) -> None:
        fork = experiment.fork
        parent = self.runs.find(fork.parent) if fork is not None else None
        if self.active:
            self._end(Outcome.STOPPED)
        self._judge.ordered(self._device)
        self._stopped = stopped
        self._thread.execute(Order(experiment, self._device, live, parent, stopped), held=paused)
        self._set_state(RunState.PAUSED if paused else RunState.LOADING)

    @Slot()
    def _on_document(self) -> None:
        """Sample again where that is wanted: now if it is quick, else offer it."""
        self._judge.offered = None
        held = self.state in (RunState.IDLE, RunState.PAUSED)
        idle = held or not self.live or not self._edited
        if not idle and not self.armed and not self.obstacle:
            self._learn()
            wanted = self._document.experiment
            if self._judge.samples_now(wanted, self._requested, self._device, self.state):
                self._submit(live=True)
                return
        self.state_changed.emit()

    def _learn(self) -> None:
        """Learn from the newest run how long its model calls take."""
        if self.recorded is not None and self.state is not RunState.LOADING:
            self._judge.learn(self.recorded)

    @Slot()
    def _on_due(self) -> None:
        if not self.live or not self._edited or self.state is RunState.PAUSED:
            return
        if not self.obstacle:
            self._submit(live=True)

    # --- what the thread tells --------------------------------------------------------------

    @Slot(object)
    def _on_begun(self, run: Run) -> None:
        self.device_known.emit(run.device)
        if self._judge.trial is not None:
            self._judge.trial.run = run
        else:
            self._take_in(run)

    def _take_in(self, run: Run) -> None:
        self.recorded = run
        if self._stopped is not None:
            self.runs.replace(self._stopped, run)
        else:
            self.runs.add(run)
        self._judge.began()
        self.runs.hold(run, self.state is RunState.PAUSED)
        if self.state is RunState.LOADING:
            self._set_state(RunState.RUNNING)

    @Slot(object)
    def _take_in_trial(self, trial: Trial | None) -> None:
        """Take what was tried into the list, as far as it has come."""
        if trial is not None and trial.run is not None:
            self._take_in(trial.run)

    @Slot(object)
    def _drop_trial(self, trial: Trial) -> None:
        """Leave all as it was before a trial."""
        self._thread.cancel()
        self._requested = self._answered = trial.before
        last = self.recorded
        ended = ENDED.get(last.outcome) if last is not None else None
        self._set_state(ended or RunState.STOPPED, last.message if last is not None else "")

    @Slot(object)
    def _on_grown(self, trajectory: Trajectory) -> None:
        trial = self._judge.trial
        if trial is not None and trial.run is not None and trajectory is trial.run.trajectory:
            self._judge.judge()
        run = self.recorded
        if run is not None and trajectory is run.trajectory:
            self._learn()
            if not self._judge.veiled:
                self.frames_changed.emit()
            if self.active and run.message != self.message:
                self._set_state(self.state, run.message)

    @Slot(object)
    def _on_ended(self, run: Run) -> None:
        self._take_in_trial(self._judge.take_trial())
        self._learn()
        self._judge.unveil()
        self.runs.end(run, Outcome.DONE)
        self.frames_changed.emit()
        self._set_state(RunState.DONE, run.message)
        if self.live and self._edited:
            self._on_document()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        line = failure(error)
        self._take_in_trial(self._judge.take_trial())
        self._judge.unveil()
        self._end(Outcome.FAILED, line)
        self.frames_changed.emit()
        self._set_state(RunState.FAILED, line)

    def _end(self, outcome: Outcome, message: str = "") -> None:
        """Note how the newest run ended, if it had begun."""
        if self.recorded is not None and self.recorded.outcome is Outcome.RUNNING:
            self._learn()
            self.runs.end(self.recorded, outcome, message)
