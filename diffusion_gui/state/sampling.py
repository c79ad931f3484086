"""The reverse process in the background: one run at a time, live, pausable, recorded.

The worker side (`_Engine`) touches torch and the device; nothing else in the window does. What
crosses threads is an immutable experiment on the way in and uint8 frames on the way out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine import images
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI, Experiment
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.session import library
from diffusion_gui.session.library import PictureStore
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.denoisers import Denoiser
    from diffusion_gui.engine.samplers import Step

LIVE_SECONDS = 1.0
"""An edit samples again at once while the last run took less than this."""


class RunState(StrEnum):
    """What the reverse process is doing."""

    IDLE = "idle"
    LOADING = "loading"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Started:
    """News from the worker: the model is ready, steps begin now."""

    trajectory: Trajectory
    device: str


class SamplingController(QObject):
    """Starts, holds and ends runs of the document's experiment, and holds the last one's frames.

    `state_changed` when `state` or `message` changed, `frames_changed` when the trajectory grew
    or another one began. With `live`, a change of the experiment samples again, latest wins.
    """

    state_changed = Signal()
    frames_changed = Signal()
    device_known = Signal(str)

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
        self._engine = _Engine(store)
        self._device = device
        self.live = live
        self.state = RunState.IDLE
        self.message = ""
        self.trajectory: Trajectory | None = None
        self.experiment: Experiment | None = None
        """The experiment of the trajectory on show (the document may have moved on)."""
        self._requested: Experiment | None = None
        self._last_seconds = 0.0
        self._began = 0.0
        self._stale = False
        self._runner = JobRunner("sampling", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)
        self._mailbox = Mailbox(parent=self)
        self._mailbox.arrived.connect(self._on_frames)
        self._started.connect(self._on_started)
        for signal in (
            document.schedule_changed,
            document.sampling_changed,
            document.seed_changed,
            document.pictures_changed,
        ):
            signal.connect(self._on_experiment_changed)

    _started = Signal(object)

    @property
    def active(self) -> bool:
        """True while a run is loading, running or paused."""
        return self.state in (RunState.LOADING, RunState.RUNNING, RunState.PAUSED)

    @property
    def device(self) -> str:
        """The device wished for."""
        return self._device

    def set_device(self, device: str) -> None:
        """Use another device from the next run on."""
        if device != self._device:
            self._device = device
            if self.active or self.live:
                self.run()

    def run(self) -> None:
        """Start a run of the current experiment; a run in progress is superseded."""
        self._submit(paused=False)

    def step(self) -> None:
        """Make one step: of the paused run, or of a new run that is then paused."""
        job = self._runner.job
        if self.state is RunState.PAUSED and job is not None:
            job.allow_step()
        elif self.state is RunState.RUNNING:
            self.pause()
        else:
            self._submit(paused=True)

    def pause(self) -> None:
        """Hold the run before its next step."""
        job = self._runner.job
        if self.state is RunState.RUNNING and job is not None:
            job.pause()
            self._set_state(RunState.PAUSED)

    def resume(self) -> None:
        """Go on with a paused run."""
        job = self._runner.job
        if self.state is RunState.PAUSED and job is not None:
            self._set_state(RunState.RUNNING)
            job.resume()

    def stop(self) -> None:
        """End the run now; the frames made so far are kept."""
        if self.active:
            self._runner.cancel()
            self._stale = False
            self._set_state(RunState.STOPPED)

    def shutdown(self) -> None:
        """End the run and the background thread."""
        self._runner.shutdown()
        self._mailbox.close()

    def _submit(self, paused: bool) -> None:
        experiment = self._document.experiment
        self._requested = experiment
        self._stale = False
        device, mailbox = self._device, self._mailbox

        def work(job: Job) -> float:
            return self._engine.execute(job, experiment, device, self._started.emit, mailbox.put)

        job = self._runner.submit(work)
        if paused:
            job.pause()
        self._set_state(RunState.PAUSED if paused else RunState.LOADING)

    @Slot()
    def _on_experiment_changed(self) -> None:
        if not self.live or self.state in (RunState.IDLE, RunState.PAUSED, RunState.STOPPED):
            return
        if self._document.experiment == self._requested:
            return
        if not self.active:
            if self.state is RunState.FAILED or self._last_seconds < LIVE_SECONDS:
                self.run()
        elif self.state is RunState.LOADING or time.monotonic() - self._began > LIVE_SECONDS:
            self.run()
        else:
            self._stale = True  # let the short run end first, or a long drag would show nothing

    @Slot(object)
    def _on_started(self, news: _Started) -> None:
        if self._runner.job is None:
            return
        self.trajectory = news.trajectory
        self.experiment = self._requested
        self._began = time.monotonic()
        self.device_known.emit(news.device)
        if self.state is RunState.LOADING:
            self._set_state(RunState.RUNNING)

    @Slot(object)
    def _on_frames(self, trajectory: Trajectory) -> None:
        if trajectory is self.trajectory:
            self.frames_changed.emit()

    @Slot(object)
    def _on_done(self, seconds: float) -> None:
        self._last_seconds = seconds
        self.frames_changed.emit()
        self._set_state(RunState.DONE)
        if self._stale and self.live:
            self.run()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        text = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
        self._set_state(RunState.FAILED, text.splitlines()[0] if text else "the run failed")

    def _set_state(self, state: RunState, message: str = "") -> None:
        self.state = state
        self.message = message
        self.state_changed.emit()


class _Engine:
    """The worker's side: keeps the model between runs, turns steps into recorded frames."""

    def __init__(self, store: PictureStore) -> None:
        self._store = store
        self._job: Job | None = None
        self._model_key: Any = None
        self._model: Denoiser | None = None

    def execute(
        self,
        job: Job,
        experiment: Experiment,
        device_wish: str,
        started: Callable[[_Started], None],
        grown: Callable[[Trajectory], None],
    ) -> float:
        """Run `experiment` to its end and return the seconds of the steps alone."""
        from diffusion_gui.engine.torch_loading import import_torch

        import_torch()
        from diffusion_gui.engine import device, reverse

        self._job = job
        target = device.choose(device_wish)
        levels = reverse.plan(experiment)
        model = self._prepare(experiment, target)
        trajectory = Trajectory(len(levels))
        started(_Started(trajectory, device.describe(target)))
        begin = time.perf_counter()
        steps = reverse.walk(experiment, model, levels, self._start(experiment), target)
        before: torch.Tensor | None = None
        for step in steps:
            frame = _record(step, before, time.perf_counter() - begin)
            trajectory.append(frame)
            grown(trajectory)
            before = step.x0_hat
            job.wait_turn()
        return time.perf_counter() - begin

    def _prepare(self, experiment: Experiment, target: torch.device) -> Denoiser:
        """Return the model, from the last run if it is the same."""
        from diffusion_gui.engine import reverse

        sampling = experiment.sampling
        pictures = () if sampling.data == EMOJI else experiment.pictures
        key = (sampling.model, sampling.data, sampling.size, pictures, target)
        if self._model is None or key != self._model_key:
            self._model = None  # free the old one first
            data = self._data(experiment)
            self._model = reverse.build_model(experiment, data, target, self._poll)
            self._model_key = key
        return self._model

    def _poll(self) -> None:
        if self._job is not None:
            self._job.poll()

    def _data(self, experiment: Experiment) -> Pixels:
        sampling = experiment.sampling
        if sampling.data == EMOJI:
            return library.emoji(sampling.size)
        return self._store.squares(experiment.pictures, sampling.size)

    def _start(self, experiment: Experiment) -> Pixels | None:
        start = experiment.sampling.start
        if start is None:
            return None
        return images.square(self._store.get(start.picture).pixels, experiment.sampling.size)


def _record(step: Step, before: torch.Tensor | None, seconds: float) -> Frame:
    """Turn a step into uint8 frames and numbers, on the worker's side."""
    from diffusion_gui.engine.reverse import to_pixels

    change = 0.0
    if before is not None:
        change = float((step.x0_hat - before).square().mean().sqrt())
    sigma = step.s / step.a if step.a > 0.0 else float(np.inf)
    return Frame(
        step.index, step.t, sigma, to_pixels(step.x_t), to_pixels(step.x0_hat), change, seconds
    )
