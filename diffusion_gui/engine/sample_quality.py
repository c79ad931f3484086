"""How near a set of samples is to a set of pictures, without a network that judges. NumPy only.

Pictures are float32 [N, H, W, 3] in [-1, 1]; distances are per value (root mean square), so that
they do not depend on the size of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import FloatImage, Pixels

COPY_RATIO = 1.0 / 3.0
"""A sample this much nearer to its nearest picture than to the second counts as a copy of it
(arXiv:2310.00527)."""

Array = NDArray[np.float64]


def energy_distance(samples: FloatImage, pictures: FloatImage) -> float:
    """Return 2 E|X - Y| - E|X - X'| - E|Y - Y'|, >= 0 in expectation; pairs of one picture apart.

    (Szekely & Rizzo 2013); the norm is the root mean square of the values. Raises EngineError for
    fewer than two pictures in either set.
    """
    x, y = _rows(samples, 2), _rows(pictures, 2)
    return float(
        2.0 * _distances(x, y).mean()
        - _mean_apart(_distances(x, x))
        - _mean_apart(_distances(y, y))
    )


def sliced_w2(
    samples: FloatImage, pictures: FloatImage, directions: int = 512, seed: int = 0
) -> float:
    """Return the sliced 2-Wasserstein distance: root mean square over unit directions.

    sqrt(mean over theta of mean (sort(X theta) - sort(Y theta))^2), quantiles interpolated where
    the sets differ in number (Rabin et al. 2012; METHODS E.1).
    """
    x, y = _rows(samples, 1), _rows(pictures, 1)
    theta = np.random.default_rng(seed).standard_normal((x.shape[1], directions))
    theta /= np.linalg.norm(theta, axis=0)
    number = max(len(x), len(y))
    apart = _quantiles(x @ theta, number) - _quantiles(y @ theta, number)
    return float(np.sqrt(np.mean(apart**2)))


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """For each sample the nearest of some pictures: which, how far, and against the second."""

    index: NDArray[np.int64]
    distance: Array
    """Root mean square distance to it."""
    ratio: Array
    """Distance to the nearest over that to the second nearest, in 0..1; below 1/3 a copy."""

    @property
    def copies(self) -> float:
        """Share of the samples that are copies of a picture."""
        return float(np.mean(self.ratio < COPY_RATIO))


def nearest(samples: FloatImage, pictures: FloatImage) -> Nearest:
    """Return the nearest of at least two pictures for each sample; raises EngineError for fewer."""
    apart = _distances(_rows(samples, 1), _rows(pictures, 2))
    order = np.argsort(apart, axis=1)[:, :2]
    first, second = np.take_along_axis(apart, order, axis=1).T
    ratio = np.divide(first, second, out=np.ones_like(first), where=second > 0.0)
    return Nearest(order[:, 0], first, ratio)


COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (221, 46, 68), "orange": (244, 144, 12), "yellow": (253, 203, 88),
    "green": (120, 177, 89), "blue": (85, 172, 238), "purple": (170, 142, 214),
    "brown": (193, 105, 79), "black": (49, 55, 61),
}  # fmt: skip
"""What a colour word means: typical fills of emoji, nearest by hue and lightness."""


def dominant_colour(picture: Pixels) -> str:
    """Return the word of `COLOURS` that most of what is drawn on white has, "" for a blank picture.

    `picture` is uint8 [H, W, 3]. Each pixel that is not near white or grey is given to the word of
    the nearest colour in CIELAB; dark greys are black.
    """
    lab = _lab(picture.reshape(-1, 3))
    drawn = (lab[:, 0] < 90.0) | (np.hypot(lab[:, 1], lab[:, 2]) > 12.0)
    if drawn.mean() < 0.02:
        return ""
    names = list(COLOURS)
    known = _lab(np.array([COLOURS[name] for name in names], np.uint8))
    weights = np.array([0.3, 1.0, 1.0])  # shade varies within one colour, hue does not
    apart = (((lab[drawn, None] - known[None]) * weights) ** 2).sum(2)
    votes = np.bincount(apart.argmin(1), minlength=len(names))
    return names[int(votes.argmax())]


def _lab(rgb: NDArray[np.uint8]) -> Array:
    """Return sRGB [N, 3] as CIELAB under D65 (CIE 15:2004)."""
    c = rgb.astype(np.float64) / 255.0
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array(
        [[0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.1191920],
         [0.1804375, 0.0721750, 0.9503041]]
    )  # fmt: skip
    t = xyz / np.array([0.95047, 1.0, 1.08883])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack((116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])), 1)


def _rows(pictures: FloatImage, least: int) -> Array:
    if pictures.ndim != 4 or len(pictures) < least:
        raise EngineError(f"{least} pictures [N, H, W, 3] are needed, got {list(pictures.shape)}")
    return np.asarray(pictures, np.float64).reshape(len(pictures), -1)


def _distances(x: Array, y: Array) -> Array:
    """Return the root mean square distances [N, M]."""
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2.0 * x @ y.T
    return np.sqrt(np.maximum(squares, 0.0) / x.shape[1])


def _mean_apart(distances: Array) -> float:
    """Return the mean over pairs of two different pictures."""
    n = len(distances)
    return float((distances.sum() - np.trace(distances)) / (n * (n - 1)))


def _quantiles(values: Array, number: int) -> Array:
    """Return the sorted columns [N, M], interpolated to `number` rows."""
    ordered = np.sort(values, axis=0)
    if len(ordered) == number:
        return ordered
    places = (np.arange(number) + 0.5) / number * len(ordered) - 0.5
    low = np.clip(np.floor(places).astype(int), 0, len(ordered) - 1)
    high = np.minimum(low + 1, len(ordered) - 1)
    share = np.clip(places - low, 0.0, 1.0)[:, None]
    return ordered[low] * (1.0 - share) + ordered[high] * share
