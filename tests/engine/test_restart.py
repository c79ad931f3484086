"""Restart around every sampler: where it goes back, what it costs, that it keeps the data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import RESTART_PARAMS, SAMPLERS, Levels, Step, restart
from diffusion_gui.engine.samplers.restart import Plan, Walk
from diffusion_gui.engine.schedules import build_preset, from_betas, timesteps

from .gaussian import MEAN, STD, gaussian_denoiser, moments, ones, pictures, start, ve, walk

GRID = ve(np.array([20.0, 8.0, 3.0, 1.0, 0.5, 0.2, 0.1, 0.0]))
ONCE = {"low": 0.2, "high": 2.0, "rounds": 2.0}
"""Goes back from level 5 to level 2 of the grid, the last one above `high`, twice."""


def sampler(name: str) -> Walk:
    row = SAMPLERS[name]
    return partial(row.walk, **resolve(row.params, (), row.title))


def steps_of(name: str, settings: dict[str, float], levels: Levels = GRID) -> list[Step]:
    return list(restart(sampler(name), gaussian_denoiser, start(15.0), levels, ones, **settings))


def test_it_goes_back_to_the_noisy_level_and_solves_the_way_again() -> None:
    steps = steps_of("euler", ONCE)
    way = [2, 3, 4]
    assert [step.t for step in steps] == [7 - i for i in (0, 1, *way, *way, *way, 5, 6, 7)]
    assert [step.index for step in steps] == list(range(len(steps)))


def test_churn_is_that_of_the_whole_run_in_every_part() -> None:
    heun = partial(SAMPLERS["heun"].walk, churn=1.4, noise_scale=1.0)
    plain = {step.t: step.s for step in heun(gaussian_denoiser, start(15.0), GRID, ones)}
    again = list(restart(heun, gaussian_denoiser, start(15.0), GRID, ones, **ONCE))
    assert [step.s for step in again] == [plain[step.t] for step in again]
    assert again[0].s == pytest.approx(20.0 * (1.0 + 1.4 / 7))


def test_a_level_reached_again_holds_the_forward_noise_of_the_jump() -> None:
    steps = steps_of("euler", ONCE)
    reached = 0.2 / 0.5 * steps[4].x_t + (1.0 - 0.2 / 0.5) * steps[4].x0_hat
    expected = reached + math.sqrt(3.0**2 - 0.2**2)  # of the noise 1
    assert steps[5].s == 3.0
    assert steps[5].x_t.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "top", "bottom", "rounds"),
    [
        (ONCE, 2, 5, 2),
        ({"low": 0.05, "high": 0.06, "rounds": 1.0}, 6, 7, 1),  # down to the clean picture
        ({"low": 0.2, "high": 50.0, "rounds": 3.0}, 0, 5, 3),  # never was that noisy
        ({"low": 25.0, "high": 50.0, "rounds": 3.0}, 0, 0, 0),  # starts below
        ({"low": 0.2, "high": 2.0, "rounds": 0.0}, 2, 5, 0),
    ],
)
def test_the_plan_finds_the_levels(
    settings: dict[str, float], top: int, bottom: int, rounds: int
) -> None:
    plan = Plan.of(GRID, **settings)
    assert (plan.top, plan.bottom, plan.rounds) == (top, bottom, rounds)


def test_it_makes_no_round_where_the_run_ends_above_the_low_level() -> None:
    assert Plan.of(ve(np.array([5.0, 1.0, 0.5])), **ONCE).steps == 2


@pytest.mark.parametrize("name", SAMPLERS)
def test_without_a_round_it_is_the_sampler_itself(name: str) -> None:
    plain = walk(name, {}, gaussian_denoiser, start(15.0), GRID, ones)
    for one, other in zip(steps_of(name, {**ONCE, "rounds": 0.0}), plain, strict=True):
        assert one.index == other.index
        assert torch.equal(one.x_t, other.x_t)


@pytest.mark.parametrize("settings", [ONCE, {"low": 0.05, "high": 0.5, "rounds": 3.0}])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_plan_forecasts_steps_and_model_calls(name: str, settings: dict[str, float]) -> None:
    made = []

    def counted(x: Tensor, a: float, s: float) -> Tensor:
        made.append(s)
        return gaussian_denoiser(x, a, s)

    steps = list(restart(sampler(name), counted, start(15.0), GRID, ones, **settings))
    plan = Plan.of(GRID, **settings)
    assert len(steps) == plan.steps + 1
    assert len(made) == plan.evaluations(SAMPLERS[name].calls)


@pytest.mark.parametrize("rounds", [1.0, 4.0])
def test_no_noise_number_is_used_twice_and_rounds_do_not_depend_on_those_to_come(
    rounds: float,
) -> None:
    asked: list[int] = []

    def noise(i: int) -> Tensor:
        asked.append(i)
        return ones(i)

    settings = {**ONCE, "rounds": rounds}
    run = restart(sampler("ddpm"), gaussian_denoiser, start(15.0), GRID, noise, **settings)
    assert len(list(run)) == 7 + 3 * rounds + 1
    assert len(asked) == len(set(asked))
    assert asked[:5] == [0, 1, 2, 3, 4]  # as without a restart
    assert asked[5:9] == [7, 8, 9, 10]  # up, then three levels down
    assert asked[9:13] == ([11, 12, 13, 14] if rounds > 1 else [5])
    assert asked[-1] == 5  # the last step adds none


@pytest.mark.parametrize("settings", [ONCE, {"low": 0.06, "high": 0.3, "rounds": 5.0}])
@pytest.mark.parametrize("name", SAMPLERS)
def test_it_keeps_mean_and_deviation_of_gaussian_data(
    name: str, settings: dict[str, float]
) -> None:
    levels = Levels.of(build_preset("cosine", 1000), timesteps(1000, 250))
    plan = Plan.of(levels, **settings)

    def run(denoise: object, x: Tensor, levels: Levels, noise: object) -> Iterator[Step]:
        return restart(sampler(name), denoise, x, levels, noise, **settings)

    mean, variance = moments(run, levels, plan.steps + plan.rounds, 0.0, 1.0)
    assert abs(mean - MEAN) < 1e-4
    assert abs(math.sqrt(variance) / STD - 1.0) < 0.03


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_is_finite_from_pure_noise_and_the_same_again(name: str) -> None:
    schedule = from_betas(np.r_[np.linspace(1e-4, 0.1, 19), 1.0])
    images = torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(1)) * 2 - 1
    levels = Levels.of(schedule, timesteps(schedule.T, schedule.T))
    args = sampler(name), Exact(images), pictures(99), levels, pictures
    settings = {"low": 0.05, "high": 100.0, "rounds": 2.0}  # all the way up to a = 0
    first = list(restart(*args, **settings))
    assert sum(step.a == 0.0 for step in first) == 3
    for one, other in zip(first, restart(*args, **settings), strict=True):
        assert torch.isfinite(one.x_t).all()
        assert torch.equal(one.x_t, other.x_t)
    nearest = (first[-1].x_t[:, None] - images[None]).square().flatten(2).mean(2).amin(1)
    assert nearest.sqrt().max() < 1e-3


def test_the_levels_must_be_in_order() -> None:
    with pytest.raises(EngineError, match=r"low = 0\.5 must be below high = 0\.5"):
        restart(
            sampler("euler"), gaussian_denoiser, start(1.0), GRID, ones,
            low=0.5, high=0.5, rounds=1.0,
        )  # fmt: skip


def test_its_parameters_are_complete_for_the_form() -> None:
    values = resolve(RESTART_PARAMS, (), "Restart")
    assert values["low"] < values["high"]
    assert all(param.tooltip.endswith(".") for param in RESTART_PARAMS)
    assert Plan.of(GRID, **values).rounds == 2
