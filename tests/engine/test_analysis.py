"""Information per noise level: closed forms against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from diffusion_gui.engine.analysis import information, mmse, rescaled_entropic_time
from diffusion_gui.engine.errors import EngineError

LAMBDA = np.array([9.0, 1.0, 0.3, 0.02, 0.0])
SIGMA = np.array([0.05, 0.7, 3.0, 40.0])


def test_mmse_runs_from_the_noise_to_the_total_variance() -> None:
    assert_allclose(mmse(LAMBDA, np.array([1e-6])), 4e-12, rtol=1e-6)  # four directions have any
    assert_allclose(mmse(LAMBDA, np.array([1e6])), LAMBDA.sum(), rtol=1e-6)
    one = np.array([0.25])
    assert_allclose(mmse(one, np.array([0.5])), 0.125)


def test_rescaled_entropic_time_is_the_integral_of_its_density() -> None:
    for sigma, found in zip(SIGMA, rescaled_entropic_time(LAMBDA, SIGMA), strict=True):
        knots = [s for s in (0.01, 0.1, 1.0, 10.0) if s < sigma]
        exact, _ = quad(
            lambda s: mmse(LAMBDA, np.array([s]))[0] / s**2, 0, sigma, points=knots, epsabs=1e-12
        )
        assert found == pytest.approx(exact, rel=1e-6)


def test_information_falls_by_the_error_over_sigma_cubed() -> None:
    for low, high in ((0.1, 0.5), (0.5, 4.0), (4.0, 60.0)):
        exact, _ = quad(lambda s: mmse(LAMBDA, np.array([s]))[0] / s**3, low, high, epsabs=1e-12)
        at_low, at_high = information(LAMBDA, np.array([low, high]))
        assert at_low - at_high == pytest.approx(exact, rel=1e-6)


def test_what_is_no_spectrum_is_refused() -> None:
    with pytest.raises(EngineError, match="not negative"):
        mmse(np.array([-1.0]), SIGMA)
    with pytest.raises(EngineError, match="above 0"):
        information(LAMBDA, np.array([0.0]))
