"""How much a noise level tells, for Gaussian data with known covariance eigenvalues. NumPy only.

x = x_0 + sigma eps with x_0 ~ N(mu, C), lambda_k the eigenvalues of C. These need nothing but the
power spectrum of a data set, and stand for it as far as second moments go.
"""

from __future__ import annotations

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules.schedule import Array


def mmse(eigenvalues: Array, sigma: Array) -> Array:
    """Return E|x_0 - D(x)|^2 at each `sigma` [n] > 0.

    sum_k lambda_k sigma^2 / (lambda_k + sigma^2): the least error that any denoiser can have.
    """
    variance, noise = _checked(eigenvalues, sigma)
    return (variance * noise**2 / (variance + noise**2)).sum(axis=-1)


def information(eigenvalues: Array, sigma: Array) -> Array:
    """Return I(x_0; x) in nats at each `sigma` [n] > 0: sum_k ln(1 + lambda_k / sigma^2) / 2.

    Its fall is the minimum mean squared error: dI/dsigma = -mmse / sigma^3 (I-MMSE, Guo et al.
    2005).
    """
    variance, noise = _checked(eigenvalues, sigma)
    return 0.5 * np.log1p(variance / noise**2).sum(axis=-1)


def rescaled_entropic_time(eigenvalues: Array, sigma: Array) -> Array:
    """Return the time in which first-order samplers should step evenly, at each `sigma` [n] > 0.

    The integral of mmse / sigma^2 from 0 (Stancevic et al., arXiv:2504.13612), in closed form
    sum_k sqrt(lambda_k) arctan(sigma / sqrt(lambda_k)).
    """
    variance, noise = _checked(eigenvalues, sigma)
    root = np.sqrt(variance)
    return (root * np.arctan2(noise, root)).sum(axis=-1)


def _checked(eigenvalues: Array, sigma: Array) -> tuple[Array, Array]:
    """Return the eigenvalues as [1, K] and sigma as [n, 1] float64."""
    variance = np.asarray(eigenvalues, dtype=np.float64).reshape(1, -1)
    noise = np.asarray(sigma, dtype=np.float64).reshape(-1, 1)
    if not (np.isfinite(variance).all() and np.all(variance >= 0.0)):
        raise EngineError("eigenvalues must be finite and not negative")
    if not np.all(noise > 0.0):
        raise EngineError("sigma must be above 0")
    return variance, noise
