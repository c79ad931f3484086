"""Where the frames of a film strip stand: distinct whole t, both ends, even in what they say."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from diffusion_gui.engine.frame_times import even_in_log_snr, even_in_t, log_snr_range, of_levels
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build, timesteps


@pytest.mark.parametrize(
    ("T", "most", "expected"),
    [
        (1000, 11, tuple(range(0, 1001, 100))),
        (1000, 13, tuple(range(0, 1001, 100))),
        (1000, 2, (0, 1000)),
        (1, 11, (0, 1)),
        (3, 11, (0, 1, 2, 3)),
        (97, 5, (0, 24, 48, 73, 97)),
    ],
)
def test_evenly_in_t_rather_a_few_frames_less_than_odd_times(
    T: int, most: int, expected: tuple[int, ...]
) -> None:
    assert even_in_t(T, most) == expected


@pytest.mark.parametrize("T", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("zero_terminal", [False, True])
@pytest.mark.parametrize("key", PRESETS)
def test_every_schedule_has_distinct_frames_even_in_log_snr_from_0_to_T(
    key: str, zero_terminal: bool, T: int
) -> None:
    family = "vp" if zero_terminal else ""  # a variance-exploding process keeps its signal
    schedule = build(ScheduleSpec(key, T, zero_terminal=zero_terminal, family=family))
    for most in (2, 3, 11, 17):
        times = even_in_log_snr(schedule, most)
        assert len(times) == min(most, T + 1)
        assert (times[0], times[-1]) == (0, T)
        assert all(a < b for a, b in pairwise(times))
        assert all(isinstance(t, int) for t in times)


@pytest.mark.parametrize("key", ["linear", "scaled_linear", "karras"])
def test_the_frames_between_stand_at_the_step_nearest_to_even_levels(key: str) -> None:
    schedule = build(ScheduleSpec(key, 1000))
    log_snr = np.log(schedule.a[1:] ** 2 / schedule.s[1:] ** 2)
    times = even_in_log_snr(schedule, 9)
    levels = np.linspace(log_snr[0], log_snr[-1], 9)
    for t, level in zip(times[1:-1], levels[1:-1], strict=True):
        assert abs(t - (1 + int(np.argmin(np.abs(log_snr - level))))) <= 1


def test_without_signal_at_T_the_last_step_that_has_some_ends_the_range() -> None:
    schedule = build(ScheduleSpec("linear", 100, zero_terminal=True))
    assert np.isneginf(schedule.log_snr[-1])
    high, low = log_snr_range(schedule, 6)
    assert (high, low) == (schedule.log_snr[1], schedule.log_snr[99])
    times = even_in_log_snr(schedule, 6)
    inner = schedule.log_snr[list(times[1:-1])]
    np.testing.assert_allclose(inner, np.linspace(high, low, 6)[1:-1], atol=0.5)


@pytest.mark.parametrize("count", [9, 11, 17])
def test_the_range_leaves_out_last_steps_too_steep_to_stand_in(count: int) -> None:
    schedule = build(ScheduleSpec("cosine", 1000))
    assert schedule.snr_db(999) - schedule.snr_db(1000) > 25.0
    high, low = log_snr_range(schedule, count)
    assert (high, low) == (schedule.log_snr[1], schedule.log_snr[999])
    times = even_in_log_snr(schedule, count)
    levels = np.linspace(high, low, count)
    for t, level in zip(times[1:-1], levels[1:-1], strict=True):
        assert abs(schedule.log_snr[t] - level) <= abs(
            schedule.log_snr[t - 1] - schedule.log_snr[t + 1]
        )
    assert times[-2] < 999
    assert log_snr_range(schedule, 0) == log_snr_range(schedule, 2)


def test_where_there_are_fewer_steps_than_levels_they_move_to_the_next_free_t() -> None:
    schedule = build(ScheduleSpec("cosine", 12))
    assert even_in_log_snr(schedule, 17) == tuple(range(13))
    times = even_in_log_snr(schedule, 12)
    assert (times[0], times[-1], len(set(times))) == (0, 12, 12)


def test_all_levels_are_shown_where_there_is_room() -> None:
    levels = timesteps(1000, 10)
    assert of_levels(levels, 17) == tuple(range(0, 1001, 100))
    assert of_levels(levels, 11) == tuple(range(0, 1001, 100))


def test_of_more_levels_an_even_part_is_shown_with_the_first_and_the_last() -> None:
    assert of_levels(timesteps(1000, 20), 13) == tuple(range(0, 1001, 100))
    times = of_levels(timesteps(1000, 50, "leading"), 12)
    assert (times[0], times[-1]) == (0, 981)
    assert set(times) <= set(timesteps(1000, 50, "leading").tolist())
    assert max(b - a for a, b in pairwise(times)) - min(b - a for a, b in pairwise(times)) <= 100


def test_levels_between_steps_stand_at_the_nearest_one_once() -> None:
    assert of_levels(np.array([9.6, 3.4, 3.2, 0.0]), 5) == (0, 3, 10)
