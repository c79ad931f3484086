"""Frames against an independent computation in NumPy, and what is said of a step that broke."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from diffusion_gui.engine import images
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.recorder import Recorder, record, to_pixels
from diffusion_gui.engine.samplers import Step
from diffusion_gui.engine.trajectory import EPS_SHOWN, Frame


def step(index: int, a: float = 0.6, s: float = 0.8) -> Step:
    noise = torch.Generator().manual_seed(index)
    x, x0 = (torch.randn(4, 3, 8, 8, generator=noise) for _ in range(2))
    return Step(index, 10 - index, a, s, x, x0)


def frames(*steps: Step) -> list[Frame]:
    recorder = Recorder()
    made = [frame for one in steps for frame in recorder.put(one, seconds=one.index / 4)]
    return made + recorder.flush()


def wide(batch: torch.Tensor) -> np.ndarray:
    return batch.permute(0, 2, 3, 1).numpy().astype(np.float64)


def pixels(values: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(values, -1.0, 1.0) * 127.5 + 128.0).clip(0, 255)


def test_a_frame_is_what_numpy_makes_of_the_step() -> None:
    steps = [step(0), step(1, 0.8, 0.6), step(2, 0.0, 1.0), step(3, 1.0, 0.0)]
    found = frames(*steps)
    assert [frame.index for frame in found] == [0, 1, 2, 3]
    assert [frame.seconds for frame in found] == [0.0, 0.25, 0.5, 0.75]
    assert found[2].sigma == math.inf
    assert found[1].sigma == 0.6 / 0.8
    eps = []
    for frame, one in zip(found, steps, strict=True):
        x, x0 = wide(one.x_t), wide(one.x0_hat)
        eps.append((x - one.a * x0) / one.s if one.s else np.zeros_like(x))
        assert np.abs(frame.x_t - pixels(x)).max() <= 1  # x a^2 + s^2 is 1 but for rounding
        np.testing.assert_array_equal(frame.x0_hat, images.to_uint8(x0.astype(np.float32)))
        assert np.abs(frame.eps_hat - pixels(eps[-1] / EPS_SHOWN)).max() <= 1
    for i in (1, 2):
        change = (wide(steps[i].x0_hat) - wide(steps[i - 1].x0_hat)).reshape(4, -1)
        np.testing.assert_allclose(found[i].changes, np.sqrt((change**2).mean(axis=1)), rtol=1e-5)
        assert found[i].change == pytest.approx(np.sqrt((change**2).mean()), rel=1e-5)
        one, other = (eps[j].reshape(4, -1) for j in (i, i - 1))
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        np.testing.assert_allclose(found[i].cosines, (one * other).sum(axis=1) / lengths, atol=1e-5)
    assert found[0].change == 0.0
    assert np.isnan(found[0].cosines).all()


def test_pixels_are_those_of_the_engine_everywhere() -> None:
    values = torch.linspace(-1.2, 1.2, 3 * 64 * 64).reshape(1, 3, 64, 64)
    expected = images.to_uint8(np.ascontiguousarray(values.permute(0, 2, 3, 1).numpy()))
    np.testing.assert_array_equal(to_pixels(values), expected)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["x_t", "x0_hat"])
def test_a_step_that_is_not_finite_is_named(name: str, value: float) -> None:
    broken = step(7)
    getattr(broken, name)[2, 1, 3, 3] = value
    with pytest.raises(EngineError, match=r"step 7 \(t = 3\): .* not a finite number in picture 3"):
        record(broken)
    getattr(broken, name)[:] = value
    with pytest.raises(EngineError, match="in all pictures; lower the guidance"):
        record(broken)


def test_noise_below_what_float32_can_divide_by_is_grey_not_nan() -> None:
    for one in frames(step(0, 1.0, 1e-19), step(1, 1.0, 1e-21), step(2, 1.0, 1e-60)):
        assert np.isfinite(one.changes).all()
        if one.index:
            np.testing.assert_array_equal(one.eps_hat, 128)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_frames_from_a_gpu_come_late_but_are_the_same() -> None:
    steps = [step(i) for i in range(12)]
    there = [
        Step(one.index, one.t, one.a, one.s, one.x_t.cuda(), one.x0_hat.cuda()) for one in steps
    ]
    for here, other in zip(frames(*steps), frames(*there), strict=True):
        assert here.index == other.index
        for name in ("x_t", "x0_hat", "eps_hat"):
            gap = np.abs(getattr(here, name).astype(int) - getattr(other, name))
            assert gap.max() <= 1
