"""The thread's side of a training: it alone touches torch, the device and the files.

What goes out is immutable: numbers, uint8 pictures, and networks that nobody trains any more.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from diffusion_gui.engine.errors import EngineError, ran_out_of_memory
from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.engine.torch_loading import import_torch
from diffusion_gui.engine.training.copies import ProgressSamples
from diffusion_gui.session.files import sweep
from diffusion_gui.session.training_home import Files
from diffusion_gui.session.training_plan import Plan
from diffusion_gui.session.training_samples import read_samples, thin, write_samples
from diffusion_gui.state.jobs import Job

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.networks import Network
    from diffusion_gui.engine.schedules.schedule import Schedule
    from diffusion_gui.engine.training.data import PictureSet
    from diffusion_gui.engine.training.loop import Progress, TrainingLoop
    from diffusion_gui.engine.training.loss_by_level import Numbers
    from diffusion_gui.engine.training.trainer import State, Trainer

FIRST_SAMPLES = (5.0, 20.0)
"""Seconds of training at which samples are drawn before every minute begins."""
SAMPLE_SECONDS = 60.0
NO_SAMPLES = "not enough memory to draw samples: it learns on without"
CURVES_SECONDS = 0.25
"""The curves are told at most so often."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingOrder:
    """What is to be trained, on which pictures; `resume` goes on from the files' training."""

    plan: Plan
    pictures: PictureSet
    schedule: Schedule
    files: Files
    resume: bool = False
    name: str = ""
    """What the network is called."""
    samples: tuple[ProgressSamples, ...] = ()
    """Those that were drawn before and are on show; without, a training brings its own."""
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    stop: threading.Event = field(default_factory=threading.Event)
    """Set to end with a checkpoint; a job that is held must be let go on."""
    keep: threading.Event = field(default_factory=threading.Event)
    """Set to have a checkpoint made after the step under way, before a job is held."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingNews:
    """A training after a step: numbers and curves."""

    progress: Progress
    plan: Plan
    device: str
    curve: tuple[Numbers, Numbers, Numbers]
    """Step, mean loss and smoothed loss of every point."""
    levels: tuple[Numbers, Numbers]
    """ln sigma and mean loss of every bin; NaN where no picture fell yet."""
    seen: Numbers
    """About how many of the latest pictures each bin's mean rests on."""
    told: str = ""
    """What the training has to do without, in one line."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNews:
    """A network as the average of a training is, to be sampled from."""

    ref: NetworkRef
    network: Network


Put = Callable[[object], None]


class TrainingWorker:
    """Carries one training out; everything it finds it puts."""

    def __init__(self, order: TrainingOrder, put_numbers: Put, put: Put) -> None:
        self._order = order
        self._plan = order.plan
        self._put_numbers, self._put = put_numbers, put
        self._minutes = order.plan.minutes
        """What is left of them when memory ran out."""
        self._told: tuple[str, ...] = ()
        self._half = False
        self._drawn = list(order.samples)
        self._sampled = -1.0
        self._curves_at = 0.0
        self._device: torch.device

    def train(self, job: Job) -> bool:
        """Train until the limit, or a stop (returns True), or until the job is cancelled.

        In any case what was learned is in the files. Raises EngineError where a training cannot
        go on, or where its last checkpoint cannot be written.
        """
        import_torch("torch._dynamo")
        from diffusion_gui.engine import device

        device.leave_a_core_free()
        self._device = device.choose(self._plan.device)
        self._described = device.describe(self._device)
        sweep(self._order.files.model.parent)
        loop: TrainingLoop | None = self._loop(self._read() if self._order.resume else None)
        self._recall_samples()
        while loop is not None:
            loop = self._run(job, loop)
        return self._order.stop.is_set()

    def _read(self) -> State:
        """Return the training as it was saved last."""
        from diffusion_gui.session.model_files import read_training

        state, header = read_training(self._order.files.training)
        self._half = header.half
        return replace(state, options=self._plan.options)

    def _recall_samples(self) -> None:
        if self._order.resume and not self._drawn:
            size = self._order.pictures.pixels.shape[1]
            self._drawn = read_samples(self._order.files.samples, size)
            for samples in self._drawn:
                self._put(samples)

    def _loop(self, state: State | None) -> TrainingLoop:
        from diffusion_gui.engine.training.loop import Limit, TrainingLoop
        from diffusion_gui.engine.training.trainer import Trainer
        from diffusion_gui.session.model_files import read_model

        plan, pictures = self._plan, self._order.pictures
        if state is None and plan.weights:
            network, _ = read_model(plan.weights)
            trainer = Trainer(pictures, network.config, plan.options, self._device, self._sigmas())
            trainer.begin_with(network)
        elif state is None:
            config = replace(plan.config, sigma_data=pictures.sigma_data)
            trainer = Trainer(pictures, config, plan.options, self._device, self._sigmas())
        else:
            trainer = Trainer.of_state(self._with_sigmas(state), pictures, self._device)
        limit = Limit(plan.steps, self._minutes)
        records = state.tensors if state is not None else None
        return TrainingLoop(trainer, limit, self._save, plan.save_minutes, records)

    def _sigmas(self) -> torch.Tensor | None:
        """Return the levels of the schedule in the editor, where a training is over those."""
        from diffusion_gui.engine.training.noise_levels import sigmas_of
        from diffusion_gui.engine.training.options import Levels

        if self._plan.options.levels is not Levels.SCHEDULE:
            return None
        return sigmas_of(self._order.schedule.a[1:], self._order.schedule.s[1:])

    def _with_sigmas(self, state: State) -> State:
        """Return a state whose levels are those of the plan, if it has none of its own."""
        sigmas = self._sigmas()
        if sigmas is None or "trained_sigmas" in state.tensors:
            return state
        return replace(state, tensors={**state.tensors, "trained_sigmas": sigmas})

    def _run(self, job: Job, loop: TrainingLoop) -> TrainingLoop | None:
        """Let a loop run to its end; returns the one to go on with where memory ran out."""
        try:
            with closing(loop.run()) as steps:
                for _ in steps:
                    self._keep_if_wished(loop)
                    self._tell(loop)
                    job.wait_turn(partial(self._on_hold, loop))
                    if self._order.stop.is_set():
                        loop.stop()
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            return self._with_less(loop, error)
        if loop.trainer.step_number:
            self._tell(loop, at_once=True)
            self._draw(loop)
            self._save_samples()
            self._publish(loop.trainer, saved=True)
        return None

    def _on_hold(self, loop: TrainingLoop) -> None:
        """Let everything be known, and kept, of a training that stands still."""
        self._keep_if_wished(loop)
        self._tell(loop, at_once=True)
        self._publish(loop.trainer)

    def _keep_if_wished(self, loop: TrainingLoop) -> None:
        if self._order.keep.is_set():
            self._order.keep.clear()
            loop.keep()

    def _with_less(self, loop: TrainingLoop, error: Exception) -> TrainingLoop:
        """Go on with half of the batch; raises EngineError where that is nothing.

        Where memory ran out while the weights were changed, it goes on from the last checkpoint.
        """
        import torch

        batch = self._plan.options.batch
        if batch < 2:
            raise EngineError(
                "not enough memory for a batch of 1; choose a smaller network or size"
            ) from error
        state = loop.state() if loop.trainer.whole else self._read() if loop.saved else None
        if self._minutes is not None:
            self._minutes = max(self._minutes - loop.here / 60.0, 0.1)
        del loop
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        options = replace(self._plan.options, batch=batch // 2)
        self._plan = replace(self._plan, options=options)
        self._told = (f"not enough memory for a batch of {batch}: goes on with {batch // 2}",)
        return self._loop(replace(state, options=options) if state is not None else None)

    # --- what goes out ------------------------------------------------------------------------

    def _tell(self, loop: TrainingLoop, at_once: bool = False) -> None:
        """Put the numbers, and samples when it is time."""
        now = time.perf_counter()
        if not at_once and now < self._curves_at:
            return
        progress = loop.progress
        if progress is None:
            return
        self._curves_at = now + CURVES_SECONDS
        levels = loop.by_level
        self._put_numbers(
            TrainingNews(
                progress,
                self._plan,
                self._described,
                loop.curve.points,
                (levels.centres, levels.mean),
                levels.weight,
                "; ".join((*self._told, *loop.notes)),
            )
        )
        if self._due(loop.seconds):
            self._draw(loop)

    def _due(self, seconds: float) -> bool:
        """Return whether samples are to be drawn after so many seconds of training."""
        if self._sampled < 0.0:
            return True
        marks = [mark for mark in FIRST_SAMPLES if mark > self._sampled]
        following = marks[0] if marks else self._sampled + SAMPLE_SECONDS
        return seconds >= following

    def _draw(self, loop: TrainingLoop) -> None:
        """Put samples of the averaged weights, and the network itself."""
        from diffusion_gui.engine.training import progress_samples as ps

        trainer, pictures = loop.trainer, self._order.pictures
        if loop.seconds == self._sampled:
            return
        self._sampled = loop.seconds
        captions = ps.captions_for(pictures)
        try:
            made = ps.draw(trainer, captions, self._plan.options.seed)
            found, distances = ps.nearest(made, pictures, self._plan.options.flip)
        except Exception as error:
            if not ran_out_of_memory(error):
                raise
            self._told = (*self._told, NO_SAMPLES) if NO_SAMPLES not in self._told else self._told
            return
        drawn = ProgressSamples(trainer.step_number, loop.seconds, captions, made, found, distances)
        self._drawn.append(drawn)
        thin(self._drawn)
        self._put(drawn)
        self._publish(trainer)

    def _publish(self, trainer: Trainer, saved: bool = False) -> None:
        """Put the average as a network to sample from; that of a whole file under its content."""
        from diffusion_gui.session.files import digest
        from diffusion_gui.session.trained import TrainedNetwork

        order, step = self._order, trainer.step_number
        if saved:
            path = order.files.model
            ref = NetworkRef(digest(path), order.name, str(path))
        else:
            ref = NetworkRef(
                f"{order.files.stem}-{order.id}@{step}", f"{order.name}, step {step:,}"
            )
        network = TrainedNetwork.of(trainer, order.plan.name, ref.name, order.pictures.captions)
        self._put(TrainedNews(ref, network))

    def _save(self, state: State) -> None:
        self._order.files.write(state, self._plan, self._half)
        self._save_samples()

    def _save_samples(self) -> None:
        with suppress(EngineError):
            write_samples(self._order.files.samples, self._drawn)
