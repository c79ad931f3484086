"""From what an experiment says to its denoiser: pixels, labels, guidance. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine import images
from diffusion_gui.engine.denoisers import MODELS, Denoiser
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI, Experiment
from diffusion_gui.engine.guidance import GUIDANCE, check, values_of
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.params import Values, resolve


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The pixels that an experiment names: uint8 RGB.

    `data` [N, size, size, 3] is the model's image set; `start` [size, size, 3] the picture that a
    run "from here" begins with, if any; `labels` [N] the class or caption of each image; `inpaint`
    [size, size, 3] the picture that a run keeps a part of.
    """

    data: Pixels
    start: Pixels | None = None
    labels: tuple[str, ...] = ()
    inpaint: Pixels | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """The experiment's denoiser, and the one it is guided away from, if any."""

    main: Denoiser
    against: Denoiser | None = None


class Source(Protocol):
    """Where a run gets its models and pictures from, when it needs them."""

    def model(self, experiment: Experiment) -> Built:
        """Return the experiment's model, built on its data."""
        ...

    def start(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run begins with, [size, size, 3]."""
        ...

    def inpaint(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run keeps a part of, [size, size, 3]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A `Source` with one model that is built already, and pictures [size, size, 3]."""

    built: Built
    start_picture: Pixels | None = None
    inpaint_picture: Pixels | None = None

    def model(self, experiment: Experiment) -> Built:
        """Return the model, whatever the experiment says."""
        return self.built

    def start(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run begins with."""
        return self.start_picture

    def inpaint(self, experiment: Experiment) -> Pixels | None:
        """Return the picture that the run keeps a part of."""
        return self.inpaint_picture


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
    check(sampling.guidance, sampling.label)
    wanted = data[members(inputs.labels, sampling.label)] if sampling.label else data
    main = _model(sampling.model, sampling.model_params, wanted, device, poll)
    if not sampling.guidance.method:
        return Built(main)
    against = sampling.guidance.against
    if against:
        return Built(main, _model(against, (), wanted, device, poll))
    return Built(main, _model(sampling.model, sampling.model_params, data, device, poll))


def model_key(experiment: Experiment) -> Any:
    """Return what the experiment's model depends on, but for the pixels and the device."""
    sampling, forward = experiment.sampling, experiment.forward
    own = sampling.data != EMOJI
    pictures = (experiment.pictures, forward.fit, forward.background) if own else ()
    against = sampling.guidance.method and (sampling.guidance.against or "itself")
    model = sampling.model, sampling.model_params, sampling.label, against
    return model, sampling.data, sampling.size, pictures


def guided(experiment: Experiment, built: Built) -> Denoiser:
    """Return the denoiser of one run: guidance may remember what it saw earlier in it."""
    guidance = experiment.sampling.guidance
    if not guidance.method or built.against is None:
        return built.main
    values = values_of(guidance)
    return GUIDANCE[guidance.method].build(built.main, built.against, **values)


def _model(
    name: str, given: Values, data: Pixels, device: torch.device, poll: Callable[[], None]
) -> Denoiser:
    if name not in MODELS:
        raise EngineError(f"unknown model {name!r}; choose one of: {', '.join(MODELS)}")
    row = MODELS[name]
    values = resolve(row.params, given, row.title)
    return row.build(to_batch(images.to_float(data), device), poll, **values)


def to_batch(pictures: FloatImage, device: torch.device) -> Tensor:
    """Move float32 [B, H, W, 3] to a tensor [B, 3, H, W] on `device`."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures))
    return tensor.permute(0, 3, 1, 2).contiguous().to(device)
