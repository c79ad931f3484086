"""From what an experiment says to its denoiser: pixels, labels, guidance. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from diffusion_gui.engine import images, inpainting, masks
from diffusion_gui.engine.conditioning import Mask
from diffusion_gui.engine.denoisers import CLOSED_FORMS, LEARNED, MODELS, Denoiser
from diffusion_gui.engine.denoisers.base import Conditional
from diffusion_gui.engine.denoisers.in_parts import AtOnce, InParts
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Inpaint
from diffusion_gui.engine.guidance import GUIDANCE, check, values_of
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.labels import members
from diffusion_gui.engine.networks import Network, Paired, check_label, check_size
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
    network: Network | None = None
    """The trained network that the experiment names, if its model is one."""


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """The experiment's denoiser, and the one it is guided away from, if any."""

    main: Denoiser
    against: Denoiser | None = None
    both: Denoiser | None = None
    """Both at once, [B, 2 C, H, W], where they are one network that is told different things."""
    at_once: AtOnce = field(default_factory=AtOnce)
    """How many pictures both are asked for at a time."""


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
    check(sampling.guidance, sampling.label)
    if sampling.model in LEARNED:
        return _learned(experiment, inputs, device, poll)
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
    return Built(main, _model(sampling.model, sampling.model_params, data, device, poll))


def _learned(
    experiment: Experiment, inputs: Inputs, device: torch.device, poll: Callable[[], None]
) -> Built:
    """Return a trained network told the label; guidance leads away from it told nothing."""
    sampling, network = experiment.sampling, inputs.network
    if network is None:
        raise EngineError("the network is not here: open its file again")
    check_size(network.about, sampling.size)
    check_label(network.about, sampling.label)
    row = MODELS[sampling.model]
    values = resolve(row.params, sampling.model_params, row.title)
    build = partial(row.build, network, poll, device=device, **values)
    main, guidance = build(label=sampling.label), sampling.guidance
    if not guidance.method:
        return Built(main)
    if guidance.against in CLOSED_FORMS:
        return Built(main, _model(guidance.against, (), inputs.data, device, poll))
    both = build(label=sampling.label, both=True) if isinstance(network, Paired) else None
    return Built(main, build(label=""), both)


def guided(
    experiment: Experiment, built: Built, spare: Callable[[], bool] = lambda: False
) -> Denoiser:
    """Return the denoiser of one run: guidance may remember what it saw earlier in it.

    Where memory is short, `spare` is given up first, then its models are asked in parts: see
    `in_parts.py`.
    """
    guidance = experiment.sampling.guidance
    main = InParts(built.main, built.at_once, spare)
    if not guidance.method or built.against is None:
        return main
    against = InParts(built.against, built.at_once, spare)
    both = InParts(built.both, built.at_once, spare) if built.both is not None else None
    return GUIDANCE[guidance.method].build(main, against, both=both, **values_of(guidance))


def conditioned(experiment: Experiment, built: Built, picture: Pixels | None) -> Built:
    """Return the model given the known pixels of `picture` [size, size, 3], if that is wished.

    The one it is guided away from knows them too, where it can. Raises EngineError for a model
    without a posterior in closed form.
    """
    inpaint = experiment.sampling.inpaint
    if inpaint is None or inpaint.method != inpainting.EXACT or picture is None:
        return built
    if not isinstance(built.main, Conditional):
        able = " or ".join(row.title for row in MODELS.values() if row.conditions)
        raise EngineError(f"exact conditioning needs the model {able}; or choose RePaint")
    mask = known_mask(inpaint, experiment.sampling.size)
    whole = torch.from_numpy(np.ascontiguousarray(images.to_float(picture))).permute(2, 0, 1)
    measured = Mask(whole, torch.from_numpy(mask), **inpainting.values_of(inpaint))
    against = built.against
    if isinstance(against, Conditional):
        against = against.knowing(measured)
    return replace(built, main=built.main.knowing(measured), against=against)


def known_mask(inpaint: Inpaint, size: int) -> masks.Mask:
    """Return which pixels are kept, bool [size, size]; raises EngineError for a bad mask."""
    return masks.at_size(masks.decode(inpaint.kept), size)


def _model(
    name: str, given: Values, data: Pixels, device: torch.device, poll: Callable[[], None]
) -> Denoiser:
    if name not in MODELS:
        raise EngineError(f"unknown model {name!r}; choose one of: {', '.join(MODELS)}")
    row = MODELS[name]
    if row.learned:
        raise EngineError(f"guide {row.title} away from itself, or from a closed form")
    values = resolve(row.params, given, row.title)
    return row.build(to_batch(images.to_float(data), device), poll, **values)


def to_batch(pictures: FloatImage, device: torch.device) -> Tensor:
    """Move float32 [B, H, W, 3] to a tensor [B, 3, H, W] on `device`."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures))
    return tensor.permute(0, 3, 1, 2).contiguous().to(device)
