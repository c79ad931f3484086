"""The local denoiser: every pixel is decided by the patch around it (LS, ELS and in between).

    D(x)(u) = sum_{i, u'} w x_i(u')
    log w = -|x[u] - x_i[u']|^2 / (2 sigma^2 tau) + log prior(u' | u)

where x[u] is the P x P patch around u in x = x_t / a. Kamb & Ganguli 2024 (arXiv:2412.20292): LS
has u' = u, boundary-broken ELS any u' at the same distance to the border. A convolutional network
behaves much like this; sampling gives mosaics of the images, not copies. Imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.patch_prior import Axis, position_spread
from diffusion_gui.engine.denoisers.patch_size import patch_size, power_spectrum
from diffusion_gui.engine.errors import EngineError

_CHUNK_VALUES = 1 << 18
"""Values of the set worked on at once: 1 MiB of float32, which stays in the cache."""
_LEAST = -60.0
"""Lower logits count as this, 1e-26 of the best: exp is far slower where it ends below 1e-38."""
_NARROW = 5
"""Patches up to this side are summed by adding shifted rows and columns, larger ones by a product
with a band matrix: 1 and 2 ms for 1.4 million pixels at P = 3 and 5, 2.2 ms at any P."""


class Local:
    """Patch posterior over `images` [N, C, H, W] in [-1, 1], in their precision.

    Every shift of the images that the prior allows is compared by box filters, so that the cost,
    B N C H W times the shifts, does not grow with the patch. It is the plain sum: no candidate is
    left out.
    """

    def __init__(
        self,
        images: Tensor,
        poll: Callable[[], None] | None = None,
        *,
        freedom: float = 0.0,
        temperature: float = 1.0,
        patch: int = 0,
        border: bool = True,
        chunk: int = 0,
    ):
        """Keep `images` on their device; `poll` is called between chunks of work and may raise.

        `freedom` in 0..1 lets patches move (0 is LS, 1 boundary-broken ELS), `temperature` divides
        the log-probabilities, `patch` is the odd side P, 0 for the size that the images' power
        spectrum gives at each noise level. Without `border` the picture is a torus. `chunk` is the
        number of images worked on at once, 0 for as many as fit the cache.
        """
        if images.ndim != 4 or len(images) == 0:
            raise EngineError(f"images must be [N, C, H, W] with N >= 1, got {list(images.shape)}")
        self._images = images.contiguous()
        self._poll = poll or (lambda: None)
        self._rho = position_spread(freedom, max(images.shape[2:]))
        self._temperature, self._border = temperature, border
        self._patch = 2 * (patch // 2) + 1 if patch else 0
        self._chunk = chunk or max(1, _CHUNK_VALUES // images[0].numel())
        self._power = power_spectrum(images)
        self._whole = Exact(images, self._poll)

    def patch_size(self, sigma: float) -> int:
        """Return the odd side P of the patches compared at noise-to-signal ratio `sigma`."""
        largest = 2 * max(self._images.shape[2:]) - 1
        if self._border:
            return min(self._patch, largest) or patch_size(self._power, sigma)
        around = 2 * ((min(self._images.shape[2:]) - 1) // 2) + 1  # a torus ends where it begins
        return min(self._patch or patch_size(self._power, sigma), around)

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        P = self.patch_size(s / a if a > 0.0 else math.inf)
        if self._border and 2 * max(self._images.shape[2:]) - 1 <= P:
            return self._whole(x, a, s * math.sqrt(self._temperature))  # the patch is the picture
        queries = x.to(self._images) / a if a > 0.0 else torch.zeros_like(x).to(self._images)
        precision = a * a / (s * s * self._temperature)
        shifts = list(self._shifts(P))
        boxes = tuple(self._box(n, P) for n in self._images.shape[2:])
        means = [self._mean(one, shifts, boxes, precision, P) for one in queries]
        return torch.stack(means).to(x)

    def _shifts(self, P: int) -> Iterator[tuple[int, int, Tensor]]:
        """Yield (dy, dx, log prior [H, W]) of every shift that some pixel may look at."""
        height, width = self._images.shape[2:]
        rows, columns = (
            Axis(n, P // 2, self._rho, self._border).log_prior().to(self._images)
            for n in (height, width)
        )
        places = torch.arange(height, device=rows.device), torch.arange(width, device=rows.device)
        for dy in range(height):
            down = rows.gather(1, ((places[0] + dy) % height)[:, None])  # [H, 1]
            if not bool(down.isfinite().any()):
                continue
            for dx in range(width):
                across = columns.gather(1, ((places[1] + dx) % width)[:, None])  # [W, 1]
                prior = down + across.T
                if bool(prior.isfinite().any()):
                    yield dy, dx, prior

    def _mean(
        self,
        x: Tensor,
        shifts: list[tuple[int, int, Tensor]],
        boxes: tuple[Tensor, ...],
        precision: float,
        P: int,
    ) -> Tensor:
        """Return D [C, H, W] of one picture: the softmax runs over shifts and chunks of images."""
        top = torch.full_like(x[0], -torch.inf)  # [H, W]
        total, mean = torch.zeros_like(top), torch.zeros_like(x)
        for dy, dx, prior in shifts:
            for part in self._images.split(self._chunk):
                self._poll()
                moved = part.roll((-dy, -dx), (2, 3)) if dy or dx else part
                away = torch.zeros_like(moved[:, 0])  # [n, H, W]
                for channel in range(len(x)):
                    difference = moved[:, channel] - x[channel]
                    away.addcmul_(difference, difference)
                logits = self._boxed(away, boxes, P).mul_(-0.5 * precision).add_(prior)
                peak = torch.maximum(top, logits.amax(dim=0))
                logits.sub_(peak.clamp(min=-1e30))
                weights = logits.clamp_(min=_LEAST).exp_()
                kept = (top - peak.clamp(min=-1e30)).exp()
                total = total * kept + weights.sum(dim=0)
                mean *= kept
                for channel in range(len(x)):
                    mean[channel] += (weights * moved[:, channel]).sum(dim=0)
                top = peak
        return mean / total

    def _boxed(self, values: Tensor, boxes: tuple[Tensor, ...], P: int) -> Tensor:
        """Return the sums over the P x P pixels around each of `values` [n, H, W]."""
        if P > _NARROW or not self._border:
            return boxes[0] @ (values @ boxes[1])
        for axis in (1, 2):
            total, length = values.clone(), values.shape[axis]
            for k in range(1, min(P // 2, length - 1) + 1):
                total.narrow(axis, k, length - k).add_(values.narrow(axis, 0, length - k))
                total.narrow(axis, 0, length - k).add_(values.narrow(axis, k, length - k))
            values = total
        return values

    def _box(self, n: int, P: int) -> Tensor:
        """Return the matrix [n, n] that sums over P neighbours along an axis."""
        place = torch.arange(n)
        distance = (place[:, None] - place).abs()
        if not self._border:
            distance = torch.minimum(distance, n - distance)
        return (distance <= P // 2).to(self._images)
