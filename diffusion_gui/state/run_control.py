"""The run that is under way, and the list of those before: state, pause, and other work beside."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.trajectory import Trajectory
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.jobs import Job
from diffusion_gui.state.run import Run
from diffusion_gui.state.run_state import RunState
from diffusion_gui.state.run_thread import RunThread
from diffusion_gui.state.runs import Runs
from diffusion_gui.state.sampling_worker import SamplingWorker


class RunControl(QObject):
    """Holds what the thread of the runs is doing; `recorded` is the newest run.

    `state_changed` when `state` or `message` changed, or what is asked; `frames_changed` when a
    trajectory grew, `estimated` and `answered` with what was asked for.
    """

    state_changed = Signal()
    frames_changed = Signal()
    device_known = Signal(str)
    estimated = Signal(object)
    answered = Signal(object)

    def __init__(
        self,
        store: PictureStore,
        networks: NetworkStore | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.state = RunState.IDLE
        self.message = ""
        self.recorded: Run | None = None
        self.runs = Runs(self)
        self.networks = networks or NetworkStore()
        self._thread = RunThread(store, self.networks, self)
        self._thread.estimated.connect(self.estimated)
        self._thread.answered.connect(self._on_answered)

    @property
    def trajectory(self) -> Trajectory | None:
        """The frames of the newest run."""
        return self.recorded.trajectory if self.recorded else None

    @property
    def experiment(self) -> Experiment | None:
        """The experiment of the newest run (the document may have moved on)."""
        return self.recorded.experiment if self.recorded else None

    @property
    def active(self) -> bool:
        """True while a run is loading, running or paused."""
        return self.state in (RunState.LOADING, RunState.RUNNING, RunState.PAUSED)

    def ask(self, work: Callable[[Job, SamplingWorker], object]) -> Job | None:
        """Do other work in the thread of the runs; `answered` brings what it returns.

        It must not raise. A run that begins cancels it, and so does another question. Returns
        None, and does nothing, while a run is active.
        """
        if self.active:
            return None
        asked = self._thread.ask(work)
        self.state_changed.emit()  # who had asked before hears that it was cancelled
        return asked

    @property
    def asked(self) -> bool:
        """True while the thread works on what it was asked."""
        return self._thread.asked

    def ask_no_more(self) -> None:
        """Give up what was asked; a run goes on."""
        if self.asked:
            self._thread.cancel()
            self.state_changed.emit()

    def pause(self) -> None:
        """Hold the run before its next step, one that is loading before its first."""
        job = self._thread.job
        if self.state in (RunState.LOADING, RunState.RUNNING) and job is not None:
            job.pause()
            self._set_state(RunState.PAUSED)

    def resume(self) -> None:
        """Go on with a paused run."""
        job = self._thread.job
        if self.state is RunState.PAUSED and job is not None:
            self._set_state(RunState.RUNNING)
            job.resume()

    @Slot(object)
    def _on_answered(self, answer: object) -> None:
        self.answered.emit(answer)
        self.state_changed.emit()

    def _set_state(self, state: RunState, message: str = "") -> None:
        self.state = state
        self.message = message
        if self.recorded is not None:
            self.runs.hold(self.recorded, state is RunState.PAUSED)
        self.state_changed.emit()

    @Slot()
    def _show_progress(self) -> None:
        """Show a run that is not over yet."""
        self.frames_changed.emit()
        self.state_changed.emit()
