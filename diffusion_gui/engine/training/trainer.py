"""One training: the network, its average, its optimiser, and the step they take. Imports torch.

`Trainer.step` is the whole of it. A training is plain data at any moment (`state`, `of_state`),
which `session/model_files.py` writes and reads. Torch's own generator is set at every step, for
the channels that are dropped; nothing else in the program draws from it.
"""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from diffusion_gui.engine.denoisers.network import Precision, dtype_of
from diffusion_gui.engine.denoisers.neural import neural
from diffusion_gui.engine.denoisers.parametrisation import FromPrediction
from diffusion_gui.engine.denoisers.unet import UNet
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training import processes
from diffusion_gui.engine.training.data import Batch, PictureSet, batch, generator_of
from diffusion_gui.engine.training.noise_levels import weight
from diffusion_gui.engine.training.options import TrainOptions

_MEANINGS = "words.weight"
BETAS, EPSILON = (0.9, 0.99), 1e-8
"""Adam's, as EDM trains but for a shorter memory of the squares."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainStep:
    """What a step found; `sigmas` and `losses` [B] are of this process's part of the batch."""

    number: int
    loss: float
    """Mean weighted loss over all processes."""
    gradient: float
    """Length of the gradient before it was clipped."""
    rate: float
    sigmas: NDArray[np.float32]
    losses: NDArray[np.float32]
    """Mean squared error of F per picture, unweighted: 1 is no better than guessing the mean."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A training as plain data: enough to go on exactly where it was."""

    config: UNetConfig
    options: TrainOptions
    step: int
    tensors: dict[str, Tensor]
    """`network.`, `average.`, `adam.mean.` and `adam.square.` and the parameter's name;
    `adam.step`; `scaler` in float16; `trained_sigmas` where the levels are a schedule's."""
    precision: Precision | None = None
    """What its products are made in; None: what suits the device."""


class Trainer:
    """A network in training on one device, alone or as one of several processes."""

    def __init__(
        self,
        pictures: PictureSet,
        config: UNetConfig,
        options: TrainOptions,
        device: torch.device,
        trained_sigmas: Tensor | None = None,
        precision: Precision | None = None,
    ):
        """Start with random weights; raises EngineError for options that do not fit."""
        options.check()
        if pictures.pixels.shape[1] != config.size:
            raise EngineError(
                f"the pictures are {pictures.pixels.shape[1]} pixels wide, the network is for"
                f" {config.size}; choose one size for both"
            )
        config = replace(config, words=pictures.words)
        self.pictures, self.config, self.options, self.device = pictures, config, options, device
        self.precision = precision or default_precision(device)
        self.step_number = 0
        self.whole = True
        """Whether weights, average and optimiser belong together: not while a step changes them."""
        self._sigmas = trained_sigmas
        torch.manual_seed(options.seed)
        self.network = UNet(config).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._adam = torch.optim.Adam(
            self.network.parameters(), options.learning_rate, BETAS, EPSILON, fused=True
        )
        self._scaler = torch.amp.GradScaler(
            device.type, enabled=self.precision is Precision.FLOAT16
        )
        self._share = processes.share()
        self._parallel: nn.Module = self.network
        if self._share[1] > 1:
            self._parallel = nn.parallel.DistributedDataParallel(self.network)

    def begin_with(self, other: UNet) -> None:
        """Begin with the weights of another network of the same shape instead of random ones.

        What words mean to it stays; words that it does not know stay random. Raises EngineError
        where the shapes differ.
        """
        if replace(other.config, words=()) != replace(self.config, words=()):
            raise EngineError("the network to begin with is of another shape")
        weights = other.state_dict()
        known = {word: place for place, word in enumerate(other.config.words, start=1)}
        rows = [(place, known.get(word)) for place, word in enumerate(self.config.words, start=1)]
        both = [(mine, theirs) for mine, theirs in rows if theirs is not None]
        meanings = self.network.words.weight.detach().clone()
        if both:
            mine, theirs = (list(places) for places in zip(*both, strict=True))
            meanings[mine] = weights[_MEANINGS][theirs].to(meanings)
        for network in (self.network, self.average):
            network.load_state_dict({**weights, _MEANINGS: meanings})

    def step(self) -> TrainStep:
        """Learn from the next batch."""
        number, options = self.step_number, self.options
        part = batch(self.pictures, options, self._sigmas, number, self._share)
        torch.manual_seed(generator_of(options.seed, number).initial_seed() + self._share[0])
        for group in self._adam.param_groups:
            group["lr"] = options.rate(number)
        errors, loss, gradient = self._gradient(part)
        self.whole = False
        self._scaler.step(self._adam)
        self._scaler.update()
        self._adam.zero_grad(set_to_none=True)
        self._update_average(options.kept(number))
        self.whole = True
        self.step_number += 1
        return TrainStep(
            number,
            loss,
            gradient,
            options.rate(number),
            part.sigma.numpy(),
            errors.float().cpu().numpy(),
        )

    def denoiser(self, words: Tensor | None = None) -> FromPrediction:
        """Return D with the averaged weights as they are now, told `words` [1, W] or nothing."""
        return neural(copy.deepcopy(self.average), self.device, self.precision, words)

    def state(self) -> State:
        """Return the training as plain data, on the CPU; a copy."""
        found: dict[str, Tensor] = {}
        for part, network in (("network", self.network), ("average", self.average)):
            for name, value in network.state_dict().items():
                found[f"{part}.{name}"] = _copied(value)
        found["adam.step"] = torch.zeros(())
        for name, parameter in self.network.named_parameters():
            memory = self._adam.state.get(parameter, {})
            if memory:
                found[f"adam.mean.{name}"] = _copied(memory["exp_avg"])
                found[f"adam.square.{name}"] = _copied(memory["exp_avg_sq"])
                found["adam.step"] = _copied(memory["step"])
        if self._scaler.is_enabled():
            scaler = self._scaler.state_dict()
            found["scaler"] = torch.tensor([scaler["scale"], float(scaler["_growth_tracker"])])
        if self._sigmas is not None:
            found["trained_sigmas"] = self._sigmas.clone()
        return State(self.config, self.options, self.step_number, found, self.precision)

    @classmethod
    def of_state(
        cls,
        state: State,
        pictures: PictureSet,
        device: torch.device,
        precision: Precision | None = None,
    ) -> Trainer:
        """Go on with a training, with its own precision if none is given.

        Raises EngineError where the state is not whole.
        """
        sigmas = state.tensors.get("trained_sigmas")
        if sigmas is not None and (sigmas.ndim != 1 or not bool((sigmas > 0.0).all())):
            raise EngineError("the training is not whole: trained_sigmas are no noise levels")
        precision = precision or state.precision
        trainer = cls(pictures, state.config, state.options, device, sigmas, precision)
        if trainer.config != state.config:
            raise EngineError("the pictures' words are not those that the training began with")
        trainer._load(state)
        return trainer

    def _load(self, state: State) -> None:
        parts = {
            part: {
                name.removeprefix(f"{part}."): value
                for name, value in state.tensors.items()
                if name.startswith(f"{part}.")
            }
            for part in ("network", "average", "adam.mean", "adam.square")
        }
        steps = state.tensors.get("adam.step", torch.tensor(float(state.step)))
        try:
            self.network.load_state_dict(parts["network"])
            self.average.load_state_dict(parts["average"])
            memory = {}
            for number, (name, parameter) in enumerate(self.network.named_parameters()):
                if steps > 0:
                    memory[number] = {
                        "step": steps.clone(),
                        "exp_avg": _laid_out_as(parameter, parts["adam.mean"][name]),
                        "exp_avg_sq": _laid_out_as(parameter, parts["adam.square"][name]),
                    }
            scale, growth = state.tensors.get("scaler", torch.zeros(2)).tolist()
        except (KeyError, RuntimeError, TypeError, ValueError) as problem:
            reason = " ".join(str(problem).split())
            raise EngineError(f"the training is not whole: {reason[:200]}") from problem
        groups = self._adam.state_dict()["param_groups"]
        self._adam.load_state_dict({"state": memory, "param_groups": groups})
        self.step_number = state.step
        if "scaler" in state.tensors and self._scaler.is_enabled():
            told = {"scale": scale, "_growth_tracker": int(growth)}
            self._scaler.load_state_dict(self._scaler.state_dict() | told)

    def _gradient(self, part: Batch) -> tuple[Tensor, float, float]:
        """Leave the clipped gradient in the network; return errors [B], loss and its length.

        Raises EngineError, in all processes alike, where it is not a number.
        """
        self._adam.zero_grad(set_to_none=True)  # of a step that an error ended
        self.network.train()
        errors = self._errors(part)
        sigma = part.sigma.to(self.device)
        loss = (weight(self.options.weighting, sigma, self.config.sigma_data) * errors).mean()
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._adam)
        gradients = [one.grad for one in self.network.parameters() if one.grad is not None]
        length = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        mean, norm = torch.stack((processes.mean_of(loss.detach()), length)).tolist()
        leaves_out = self.precision is Precision.FLOAT16  # its scaler does, where a gradient is not
        if not math.isfinite(mean) or not (leaves_out or math.isfinite(norm)):
            raise EngineError(
                f"the loss of step {self.step_number} is not a number; choose a smaller learning"
                f" rate than {self.options.learning_rate:g}, or float32"
            )
        if norm > self.options.clip:
            torch._foreach_mul_(gradients, self.options.clip / norm)
        return errors.detach(), mean, norm

    def _errors(self, part: Batch) -> Tensor:
        """Return the mean squared error of F for each picture [B]."""
        x0, noise, sigma, words = (
            tensor.to(self.device) for tensor in (part.x0, part.noise, part.sigma, part.words)
        )
        data2 = self.config.sigma_data**2
        wide = sigma[:, None, None, None]
        total = wide.square() + data2
        x = x0 + wide * noise
        wanted = (x0 - x * (data2 / total)) * total.sqrt() / (wide * self.config.sigma_data)
        seen = (x / total.sqrt()).contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            found = self._parallel(seen, sigma.log() / 4, words)
        return (found.float() - wanted).square().flatten(1).mean(1)

    @torch.no_grad()
    def _update_average(self, kept: float) -> None:
        mine = list(self.average.parameters())
        torch._foreach_lerp_(mine, list(self.network.parameters()), 1.0 - kept)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context in which the network's products are made in fewer digits, if wished."""
    dtype = dtype_of(precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def default_precision(device: torch.device) -> Precision:
    """Return the numbers that train fastest on a device without harm.

    bfloat16 where the hardware multiplies it: a CPU with AMX or AVX-512 BF16 (1.5 times as fast
    as float32 in a trial on two cores), a CUDA device since Ampere. float16 on older ones.
    """
    if device.type == "cuda":
        return Precision.BFLOAT16 if torch.cuda.is_bf16_supported() else Precision.FLOAT16
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return Precision.BFLOAT16
    return Precision.FLOAT32


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """Return the values in the memory order of a parameter: fused Adam goes by memory alone."""
    if value.shape != parameter.shape:
        raise RuntimeError(f"{list(value.shape)} instead of {list(parameter.shape)}")
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def _copied(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()
