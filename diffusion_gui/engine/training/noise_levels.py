"""Noise levels of a training batch, and how errors weigh there. Imports torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion_gui.engine.denoisers.unet_config import SIGMA_MAX, SIGMA_MIN
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.options import (
    MIN_SNR_GAMMA,
    Levels,
    TrainOptions,
    Weighting,
)


def draw(options: TrainOptions, trained: Tensor | None, u: Tensor) -> Tensor:
    """Return sigma [B] for numbers u [B] in [0, 1): the quantiles of the options' distribution.

    `trained` [T] are the sigmas of the schedule, ascending, for `Levels.SCHEDULE`. Raises
    EngineError where they are missing.
    """
    if options.levels is Levels.LOG_NORMAL:
        normal = torch.special.ndtri(u.double().clamp(1e-7, 1.0 - 1e-7))
        sigma = (options.p_mean + options.p_std * normal).exp()
    else:
        if trained is None or len(trained) == 0:
            raise EngineError("a training over a schedule's steps needs the schedule")
        sigma = trained.double()[(u.double() * len(trained)).long().clamp(max=len(trained) - 1)]
    return sigma.clamp(SIGMA_MIN, SIGMA_MAX).float()


def even(u: Tensor, generator: torch.Generator) -> Tensor:
    """Return numbers [B] in [0, 1), one in each of B equal parts, in random order.

    The batch then covers all levels, which makes its loss vary less (arXiv:2107.00630, I.1).
    """
    count = len(u)
    order = torch.randperm(count, generator=generator)
    return ((order + u) / count).clamp(max=1.0 - 1e-7)


def weight(weighting: Weighting, sigma: Tensor, sigma_data: float) -> Tensor:
    """Return the weight [B] of the squared error of F, EDM's network output, at sigma [B].

    An error of F is one of x0_hat times c_out, so this is w(sigma) c_out(sigma)^2; 1 for EDM.
    """
    c_out2 = (sigma * sigma_data).square() / (sigma.square() + sigma_data**2)
    match weighting:
        case Weighting.EDM:
            return torch.ones_like(sigma)
        case Weighting.MIN_SNR:
            return sigma.pow(-2).clamp(max=MIN_SNR_GAMMA) * c_out2
        case Weighting.EPSILON:
            return c_out2 / sigma.square()


def sigmas_of(a: NDArray[np.float64], s: NDArray[np.float64]) -> Tensor:
    """Return a schedule's sigma = s / a, ascending and within what a training sees, float64 [T].

    `a` and `s` [T] are its noisy steps, without t = 0. Raises EngineError for one without noise.
    """
    with np.errstate(divide="ignore"):
        sigma = np.divide(s, a)
    noisy = np.sort(np.clip(sigma[sigma > 0.0], SIGMA_MIN, SIGMA_MAX))
    if not len(noisy):
        raise EngineError("the schedule has no noisy step to train at")
    return torch.from_numpy(noisy)
