"""The promises of every sampler, checked over the registry; each promise catches a broken one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import Mock, call

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels, Sampler, Step
from diffusion_gui.engine.samplers.base import apart, jumps, last_step
from diffusion_gui.engine.samplers.first_order import ddpm, euler
from diffusion_gui.engine.schedules import (
    ScheduleSpec,
    build,
    build_preset,
    from_betas,
    from_log_snr,
    grid,
    timesteps,
)

from .gaussian import MEAN, STD, gaussian_denoiser, moments, ones, pictures, start, ve, vp, walk

RAMP = np.linspace(1e-4, 0.1, 19)
HARD = {
    "zero terminal SNR": np.r_[RAMP, 1.0],
    "signal underflows for many steps": np.r_[RAMP, np.full(230, 0.999)],
    "levels that are one in float64": np.r_[RAMP[:5], 1e-18, 1e-18, RAMP[5:], 1.0],
}

CASES = [
    *[pytest.param(name, {}, id=name) for name, row in SAMPLERS.items() if not row.params],
    *[
        pytest.param(name, {param.name: value}, id=f"{name}-{param.name}={value:g}")
        for name, row in SAMPLERS.items()
        for param in row.params
        for value in sorted({param.minimum, param.default, param.maximum})
    ],
]


# --- the promises ---------------------------------------------------------------------------


def visits_each_level_once_and_ends_clean(name: str, params: dict[str, float]) -> None:
    schedule = build_preset("cosine", 100)
    for n in (1, 2, 13):
        levels, x = Levels.of(schedule, timesteps(100, n)), pictures(99)
        noise = Mock(side_effect=pictures)
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
        assert call(n - 1) not in noise.mock_calls or "churn" in params


def is_a_pure_function_of_its_arguments(name: str, params: dict[str, float]) -> None:
    levels = Levels.of(build_preset("linear"), timesteps(1000, 9))
    drawn = {i: pictures(i) for i in range(9)}
    x, row = pictures(99), SAMPLERS[name]
    values = resolve(row.params, tuple(params.items()), row.title)
    seen = [
        (step, step.x_t.clone(), step.x0_hat.clone())
        for step in row.walk(gaussian_denoiser, x, levels, drawn.__getitem__, **values)
    ]
    again = walk(name, params, gaussian_denoiser, pictures(99), levels, pictures)
    for (step, x_t, x0_hat), other in zip(seen, again, strict=True):
        assert torch.equal(x_t, other.x_t)
        assert torch.equal(step.x_t, x_t), "a step changed after it was told"
        assert torch.equal(step.x0_hat, x0_hat)
    assert torch.equal(x, pictures(99)), "the start was written to"
    assert all(torch.equal(z, pictures(i)) for i, z in drawn.items()), "the noise was written to"


def is_exact_on_hard_schedules(name: str, params: dict[str, float]) -> None:
    images = torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for betas in HARD.values():
        schedule = from_betas(betas)
        assert schedule.a[-1] == 0.0
        levels = Levels.of(schedule, timesteps(schedule.T, schedule.T))
        steps = walk(name, params, Exact(images), pictures(99), levels, pictures)
        assert (steps[0].x0_hat - images.mean(0)).abs().max() < 1e-6
        for step in steps:
            assert torch.isfinite(step.x_t).all()
        nearest = (steps[-1].x_t[:, None] - images[None]).square().flatten(2).mean(2).amin(1)
        assert nearest.sqrt().max() < 1e-3


def keeps_mean_and_deviation_of_gaussian_data(name: str, params: dict[str, float]) -> None:
    """Exactly, but for the samplers' own first-order error at 250 steps."""
    row = SAMPLERS[name]
    run = partial(row.walk, **resolve(row.params, tuple(params.items()), row.title))
    levels = Levels.of(build_preset("cosine", 1000), timesteps(1000, 250))
    mean, variance = moments(run, levels, 250, 0.0, 1.0)
    assert abs(mean - MEAN) < 1e-4
    assert abs(math.sqrt(variance) / STD - 1.0) < 0.02


def is_the_same_in_any_form_of_the_process(name: str, params: dict[str, float]) -> None:
    """The same noise-to-signal ratios give the same pictures, variance preserving or exploding."""
    if name == "ddpm" and params.get("variance"):
        return  # beta, unlike beta-tilde, is that of one form
    sigmas = np.r_[np.geomspace(20.0, 0.05, 9), 0.0]
    runs = [
        walk(name, params, gaussian_denoiser, start(7.0 * levels.a[0]), levels, ones)
        for levels in (ve(sigmas), vp(sigmas))
    ]
    for one, other in zip(*runs, strict=True):
        assert (one.x_t / one.a).item() == pytest.approx((other.x_t / other.a).item(), rel=1e-9)


def makes_the_model_calls_of_its_row(name: str, params: dict[str, float]) -> None:
    made = []

    def counted(x: Tensor, a: float, s: float) -> Tensor:
        made.append(s)
        return gaussian_denoiser(x, a, s)

    levels = ve(np.r_[np.geomspace(5.0, 0.1, 7), 0.0])
    row = SAMPLERS[name]
    values = resolve(row.params, tuple(params.items()), row.title)
    for step in row.walk(counted, start(3.0), levels, ones, **values):
        if step.index in (0, len(levels)):
            assert len(made) == row.evaluations(step.index, len(levels))


Promise = Callable[[str, dict[str, float]], None]
PROMISES: tuple[Promise, ...] = (
    visits_each_level_once_and_ends_clean,
    is_a_pure_function_of_its_arguments,
    is_exact_on_hard_schedules,
    keeps_mean_and_deviation_of_gaussian_data,
    is_the_same_in_any_form_of_the_process,
    makes_the_model_calls_of_its_row,
)


@pytest.mark.parametrize(("name", "params"), CASES)
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_every_sampler(promise: Promise, name: str, params: dict[str, float]) -> None:
    promise(name, params)


# --- a broken sampler breaks a promise ------------------------------------------------------


def _too_noisy(denoise: Any, x: Tensor, levels: Levels, noise: Any) -> Iterator[Step]:
    """Ancestral steps with a wrong sign: s'^2 + u^2 for s'^2 - u^2."""
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        fresh = jump.s_next * math.sqrt(1.0 - jump.ratio**2)
        kept = math.hypot(jump.s_next, fresh) / jump.s
        x = jump.a_next * x0_hat + kept * (x - jump.a * x0_hat)
        x = x + fresh * noise(jump.index) if fresh > 0.0 else x
    yield last_step(levels, x)


def _unclean(denoise: Any, x: Tensor, levels: Levels, noise: Any) -> Iterator[Step]:
    """Noise on the last step as well."""
    *steps, final = euler(denoise, x, levels, noise)
    yield from steps
    x = final.x_t + 0.01 * noise(len(levels) - 1)
    yield replace(final, x_t=x, x0_hat=x)


def _writing(denoise: Any, x: Tensor, levels: Levels, noise: Any) -> Iterator[Step]:
    """Euler in the memory of its start."""
    for step in euler(denoise, x.clone(), levels, noise):
        x.copy_(step.x_t)
        yield replace(step, x_t=x)


def _drawing(denoise: Any, x: Tensor, levels: Levels, noise: Any) -> Iterator[Step]:
    """DDPM with noise of its own."""
    return ddpm(denoise, x, levels, lambda i: torch.randn_like(x), variance=0.0)


def _formless(denoise: Any, x: Tensor, levels: Levels, noise: Any) -> Iterator[Step]:
    """Steps in s where they should be in s / a: they do not add up to the level's signal."""
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        x = x0_hat + jump.s_next / jump.s * (x - x0_hat)
    yield last_step(levels, x)


def _dividing(denoise: Any, x: Tensor, levels: Levels, noise: Any) -> Iterator[Step]:
    """Euler on x / a, which does not exist in pure noise."""
    for jump in jumps(levels):
        x0_hat = denoise(x, jump.a, jump.s)
        yield jump.step(x, x0_hat)
        y = x / jump.a if jump.a > 0.0 else x * math.inf
        x = jump.a_next * (x0_hat + jump.ratio * (y - x0_hat))
    yield last_step(levels, x)


def _asking_twice(denoise: Any, x: Tensor, levels: Levels, noise: Any) -> Iterator[Step]:
    """Euler with a second model call that its row does not tell of."""
    return euler(lambda *args: 0.5 * (denoise(*args) + denoise(*args)), x, levels, noise)


BROKEN: list[tuple[Callable[..., Iterator[Step]], Promise]] = [
    (_too_noisy, keeps_mean_and_deviation_of_gaussian_data),
    (_unclean, visits_each_level_once_and_ends_clean),
    (_writing, is_a_pure_function_of_its_arguments),
    (_drawing, is_a_pure_function_of_its_arguments),
    (_formless, is_the_same_in_any_form_of_the_process),
    (_dividing, is_exact_on_hard_schedules),
    (_asking_twice, makes_the_model_calls_of_its_row),
]


@pytest.mark.parametrize(("broken", "promise"), BROKEN)
def test_a_broken_sampler_breaks_a_promise(
    broken: Callable[..., Iterator[Step]], promise: Promise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SAMPLERS, "broken", Sampler("Broken", "no paper", "Wrong.", (), broken))
    with pytest.raises(AssertionError):
        promise("broken", {})


def test_every_promise_catches_a_broken_sampler() -> None:
    assert {promise for _, promise in BROKEN} == set(PROMISES)


# --- rows and levels ------------------------------------------------------------------------


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
    assert_allclose(levels.a, schedule.a[[50, 40, 30, 20, 10, 0]], rtol=0)
    assert_allclose(levels.s, schedule.s[[50, 40, 30, 20, 10, 0]], rtol=0)


@pytest.mark.parametrize("drop", [0.1, 1e-2, 1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize(("name", "params"), CASES)
def test_an_all_but_flat_stretch_of_a_drawn_curve_does_no_harm(
    name: str, params: dict[str, float], drop: float
) -> None:
    """Estimates from nearly one level differ by float32's rounding, which must not be magnified."""
    log_snr = np.interp(range(1, 1001), [1, 300, 700, 1000], [9, 1 + drop / 2, 1 - drop / 2, -9])
    levels = Levels.of(from_log_snr(log_snr), timesteps(1000, 20))
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def denoise(x: Tensor, a: float, s: float) -> Tensor:
        return (0.25 * a / (0.25 * a * a + s * s)) * x  # of data of deviation 0.5

    *_, end = walk(name, params, denoise, x, levels, lambda i: torch.zeros_like(x))
    assert end.x_t.abs().max() < 1.5 * 0.5 * x.abs().max()


def test_estimates_close_together_count_as_one() -> None:
    assert apart([1.0], 5.0) == [0]
    assert apart([1.0, 2.0, 3.0], 5.0) == [0, 1, 2]
    assert apart([1.0, 1.001, 3.0, 3.001, 4.0], -1.0) == [0, 2, 4]
    assert apart([0.0, -0.01, -0.02, -0.03], 1.0) == [0, 2]


@pytest.mark.parametrize("spacing", ["trailing", "karras", "exponential"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_arrives_from_levels_whose_sigma_is_beyond_float(
    name: str, spacing: str
) -> None:
    row = SAMPLERS[name]
    values = resolve(row.params, (), row.title)
    for betas in ((0.999,) * 300, (*(0.999,) * 400, 1.0), (*(0.02,) * 50, *(0.999,) * 250)):
        schedule = build(ScheduleSpec("", len(betas), betas=betas))
        levels = Levels.of(schedule, grid(schedule, 20, spacing))
        noise = torch.Generator().manual_seed(1)
        draws = [torch.randn(1, 3, 4, 4, generator=noise) for _ in range(21)]
        *_, end = row.walk(
            lambda x, a, s: torch.full_like(x, 0.25), draws[-1], levels, draws.__getitem__, **values
        )
        torch.testing.assert_close(end.x_t, torch.full_like(end.x_t, 0.25))


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_arrives_where_the_noise_is_below_any_float32(name: str) -> None:
    """From a log-SNR of about 174 on s has no inverse in float32, from 207 on it is 0 there."""
    images = torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(1)) * 2 - 1
    row = SAMPLERS[name]
    values = resolve(row.params, (), row.title)
    for highest in (180.0, 200.0, 260.0, 700.0):
        schedule = from_log_snr(np.linspace(highest, -9.0, 200))
        levels = Levels.of(schedule, timesteps(200, 20))
        steps = list(row.walk(Exact(images), pictures(99), levels, pictures, **values))
        assert all(torch.isfinite(step.x_t).all() for step in steps)
        nearest = (steps[-1].x_t[:, None] - images[None]).square().flatten(2).mean(2).amin(1)
        assert nearest.sqrt().max() < 1e-3
