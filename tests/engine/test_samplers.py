"""Samplers: the exact solution of Gaussian data, DDPM's own coefficients, and shared promises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.forward import posterior
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels, Step, ddim, ddpm
from diffusion_gui.engine.schedules import Schedule, build_preset, from_betas, timesteps

MEAN, STD = 0.3, 0.5
RAMP = np.linspace(1e-4, 0.1, 19)

CASES = [
    pytest.param(name, {param.name: value}, id=f"{name}-{param.name}={value:g}")
    for name, row in SAMPLERS.items()
    for param in row.params
    for value in sorted({param.minimum, param.default, param.maximum})
]


def gaussian_denoiser(x: Tensor, a: float, s: float) -> Tensor:
    """Return E[x_0 | x_t] for x_0 ~ N(MEAN, STD^2)."""
    return MEAN + a * STD**2 / (a**2 * STD**2 + s**2) * (x - a * MEAN)


def no_noise(i: int) -> Tensor:
    raise AssertionError(f"a deterministic sampler asked for the noise of step {i}")


def ones(i: int) -> Tensor:
    return torch.ones(1, 1, 1, 1, dtype=torch.float64)


def start(value: float) -> Tensor:
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def ve(sigmas: np.ndarray) -> Levels:
    """Return the levels x = x_0 + sigma eps."""
    return Levels(np.arange(len(sigmas))[::-1].copy(), np.ones_like(sigmas), sigmas)


def last(steps: Iterator[Step]) -> Step:
    return list(steps)[-1]


def walk(name: str, params: dict[str, float], *args: Any) -> list[Step]:
    row = SAMPLERS[name]
    values = resolve(row.params, tuple(params.items()), row.title)
    return list(row.walk(*args, **values))


def pictures(step: int) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(4, 3, 5, 5, generator=generator)


# --- against known solutions ---------------------------------------------------------------


def test_ddim_equals_the_reference(reference: dict[str, Any]) -> None:
    golden = reference["samplers"]
    levels = ve(np.array(golden["sigmas"]))
    result = last(ddim(gaussian_denoiser, start(80.0), levels, no_noise, eta=0.0)).x_t
    assert_allclose(result.item(), golden["ddim_eta_0"], rtol=1e-12)


def test_every_sampler_has_a_golden_result(reference: dict[str, Any]) -> None:
    """DDIM and DDPM have their own; gradient estimation is checked below."""
    proven = {*reference["samplers"]["results"], "ddim", "ddpm", "gradient_estimation"}
    assert proven == set(SAMPLERS)


def test_samplers_equal_the_reference(reference: dict[str, Any]) -> None:
    levels = ve(np.array(reference["samplers"]["sigmas"]))
    for name, golden in reference["samplers"]["results"].items():
        steps = walk(name, {}, gaussian_denoiser, start(80.0), levels, ones)
        assert steps[-1].x_t.item() == pytest.approx(golden, rel=1e-9), name


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


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_form_of_the_process_does_not_matter(name: str) -> None:
    """The same noise-to-signal ratios give the same pictures, variance preserving or exploding."""
    sigmas = np.geomspace(20.0, 0.05, 9)
    exploding = ve(np.r_[sigmas, 0.0])
    a = 1.0 / np.hypot(1.0, exploding.s)
    preserving = Levels(exploding.t, a, exploding.s * a)
    runs = [
        walk(name, {}, gaussian_denoiser, start(7.0 * levels.a[0]), levels, ones)
        for levels in (exploding, preserving)
    ]
    if name == "ddpm":  # beta-tilde is the same in both forms, too
        assert SAMPLERS[name].stochastic
    for one, other in zip(*runs, strict=True):
        assert (one.x_t / one.a).item() == pytest.approx((other.x_t / other.a).item(), rel=1e-9)


@pytest.mark.parametrize("name", [n for n, row in SAMPLERS.items() if not row.stochastic])
def test_the_order_of_convergence_is_the_rows(name: str, reference: dict[str, Any]) -> None:
    """On Gaussian data, whose probability-flow ODE has a closed form."""

    def error(count: int) -> float:
        sigmas = np.geomspace(10.0, 0.01, count + 1)
        exact = MEAN + (10.0 - MEAN) * math.sqrt((0.01**2 + STD**2) / (10.0**2 + STD**2))
        steps = walk(name, {}, gaussian_denoiser, start(10.0), ve(sigmas), no_noise)
        return abs(steps[-1].x_t.item() - exact)

    if name in reference["samplers"]["errors"]:
        assert error(64) == pytest.approx(reference["samplers"]["errors"][name][2], rel=1e-6)
    observed = math.log2(error(64) / error(128))
    slack = 0.6 if name == "lms" else 0.15
    assert observed == pytest.approx(SAMPLERS[name].order, abs=slack)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_row_tells_the_number_of_model_calls(name: str) -> None:
    made = []

    def counted(x: Tensor, a: float, s: float) -> Tensor:
        made.append(s)
        return gaussian_denoiser(x, a, s)

    levels = ve(np.r_[np.geomspace(5.0, 0.1, 7), 0.0])
    row = SAMPLERS[name]
    values = resolve(row.params, (), row.title)
    for step in row.walk(counted, start(3.0), levels, ones, **values):
        if step.index in (0, len(levels)):
            assert len(made) == row.evaluations(step.index, len(levels))


def test_ddim_with_noise_and_ddpm_equal_the_reference(reference: dict[str, Any]) -> None:
    golden = reference["samplers"]
    levels = ve(np.array(golden["sigmas"]))
    for steps in (
        ddim(gaussian_denoiser, start(80.0), levels, ones, eta=1.0),
        ddpm(gaussian_denoiser, start(80.0), levels, ones, variance=0.0),
    ):
        assert_allclose(last(steps).x_t.item(), golden["ddim_eta_1_noise_1"], rtol=1e-12)


def test_the_error_of_ddim_equals_the_reference(reference: dict[str, Any]) -> None:
    key = "error_start_10_log_uniform_10_to_0.01_steps_16_32_64_128_256"
    exact = MEAN + (10 - MEAN) * math.sqrt((STD**2 + 0.01**2) / (STD**2 + 10.0**2))
    for n, golden in zip((16, 32, 64, 128, 256), reference["samplers"][key], strict=True):
        levels = ve(np.geomspace(10.0, 0.01, n + 1))
        x = last(ddim(gaussian_denoiser, start(10.0), levels, no_noise, eta=0.0)).x_t
        assert_allclose(abs(x.item() - exact), golden, rtol=1e-9)


def test_ddim_follows_the_probability_flow_with_first_order() -> None:
    def error(n: int) -> float:
        angle = np.linspace(1.5, 0.01, n + 1)
        levels = Levels(np.arange(n, -1, -1), np.cos(angle), np.sin(angle))
        x = last(ddim(gaussian_denoiser, start(1.2), levels, no_noise, eta=0.0)).x_t.item()
        a, s = levels.a, levels.s
        gain = math.sqrt(
            (a[-1] ** 2 * STD**2 + s[-1] ** 2) / (a[0] ** 2 * STD**2 + s[0] ** 2)
        )  # a Gaussian stays at its quantile
        return abs(x - (a[-1] * MEAN + gain * (1.2 - a[0] * MEAN)))

    errors = [error(n) for n in (64, 128, 256)]
    assert errors[0] < 0.02
    assert 0.9 < math.log2(errors[0] / errors[1]) < 1.1
    assert 0.9 < math.log2(errors[1] / errors[2]) < 1.1


@pytest.mark.parametrize(("name", "params"), CASES)
def test_samples_of_gaussian_data_have_its_mean_and_deviation(
    name: str, params: dict[str, float]
) -> None:
    schedule, n = build_preset("cosine", 1000), 20_000
    levels = Levels.of(schedule, timesteps(1000, 1000))
    generator = torch.Generator().manual_seed(0)

    def noise(i: int) -> Tensor:
        return torch.randn(n, 1, 1, 1, dtype=torch.float64, generator=generator)

    x = walk(name, params, gaussian_denoiser, noise(-1), levels, noise)[-1].x_t
    assert abs(x.mean().item() - MEAN) < 5 * STD / math.sqrt(n)
    # five standard errors, and the samplers' own first-order error at 1000 steps
    assert abs(x.std().item() / STD - 1) < 5 / math.sqrt(2 * n) + 0.005


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


# --- promises of every sampler --------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 13])
@pytest.mark.parametrize(("name", "params"), CASES)
def test_every_sampler_yields_each_level_once_and_ends_clean(
    name: str, params: dict[str, float], n: int
) -> None:
    schedule = build_preset("cosine", 100)
    levels = Levels.of(schedule, timesteps(100, n))
    asked: list[int] = []

    def noise(i: int) -> Tensor:
        asked.append(i)
        return pictures(i)

    x = pictures(99)
    steps = walk(name, params, gaussian_denoiser, x, levels, noise)
    assert [step.index for step in steps] == list(range(n + 1))
    assert [step.t for step in steps] == levels.t.tolist()
    assert torch.equal(steps[0].x_t, x) or "churn" in params
    for step in steps[:-1]:
        assert step.a == schedule.a[step.t]
        raised = params.get("churn", 0.0) > 0.0  # churn goes up a little before it goes down
        assert step.s > schedule.s[step.t] if raised else step.s == schedule.s[step.t]
        assert torch.equal(step.x0_hat, gaussian_denoiser(step.x_t, step.a, step.s))
        assert step.x_t.dtype == torch.float32
    final = steps[-1]
    assert (final.t, final.a, final.s) == (0, 1.0, 0.0)
    assert torch.equal(final.x_t, final.x0_hat)
    if name != "lms":  # which extrapolates to the very end
        assert torch.equal(final.x_t, steps[-2].x0_hat)  # no noise on the last step
    assert n - 1 not in asked or "churn" in params


@pytest.mark.parametrize(("name", "params"), CASES)
def test_every_sampler_is_a_pure_function_of_its_arguments(
    name: str, params: dict[str, float]
) -> None:
    levels = Levels.of(build_preset("linear"), timesteps(1000, 9))
    x = pictures(99)
    first = walk(name, params, gaussian_denoiser, x, levels, pictures)
    second = walk(name, params, gaussian_denoiser, x, levels, pictures)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.x_t, other.x_t)
    assert torch.equal(x, pictures(99))


@pytest.mark.parametrize(("name", "params"), CASES)
@pytest.mark.parametrize(
    "betas",
    [np.r_[RAMP, 1.0], np.r_[RAMP, np.full(230, 0.999)]],
    ids=["zero terminal SNR", "signal underflows for many steps"],
)
def test_every_sampler_is_exact_where_no_signal_is_left(
    name: str, params: dict[str, float], betas: np.ndarray
) -> None:
    schedule = from_betas(betas)
    assert schedule.a[-1] == 0.0
    images = torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(1)) * 2 - 1
    levels = Levels.of(schedule, timesteps(schedule.T, schedule.T))
    steps = walk(name, params, Exact(images), pictures(99), levels, pictures)
    assert_close(steps[0].x0_hat, images.mean(0).expand(4, 3, 5, 5), rtol=0, atol=1e-6)
    for step in steps:
        assert torch.isfinite(step.x_t).all()
    nearest = (steps[-1].x_t[:, None] - images[None]).square().flatten(2).mean(2).amin(1)
    assert nearest.sqrt().max() < 1e-3


@pytest.mark.parametrize("name", SAMPLERS)
def test_rows_are_complete_for_the_form(name: str) -> None:
    row = SAMPLERS[name]
    assert row.title
    assert row.source
    assert row.explanation.endswith(".")
    for param in row.params:
        assert param.minimum <= param.default <= param.maximum
        assert param.tooltip.endswith(".")
        assert not param.choices or len(param.choices) == param.maximum + 1


def test_levels_count_transitions_and_read_the_schedule() -> None:
    schedule = build_preset("linear", 50)
    levels = Levels.of(schedule, timesteps(50, 5))
    assert len(levels) == 5
    assert levels.t.tolist() == [50, 40, 30, 20, 10, 0]
    assert_allclose(levels.a, schedule.a[levels.t], rtol=0)
    assert_allclose(levels.s, schedule.s[levels.t], rtol=0)
