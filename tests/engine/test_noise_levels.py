"""Noise levels of a training and how errors weigh there, against their formulas in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import build_preset
from diffusion_gui.engine.training.noise_levels import draw, even, sigmas_of, weight
from diffusion_gui.engine.training.options import Levels, TrainOptions, Weighting

SIGMAS = np.geomspace(0.002, 160.0, 41)
EVEN = (torch.arange(10_000) + 0.5) / 10_000


@pytest.mark.parametrize(
    ("weighting", "of_x0"),
    [
        (Weighting.EDM, lambda s, d: (s**2 + d**2) / (s * d) ** 2),
        (Weighting.MIN_SNR, lambda s, d: np.minimum(1 / s**2, 5.0)),
        (Weighting.EPSILON, lambda s, d: 1 / s**2),
    ],
)
@pytest.mark.parametrize("data", [0.25, 0.5, 0.8])
def test_a_weight_is_that_of_an_error_of_x0_hat_times_c_out_squared(weighting, of_x0, data):
    c_out = SIGMAS * data / np.sqrt(SIGMAS**2 + data**2)
    found = weight(weighting, torch.from_numpy(SIGMAS).float(), data).double().numpy()
    np.testing.assert_allclose(found, of_x0(SIGMAS, data) * c_out**2, rtol=2e-6)


def test_log_normal_levels_have_the_mean_and_deviation_they_are_told():
    log_sigma = draw(TrainOptions(p_mean=-1.2, p_std=1.2), None, EVEN).log()
    assert float(log_sigma.mean()) == pytest.approx(-1.2, abs=1e-3)
    assert float(log_sigma.std()) == pytest.approx(1.2, abs=2e-3)
    assert bool((log_sigma.diff() >= 0.0).all())


def test_a_schedule_is_trained_at_each_of_its_steps_as_often():
    schedule = build_preset("linear", T=100)
    sigmas = sigmas_of(schedule.a[1:], schedule.s[1:])
    found = draw(TrainOptions(levels=Levels.SCHEDULE), sigmas, EVEN)
    values, counts = found.unique(return_counts=True)
    np.testing.assert_allclose(values.numpy(), sigmas.float().numpy(), rtol=1e-6)
    assert counts.unique().tolist() == [100]
    expected = np.sqrt(1 / schedule.alpha_bar[1:] - 1)
    np.testing.assert_allclose(sigmas.numpy(), np.sort(expected), rtol=1e-9)


def test_pure_noise_is_the_highest_level_and_no_noise_is_none():
    found = sigmas_of(np.array([1.0, 0.5, 0.0]), np.array([0.0, 0.5, 1.0]))
    assert found.tolist() == [1.0, 160.0]
    with pytest.raises(EngineError, match="no noisy step"):
        sigmas_of(np.ones(3), np.zeros(3))
    with pytest.raises(EngineError, match="needs the schedule"):
        draw(TrainOptions(levels=Levels.SCHEDULE), None, EVEN)


def test_the_levels_of_a_batch_lie_one_in_each_part():
    generator = torch.Generator().manual_seed(1)
    found = even(torch.rand(64, generator=generator), generator)
    assert sorted((found * 64).floor().int().tolist()) == list(range(64))
    assert found.tolist() != sorted(found.tolist())


def test_the_learning_rate_warms_up_stays_and_falls():
    options = TrainOptions(learning_rate=1.0e-3, warmup=10, decay_after=100)
    found = [options.rate(step) for step in (0, 4, 9, 50, 99, 399)]
    np.testing.assert_allclose(found, [1e-4, 5e-4, 1e-3, 1e-3, 1e-3, 5e-4])


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 0}, {"learning_rate": 0.0}, {"learning_rate": math.nan}, {"warmup": 0},
        {"clip": 0.0}, {"ema": 1.0}, {"withheld": 1.5}, {"p_std": 0.0}, {"p_mean": math.inf},
        {"shift": 17}, {"seed": -1},
    ],
)  # fmt: skip
def test_a_value_no_training_can_work_with_is_named(change):
    (name,) = change
    with pytest.raises(EngineError, match=name):
        replace(TrainOptions(), **change).check()
