"""Samplers against what is known: golden results, orders of convergence, DDPM's posterior.

All on Gaussian data. Samplers with fresh noise are measured by their exact variance, no draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.forward import posterior
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels, ddim, ddpm
from diffusion_gui.engine.schedules import Schedule, build_preset, timesteps

from .gaussian import (
    MEAN,
    STD,
    exact_flow,
    gaussian_denoiser,
    last,
    moments,
    no_noise,
    ones,
    pictures,
    start,
    ve,
    walk,
)

DETERMINISTIC = [name for name, row in SAMPLERS.items() if not row.stochastic]
STOCHASTIC = [name for name, row in SAMPLERS.items() if row.stochastic]

BETWEEN = {
    "lms": (3.0, 3.6),  # between the order of its formula and that of its first steps
    "deis": (2.0, 3.0),
    "er_sde": (1.8, 2.0),  # the error of the authors' 200-point sums begins to show
}
"""Observed orders that are not within 0.15 of the row's."""

VARIANTS = [
    ("lms", {"order": 1.0}, 1.0),
    ("lms", {"order": 2.0}, 2.0),
    ("ipndm", {"order": 1.0}, 1.0),
    ("ipndm", {"order": 2.0}, 2.0),
    ("deis", {"order": 1.0}, 1.0),
    ("deis", {"order": 2.0}, 2.0),
    ("deis", {"order": 4.0}, 1.9),  # its first step is Euler's
    ("unipc", {"order": 3.0}, 2.9),  # its last step corrects with fewer estimates
    ("gradient_estimation", {"gamma": 1.0}, 1.0),
    ("dpmpp_2m_sde", {"eta": 0.0}, 2.0),
    ("dpmpp_3m_sde", {"eta": 0.0}, 2.0),
    ("sa_solver", {"tau": 0.0, "predictor_order": 1.0, "corrector_order": 0.0}, 1.0),
    ("sa_solver", {"tau": 0.0, "predictor_order": 2.0, "corrector_order": 0.0}, 2.0),
    ("sa_solver", {"tau": 0.0, "predictor_order": 2.0, "corrector_order": 3.0}, 3.0),
    ("sa_solver", {"tau": 0.0}, 2.9),
]
WEAK_VARIANTS = [
    ("ddim", {"eta": 0.5}, 1.0),
    ("ddim", {"eta": 1.0}, 1.0),
    ("ddpm", {"variance": 1.0}, 1.0),
    ("heun", {"churn": 20.0}, 1.95),
    ("er_sde", {"order": 1.0}, 1.0),
    ("er_sde", {"order": 2.0}, 1.9),
    ("sa_solver", {"predictor_order": 1.0, "corrector_order": 0.0}, 1.0),
    ("sa_solver", {"predictor_order": 2.0, "corrector_order": 2.0}, 2.1),
    ("sa_solver", {"tau": 2.0}, 2.0),
]


def log_uniform(count: int) -> Levels:
    return ve(np.geomspace(10.0, 0.01, count + 1))


def path_error(name: str, params: dict[str, float], count: int) -> float:
    """Return how far the result lies from that of the probability flow."""
    steps = walk(name, params, gaussian_denoiser, start(10.0), log_uniform(count), no_noise)
    return abs(steps[-1].x_t.item() - exact_flow(10.0, 10.0, 0.01))


def variance_error(name: str, params: dict[str, float], count: int) -> float:
    """Return the variance of the result less that of the data at the last level."""
    row = SAMPLERS[name]
    run = partial(row.walk, **resolve(row.params, tuple(params.items()), row.title))
    _, variance = moments(run, log_uniform(count), count, MEAN, STD**2 + 10.0**2)
    return variance - (STD**2 + 0.01**2)


def observed_order(
    error: Callable[[str, dict[str, float], int], float], name: str, params: dict[str, float]
) -> float:
    return math.log2(abs(error(name, params, 64) / error(name, params, 128)))


# --- golden results ------------------------------------------------------------------------


def test_ddim_equals_the_reference(reference: dict[str, Any]) -> None:
    golden = reference["samplers"]
    levels = ve(np.array(golden["sigmas"]))
    result = last(ddim(gaussian_denoiser, start(80.0), levels, no_noise, eta=0.0)).x_t
    assert_allclose(result.item(), golden["ddim_eta_0"], rtol=1e-12)


def test_every_sampler_is_proven(reference: dict[str, Any]) -> None:
    """DDIM, DDPM and gradient estimation are checked below, DEIS and SA-Solver by diffusers."""
    proven = {*reference["samplers"]["results"], "ddim", "ddpm", "gradient_estimation"}
    assert proven | {"deis", "sa_solver"} == set(SAMPLERS)


def test_samplers_equal_the_reference(reference: dict[str, Any]) -> None:
    levels = ve(np.array(reference["samplers"]["sigmas"]))
    for name, golden in reference["samplers"]["results"].items():
        steps = walk(name, {}, gaussian_denoiser, start(80.0), levels, ones)
        assert steps[-1].x_t.item() == pytest.approx(golden, rel=1e-9), name


def test_er_sde_equals_the_reference_when_its_noise_is_zero(reference: dict[str, Any]) -> None:
    levels = ve(np.array(reference["samplers"]["sigmas"]))
    args = gaussian_denoiser, start(80.0), levels, lambda i: start(0.0)
    found = walk("er_sde", {}, *args)[-1].x_t.item()
    assert found == pytest.approx(reference["samplers"]["er_sde_noise_0"], rel=1e-12)


def test_ddim_with_noise_and_ddpm_equal_the_reference(reference: dict[str, Any]) -> None:
    golden = reference["samplers"]
    levels = ve(np.array(golden["sigmas"]))
    for steps in (
        ddim(gaussian_denoiser, start(80.0), levels, ones, eta=1.0),
        ddpm(gaussian_denoiser, start(80.0), levels, ones, variance=0.0),
    ):
        assert_allclose(last(steps).x_t.item(), golden["ddim_eta_1_noise_1"], rtol=1e-12)


def test_gradient_estimation_equals_its_recursion_and_euler_at_gamma_1(
    reference: dict[str, Any],
) -> None:
    sigmas = np.array(reference["samplers"]["sigmas"])
    x, before = 80.0, None
    for sigma, after in pairwise(sigmas):
        d = (x - gaussian_denoiser(start(x), 1.0, sigma).item()) / sigma
        x += (after - sigma) * (d if before is None or after == 0.0 else 2.0 * d - before)
        before = d
    found = walk("gradient_estimation", {}, gaussian_denoiser, start(80.0), ve(sigmas), no_noise)
    assert found[-1].x_t.item() == pytest.approx(x, rel=1e-12)
    plain = {"gamma": 1.0}
    found = walk("gradient_estimation", plain, gaussian_denoiser, start(80.0), ve(sigmas), no_noise)
    assert found[-1].x_t.item() == pytest.approx(reference["samplers"]["ddim_eta_0"], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "params", "other"),
    [
        ("deis", {"order": 1.0}, "euler"),
        ("lms", {"order": 1.0}, "euler"),
        ("dpmpp_2m_sde", {"eta": 0.0}, "dpmpp_2m"),
        ("sa_solver", {"tau": 0.0, "predictor_order": 1.0, "corrector_order": 0.0}, "euler"),
    ],
)
def test_samplers_have_the_special_cases_of_their_papers(
    name: str, params: dict[str, float], other: str
) -> None:
    args = gaussian_denoiser, start(10.0), log_uniform(16), no_noise
    for one, same in zip(walk(name, params, *args), walk(other, {}, *args), strict=True):
        assert one.x_t.item() == pytest.approx(same.x_t.item(), rel=1e-12)


# --- orders of convergence -----------------------------------------------------------------


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_the_order_of_convergence_is_the_rows(name: str) -> None:
    order = float(SAMPLERS[name].order)
    low, high = BETWEEN.get(name, (order - 0.15, order + 0.15))
    assert low <= observed_order(path_error, name, {}) <= high


@pytest.mark.parametrize("name", STOCHASTIC)
def test_the_weak_order_of_convergence_is_the_rows(name: str) -> None:
    order = float(SAMPLERS[name].order)
    low, high = BETWEEN.get(name, (order - 0.15, order + 0.15))
    assert low <= observed_order(variance_error, name, {}) <= high


@pytest.mark.parametrize(("name", "params", "order"), VARIANTS)
def test_parameters_change_the_order_of_convergence(
    name: str, params: dict[str, float], order: float
) -> None:
    assert observed_order(path_error, name, params) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(("name", "params", "order"), WEAK_VARIANTS)
def test_parameters_change_the_weak_order_of_convergence(
    name: str, params: dict[str, float], order: float
) -> None:
    assert observed_order(variance_error, name, params) == pytest.approx(order, abs=0.15)


def test_the_errors_equal_the_reference(reference: dict[str, Any]) -> None:
    for name, golden in reference["samplers"]["errors"].items():
        for count, error in zip((16, 32, 64, 128, 256), golden, strict=True):
            assert path_error(name, {}, count) == pytest.approx(error, rel=1e-6), (name, count)


def test_the_errors_of_the_variance_equal_the_reference(reference: dict[str, Any]) -> None:
    for name, golden in reference["samplers"]["variance_errors"].items():
        for count, error in zip((16, 32, 64, 128), golden, strict=True):
            assert variance_error(name, {}, count) == pytest.approx(error, rel=1e-6), (name, count)


def test_the_error_of_ddim_equals_the_reference(reference: dict[str, Any]) -> None:
    key = "error_start_10_log_uniform_10_to_0.01_steps_16_32_64_128_256"
    for count, golden in zip((16, 32, 64, 128, 256), reference["samplers"][key], strict=True):
        assert_allclose(path_error("ddim", {}, count), golden, rtol=1e-9)


def test_ddim_follows_the_probability_flow_with_first_order() -> None:
    def error(n: int) -> float:
        angle = np.linspace(1.5, 0.01, n + 1)
        levels = Levels(np.arange(n, -1, -1.0), np.cos(angle), np.sin(angle))
        x = last(ddim(gaussian_denoiser, start(1.2), levels, no_noise, eta=0.0)).x_t.item()
        a, s = levels.a, levels.s
        return abs(x - a[-1] * exact_flow(1.2 / a[0], s[0] / a[0], s[-1] / a[-1]))

    errors = [error(n) for n in (64, 128, 256)]
    assert errors[0] < 0.02
    assert 0.9 < math.log2(errors[0] / errors[1]) < 1.1
    assert 0.9 < math.log2(errors[1] / errors[2]) < 1.1


# --- DDPM is the posterior ------------------------------------------------------------------


def _one_step(
    schedule: Schedule, t: int, variance: float, noise: Callable[[int], Tensor]
) -> tuple[float, float, float]:
    """Return (x0_hat, x_t, x_{t-1}) of one DDPM transition between neighbouring levels."""
    levels = Levels.of(schedule, np.array([t, t - 1, 0]))
    steps = ddpm(lambda x, a, s: start(0.4), start(-0.9), levels, noise, variance=variance)
    before, after = next(steps), next(steps)
    return before.x0_hat.item(), before.x_t.item(), after.x_t.item()


@pytest.mark.parametrize("variance", [0.0, 1.0])
@pytest.mark.parametrize("preset", ["linear", "cosine"])
@pytest.mark.parametrize("t", [2, 10, 500, 999, 1000])
def test_ddpm_steps_have_the_coefficients_of_the_posterior(
    preset: str, t: int, variance: float
) -> None:
    schedule = build_preset(preset, 1000)
    coef_x_0, coef_x_t, beta_tilde = posterior(schedule, t)
    x0_hat, x_t, mean = _one_step(schedule, t, variance, lambda i: start(0.0))
    assert_allclose(mean, coef_x_0 * x0_hat + coef_x_t * x_t, rtol=1e-10)
    *_, moved = _one_step(schedule, t, variance, ones)
    expected = schedule.beta[t] if variance else beta_tilde
    assert_allclose((moved - mean) ** 2, expected, rtol=1e-9)


def test_ddim_at_eta_one_is_ddpm_with_the_small_variance() -> None:
    levels = Levels.of(build_preset("linear"), timesteps(1000, 37))
    args = (gaussian_denoiser, pictures(99), levels, pictures)
    for one, other in zip(ddim(*args, eta=1.0), ddpm(*args, variance=0.0), strict=True):
        assert_close(one.x_t, other.x_t, rtol=1e-6, atol=1e-6)


def test_eta_scales_the_fresh_noise_and_keeps_the_noise_level() -> None:
    levels = Levels.of(build_preset("linear"), np.array([600, 300, 0]))
    a, s, a_next, s_next = levels.a[0], levels.s[0], levels.a[1], levels.s[1]
    full = s_next * math.sqrt(1 - ((s_next * a) / (a_next * s)) ** 2)  # DDIM eq. 16
    for eta in (0.25, 1.0):
        steps = ddim(lambda x, a, s: start(0.0), start(s), levels, ones, eta=eta)
        next(steps)
        kept = math.sqrt(s_next**2 - (eta * full) ** 2)
        assert_allclose(next(steps).x_t.item(), kept + eta * full, rtol=1e-12)
