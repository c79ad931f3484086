"""The thread's side of sampling: it alone touches torch and the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion_gui.engine.denoisers import LEARNED
from diffusion_gui.engine.errors import Cancelled
from diffusion_gui.engine.experiment import EMOJI, Experiment, PictureRef
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.planning import untrained, uses_data
from diffusion_gui.engine.torch_loading import import_torch
from diffusion_gui.engine.trajectory import Trajectory
from diffusion_gui.session import library
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.run_inputs import arrangement, network_of
from diffusion_gui.state.jobs import Job, reason
from diffusion_gui.state.predecessor import Predecessor, predecessors, tape_after
from diffusion_gui.state.recording import Recording
from diffusion_gui.state.run import Run
from diffusion_gui.state.surveyor import Surveyor

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.reverse import Built, Inputs
    from diffusion_gui.engine.samplers import Step
    from diffusion_gui.engine.trips import Trip


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What is to be run: `parent` is the run that the experiment forks from, if it is known.

    `stopped` is a run of the same experiment that this one goes on with.
    """

    experiment: Experiment
    device: str
    live: bool = False
    parent: Run | None = None
    stopped: Run | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The model's x0_hat of one call, uint8 [size, size, 3], or why there is none."""

    experiment: Experiment
    picture: str
    t: int
    x0_hat: Pixels | None = None
    problem: str = ""


class _Age:
    """The age of a run: with that of what it goes on from, without pauses and building models."""

    def __init__(self, job: Job, before: Predecessor | None) -> None:
        self._job, self._before = job, before
        self._known = before.steps if before is not None else 0
        self._offset = 0.0
        self._begun = time.perf_counter()
        self.building = 0.0

    def at(self, step: int) -> float:
        """Return the age now that the run is at `step`; ask at every one, in order."""
        elapsed = time.perf_counter() - self._begun - self._job.waited - self.building
        if self._before is not None and step < self._known:
            self._offset = self._before.seconds(step) - elapsed
        return elapsed + self._offset


class SamplingWorker:
    """Keeps the model between runs, turns steps into recorded frames; the run's `Source`."""

    def __init__(self, store: PictureStore, networks: NetworkStore) -> None:
        self._store = store
        self._networks = networks
        self._job: Job | None = None
        self._model_key: Any = None
        self._model: Built | None = None
        self._target: torch.device
        self._described = ""
        self._run: Run | None = None
        self._age: _Age | None = None
        self._surveyor = Surveyor(self._inputs, self._poll)

    def execute(
        self,
        job: Job,
        order: Order,
        started: Callable[[Run], None],
        grown: Callable[[Trajectory], None],
    ) -> Run:
        """Run the experiment to its end."""
        import_torch()
        from diffusion_gui.engine import reverse
        from diffusion_gui.state.run_book import RunBook

        experiment = order.experiment
        target = self._begin(job, order.device)
        calls = tuple(reverse.calls_by_step(experiment))
        goes_on = predecessors(experiment, self._described, order.stopped, order.parent)
        before = goes_on[0] if goes_on else None
        tape = tape_after(experiment, goes_on)
        if not len(tape):
            self.model(experiment)
        run = Run(experiment, Trajectory(len(calls) - 1), self._described, calls, tape, order.live)
        run.untrained = self._untrained(experiment)
        self._run = run
        witness = self._surveyor.begin(experiment, len(calls) - 1, target, before, self._tell)
        run.survey = witness.survey if witness is not None else None
        inherited = before.frames(experiment) if before is not None else {}
        known = max(before.steps if before else 0, experiment.fork.step if experiment.fork else 0)
        started(run)
        book, self._age = RunBook(run, witness, inherited, grown), _Age(job, before)
        with Recording(book.write, book.finish, beside=target.type == "cpu") as recording:
            for step in reverse.walk(experiment, self, target, tape):
                run.seconds = self._age.at(step.index)
                recording.put(step, book.note())
                if step.index < known:
                    job.poll()  # a run that is held does not hold at steps that were seen before
                    continue
                if job.held:  # a single step is seen before the next
                    recording.settle()
                job.wait_turn()
        run.result = step.x_t.cpu().numpy()
        return run

    def _untrained(self, experiment: Experiment) -> str:
        sampling = experiment.sampling
        about = self._networks.about(sampling.network) if sampling.model in LEARNED else None
        return untrained(experiment, about) if about is not None else ""

    def walk(self, job: Job, experiment: Experiment, wish: str) -> Iterator[Step]:
        """Yield the steps of a run that is not recorded, every estimate asked of the model."""
        import_torch()
        from diffusion_gui.engine import reverse

        target = self._begin(job, wish)
        for step in reverse.walk(experiment, self, target):
            job.poll()
            yield step

    @property
    def described(self) -> str:
        """The device of the newest job, in words."""
        return self._described

    def _tell(self, line: str) -> None:
        """Say with the run what it has to do without."""
        if self._run is not None:
            self._run.message = line

    def estimate(
        self, job: Job, experiment: Experiment, device_wish: str, picture: str, t: int
    ) -> Estimate:
        """Return the model's x0_hat of a picture at `t`; what goes wrong is told in it."""
        import_torch()
        from diffusion_gui.engine import reverse

        told = partial(Estimate, experiment, picture, t)
        try:
            target = self._begin(job, device_wish)
            model = self.model(experiment)
            square = self._square(experiment, picture)
            return told(reverse.estimate(experiment, model, square, t, target))
        except Cancelled:
            raise
        except Exception as error:  # whatever it is, a run that has ended well stays so
            return told(problem=reason(error, "lower the size of the samples"))

    def round_trip(
        self,
        job: Job,
        experiment: Experiment,
        wish: str,
        picture: str,
        iterations: int,
        counted: Callable[[], None],
    ) -> Trip:
        """Take a picture up to its noise and back; `counted` is called at every model call."""
        import_torch()
        from diffusion_gui.engine.trips import take_trip

        target = self._begin(job, wish)
        model, square = self.model(experiment), self._square(experiment, picture)

        def poll() -> None:
            job.poll()
            counted()

        return take_trip(experiment, model, square, iterations, target, poll)

    def _begin(self, job: Job, wish: str) -> torch.device:
        """Make ready for a job; the model stays if it is on that device."""
        from diffusion_gui.engine import device

        self._job = job
        self._surveyor.end()
        device.leave_a_core_free()
        self._run = self._age = None
        self._target = device.choose(wish)
        self._described = device.describe(self._target)
        return self._target

    def model(self, experiment: Experiment) -> Built:
        """Return the experiment's model, the last one if it is the same."""
        from diffusion_gui.engine import reverse

        network = network_of(experiment, self._networks)
        key = reverse.model_key(experiment), self._target, network
        if self._model is None or key != self._model_key:
            self._model = None  # free the old one first
            begun = time.perf_counter()
            inputs = self._inputs(experiment)
            self._model = reverse.build_model(experiment, inputs, self._target, self._poll)
            self._model.at_once.told = self._tell
            self._model_key = key
            self._surveyor.atlas(experiment, self._target, inputs)
            if self._age is not None:
                self._age.building += time.perf_counter() - begun
        return self._surveyor.watch(experiment, self._model, self._target)

    def start(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run begins with."""
        start = experiment.sampling.start
        return self._square(experiment, start.picture) if start is not None else None

    def inpaint(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run keeps a part of."""
        inpaint = experiment.sampling.inpaint
        return self._square(experiment, inpaint.picture) if inpaint is not None else None

    def _poll(self) -> None:
        if self._job is not None:
            self._job.poll()

    def _inputs(self, experiment: Experiment) -> Inputs:
        from diffusion_gui.engine.reverse import Inputs

        sampling, network = experiment.sampling, network_of(experiment, self._networks)
        if not uses_data(sampling):
            nothing = np.empty((0, sampling.size, sampling.size, 3), np.uint8)
            return Inputs(nothing, network=network)
        if sampling.data == EMOJI:
            pixels, labels = library.emoji(sampling.size), library.captions()
        else:
            pixels = self._squares(experiment, experiment.pictures)
            labels = library.labels(experiment.pictures)
        return Inputs(pixels, labels=labels, network=network)

    def _square(self, experiment: Experiment, picture: str) -> Pixels:
        return self._squares(experiment, (PictureRef(picture, ""),))[0]

    def _squares(self, experiment: Experiment, pictures: tuple[PictureRef, ...]) -> Pixels:
        pad, background = arrangement(experiment)
        size = experiment.sampling.size
        return self._store.squares(pictures, size, pad, background, self._poll)
