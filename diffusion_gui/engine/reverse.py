"""The one entry to models and the reverse process, for window and command line. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine import images
from diffusion_gui.engine.denoisers import MODELS, Denoiser
from diffusion_gui.engine.denoisers.guided import forecast
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Guidance
from diffusion_gui.engine.forward import Process
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.noise import START, gaussian_batch
from diffusion_gui.engine.params import Values, resolve
from diffusion_gui.engine.planning import plan, transitions, walk_of
from diffusion_gui.engine.recorder import to_pixels
from diffusion_gui.engine.samplers import Levels, Step
from diffusion_gui.engine.schedules import build

if TYPE_CHECKING:
    from diffusion_gui.engine.denoisers.guided import Guided

__all__ = [
    "Built",
    "Inputs",
    "build_model",
    "calls_by_step",
    "estimate",
    "members",
    "model_calls",
    "plan",
    "run",
    "to_pixels",
    "transitions",
    "walk",
]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The pixels that an experiment names: uint8 RGB.

    `data` [N, size, size, 3] is the model's image set; `start` [size, size, 3] the picture that a
    run "from here" begins with, if any; `labels` [N] the class or caption of each image.
    """

    data: Pixels
    start: Pixels | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """The experiment's denoiser, and the one it is guided away from, if any."""

    main: Denoiser
    against: Denoiser | None = None


def run(
    experiment: Experiment,
    inputs: Inputs,
    device: torch.device | None = None,
    poll: Callable[[], None] = lambda: None,
) -> Iterator[Step]:
    """Yield the n + 1 steps of the reverse process that `experiment` describes.

    Tensors are float32 [count, 3, size, size] in [-1, 1] on `device`. `poll` is called before and
    inside every model call and may raise to end the run. Raises EngineError on bad settings.
    """
    levels = plan(experiment)
    device = device or torch.device("cpu")
    built = build_model(experiment, inputs, device, poll)
    return walk(experiment, built, levels, inputs.start, device)


def build_model(
    experiment: Experiment, inputs: Inputs, device: torch.device, poll: Callable[[], None]
) -> Built:
    """Build the experiment's model on its image set, and the second one that guidance needs."""
    sampling = experiment.sampling
    size, data = sampling.size, inputs.data
    if data.shape[1:] != (size, size, 3) or len(data) == 0:
        raise EngineError(
            f"the data set must be [N, {size}, {size}, 3] with N >= 1, got {list(data.shape)}"
        )
    wanted = data[members(inputs.labels, sampling.label)] if sampling.label else data
    main = _model(sampling.model, sampling.model_params, wanted, device, poll)
    if not sampling.guidance.method:
        return Built(main)
    against = sampling.guidance.against
    if against:
        return Built(main, _model(against, (), wanted, device, poll))
    if not sampling.label:
        raise EngineError("guidance needs a label to follow, or a second model to move away from")
    return Built(main, _model(sampling.model, sampling.model_params, data, device, poll))


def members(labels: Sequence[str], wanted: str) -> list[int]:
    """Return the images whose label is `wanted` or, where there are none, has it as words."""
    exact = [i for i, label in enumerate(labels) if label == wanted]
    found = exact or [i for i, label in enumerate(labels) if f" {wanted} " in f" {label} "]
    if not found:
        known = ", ".join(sorted(set(labels) - {""})[:8]) or "none; put images into class folders"
        raise EngineError(f"no image has the label {wanted!r}; there are: {known}")
    return found


def _model(
    name: str, given: Values, data: Pixels, device: torch.device, poll: Callable[[], None]
) -> Denoiser:
    if name not in MODELS:
        raise EngineError(f"unknown model {name!r}; choose one of: {', '.join(MODELS)}")
    row = MODELS[name]
    values = resolve(row.params, given, row.title)
    return row.build(_to_batch(images.to_float(data), device), poll, **values)


def calls_by_step(experiment: Experiment, levels: Levels) -> list[int]:
    """Return the model calls made when step 0, 1, ... of a run over `levels` is there.

    Exact for every sampler, with Restart and with guidance, which calls a second model within its
    interval. Nothing is computed but the number.
    """
    calls = _cost(experiment.sampling.guidance)
    return forecast(walk_of(experiment.sampling), levels, calls)


def model_calls(experiment: Experiment, levels: Levels) -> int:
    """Return the model calls of a whole run of `experiment` over `levels` (NFE)."""
    return calls_by_step(experiment, levels)[-1]


def _cost(guidance: Guidance) -> Callable[[float, float], int]:
    """Return what one estimate at level (a, s) costs in model calls."""
    if not guidance.method:
        return lambda a, s: 1

    def never(x: Tensor, a: float, s: float) -> Tensor:
        raise AssertionError("the cost of guidance is told without a model")

    return cast("Guided", _guide(guidance, never, never)).calls


def walk(
    experiment: Experiment,
    built: Built,
    levels: Levels,
    start: Pixels | None,
    device: torch.device,
) -> Iterator[Step]:
    """Run the sampler on a model that is already built; `start` as in `Inputs`."""
    sampling = experiment.sampling
    follow = walk_of(sampling)
    shape = (sampling.size, sampling.size, 3)

    def noise(step: int) -> Tensor:
        return _to_batch(
            gaussian_batch(experiment.seed, range(sampling.count), step, shape), device
        )

    a, s = float(levels.a[0]), float(levels.s[0])
    x = noise(START)
    if sampling.start is None:
        x = x * float(np.hypot(a, s))
    elif start is None:
        raise EngineError("this run starts from a picture, but none was given")
    elif start.shape != shape:
        raise EngineError(f"the start picture must be {list(shape)}, got {list(start.shape)}")
    else:
        x = a * _to_batch(images.to_float(start)[None], device) + s * x
    guidance, denoise = sampling.guidance, built.main
    if guidance.method and built.against is not None:
        denoise = _guide(guidance, built.main, built.against)
    return follow(denoise, x, levels, lambda i: noise(START + 1 + i))


def estimate(
    experiment: Experiment, built: Built, picture: Pixels, t: int, device: torch.device
) -> Pixels:
    """Return x0_hat of one estimate at `t` in 1..T, uint8 [size, size, 3].

    `picture` [size, size, 3] is noised as the forward process is told; its frozen noise is the one
    that the first sample of a run from there begins with. Guidance is part of the estimate.
    """
    schedule = build(experiment.schedule)
    x_t = Process(picture, experiment.seed, experiment.forward).x_t(schedule, t)
    denoise, guidance = built.main, experiment.sampling.guidance
    if guidance.method and built.against is not None:
        denoise = _guide(guidance, built.main, built.against)
    a, s = float(schedule.a[t]), float(schedule.s[t])
    return to_pixels(denoise(_to_batch(x_t[None], device), a, s))[0]


def _guide(guidance: Guidance, main: Denoiser, against: Denoiser) -> Denoiser:
    """Return the denoiser of one run: guidance may remember what it saw earlier in it."""
    if guidance.method not in GUIDANCE:
        known = ", ".join(GUIDANCE)
        raise EngineError(f"unknown guidance {guidance.method!r}; choose one of: {known}")
    row = GUIDANCE[guidance.method]
    values = resolve(row.params, guidance.params, row.title)
    return row.build(main, against, **values)


def _to_batch(pictures: FloatImage, device: torch.device) -> Tensor:
    """Move float32 [B, H, W, 3] to a tensor [B, 3, H, W] on `device`."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures))
    return tensor.permute(0, 3, 1, 2).contiguous().to(device)
