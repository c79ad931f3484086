"""The one entry to the reverse process, for the window and the command line. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine import images
from diffusion_gui.engine.denoisers import MODELS, Denoiser
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import MAX_COUNT, Experiment
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.noise import START, gaussian_batch
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels, Step
from diffusion_gui.engine.schedules import build, grid
from diffusion_gui.engine.schedules.schedule import display_scale
from diffusion_gui.engine.trajectory import Frame


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The pixels that an experiment names: uint8 RGB.

    `data` [N, size, size, 3] is the model's image set; `start` [size, size, 3] the picture that a
    run "from here" begins with, if any.
    """

    data: Pixels
    start: Pixels | None = None


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
    denoise = build_model(experiment, inputs.data, device, poll)
    return walk(experiment, denoise, levels, inputs.start, device)


def build_model(
    experiment: Experiment, data: Pixels, device: torch.device, poll: Callable[[], None]
) -> Denoiser:
    """Build the experiment's model on its image set, uint8 [N, size, size, 3]."""
    name, given = experiment.sampling.model, experiment.sampling.model_params
    if name not in MODELS:
        raise EngineError(f"unknown model {name!r}; choose one of: {', '.join(MODELS)}")
    size = experiment.sampling.size
    if data.shape[1:] != (size, size, 3) or len(data) == 0:
        raise EngineError(
            f"the data set must be [N, {size}, {size}, 3] with N >= 1, got {list(data.shape)}"
        )
    row = MODELS[name]
    values = resolve(row.params, given, row.title)
    return row.build(_to_batch(images.to_float(data), device), poll, **values)


def plan(experiment: Experiment) -> Levels:
    """Return the levels a run of `experiment` visits, checked."""
    sampling = experiment.sampling
    if not 1 <= sampling.count <= MAX_COUNT:
        raise EngineError(f"count must be in 1..{MAX_COUNT}, got {sampling.count}")
    schedule, first = build(experiment.schedule), 0
    if sampling.start is not None:
        first = sampling.start.t
        if not 1 <= first <= schedule.T:
            raise EngineError(f"start t must be in 1..{schedule.T}, got {first}; set it again")
    times = grid(
        schedule,
        sampling.steps,
        sampling.spacing,
        sampling.spacing_params,
        sampling.levels,
        first,
    )
    if first:
        times[0] = first  # exactly there, also where the spacing would begin below it
    return Levels.of(schedule, times)


def walk(
    experiment: Experiment,
    denoise: Denoiser,
    levels: Levels,
    start: Pixels | None,
    device: torch.device,
) -> Iterator[Step]:
    """Run the sampler on a model that is already built; `start` as in `Inputs`."""
    sampling = experiment.sampling
    if sampling.sampler not in SAMPLERS:
        known = ", ".join(SAMPLERS)
        raise EngineError(f"unknown sampler {sampling.sampler!r}; choose one of: {known}")
    row = SAMPLERS[sampling.sampler]
    values = resolve(row.params, sampling.params, row.title)
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
    return row.walk(denoise, x, levels, lambda i: noise(START + 1 + i), **values)


def record(step: Step, before: Tensor | None = None, seconds: float = 0.0) -> Frame:
    """Return a step as uint8 frames and numbers; `before` is the x0_hat of the step before it."""
    change = 0.0 if before is None else float((step.x0_hat - before).square().mean().sqrt())
    sigma = step.s / step.a if step.a > 0.0 else math.inf
    shown = display_scale(step.a, step.s)  # pictures of one SNR look alike in every family
    pictures = to_pixels(step.x_t * shown), to_pixels(step.x0_hat)
    return Frame(step.index, step.t, sigma, *pictures, change=change, seconds=seconds)


def to_pixels(batch: Tensor) -> Pixels:
    """Return [B, 3, H, W] in [-1, 1] as uint8 [B, H, W, 3]: clamp, then round."""
    return images.to_uint8(batch.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def _to_batch(pictures: FloatImage, device: torch.device) -> Tensor:
    """Move float32 [B, H, W, 3] to a tensor [B, 3, H, W] on `device`."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures))
    return tensor.permute(0, 3, 1, 2).contiguous().to(device)
