"""Conditions on the exact posterior: what is known of a picture, as one number per image. Torch.

A measurement y = A x_0 + sigma n makes image i of the set likely by
    log p(y | x_i) = -|y - A x_i|^2 / (2 sigma^2) + const,
and the exact denoiser with these as its log prior *is* the conditional one: no approximation, and
therefore the truth that inpainting and guidance can be held against. Classes are the case 0 / -inf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError

_CHUNK_VALUES = 1 << 21
"""Values of the set worked on at once: 16 MiB in float64, a few of them at a time."""
_KERNEL_REACH = 4.0
"""The Gaussian kernel is cut at this many deviations, as SciPy cuts it."""


class Measurement(Protocol):
    """What is known of a picture."""

    @property
    def sigma(self) -> float:
        """Deviation of the measurement's noise, in units of [-1, 1]."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """The pictures it is a measurement of: [C, H, W]."""
        ...

    def residual(self, images: Tensor) -> Tensor:
        """Return y - A x_i for `images` [N, C, H, W] float64, flat: [N, M]."""
        ...


def log_likelihood(
    images: Tensor, *measurements: Measurement, poll: Callable[[], None] = lambda: None
) -> Tensor:
    """Return log p(y | x_i) up to a constant for `images` [N, C, H, W]: float64 [N].

    Several measurements are independent: their numbers add. Works on a few images at a time and
    calls `poll`, which may raise, before each. Raises EngineError where sizes do not fit.
    """
    for measurement in measurements:
        if tuple(images.shape[1:]) != measurement.shape:
            raise EngineError(
                f"the measurement is of {list(measurement.shape)} pictures, the data set is "
                f"{list(images.shape[1:])}; give both the same size"
            )
    home = "cpu" if images.device.type == "mps" else images.device  # Apple's GPU has no float64
    parts = []
    for part in images.split(max(1, _CHUNK_VALUES // images[0].numel())):
        poll()
        wide = part.to(home, torch.float64)
        total = wide.new_zeros(len(wide))
        for measurement in measurements:
            square = measurement.residual(wide).square().sum(dim=1)
            total -= square / (2.0 * measurement.sigma**2)
        parts.append(total)
    return torch.cat(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Known pixels of `picture` [C, H, W]; `weights` [H, W], bool or >= 0, say how well known.

    A pixel of weight w has the noise sigma / sqrt(w): 0 is unknown.
    """

    picture: Tensor
    weights: Tensor
    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Check the sizes, the weights and sigma."""
        _check("mask's picture", self.picture, self.sigma)
        if self.weights.shape != self.picture.shape[1:]:
            raise EngineError(
                f"the mask must be {list(self.picture.shape[1:])}, got {list(self.weights.shape)}"
            )
        if bool((self.weights < 0).any()):
            raise EngineError(f"a mask's weights must be >= 0, got {float(self.weights.min()):g}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The pictures it is a measurement of: [C, H, W]."""
        return _shape(self.picture)

    def residual(self, images: Tensor) -> Tensor:
        """Return sqrt(w) (y - x_i) on the known pixels, [N, C M]."""
        return _known_residual(self.picture, self.weights, images)


@dataclass(frozen=True, slots=True, eq=False)
class Strokes:
    """Coloured strokes: `picture` [4, H, W], red, green and blue in [-1, 1], then alpha.

    Every pixel with alpha > 0 counts, and counts the same: a stroke's soft edge has its colour.
    """

    picture: Tensor
    sigma: float = 0.4

    def __post_init__(self) -> None:
        """Check the size and sigma."""
        _check("strokes' picture", self.picture, self.sigma)
        if len(self.picture) != 4:
            raise EngineError(f"strokes must be [4, H, W], got {list(self.picture.shape)}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The pictures it is a measurement of: [3, H, W]."""
        return _shape(self.picture[:3])

    def residual(self, images: Tensor) -> Tensor:
        """Return y - x_i under the strokes, [N, 3 M]."""
        return _known_residual(self.picture[:3], self.picture[3] > 0, images)


@dataclass(frozen=True, slots=True, eq=False)
class LowRes:
    """A small `picture` [C, h, w]: every pixel the mean of factor x factor pixels."""

    picture: Tensor
    factor: int
    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Check the size, the factor and sigma."""
        _check("small picture", self.picture, self.sigma)
        if self.factor < 1:
            raise EngineError(f"the factor must be an integer >= 1, got {self.factor}")

    @classmethod
    def of(cls, picture: Tensor, factor: int, sigma: float = 0.1) -> LowRes:
        """Measure `picture` [C, H, W]; raises EngineError unless `factor` divides H and W."""
        height, width = picture.shape[-2:]
        if factor < 1 or height % factor or width % factor:
            raise EngineError(f"the factor must divide {height} and {width}, got {factor}")
        return cls(_box_mean(picture, factor), factor, sigma)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The pictures it is a measurement of: [C, h factor, w factor]."""
        channels, height, width = self.picture.shape
        return channels, height * self.factor, width * self.factor

    def residual(self, images: Tensor) -> Tensor:
        """Return y - box mean of x_i, [N, C h w]."""
        return (self.picture.to(images) - _box_mean(images, self.factor)).flatten(1)


@dataclass(frozen=True, slots=True, eq=False)
class Blur:
    """A blurred `picture` [C, H, W]: Gaussian, deviation `radius` pixels, mirrored at the edge."""

    picture: Tensor
    radius: float
    sigma: float = 0.1

    def __post_init__(self) -> None:
        """Check the size, the radius and sigma."""
        _check("blurred picture", self.picture, self.sigma)
        _check_radius(self.radius)

    @classmethod
    def of(cls, picture: Tensor, radius: float, sigma: float = 0.1) -> Blur:
        """Measure `picture` [C, H, W]; raises EngineError for a radius that is not > 0."""
        _check_radius(radius)
        return cls(_blurred(picture.to("cpu", torch.float64), radius), radius, sigma)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The pictures it is a measurement of: [C, H, W]."""
        return _shape(self.picture)

    def residual(self, images: Tensor) -> Tensor:
        """Return y - blurred x_i, [N, C H W]."""
        return (self.picture.to(images) - _blurred(images, self.radius)).flatten(1)


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The classes of a set: `names` sorted, and each image's index into them, `labels` [N]."""

    names: tuple[str, ...]
    labels: Tensor

    def members(self, *names: str) -> Tensor:
        """Return the indices of the images in any of the classes `names`, int64 [M]."""
        return self._chosen(names).nonzero()[:, 0]

    def log_prior(self, *names: str) -> Tensor:
        """Return 0 for images in any of the classes `names` and -inf for others, float64 [N]."""
        excluded = torch.tensor(-math.inf, dtype=torch.float64)
        return torch.where(self._chosen(names), torch.zeros_like(excluded), excluded)

    def _chosen(self, names: Sequence[str]) -> Tensor:
        if not names or not set(names) <= set(self.names):
            known = ", ".join(self.names) or "none"
            raise EngineError(f"unknown class in {list(names)}; choose of: {known}")
        wanted = torch.tensor([self.names.index(name) for name in names])
        return torch.isin(self.labels, wanted)


def classes(folders: Sequence[str]) -> Classes:
    """Return the classes of a set from each image's folder name; "" is in no class (label -1)."""
    names = tuple(sorted(set(folders) - {""}))
    index = {name: i for i, name in enumerate(names)} | {"": -1}
    return Classes(names, torch.tensor([index[name] for name in folders], dtype=torch.int64))


def _check(what: str, picture: Tensor, sigma: float) -> None:
    if picture.ndim != 3:
        raise EngineError(f"a {what} must be [C, H, W], got {list(picture.shape)}")
    if not bool(picture.isfinite().all()):
        raise EngineError(f"a {what} must be finite; it has pixels that are not a number")
    if not 0.0 < sigma < math.inf:
        raise EngineError(f"sigma must be > 0, got {sigma:g}")


def _check_radius(radius: float) -> None:
    if not 0.0 < radius < math.inf:
        raise EngineError(f"the blur radius must be > 0 pixels, got {radius:g}")


def _shape(picture: Tensor) -> tuple[int, int, int]:
    channels, height, width = picture.shape
    return channels, height, width


def _known_residual(picture: Tensor, weights: Tensor, images: Tensor) -> Tensor:
    """Return sqrt(w) (y - x_i) where w > 0: [N, C M]."""
    known = (weights > 0).to(images.device)
    root = weights.to(images).sqrt()[known]  # [M]
    return (root * (picture.to(images)[:, known] - images[:, :, known])).flatten(1)


def _box_mean(images: Tensor, factor: int) -> Tensor:
    """Return the means of factor x factor pixels: [..., H / factor, W / factor]."""
    height, width = images.shape[-2:]
    boxes = images.reshape(*images.shape[:-2], height // factor, factor, width // factor, factor)
    return boxes.mean(dim=(-3, -1))


def _blurred(images: Tensor, radius: float) -> Tensor:
    """Return `images` [..., H, W] blurred along both axes, by one matrix for each."""
    rows, columns = (_blur_matrix(size, radius).to(images) for size in images.shape[-2:])
    return rows @ images @ columns.T


def _blur_matrix(size: int, radius: float) -> Tensor:
    """Return the [size, size] matrix of a Gaussian blur, the line mirrored beyond its ends."""
    reach = int(_KERNEL_REACH * radius + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / radius).square())
    source = (torch.arange(size)[:, None] + offsets) % (2 * size)  # [size, K]
    source = torch.where(source < size, source, 2 * size - 1 - source)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return matrix.scatter_add_(1, source, (kernel / kernel.sum()).expand(size, -1))
