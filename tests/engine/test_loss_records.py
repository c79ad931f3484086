"""The curves of a training, in bounded memory: loss over steps, and loss over noise levels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diffusion_gui.engine.training.loss_by_level import LossByLevel
from diffusion_gui.engine.training.loss_curve import LossCurve


@pytest.mark.parametrize("count", [1, 9, 10, 11, 95, 1234])
def test_a_curve_of_any_length_is_means_of_steps_in_a_row(count):
    curve = LossCurve(most=10)
    losses = np.random.default_rng(0).random(count)
    for step, loss in enumerate(losses):
        curve.add(step, float(loss))
    steps, means, smooth = curve.points
    assert len(curve) == len(steps) == len(means) == len(smooth) < 10
    whole = count - count % curve.stride
    np.testing.assert_allclose(means, losses[:whole].reshape(-1, curve.stride).mean(1))
    np.testing.assert_allclose(steps, np.arange(whole).reshape(-1, curve.stride).mean(1))
    decay = 0.99 ** np.arange(count)
    assert curve.smoothed == pytest.approx(decay @ losses[::-1] / decay.sum())


def test_a_curve_in_a_file_goes_on_as_if_it_had_not_been_there():
    whole, first = LossCurve(8), LossCurve(8)
    for step in range(61):
        whole.add(step, 1.0 / (step + 1))
        if step < 38:
            first.add(step, 1.0 / (step + 1))
    second = LossCurve.of_arrays(first.arrays(), 8)
    for step in range(38, 61):
        second.add(step, 1.0 / (step + 1))
    for ours, theirs in zip(second.points, whole.points, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert second.smoothed == whole.smoothed
    assert len(LossCurve.of_arrays(whole.arrays(), 4)) < 4


@pytest.mark.parametrize(
    "broken",
    [{}, {"points": np.zeros(3)}, {"points": np.zeros((3, 1)), "open": np.zeros(0)},
     {"points": np.zeros((3, 1)), "open": np.zeros((0, 2)), "rest": np.zeros(2)}],
)  # fmt: skip
def test_a_curve_of_no_curve_begins_anew(broken):
    assert len(LossCurve.of_arrays(broken)) == 0
    assert LossCurve.of_arrays(broken).smoothed is None


def test_a_loss_that_is_no_number_is_left_out():
    curve = LossCurve()
    curve.add(0, math.nan)
    curve.add(1, math.inf)
    assert len(curve) == 0


def test_losses_fall_into_the_bin_of_their_level():
    levels = LossByLevel(low=math.exp(-2), high=math.exp(2), bins=4, memory=1e9)
    np.testing.assert_allclose(levels.centres, [-1.5, -0.5, 0.5, 1.5])
    sigmas = np.exp([-9.0, -1.5, -1.2, 0.1, 1.9, 9.0])
    levels.add(sigmas, np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0]))
    np.testing.assert_allclose(levels.mean, [2.0, math.nan, 4.0, 6.0])
    np.testing.assert_allclose(levels.weight, [3.0, 0.0, 1.0, 2.0])
    levels.add(np.array([1.1, 0.0, 1.2]), np.array([math.nan, 1.0, math.inf]))
    np.testing.assert_allclose(levels.weight, [3.0, 0.0, 1.0, 2.0])


def test_what_was_long_ago_is_forgotten():
    levels = LossByLevel(bins=1, memory=50)
    one = np.ones(10, np.float32)
    for _ in range(100):
        levels.add(one, one)
    assert levels.weight[0] == pytest.approx(50, rel=0.1)
    for _ in range(100):
        levels.add(one, 3 * one)
    np.testing.assert_allclose(levels.mean, 3.0, rtol=1e-6)


def test_levels_in_a_file_go_on_unless_they_are_others():
    levels, other = LossByLevel(), LossByLevel()
    levels.add(np.array([0.1, 1.0, 7.0]), np.array([1.0, 2.0, 3.0]))
    other.take(levels.arrays())
    np.testing.assert_array_equal(other.mean, levels.mean)
    other.take({"total": np.zeros(2), "weight": np.zeros(2)})
    np.testing.assert_array_equal(other.mean, levels.mean)
