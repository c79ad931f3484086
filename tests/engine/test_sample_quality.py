"""Distances between sets of pictures, against scipy and closed forms."""

import numpy as np
import pytest
from scipy.stats import energy_distance as scipy_energy
from scipy.stats import wasserstein_distance_nd

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.sample_quality import (
    COLOURS,
    dominant_colour,
    energy_distance,
    nearest,
    sliced_w2,
)
from diffusion_gui.session import library


def _set(count: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.5, (count, 4, 4, 3)).astype(np.float32)


def test_energy_distance_of_one_value_is_scipys() -> None:
    x, y = np.array([0.1, 0.7, -0.3]), np.array([0.9, 0.2, 0.4, -0.8])
    apart = energy_distance(x.reshape(3, 1, 1, 1), y.reshape(4, 1, 1, 1))
    squared = scipy_energy(x, y) ** 2  # scipy counts pairs of one picture too
    within = [np.abs(v[:, None] - v[None]).mean() / (len(v) - 1) for v in (x, y)]
    assert apart == pytest.approx(squared - sum(within), abs=1e-12)


def test_sliced_w2_of_a_move_is_its_length_over_the_root_of_its_values() -> None:
    x = _set(200, 0)
    moved = x + np.float32(0.3)
    # E theta_i theta_j = delta / D, so the mean over directions of (m . theta)^2 is |m|^2 / D
    assert sliced_w2(x, moved, 20_000) == pytest.approx(0.3, rel=0.03)
    assert sliced_w2(x, x) == 0.0
    assert sliced_w2(x, x[::2]) < 0.1
    one = np.array([[0.0], [1.0]]), np.array([[0.5], [2.0]])
    exact = wasserstein_distance_nd(*one)
    flat = [value.reshape(2, 1, 1, 1) for value in one]
    assert exact == pytest.approx(0.75)
    assert sliced_w2(*flat) == pytest.approx(np.sqrt((0.5**2 + 1.0) / 2))


def test_a_copy_has_ratio_zero_and_a_mean_has_one() -> None:
    pictures = _set(20, 1)
    found = nearest(np.concatenate((pictures[3:4], (pictures[:1] + pictures[1:2]) / 2)), pictures)
    assert found.index[0] == 3
    assert found.ratio[0] == pytest.approx(0.0, abs=1e-6)
    assert found.distance[0] == pytest.approx(0.0, abs=1e-6)
    assert found.ratio[1] > 0.9
    assert found.copies == 0.5


@pytest.mark.parametrize("shape", ["heart", "circle", "square"])
def test_the_emoji_have_the_colours_of_their_names(shape: str) -> None:
    names, pixels = library.captions(), library.emoji(32)
    for colour in COLOURS:
        matching = [i for i, name in enumerate(names) if name == f"{colour} {shape}"]
        assert [dominant_colour(pixels[i]) for i in matching] == [colour] * len(matching)
    assert dominant_colour(np.full((8, 8, 3), 255, np.uint8)) == ""


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(EngineError, match="2 pictures"):
        energy_distance(_set(1, 0), _set(3, 0))
    with pytest.raises(EngineError, match="2 pictures"):
        nearest(_set(1, 0), _set(1, 0))
