"""Gaussian denoisers: all that second-order statistics give, the best affine estimate of x_0.

For data N(mu, C) with eigenvectors u_k and variances v_k of C:

    D(x) = mu + sum_k u_k g_k u_k^T (x - a mu),   g_k = a v_k / (a^2 v_k + s^2)

`Gaussian` takes mean and covariance of the images, `Stationary` those of all their translates: a
Wiener filter in frequency space, which works from one picture. Both can walk the probability-flow
ODE in one exact step (Wang & Vastola, arXiv:2412.09726). Imports torch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.noise import gaussian_batch
from diffusion_gui.engine.threads import patiently

Level = tuple[float, float]
"""The (a, s) of x_t = a x_0 + s eps."""

_ROWS = 16
"""Queries per matrix product, always padded to this: a row's result is the same in any batch."""
_EXACT_RANK = 1536
"""Up to so many images or pixels the decomposition is complete."""
_RANK = 512
"""Directions kept beyond that; the rest share the variance that is left."""
_MOST_IMAGES = 10_000
"""So many images, evenly spaced in the set, define the covariance at most."""
_OVERSAMPLING, _POWER_STEPS = 16, 2
_TILE_VALUES = 1 << 21
_RELATIVE_VARIANCE = 1e-13
"""Directions with less of the largest variance are rounding errors of N images of rank N - 1."""


class _Affine(ABC):
    """Denoise by scaling the components of x - a mu, each by a function of its variance."""

    _mean: Tensor  # what x has on average, broadcastable to [B, C, H, W]
    _poll: Callable[[], None]

    @abstractmethod
    def _scaled(self, x: Tensor, gain: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the sum of x's components [B, C, H, W], each times `gain` of its variance."""

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        wide = x.to(self._mean.device).to(self._mean.dtype)  # Apple's GPU has no float64
        part = self._scaled(wide - a * self._mean, lambda v: a * v / (a * a * v + s * s))
        return (part + self._mean).to(x.dtype).to(x.device)

    def flow(self, x: Tensor, from_level: Level, to_level: Level) -> Tensor:
        """Return x_t [B, C, H, W] carried along the probability-flow ODE from level to level.

        Exact, in one step: every component keeps its place in units of its standard deviation,
        sqrt(a^2 v + s^2). `from_level` must have s > 0.
        """
        (a, s), (a_to, s_to) = from_level, to_level
        wide = x.to(self._mean.device).to(self._mean.dtype)  # Apple's GPU has no float64

        def gain(v: Tensor) -> Tensor:
            return ((a_to**2 * v + s_to**2) / (a * a * v + s * s)).sqrt()

        part = self._scaled(wide - a * self._mean, gain)
        return (part + a_to * self._mean).to(x.dtype).to(x.device)


class Gaussian(_Affine):
    """Wiener filter with the mean image and the full covariance of `images` [N, C, H, W].

    Decomposed in float64 on the smaller side, N x N or D x D, and then kept and multiplied in the
    images' precision. Of large sets (more than 1,536 images of more than 1,536 values) only the 512
    strongest directions are found, and the variance that is left is spread evenly over the others,
    as in probabilistic PCA (Tipping & Bishop 1999).
    """

    def __init__(
        self, images: Tensor, poll: Callable[[], None] | None = None, *, floor: float = 0.0
    ):
        """Decompose the covariance; `poll` is called between pieces of work, may raise.

        `floor` is the standard deviation added to every direction: what is outside the span of the
        images is then not wiped out entirely.
        """
        _check(images, floor)
        self._poll = poll or (lambda: None)
        home = "cpu" if images.device.type == "mps" else images.device  # Apple's GPU has no float64
        dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
        flat = images.to(home).reshape(len(images), -1)
        mean = flat.mean(dim=0, dtype=torch.float64)
        self._mean = mean.to(dtype).reshape(images.shape[1:])
        step = -(-len(flat) // _MOST_IMAGES)
        variances, basis, rest = self._decompose(flat[::step], mean)
        self.variances = variances.to(dtype) + floor**2
        """Variances along the directions that were found, [r], descending."""
        self._rest = torch.tensor(rest + floor**2, dtype=dtype, device=home)
        self._basis = basis.to(dtype)  # [r, D]

    def _decompose(self, flat: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return variances [r], directions [r, D] and the variance of every other direction."""
        count, size = flat.shape
        if min(count, size) > _EXACT_RANK:
            return self._strongest(flat.float() - mean.float())
        centred = flat - mean  # [N, D] float64
        if count <= size:
            gram = self._gram(centred, centred)  # [N, N]
            values, vectors = self._eigh(gram / count)
        else:
            values, vectors = self._eigh(self._gram(centred.T, centred.T) / count)
        kept = values > _RELATIVE_VARIANCE * values[-1].clamp(min=0.0)
        values, vectors = values[kept].flip(0), vectors[:, kept].flip(1)  # descending
        self._poll()
        if count > size:
            return values, vectors.T.contiguous(), 0.0
        return values, (vectors / (count * values).sqrt()).T @ centred, 0.0

    def _eigh(self, symmetric: Tensor) -> tuple[Tensor, Tensor]:
        """Return eigenvalues and -vectors: one call of up to a second, which a cancel leaves."""
        if symmetric.device.type != "cpu":
            return torch.linalg.eigh(symmetric)
        return patiently(lambda: torch.linalg.eigh(symmetric), self._poll)

    def _gram(self, rows: Tensor, others: Tensor) -> Tensor:
        """Return rows @ others.T, a few rows at a time."""
        parts = []
        for part in rows.split(max(1, _TILE_VALUES // rows.shape[1])):
            self._poll()
            parts.append(part @ others.T)
        return torch.cat(parts)

    def _strongest(self, centred: Tensor) -> tuple[Tensor, Tensor, float]:
        """Find _RANK directions by subspace iteration (Halko et al., arXiv:0909.4061, alg. 4.4)."""
        count, size = centred.shape
        start = gaussian_batch(0, range(_RANK + _OVERSAMPLING), 0, (size,))
        basis = torch.from_numpy(start).to(centred)  # [r, D]
        for _ in range(_POWER_STEPS):
            moved = self._covariance_times(centred, basis)
            basis = torch.linalg.qr(moved.T)[0].T.contiguous()
        moved = self._covariance_times(centred, basis)
        values, vectors = self._eigh((basis @ moved.T).double() / count)
        values, vectors = values.flip(0)[:_RANK], vectors.flip(1)[:, :_RANK]
        total = float(centred.double().square().sum()) / count
        rest = max(0.0, total - float(values.sum())) / (size - _RANK)
        return values, vectors.T @ basis.double(), rest

    def _covariance_times(self, centred: Tensor, basis: Tensor) -> Tensor:
        """Return basis [r, D] times N C, [r, D]."""
        result = torch.zeros_like(basis)
        for part in centred.split(max(1, _TILE_VALUES // centred.shape[1])):
            self._poll()
            result += (basis @ part.T) @ part
        return result

    def _scaled(self, x: Tensor, gain: Callable[[Tensor], Tensor]) -> Tensor:
        rest, gains = gain(self._rest), gain(self.variances)
        parts = []
        for rows in x.flatten(1).split(_ROWS):
            self._poll()
            padded = pad(rows, (0, 0, 0, _ROWS - len(rows)))
            coefficients = (padded @ self._basis.T) * (gains - rest)  # [_ROWS, r]
            parts.append((coefficients @ self._basis)[: len(rows)] + rest * rows)
        return torch.cat(parts).reshape(x.shape)


class Stationary(_Affine):
    """Wiener filter with the mean colour and the power spectrum of `images` [N, C, H, W], N >= 1.

    At every frequency the covariance of the colours, C x C, is averaged over the images: the
    Gaussian texture of the set on a picture without edges. Float64.
    """

    def __init__(
        self, images: Tensor, poll: Callable[[], None] | None = None, *, floor: float = 0.0
    ):
        """Measure the spectrum; `poll` is called between pieces of work, may raise.

        `floor` is the standard deviation of white noise added to the spectrum.
        """
        _check(images, floor)
        self._poll = poll or (lambda: None)
        home = "cpu" if images.device.type == "mps" else images.device  # Apple's GPU has no float64
        self._mean = images.to(home).mean(dim=(0, 2, 3), dtype=torch.float64)[:, None, None]
        self._size = height, width = (images.shape[-2], images.shape[-1])
        total: Tensor | float = 0.0
        for part in images.split(max(1, _TILE_VALUES // images[0].numel())):
            self._poll()
            wave = self._waves(part.to(home) - self._mean)  # [n, H, W / 2 + 1, C]
            total = torch.einsum("nyxc,nyxd->yxcd", wave, wave.conj()) + total
        values, self._colours = torch.linalg.eigh(total / (len(images) * height * width))
        self.variances = values.clamp_(min=0.0) + floor**2
        """Power per frequency and principal colour, [H, W / 2 + 1, C]."""

    @staticmethod
    def _waves(x: Tensor) -> Tensor:
        return torch.fft.rfft2(x).permute(0, 2, 3, 1)  # [B, H, W / 2 + 1, C]

    def _scaled(self, x: Tensor, gain: Callable[[Tensor], Tensor]) -> Tensor:
        gains = gain(self.variances).to(self._colours.dtype)
        filters = (self._colours * gains[..., None, :]) @ self._colours.mH  # [H, W / 2 + 1, C, C]
        parts = []
        for picture in x.split(1):  # one by one: the result is the same in any batch
            self._poll()
            wave = (filters @ self._waves(picture)[..., None])[..., 0]
            parts.append(torch.fft.irfft2(wave.permute(0, 3, 1, 2), s=self._size))
        return torch.cat(parts)


def _check(images: Tensor, floor: float) -> None:
    if images.ndim != 4 or len(images) == 0:
        raise EngineError(f"images must be [N, C, H, W] with N >= 1, got {list(images.shape)}")
    if not 0.0 <= floor < math.inf:
        raise EngineError(f"the noise floor must be >= 0, got {floor:g}")
