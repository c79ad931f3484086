"""Sampling grids: published values and promises for every T and number of steps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import SPACINGS, timesteps


@pytest.mark.parametrize("spacing", SPACINGS)
def test_grids_descend_to_zero_without_repeats_for_every_size(spacing: str) -> None:
    for T in range(1, 61):
        for steps in range(1, T + 3):
            grid = timesteps(T, steps, spacing)
            assert len(grid) == min(steps, T) + 1
            assert np.all(np.diff(grid) < 0), (T, steps)
            assert grid[0] <= T
            assert grid[-1] == 0


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
@pytest.mark.parametrize(("T", "steps"), [(1000, 1), (1000, 7), (999, 20), (10_000, 3), (1, 1)])
def test_trailing_and_linspace_begin_at_the_noisiest_level(
    spacing: str, T: int, steps: int
) -> None:
    assert timesteps(T, steps, spacing)[0] == T


@pytest.mark.parametrize("spacing", SPACINGS)
def test_as_many_steps_as_levels_visit_every_level(spacing: str) -> None:
    assert_array_equal(timesteps(17, 17, spacing), np.arange(17, -1, -1))


def test_twenty_steps_are_those_of_the_paper() -> None:
    # Lin et al., table 2, through other libraries' 0-based index + 1
    assert_array_equal(timesteps(1000, 20, "leading")[:-1] - 1, np.arange(950, -1, -50))
    assert_array_equal(timesteps(1000, 20, "trailing")[:-1] - 1, np.arange(999, 0, -50))
    linspace = timesteps(1000, 20, "linspace")[:-1] - 1
    assert_array_equal(linspace[[0, 1, 2, -2, -1]], [999, 946, 894, 53, 0])


def test_trailing_rounds_to_the_nearest_level() -> None:
    assert timesteps(1000, 7).tolist() == [1000, 857, 714, 571, 429, 286, 143, 0]


def test_bad_wishes_are_refused_by_value() -> None:
    with pytest.raises(EngineError, match=r"'karras'.*trailing, linspace, leading"):
        timesteps(1000, 20, "karras")
    with pytest.raises(EngineError, match="at least 1, got 0"):
        timesteps(1000, 0)
