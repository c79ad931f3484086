"""Samplers with one model call and no memory: DDIM, DDPM, Euler, Euler ancestral. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from diffusion_gui.engine.samplers.base import Levels, Noise, Step, jumps, last_step

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion_gui.engine.denoisers.base import Denoiser


def ancestral(
    denoise: Denoiser,
    x: Tensor,
    levels: Levels,
    noise: Noise,
    added: Callable[[float, float], float],
) -> Iterator[Step]:
    """Walk x_t -> x_{t'} = a' D + sqrt(s'^2 - u^2) eps_hat + u z along the levels.

    `added(s', r)` gives u, the standard deviation of the fresh noise z, from the noise s' at the
    next level and r = sigma' / sigma, the ratio of noise-to-signal of the two levels.
    """
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        fresh = added(jump.s_next, jump.ratio)
        kept = math.sqrt(max(jump.s_next**2 - fresh**2, 0.0))
        x = jump.a_next * x0_hat + (kept / jump.s) * (x - jump.a * x0_hat)
        if fresh > 0.0:
            x = x + fresh * noise(jump.index)
    yield last_step(levels, x)


def ddim(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, eta: float
) -> Iterator[Step]:
    """DDIM (arXiv:2010.02502, eq. 12 and 16): deterministic at eta = 0, DDPM at eta = 1."""
    return ancestral(denoise, x, levels, noise, lambda s, r: eta * s * math.sqrt(1.0 - r * r))


def euler(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """Euler steps of dx/dsigma = (x - D) / sigma: the same numbers as DDIM at eta = 0."""
    return ddim(denoise, x, levels, noise, eta=0.0)


def euler_ancestral(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """Euler down, then fresh noise up to the level: the same numbers as DDIM at eta = 1."""
    return ddim(denoise, x, levels, noise, eta=1.0)


def ddpm(
    denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise, *, variance: float
) -> Iterator[Step]:
    """DDPM (arXiv:2006.11239, section 3.2): posterior mean, variance beta-tilde (0) or beta (1).

    Between levels that are not neighbours beta is that of the jump.
    """
    if not variance:
        return ddim(denoise, x, levels, noise, eta=1.0)
    return _ddpm_large(denoise, x, levels, noise)


def _ddpm_large(denoise: Denoiser, x: Tensor, levels: Levels, noise: Noise) -> Iterator[Step]:
    """DDPM with the variance of the forward jump, s^2 - (a s' / a')^2; none on the last step."""
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        r = jump.ratio
        x = jump.a_next * x0_hat + (jump.s_next * r / jump.s) * (x - jump.a * x0_hat)
        if jump.s_next > 0.0:
            x = x + jump.s * math.sqrt(1.0 - r * r) * noise(jump.index)
    yield last_step(levels, x)
