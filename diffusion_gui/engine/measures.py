"""How far x_t is from x_0 and from pure noise: PSNR, SSIM, KL to N(0, 1), power spectrum.

NumPy only; sums are float64. The functions measure two pictures. Because x_t = a x_0 + s eps is
linear, a few second moments of x_0 and eps give the same numbers at every (a, s) at once: `Clean`
holds those of a picture, `Pair` those of a picture with one noise. Values are in units of x_0 in
[-1, 1], and x_t is not clipped.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import FloatImage, Pixels
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.engine.spectrum import Rings, Spectrum, cosine_transform, noise_floor

PEAK = 2.0
"""The range of values from black to white."""
WINDOW, WIDTH = 11, 1.5
"""Side of the Gaussian window of SSIM and its standard deviation, in pixels."""
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
MOST_WINDOWS = 1 << 16
"""Windows per channel at which a `Pair` knows the SSIM: of larger pictures every n-th."""
MOST_VALUES = 1 << 16
REACH, BINS = 4.0, 64
"""The histogram spans -4..4; what lies beyond counts into the end bins."""
EDGES: Array = np.linspace(-REACH, REACH, BINS + 1)


# --- PSNR ------------------------------------------------------------------------------------


def psnr(x_0: Array, x_t: Array) -> float:
    """Return the peak signal-to-noise ratio 10 log10(peak^2 / MSE) in dB; equal ones: infinity."""
    x_0, x_t = _two(x_0, x_t)
    return float(_decibel(np.asarray(np.mean((x_t - x_0) ** 2))))


def psnr_from_moments(
    a: Array | float,
    s: Array | float,
    mean_square: float,
    cross: Array | float = 0.0,
    noise: Array | float = 1.0,
) -> Array:
    """Return the PSNR in dB of a x_0 + s eps from the means of x_0^2, x_0 eps and eps^2, any shape.

    MSE = (a - 1)^2 mean(x_0^2) + 2 (a - 1) s mean(x_0 eps) + s^2 mean(eps^2). The defaults are the
    means over all white noises; of offset noise eps^2 has the mean 1 + offset^2.
    """
    lost = np.asarray(a) - 1.0
    return _decibel(lost**2 * mean_square + 2.0 * lost * s * cross + np.square(s) * noise)


def _decibel(error: Array) -> Array:
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(PEAK**2 / np.maximum(error, 0.0))


# --- SSIM ------------------------------------------------------------------------------------


def ssim(x_0: Array, x_t: Array) -> float:
    """Return the mean structural similarity of two pictures [H, W, C], each channel by itself.

    Wang et al. 2004 (IEEE Trans. Image Processing 13, 600-612), eq. 13: 11 x 11 Gaussian windows of
    width 1.5 that lie inside the picture, K1 = 0.01, K2 = 0.03. A picture that is smaller than a
    window is mirrored at its edges.
    """
    x, y = _two(x_0, x_t)
    mean_x, mean_y = local_mean(x), local_mean(y)
    return _similarity(
        mean_x,
        mean_y,
        local_mean(x * x) - mean_x**2,
        local_mean(y * y) - mean_y**2,
        local_mean(x * y) - mean_x * mean_y,
    )


def _similarity(
    mean_x: NDArray[np.floating],
    mean_y: NDArray[np.floating],
    var_x: NDArray[np.floating],
    var_y: NDArray[np.floating],
    cov: NDArray[np.floating],
) -> float:
    """Return the mean of Wang's eq. 13 over all windows, given their weighted moments."""
    likeness = (2.0 * mean_x * mean_y + C1) * (2.0 * cov + C2)
    likeness /= (mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2)
    return float(likeness.mean(dtype=np.float64))


def local_mean(x: Array, stride: int = 1) -> Array:
    """Return the Gaussian-weighted means of `x` [H, W, C] in the windows that lie inside it.

    Of every `stride`-th window down and across; an axis shorter than a window is mirrored first.
    """
    half = WINDOW // 2
    pads = [(half, half) if length < WINDOW else (0, 0) for length in x.shape[:2]]
    if any(map(any, pads)):
        x = np.pad(x, (*pads, (0, 0)), mode="symmetric")
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / WIDTH) ** 2)
    weights /= weights.sum()
    for _ in range(2):  # down the rows, then the same with rows and columns exchanged
        last = len(x) - WINDOW + 1
        total = weights[0] * x[:last:stride]
        for place, weight in enumerate(weights[1:], start=1):
            total += weight * x[place : place + last : stride]
        x = total.swapaxes(0, 1)
    return x


# --- distribution of the values --------------------------------------------------------------


def histogram(values: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return how many of `values` (any shape) lie in each of the bins between `EDGES`, [64]."""
    places = (np.clip(values, -REACH, REACH) + REACH) * (BINS / (2.0 * REACH))
    return np.bincount(np.minimum(places.ravel().astype(np.intp), BINS - 1), minlength=BINS)


def normal_shares() -> Array:
    """Return the probability of each bin under N(0, 1), the tails in the end bins, [64]."""
    below = np.array([0.5 * math.erfc(-edge / math.sqrt(2.0)) for edge in EDGES])
    below[0], below[-1] = 0.0, 1.0
    return np.diff(below)


_SHARES = normal_shares()


def kl_to_normal(counts: NDArray[np.intp]) -> float:
    """Return KL(p || N(0, 1)) = sum p ln(p / q) in nats of a `histogram` of x_t, 0 for none.

    Both are told apart by their bins only, which can but lower it (data processing inequality);
    having only n values raises it, see `kl_bias`.
    """
    filled = counts > 0
    p = counts[filled] / max(int(counts.sum()), 1)
    return float(np.sum(p * np.log(p / _SHARES[filled])))


def kl_bias(n: int) -> float:
    """Return the KL in nats that n draws of N(0, 1) itself show on average: (bins - 1) / 2n.

    2 n KL is the G statistic, chi-squared with bins - 1 degrees of freedom.
    """
    return (BINS - 1) / (2.0 * n)


# --- all of them at any (a, s) ---------------------------------------------------------------


class Clean:
    """The moments of one picture x_0 that every noise is measured against."""

    def __init__(self, pixels: Pixels) -> None:
        """Take `pixels` uint8 [H, W, 3]."""
        self.x: FloatImage = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        x = self.x.astype(np.float64)
        height, width = x.shape[:2]
        inside = [max(length - WINDOW + 1, 1) for length in (height, width)]
        self.stride = math.ceil(math.sqrt(max(1.0, inside[0] * inside[1] / MOST_WINDOWS)))
        self.mean_square = float(np.mean(x**2))
        self.rings = Rings.of(height, width)
        self.waves = cosine_transform(x).astype(np.float32)
        self.power = self.rings.mean(self.waves.astype(np.float64) ** 2)
        self.mean, self.variance = _mean_and_variance(x, self.stride)
        self.sample = sample(self.x)


class Pair:
    """One picture with one noise: each measure of x_t = a x_0 + s eps at any (a, s)."""

    def __init__(self, clean: Clean, eps: FloatImage, offset: float = 0.0) -> None:
        """Take `eps` of the picture's shape; `offset` is the strength of its offset noise."""
        if eps.shape != clean.x.shape:
            raise EngineError(f"noise {eps.shape} does not match the picture {clean.x.shape}")
        self.clean = clean
        self._offset = offset
        noise, x = eps.astype(np.float64), clean.x.astype(np.float64)
        self.cross = float(np.mean(x * noise))
        self.square = float(np.mean(noise**2))
        mean, self._variance = _mean_and_variance(noise, clean.stride)
        both = local_mean(x * noise, clean.stride)
        self._covariance = (both - clean.mean.astype(np.float64) * mean).astype(np.float32)
        self._mean = mean
        self._sample = sample(eps)
        self._power: tuple[Array, Array] | None = None

    def with_spectrum(self, eps: FloatImage) -> Pair:
        """Take the noise apart by frequency, which takes longer than all the rest."""
        waves, rings = cosine_transform(eps.astype(np.float64)), self.clean.rings
        self._power = rings.mean(self.clean.waves * waves), rings.mean(waves**2)
        return self

    def psnr(self, a: float, s: float) -> float:
        """Return the PSNR of x_t in dB."""
        of = self.clean.mean_square
        return float(psnr_from_moments(a, s, of, self.cross, self.square))

    def expected_psnr(self, a: float, s: float) -> float:
        """Return the PSNR in dB of the mean squared error over all noises of this kind."""
        square = 1.0 + self._offset**2
        return float(psnr_from_moments(a, s, self.clean.mean_square, noise=square))

    def ssim(self, a: float, s: float) -> float:
        """Return the SSIM of x_t with x_0, of large pictures by every n-th window."""
        if s == 0.0 and a == 1.0:
            return 1.0
        clean = self.clean
        signal, noise = np.float32(a), np.float32(s)
        covariance = signal * clean.variance + noise * self._covariance
        variance = signal * covariance  # a^2 var + a s cov, and the rest of the square
        variance += noise * (signal * self._covariance + noise * self._variance)
        mean = signal * clean.mean + noise * self._mean
        return _similarity(clean.mean, mean, clean.variance, variance, covariance)

    def values(self, a: float, s: float) -> FloatImage:
        """Return up to 65,536 + 2 values of x_t, all channels of every n-th pixel."""
        return np.float32(a) * self.clean.sample + np.float32(s) * self._sample

    def kl(self, a: float, s: float) -> float:
        """Return the KL divergence in nats of the values of x_t to N(0, 1), by a histogram."""
        return kl_to_normal(histogram(self.values(a, s)))

    def spectrum(self, a: float, s: float) -> Spectrum:
        """Return the power over frequency; raises EngineError before `with_spectrum`."""
        if self._power is None:
            raise EngineError("the noise has not been taken apart by frequency")
        clean, (cross, noise) = self.clean, self._power
        signal = a**2 * clean.power
        x_t = np.maximum(signal + 2.0 * a * s * cross + s**2 * noise, 0.0)
        pixels = clean.x.shape[0] * clean.x.shape[1]
        floor = noise_floor(clean.rings.f, s, self._offset, pixels)
        return Spectrum(clean.rings.f, clean.power, signal, floor, x_t)


def sample(x: FloatImage) -> FloatImage:
    """Return values of `x` [H, W, C]: all channels of every n-th pixel, about 65,536 at most."""
    pixels = x.reshape(-1, x.shape[2])
    return pixels[:: -(-x.size // MOST_VALUES)].ravel()


def _mean_and_variance(x: Array, stride: int) -> tuple[FloatImage, FloatImage]:
    """Return both in the windows of SSIM; rounded to float32 only at the end."""
    mean = local_mean(x, stride)
    variance = local_mean(x * x, stride) - mean**2
    return mean.astype(np.float32), variance.astype(np.float32)


def _two(x_0: Array, x_t: Array) -> tuple[Array, Array]:
    """Return both as float64; raises EngineError where their shapes differ."""
    if x_0.shape != x_t.shape:
        raise EngineError(f"two pictures of one shape are needed, got {x_0.shape} and {x_t.shape}")
    return np.asarray(x_0, dtype=np.float64), np.asarray(x_t, dtype=np.float64)
