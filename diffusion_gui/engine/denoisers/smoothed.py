"""Smoothed exact denoisers: they blend near neighbours, where the exact one chooses. Imports torch.

Two ways, which combine:
- the exact denoiser averaged over M points around x_t, fixed noise of deviation r ("spread") around
  x_t / a (Scarvelis et al., arXiv:2310.12395, sigma-CFDM): ends on barycentres of images;
- the images as centres of Gaussians of deviation h ("bandwidth"), a kernel density estimate: the
  exact posterior mean is then D = (s^2 m + a h^2 x) / (s^2 + a^2 h^2) with m the exact denoiser's
  mean at noise sqrt(s^2 + a^2 h^2). It adds grain of deviation h.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.noise import gaussian_batch


class Smoothed:
    """The exact denoiser of `images` [N, C, H, W], smoothed; spread = bandwidth = 0 is exact."""

    def __init__(
        self,
        images: Tensor,
        poll: Callable[[], None] | None = None,
        *,
        spread: float = 4.0,
        probes: int = 8,
        bandwidth: float = 0.0,
        seed: int = 0,
    ):
        """Draw the `probes` M points once, in pairs around 0; `poll` is as in `Exact`.

        `spread` and `bandwidth` are in units of [-1, 1] per value.
        """
        for name, value in (("spread", spread), ("bandwidth", bandwidth)):
            if not 0.0 <= value < math.inf:
                raise EngineError(f"{name} must be >= 0, got {value:g}")
        if probes < 1:
            raise EngineError(f"probes must be an integer >= 1, got {probes}")
        self._exact = Exact(images, poll)
        self._bandwidth = bandwidth
        if spread == 0.0 or probes == 1:
            self._offsets = torch.zeros(1, *images.shape[1:])
        else:
            half = gaussian_batch(seed, range((probes + 1) // 2), 0, tuple(images.shape[1:]))
            drawn = spread * torch.from_numpy(half)
            self._offsets = torch.cat([drawn, -drawn])[:probes]  # [M, C, H, W]
        self._offsets = self._offsets.to(images.device)

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        offsets = self._offsets.to(x.device)
        probes = (x[:, None] + a * offsets).to(x.dtype)  # [B, M, C, H, W]
        means = self._exact(probes.flatten(0, 1), a, math.hypot(s, a * self._bandwidth))
        mean = means.reshape(probes.shape).mean(dim=1)
        own = a * self._bandwidth**2 / (s * s + (a * self._bandwidth) ** 2)  # of x_t, times 1 / a
        return (1.0 - a * own) * mean + own * x
