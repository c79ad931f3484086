"""Noise: a pure function of (seed, image, step), and it is standard normal."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.noise import gaussian, gaussian_batch

SHAPE = (4, 5, 3)


def test_the_same_arguments_give_the_same_noise() -> None:
    first = gaussian(7, 2, 3, SHAPE)
    gaussian(8, 0, 0, SHAPE)
    assert_array_equal(gaussian(7, 2, 3, SHAPE), first)
    assert first.dtype == np.float32
    assert first.shape == SHAPE


def test_the_generator_has_not_changed() -> None:
    # NumPy 2.4, Philox: a change here changes every picture that people have saved
    expected = np.array(
        [-0.20018478, -0.6874687, -1.0524988, 1.1810386, 0.82127476, 0.9463228], dtype=np.float32
    )
    assert_array_equal(gaussian(42, 3, 5, (6,)), expected)


@pytest.mark.parametrize("other", [(8, 2, 3), (7, 3, 3), (7, 2, 4), (2, 7, 3), (7, 3, 2)])
def test_another_seed_image_or_step_gives_unrelated_noise(other: tuple[int, int, int]) -> None:
    here, there = gaussian(7, 2, 3, (10_000,)), gaussian(*other, (10_000,))
    assert not np.any(here[:100] == there[:100])
    assert abs(np.corrcoef(here, there)[0, 1]) < 0.05


def test_steps_do_not_overlap() -> None:
    longest = gaussian(0, 0, 0, (200_000,))
    following = gaussian(0, 0, 1, (16,))
    assert not np.isin(following, longest).all()


@pytest.mark.parametrize("images", [range(5), [3], [4, 0, 4]])
def test_a_batch_is_its_images_stacked(images: list[int]) -> None:
    batch = gaussian_batch(9, images, 6, SHAPE)
    assert batch.shape == (len(images), *SHAPE)
    for row, image in zip(batch, images, strict=True):
        assert_array_equal(row, gaussian(9, image, 6, SHAPE))


def test_a_million_values_are_standard_normal() -> None:
    values = gaussian(1, 0, 0, (1_000_000,)).astype(np.float64)
    n = len(values)
    # five standard errors of the mean, the variance and the fourth moment
    assert abs(values.mean()) < 5 / np.sqrt(n)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96 / n)
    assert abs((values < 1.0).mean() - 0.8413447) < 5 * np.sqrt(0.8413447 * 0.1586553 / n)


@pytest.mark.parametrize("bad", [-1, 2**63])
@pytest.mark.parametrize("name", ["seed", "image", "step"])
def test_arguments_out_of_range_are_refused_by_name(name: str, bad: int) -> None:
    arguments = {"seed": 0, "image": 0, "step": 0, name: bad}
    with pytest.raises(EngineError, match=rf"^{name} .*got {bad}$"):
        gaussian(**arguments, shape=SHAPE)


def test_the_largest_seed_works() -> None:
    assert np.isfinite(gaussian(2**63 - 1, 2**63 - 1, 2**63 - 1, (3,))).all()
