"""The thread's side of sampling: it alone touches torch and the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from diffusion_gui.engine.errors import Cancelled
from diffusion_gui.engine.experiment import EMOJI, Experiment, Fit, PictureRef
from diffusion_gui.engine.images import Colour, Pixels, colour
from diffusion_gui.engine.torch_loading import import_torch
from diffusion_gui.engine.trajectory import Trajectory
from diffusion_gui.session import library
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.jobs import Job, reason

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.reverse import Built, Inputs


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run and what it was asked for: the two never part."""

    experiment: Experiment
    trajectory: Trajectory
    device: str
    calls: tuple[int, ...]
    """The model calls made when step 0, 1, ... is there."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The model's x0_hat of one call, uint8 [size, size, 3], or why there is none."""

    experiment: Experiment
    picture: str
    t: int
    x0_hat: Pixels | None = None
    problem: str = ""


def arrangement(experiment: Experiment) -> tuple[bool, Colour]:
    """Return how pictures become squares: whether padded (else cropped), and on which colour."""
    forward = experiment.forward
    return forward.fit is Fit.PAD, colour(forward.background)


class SamplingWorker:
    """Keeps the model between runs, turns steps into recorded frames."""

    def __init__(self, store: PictureStore) -> None:
        self._store = store
        self._job: Job | None = None
        self._model_key: Any = None
        self._model: Built | None = None

    def execute(
        self,
        job: Job,
        experiment: Experiment,
        device_wish: str,
        started: Callable[[Run], None],
        grown: Callable[[Trajectory], None],
    ) -> float:
        """Run `experiment` to its end and return the seconds of the steps, pauses left out."""
        import_torch()
        from diffusion_gui.engine import device, reverse
        from diffusion_gui.engine.recorder import Recorder

        self._job = job
        device.leave_a_core_free()
        target = device.choose(device_wish)
        levels = reverse.plan(experiment)
        model = self._prepare(experiment, target)
        trajectory = Trajectory(reverse.transitions(experiment, levels))
        calls = tuple(reverse.calls_by_step(experiment, levels))
        started(Run(experiment, trajectory, device.describe(target), calls))
        begin = time.perf_counter()
        recorder = Recorder()
        for step in reverse.walk(experiment, model, levels, self._start(experiment), target):
            seconds = time.perf_counter() - begin - job.waited
            for frame in recorder.put(step, seconds):
                trajectory.append(frame)
                grown(trajectory)
            job.wait_turn()
        for frame in recorder.flush():
            trajectory.append(frame)
            grown(trajectory)
        return time.perf_counter() - begin - job.waited

    def estimate(
        self, job: Job, experiment: Experiment, device_wish: str, picture: str, t: int
    ) -> Estimate:
        """Return the model's x0_hat of a picture at `t`; what goes wrong is told in it."""
        import_torch()
        from diffusion_gui.engine import device, reverse

        self._job = job
        told = partial(Estimate, experiment, picture, t)
        try:
            device.leave_a_core_free()
            target = device.choose(device_wish)
            model = self._prepare(experiment, target)
            square = self._squares(experiment, (PictureRef(picture, ""),))[0]
            return told(reverse.estimate(experiment, model, square, t, target))
        except Cancelled:
            raise
        except Exception as error:  # whatever it is, a run that has ended well stays so
            return told(problem=reason(error, "lower the size of the samples"))

    def _prepare(self, experiment: Experiment, target: torch.device) -> Built:
        """Return the model, from the last run if it is the same."""
        from diffusion_gui.engine import reverse

        sampling = experiment.sampling
        pictures = () if sampling.data == EMOJI else experiment.pictures
        guidance = (sampling.guidance.method, sampling.guidance.against)
        model = (sampling.model, sampling.model_params, sampling.label, guidance)
        arranged = arrangement(experiment) if pictures else None
        key = (model, sampling.data, sampling.size, pictures, arranged, target)
        if self._model is None or key != self._model_key:
            self._model = None  # free the old one first
            inputs = self._inputs(experiment)
            self._model = reverse.build_model(experiment, inputs, target, self._poll)
            self._model_key = key
        return self._model

    def _poll(self) -> None:
        if self._job is not None:
            self._job.poll()

    def _inputs(self, experiment: Experiment) -> Inputs:
        from diffusion_gui.engine.reverse import Inputs

        sampling = experiment.sampling
        if sampling.data == EMOJI:
            return Inputs(library.emoji(sampling.size), labels=library.captions())
        pixels = self._squares(experiment, experiment.pictures)
        return Inputs(pixels, labels=library.labels(experiment.pictures))

    def _start(self, experiment: Experiment) -> Pixels | None:
        start = experiment.sampling.start
        if start is None:
            return None
        return self._squares(experiment, (PictureRef(start.picture, ""),))[0]

    def _squares(self, experiment: Experiment, pictures: tuple[PictureRef, ...]) -> Pixels:
        pad, background = arrangement(experiment)
        size = experiment.sampling.size
        return self._store.squares(pictures, size, pad, background, self._poll)
