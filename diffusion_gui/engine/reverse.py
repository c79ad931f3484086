"""The one entry to the reverse process, for window and command line. Imports torch.

Read next: `legs.py` for the way of a run, `models.py` for its denoiser.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine import images
from diffusion_gui.engine.denoisers import Denoiser
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Inpaint
from diffusion_gui.engine.forward import Process
from diffusion_gui.engine.guidance import GUIDANCE, values_of
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.inpainting import EXACT, REPAINT
from diffusion_gui.engine.inversion import evaluations, invert
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.legs import Leg, arrangement, in_time, legs, shared_calls
from diffusion_gui.engine.lineage import origin
from diffusion_gui.engine.models import (
    Built,
    Inputs,
    Ready,
    Source,
    build_model,
    conditioned,
    guided,
    known_mask,
    to_batch,
)
from diffusion_gui.engine.noise import START, gaussian_batch
from diffusion_gui.engine.planning import (
    calls_by_step,
    model_calls,
    model_key,
    plan,
    transitions,
)
from diffusion_gui.engine.recorder import to_pixels
from diffusion_gui.engine.samplers import Levels, Step
from diffusion_gui.engine.samplers.base import Noise
from diffusion_gui.engine.samplers.restart import Walk
from diffusion_gui.engine.schedules import build
from diffusion_gui.engine.tape import Tape
from diffusion_gui.engine.walks import walk_of

__all__ = [
    "Built",
    "Inputs",
    "Ready",
    "Source",
    "build_model",
    "calls_by_step",
    "estimate",
    "members",
    "model_calls",
    "model_key",
    "plan",
    "run",
    "tape_for",
    "transitions",
    "walk",
]


def run(
    experiment: Experiment,
    inputs: Inputs | Callable[[Experiment], Inputs],
    device: torch.device | None = None,
    poll: Callable[[], None] = lambda: None,
    told: Callable[[str], None] = lambda line: None,
) -> Iterator[Step]:
    """Yield the n + 1 steps of the reverse process that `experiment` describes.

    Tensors are float32 [count, 3, size, size] in [-1, 1] on `device`. `inputs` are the pixels, or
    give those of any experiment: a fork may need its parent's. `poll` is called before and inside
    every model call and may raise to end the run; `told` hears in one line what the run does
    without where memory is short. Raises EngineError on bad settings.
    """
    device = device or torch.device("cpu")
    give = inputs if callable(inputs) else lambda _: inputs
    source = _Direct(give, device, poll, told)
    if experiment.fork is None:
        source.model(experiment)
    return walk(experiment, source, device)


class _Direct:
    """Builds what is asked for and keeps the newest model."""

    def __init__(
        self,
        give: Callable[[Experiment], Inputs],
        device: torch.device,
        poll: Callable[[], None],
        told: Callable[[str], None],
    ) -> None:
        self._give, self._device, self._poll, self._told = give, device, poll, told
        self._newest: tuple[Any, Built] | None = None

    def model(self, experiment: Experiment) -> Built:
        """Return the experiment's model."""
        key = model_key(experiment)
        if self._newest is None or self._newest[0] != key:
            self._newest = None  # free the old one first
            built = build_model(experiment, self._give(experiment), self._device, self._poll)
            built.at_once.told = self._told
            self._newest = key, built
        return self._newest[1]

    def start(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run begins with."""
        return self._give(experiment).start

    def inpaint(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run keeps a part of."""
        return self._give(experiment).inpaint


def walk(
    experiment: Experiment, source: Source, device: torch.device, tape: Tape | None = None
) -> Iterator[Step]:
    """Yield the steps of the run that `experiment` describes, from its first step on.

    Models and pictures are asked of `source` when they are needed. With a `tape`, estimates that
    are on it are not asked of a model, and others are recorded. Raises EngineError on bad settings.
    """
    ways, root = legs(experiment), origin(experiment)
    for leg in ways:
        _check(leg)
    seeds = Seeds(root, device)
    tape = Tape(budget=0) if tape is None else tape
    models = _Guided(source, tape)
    asked = [_Asked(leg, models, tape) for leg in ways]
    samplers = [_sampler(leg, source, device) for leg in ways]
    x = _first(root, models, tape, seeds, source)
    if ways[0].levels.goes_on:  # from step 0: what the root's own sampler does to x before it
        [leg] = legs(root)
        x = next(_sampler(leg, source, device)(lambda x, a, s: x, x, leg.levels, seeds.root)).x_t
    steps = _follow(list(zip(ways, samplers, asked, strict=True)), x, seeds)
    T = experiment.schedule.T
    return (replace(step, t=in_time(step.t, was, T)) for step, was in steps)


def _check(leg: Leg) -> None:
    """Raise EngineError where the settings of a leg are bad."""
    walk_of(leg.sampling)
    for owner in leg.owners:
        if owner.experiment.sampling.guidance.method:
            values_of(owner.experiment.sampling.guidance)


@torch.no_grad()
def _first(root: Experiment, models: _Guided, tape: Tape, seeds: Seeds, source: Source) -> Tensor:
    """Return x [count, 3, size, size] at the first level of the run `root`, and of all its forks.

    What a fork changes is nothing of it, not even at step 0.
    """
    levels, start = legs(root)[0].levels, root.sampling.start
    a, s = float(levels.a[0]), float(levels.s[0])
    if start is None:
        return seeds.start() * float(np.hypot(a, s))
    picture = _picture(root, source.start(root), seeds.device)
    if not start.inverted:
        return a * picture + s * seeds.start()

    def denoise(x: Tensor, a: float, s: float) -> Tensor:
        return tape.play(lambda: models.of(root)(x, a, s), x.device)

    *_, top = invert(denoise, picture, levels, iterations=start.iterations)
    return top.x_t.expand(root.sampling.count, -1, -1, -1).contiguous()


def _follow(
    ways: list[tuple[Leg, Walk, _Asked]], x: Tensor, seeds: Seeds
) -> Iterator[tuple[Step, int]]:
    """Walk leg by leg; yield each step, and the T that its time belongs to."""
    for leg, follow, asked in ways:
        seeds.take(leg)
        for step in follow(asked, x, leg.levels, seeds.transition):
            number = leg.first + step.index
            if number == leg.end:
                x = step.x_t
                break
            seeds.step = number  # what changes hands on the way does so by the number of the step
            yield replace(step, index=number), leg.T


def _sampler(leg: Leg, source: Source, device: torch.device) -> Walk:
    """Return the leg's sampler; RePaint gets its picture and its mask.

    All owners of a leg keep the same part of one picture, arranged alike.
    """
    inpaint = leg.sampling.inpaint
    if inpaint is None:
        return walk_of(leg.sampling)
    picture, known = _kept(leg.owners[-1].experiment, source, device)
    if inpaint.method == REPAINT:
        return walk_of(leg.sampling, (picture, known))
    return _ending_with(walk_of(leg.sampling), picture, known)


def _kept(experiment: Experiment, source: Source, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the picture [3, size, size] that a run keeps a part of, and the mask of that part."""
    inpaint = cast("Inpaint", experiment.sampling.inpaint)
    picture = _picture(experiment, source.inpaint(experiment), device)[0]
    known = torch.from_numpy(known_mask(inpaint, experiment.sampling.size)).to(device)
    return picture, known


def _ending_with(walk: Walk, picture: Tensor, known: Tensor) -> Walk:
    """Return a sampler whose clean last step has `picture` [C, H, W] where `known` [H, W]."""

    def follow(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
        for step in walk(denoise, x, levels, noise):
            if step.s > 0.0:
                yield step
                continue
            end = step.x_t.where(~known, picture.to(step.x_t))
            yield replace(step, x_t=end, x0_hat=end)

    return follow


def _picture(experiment: Experiment, pixels: Pixels | None, device: torch.device) -> Tensor:
    """Return a picture that a run begins with, or keeps a part of, as [1, 3, size, size]."""
    size = experiment.sampling.size
    if pixels is None:
        raise EngineError("this run starts from a picture, but none was given")
    if pixels.shape != (size, size, 3):
        raise EngineError(f"the start picture must be {[size, size, 3]}, got {list(pixels.shape)}")
    return to_batch(images.to_float(pixels)[None], device)


class Seeds:
    """The noise of a run: it follows the seed of the experiment that owns the step.

    What is drawn before the first step is the root's.
    """

    def __init__(self, root: Experiment, device: torch.device) -> None:
        self.device = device
        self.step = -1
        self._images = range(root.sampling.count)
        self._shape = (root.sampling.size, root.sampling.size, 3)
        self._root = root
        self._leg: Leg | None = None

    def take(self, leg: Leg) -> None:
        """Begin a leg."""
        self._leg, self.step = leg, leg.first or -1

    def start(self) -> Tensor:
        """Return the noise that the run begins with, [count, 3, size, size]."""
        return self._noise(self._root.seed, START)

    def root(self, index: int) -> Tensor:
        """Return the noise of transition `index` of the run that it goes back to."""
        return self._noise(self._root.seed, START + 1 + index)

    def transition(self, index: int) -> Tensor:
        """Return the noise of the leg's transition `index`, by the step's owner."""
        leg = cast("Leg", self._leg)
        owners = (o.experiment for o in reversed(leg.owners) if o.step <= self.step)
        return self._noise(next(owners, self._root).seed, START + 1 + leg.first + index)

    def _noise(self, seed: int, number: int) -> Tensor:
        return to_batch(gaussian_batch(seed, self._images, number, self._shape), self.device)


class _Guided:
    """The denoiser of a run's owner, built when it is asked; that of the last one is kept."""

    def __init__(self, source: Source, tape: Tape) -> None:
        self._source = source
        self._tape = tape
        self._owner: Experiment | None = None
        self._newest: tuple[Any, Denoiser] | None = None

    def of(self, owner: Experiment) -> Denoiser:
        """Return the experiment's model under its guidance.

        With owners alike the same one goes on: guidance may remember what it saw.
        """
        if self._newest is None or self._owner is not owner:
            key = model_key(owner), owner.sampling.guidance, _knows(owner)
            if self._newest is None or self._newest[0] != key:
                self._newest = None  # a model may be large
                self._newest = key, self._built(owner)
            self._owner = owner  # by its identity: a key may be ten thousand pictures long
        return self._newest[1]

    def _built(self, owner: Experiment) -> Denoiser:
        picture = self._source.inpaint(owner) if _knows(owner) else None
        built = conditioned(owner, self._source.model(owner), picture)
        built.at_once.try_more()
        return guided(owner, built, self._tape.give_up)


def _knows(experiment: Experiment) -> tuple[Inpaint, tuple[bool, str]] | None:
    """Return what the model itself is told of the picture, and how that is arranged."""
    inpaint = experiment.sampling.inpaint
    told = inpaint is not None and inpaint.method == EXACT
    return (inpaint, arrangement(experiment)) if inpaint is not None and told else None


class _Asked:
    """What a leg's sampler takes for its denoiser: the owners' models in turn, or the tape."""

    def __init__(self, leg: Leg, models: _Guided, tape: Tape) -> None:
        self._owners = [owner.experiment for owner in leg.owners]
        self._taken = leg.handovers()
        self._models = models
        self._tape = tape
        self._made = 0

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W]."""
        owner = self._owners[bisect_right(self._taken, self._made) - 1]
        self._made += 1
        return self._tape.play(lambda: self._models.of(owner)(x, a, s), x.device)


def tape_for(experiment: Experiment, parent: Tape | None) -> Tape:
    """Return a tape for a run: with what it shares with the run it forks from, if anything.

    Guidance with a memory must see the whole run: then the tape is blank, and stays so.
    """
    line = [owner.experiment for leg in legs(experiment) for owner in leg.owners]
    root = origin(experiment)
    methods = {one.sampling.guidance.method for one in (root, *line)} - {""}
    if any(GUIDANCE[method].remembers for method in methods):
        return Tape(budget=0)
    if parent is None:
        return Tape()
    return parent.first(shared_calls(experiment) + _climbs(root))


def estimate(
    experiment: Experiment, built: Built, picture: Pixels, t: int, device: torch.device
) -> Pixels:
    """Return x0_hat of one estimate at `t` in 1..T, uint8 [size, size, 3].

    `picture` [size, size, 3] is noised as the forward process is told; its frozen noise is the one
    that the first sample of a run from there begins with. Guidance is part of the estimate.
    """
    schedule = build(experiment.schedule)
    x_t = Process(picture, experiment.seed, experiment.forward).x_t(schedule, t)
    denoise = guided(experiment, built)
    a, s = float(schedule.a[t]), float(schedule.s[t])
    return to_pixels(denoise(to_batch(x_t[None], device), a, s))[0]


def _climbs(root: Experiment) -> int:
    """Return the estimates that are made before the first step of a run."""
    start = root.sampling.start
    if start is None or not start.inverted:
        return 0
    return evaluations(len(legs(root)[0].levels), start.iterations)
