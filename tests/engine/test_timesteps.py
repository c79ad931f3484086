"""Sampling grids: published values and promises for every T and number of steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import beta as beta_distribution

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Sampling, Start
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.planning import plan
from diffusion_gui.engine.samplers import Levels
from diffusion_gui.engine.schedules import (
    PRESETS,
    SPACINGS,
    ControlPoint,
    Schedule,
    ScheduleSpec,
    build,
    build_preset,
    from_log_snr,
    grid,
    highest,
    timesteps,
)
from diffusion_gui.engine.schedules.operations import zero_terminal
from diffusion_gui.engine.schedules.timesteps import GITS_SD, beta_quantile

COUNTING = ("trailing", "linspace", "leading")
RULES = [key for key, row in SPACINGS.items() if not row.listed]
TABLES = {
    "ays_sd15": ("ays_tables", "SD15_sigmas"),
    "ays_sdxl": ("ays_tables", "SDXL_sigmas"),
    "ays_svd": ("ays_tables", "SVD_sigmas"),
    "ays_if": ("ays_tables", "DeepFloydIF1_sigmas"),
    "oss_flux": ("optimal_steps", "FLUX_10"),
    "oss_wan": ("optimal_steps", "Wan_20"),
}


@pytest.fixture
def sd() -> Schedule:
    return build_preset("scaled_linear")


def sigmas(schedule: Schedule, times: np.ndarray) -> np.ndarray:
    levels = Levels.of(schedule, times)
    return levels.s[:-1] / levels.a[:-1]


# --- by counting --------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", COUNTING)
def test_grids_descend_to_zero_without_repeats_for_every_size(spacing: str) -> None:
    for T in range(1, 61):
        for steps in range(1, T + 3):
            times = timesteps(T, steps, spacing)
            assert len(times) == min(steps, T) + 1
            assert np.all(np.diff(times) < 0), (T, steps)
            assert times[0] <= T
            assert times[-1] == 0


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
@pytest.mark.parametrize(("T", "steps"), [(1000, 1), (1000, 7), (999, 20), (10_000, 3), (1, 1)])
def test_trailing_and_linspace_begin_at_the_noisiest_level(
    spacing: str, T: int, steps: int
) -> None:
    assert timesteps(T, steps, spacing)[0] == T


@pytest.mark.parametrize("spacing", COUNTING)
def test_as_many_steps_as_levels_visit_every_level(spacing: str) -> None:
    assert_array_equal(timesteps(17, 17, spacing), np.arange(17, -1, -1))
    assert_array_equal(grid(build_preset("cosine", 17), 17, spacing), np.arange(17, -1, -1))


@pytest.mark.parametrize("name", ["leading", "leading_offset1", "linspace", "trailing"])
def test_twenty_steps_are_those_of_the_paper(name: str, grids: dict[str, Any]) -> None:
    """Through other libraries' 0-based index + 1."""
    spacing, _, offset = name.partition("_")
    values = pack({"offset": 1.0}) if offset else ()
    times = grid(build_preset("linear"), 20, spacing, values)
    assert_array_equal(times[:-1] - 1, grids["timesteps_20"][name])


@pytest.mark.parametrize("n", [3, 5, 20, 999])
def test_linspace_rounds_ties_as_the_0_based_tables_do(n: int) -> None:
    expected = np.linspace(0, 999, n).round()[::-1]
    assert_array_equal(timesteps(1000, n, "linspace")[:-1] - 1, expected)


def test_trailing_rounds_to_the_nearest_level() -> None:
    assert timesteps(1000, 7).tolist() == [1000, 857, 714, 571, 429, 286, 143, 0]


# --- by noise level -----------------------------------------------------------------------------


def test_karras_equals_the_reference(sd: Schedule, grids: dict[str, Any]) -> None:
    assert_allclose(
        sigmas(sd, grid(sd, 10, "karras")), grids["sigma_grids"]["karras_10_sd"], rtol=1e-9
    )
    edm = build_preset("karras", 1000)
    golden = grids["sigma_grids"]["edm_18_.002_80"]
    assert_allclose(sigmas(edm, grid(edm, 18, "karras")), golden, rtol=1e-6)


@pytest.mark.parametrize("name", ["exponential", "polyexponential"])
def test_exponential_grids_equal_the_reference(name: str, grids: dict[str, Any]) -> None:
    schedule = build_preset("exponential", 1000)
    golden = grids["sigma_grids"][f"{name}_10{'_rho1.5' * (name[0] == 'p')}_.002_80"]
    assert_allclose(sigmas(schedule, grid(schedule, 10, name)), golden, rtol=1e-9)


def test_beta_quantiles_are_scipys_and_the_grid_is_the_reference(grids: dict[str, Any]) -> None:
    share = np.linspace(0.0, 1.0, 101)
    for alpha, beta in ((0.6, 0.6), (0.3, 5.0), (2.0, 1.0)):
        exact = beta_distribution.ppf(share, alpha, beta)
        assert_allclose(beta_quantile(share, alpha, beta), exact, rtol=0, atol=1e-6)
    times = grid(build_preset("scaled_linear"), 10, "beta")
    assert_array_equal(times[:-1] - 1, grids["beta_timesteps_comfy_10"])


@pytest.mark.parametrize("spacing", TABLES)
def test_published_tables_are_met_at_their_own_length(spacing: str, grids: dict[str, Any]) -> None:
    group, name = TABLES[spacing]
    golden = np.array(grids[group][name])
    flow = spacing.startswith("oss")
    preset = "flow" if flow else "exponential"
    params = {} if flow else {"sigma_min": 0.001, "sigma_max": 800.0}
    schedule = build_preset(preset, 1000, **params)
    times = grid(schedule, len(golden) - 1, spacing)
    levels = Levels.of(schedule, times)
    found = levels.s[:-1] if flow else levels.s[:-1] / levels.a[:-1]
    assert_allclose(found, golden[:-1], rtol=3e-5)


def test_gits_is_its_table_and_longer_grids_go_through_it(sd: Schedule) -> None:
    table = np.array(GITS_SD)
    assert_allclose(sigmas(sd, grid(sd, 10, "gits_sd")), table[:-1], rtol=1e-6)
    assert_allclose(sigmas(sd, grid(sd, 20, "gits_sd"))[::2], table[:-1], rtol=1e-6)


def test_flow_steps_are_the_reference(grids: dict[str, Any]) -> None:
    for key, shift in (("flow_10", 1.0), ("flow_10_shift3", 3.0)):
        schedule = build_preset("flow", 1000, shift=shift)
        times = np.linspace(1000, 1, 10)
        levels = Levels.of(schedule, np.r_[times, 0])
        assert_allclose(levels.s[:-1], grids["sigma_grids"][key], rtol=1e-9)


# --- promises -----------------------------------------------------------------------------------

KINDS = {
    **{key: ScheduleSpec(key, 60) for key in PRESETS},
    "zero terminal": zero_terminal(ScheduleSpec("linear", 60)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spacing", RULES)
def test_every_spacing_descends_within_every_schedule(spacing: str, kind: str) -> None:
    schedule = build(KINDS[kind])
    for steps in (1, 2, 7, 60, 80):
        for first in (0, 1, 2, 33):
            times = grid(schedule, steps, spacing, first=first)
            assert 2 <= len(times) <= steps + 1
            assert times[-1] == 0.0
            assert times[0] <= (first or 60)
            assert np.all(np.diff(times) < 0)
            levels = Levels.of(schedule, times)
            assert np.isfinite(levels.a).all()
            assert np.isfinite(levels.s).all()


@pytest.mark.parametrize("spacing", ["karras", "exponential", "polyexponential", "trailing"])
@pytest.mark.parametrize("first", [0, 40])
def test_spacings_over_the_whole_range_begin_at_its_end(spacing: str, first: int) -> None:
    for spec in KINDS.values():
        assert grid(build(spec), 5, spacing, first=first)[0] == (first or 60)


# --- by hand ------------------------------------------------------------------------------------


def test_listed_levels_are_visited(sd: Schedule) -> None:
    assert grid(sd, 1, "times", listed=(200.0, 1000.0, 600.5)).tolist() == [1000, 600.5, 200, 0]
    wanted = (14.6, 3.9, 0.9, 0.0)
    assert_allclose(sigmas(sd, grid(sd, 1, "sigmas", listed=wanted)), wanted[:-1], rtol=1e-9)


@pytest.mark.parametrize(
    ("spacing", "listed", "reason"),
    [
        ("times", (), "list at least one t"),
        ("times", (1001.0,), r"t must be in 1\.\.1000, got 1001"),
        ("times", (float("nan"),), "every t must be a number above 0"),
        ("sigmas", (-1.0,), "every sigma must be a number above 0"),
        ("sigmas", (99.0, 1.0), r"sigma must be in 0\.0291672\.\.14\.6146, got 99"),
    ],
)
def test_listed_levels_outside_the_schedule_are_refused(
    sd: Schedule, spacing: str, listed: tuple[float, ...], reason: str
) -> None:
    with pytest.raises(EngineError, match=reason):
        grid(sd, 5, spacing, listed=listed)


def test_bad_wishes_are_refused_by_value(sd: Schedule) -> None:
    with pytest.raises(EngineError, match=r"'krras'.*trailing, linspace, leading"):
        grid(sd, 20, "krras")
    with pytest.raises(EngineError, match=r"'karras'.*trailing, linspace, leading"):
        timesteps(1000, 20, "karras")
    for refused in (lambda: timesteps(1000, 0), lambda: grid(sd, 0)):
        with pytest.raises(EngineError, match="at least 1, got 0"):
            refused()
    with pytest.raises(EngineError, match="rho = 50 is outside"):
        grid(sd, 5, "karras", pack({"rho": 50.0}))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_rows_are_complete_for_the_form(spacing: str) -> None:
    row = SPACINGS[spacing]
    assert all((row.title, row.source, row.explanation))
    for param in row.params:
        assert param.minimum <= param.default <= param.maximum


# --- beyond what a float holds ------------------------------------------------------------------

DEEP = {
    "0.999 for 300 steps": ScheduleSpec("", 300, betas=(0.999,) * 300),
    "0.999 at the end": ScheduleSpec("", 600, betas=(*(0.01,) * 100, *(0.999,) * 500)),
    "0.999 for 10,000 steps": ScheduleSpec("constant", 10_000, pack({"beta": 0.999})),
    "sqrt of beta": ScheduleSpec("sqrt_beta", 10_000),
    "no signal below float": ScheduleSpec("", 401, betas=(*(0.999,) * 400, 1.0)),
    "clean beyond float": ScheduleSpec("", 3, betas=(1e-300, 1e-200, 0.5)),
    "one deep step": ScheduleSpec("", 1, betas=(1.0 - 2.0**-53,)),
    "drawn down": ScheduleSpec("", 500, points=(ControlPoint(0.0, 5.0), ControlPoint(1.0, -90.0))),
    "drawn far down": ScheduleSpec(
        "", 500, points=(ControlPoint(0.0, 300.0), ControlPoint(1.0, -500.0)), family="flow"
    ),
}


def visited(schedule: Schedule, times: np.ndarray, steps: int, first: int) -> None:
    assert 2 <= len(times) <= steps + 1
    assert np.isfinite(times).all()
    assert np.all(np.diff(times) < 0.0)
    assert times[-1] == 0.0
    assert 1.0 <= times[-2] <= times[0] <= (first or schedule.T)
    levels = Levels.of(schedule, times)
    assert np.isfinite(levels.a).all()
    assert np.isfinite(levels.s).all()
    assert np.all(np.diff(levels.a) >= 0.0)
    assert np.all(np.diff(levels.s) <= 0.0)


@pytest.mark.parametrize("spacing", RULES)
@pytest.mark.parametrize("kind", DEEP)
def test_every_spacing_descends_where_sigma_leaves_the_range_of_float(
    spacing: str, kind: str
) -> None:
    schedule = build(DEEP[kind])
    for steps in (1, 2, 20, 500):
        for first in (0, 1, schedule.T - 1, schedule.T // 2):
            visited(schedule, grid(schedule, steps, spacing, first=first), steps, first)


@pytest.mark.parametrize("kind", DEEP)
def test_listed_sigmas_are_visited_where_sigma_leaves_the_range_of_float(kind: str) -> None:
    schedule = build(DEEP[kind])
    low, high = schedule.log_snr[1], np.maximum(schedule.log_snr[-1], -600.0)
    listed = tuple(np.exp(-0.5 * np.linspace(low, high, 5)).tolist())
    times = grid(schedule, 1, "sigmas", listed=listed)
    visited(schedule, times, 5, 0)
    inside = np.log([sigma for sigma in listed if sigma > 0.0])
    assert_allclose(-0.5 * schedule.log_snr_at(times[:-1]), np.unique(inside)[::-1], rtol=1e-6)


def test_exponential_is_even_in_log_snr_however_deep_it_goes() -> None:
    schedule = build(DEEP["0.999 for 10,000 steps"])
    levels = schedule.log_snr_at(grid(schedule, 11, "exponential")[:-1])
    assert_allclose(levels, np.linspace(schedule.log_snr[-1], schedule.log_snr[1], 11), rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    falls=st.lists(st.floats(1e-3, 200.0), min_size=1, max_size=30),
    start=st.floats(-300.0, 300.0),
    steps=st.integers(1, 40),
    spacing=st.sampled_from(RULES),
)
def test_every_spacing_descends_on_any_curve(
    falls: list[float], start: float, steps: int, spacing: str
) -> None:
    schedule = from_log_snr(start - np.cumsum(falls))
    visited(schedule, grid(schedule, steps, spacing), steps, 0)


def test_an_exploding_process_beyond_float_is_refused() -> None:
    with pytest.raises(EngineError, match="raise log-SNR above"):
        build(ScheduleSpec("", 3000, betas=(0.999,) * 3000, family="ve"))


@pytest.mark.parametrize("key", RULES)
def test_no_level_is_noisier_than_the_largest_sigma(key: str) -> None:
    schedule = build_preset("cosine")
    top = highest(schedule, 160.0)
    assert schedule.sigma[top] <= 160.0 < schedule.sigma[top + 1]
    times = grid(schedule, 20, key, (("sigma_max", 160.0),))
    assert times[0] <= top
    assert schedule.sigma[round(times[0])] <= 160.0
    assert len(times) > 8
    own = grid(schedule, 20, key, first=top)
    assert_array_equal(times, own)
    assert_array_equal(grid(schedule, 20, key, (("sigma_max", 0.0),)), grid(schedule, 20, key))
    assert highest(schedule, 1e-9) == 1


def test_a_run_from_a_picture_steps_down_to_the_noisiest_level_it_may_visit() -> None:
    capped = Sampling(steps=10, spacing_params=(("sigma_max", 5.0),), start=Start("a" * 64, 1000))
    levels = plan(Experiment(sampling=capped))
    sigma = levels.s[:-1] / levels.a[:-1]
    assert len(sigma) == 10
    assert sigma[0] > 1e4
    assert 4.9 < sigma[1] <= 5.0
    below = plan(Experiment(sampling=replace(capped, start=Start("a" * 64, 300))))
    free = replace(capped, start=Start("a" * 64, 300), spacing_params=())
    assert_array_equal(below.s, plan(Experiment(sampling=free)).s)
