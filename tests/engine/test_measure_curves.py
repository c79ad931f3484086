"""The table over log-SNR, read over t of a schedule, against measuring x_t at each t."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diffusion_gui.engine.images import to_float
from diffusion_gui.engine.measure_curves import FIRST, LEVELS, Table, curve_times, order
from diffusion_gui.engine.measures import (
    Clean,
    Pair,
    histogram,
    kl_bias,
    kl_to_normal,
    psnr,
    sample,
    ssim,
)
from diffusion_gui.engine.noise import gaussian
from diffusion_gui.engine.schedules import ScheduleSpec, build

RAMP = np.linspace(0, 255, 48 * 40 * 3).reshape(48, 40, 3).astype(np.uint8)
EPS = gaussian(4, 0, 0, RAMP.shape)


@pytest.fixture(scope="module")
def table() -> Table:
    """Return the whole table of a ramp with one noise."""
    clean = Clean(RAMP)
    pair = Pair(clean, EPS)
    result = Table.empty(clean.mean_square)
    for row in order():
        result = result.taken(row, pair)
    return result


def test_rows_are_taken_all_over_the_levels_first() -> None:
    rows = order()
    assert sorted(rows) == list(range(len(LEVELS)))
    assert sorted(rows[:FIRST]) == list(range(0, len(LEVELS), 16))


def test_a_table_grows_without_changing_the_one_before(table: Table) -> None:
    empty = Table.empty(table.mean_square)
    one = empty.taken(0, Pair(Clean(RAMP), EPS))
    assert (empty.known.sum(), one.known.sum(), table.known.sum()) == (0, 1, len(LEVELS))
    assert (one.spans, one.complete, table.spans, table.complete) == (False, False, True, True)


@pytest.mark.parametrize("preset", ["cosine", "linear", "karras", "flow"])
def test_the_curves_are_the_measures_at_each_t(table: Table, preset: str) -> None:
    schedule = build(ScheduleSpec(preset, T=100))
    curves = table.curves(schedule)
    x_0 = to_float(RAMP).astype(np.float64)
    for place, t in enumerate(curves.t.astype(int)):
        abar = float(schedule.alpha_bar[t])
        x_t = math.sqrt(abar) * x_0 + math.sqrt(1.0 - abar) * EPS.astype(np.float64)
        if t:
            assert curves.psnr[place] == pytest.approx(psnr(x_0, x_t), abs=2e-3)
            ratio = 10.0 * math.log10(abar / (1.0 - abar)) if abar > 0.0 else math.nan
            assert curves.snr_db[place] == pytest.approx(ratio, abs=1e-6, nan_ok=True)
        assert curves.ssim[place] == pytest.approx(ssim(x_0, x_t), abs=2e-3)
        kl = kl_to_normal(histogram(sample(x_t.astype(np.float32))))
        spread = 0.4 * kl_bias(x_t.size)  # between one draw of so few values and the next
        assert abs(curves.kl[place] - kl) < 0.05 * kl + spread
    assert math.isnan(curves.psnr[0])  # no error, no noise
    assert math.isnan(curves.snr_db[0])


def test_the_coarsest_table_is_near_the_whole_one(table: Table) -> None:
    pair, coarse = Pair(Clean(RAMP), EPS), Table.empty(table.mean_square)
    for row in order()[:FIRST]:
        coarse = coarse.taken(row, pair)
    schedule = build(ScheduleSpec())
    one, other = coarse.curves(schedule), table.curves(schedule)
    np.testing.assert_allclose(one.psnr[1:], other.psnr[1:], atol=1e-9)
    assert np.abs(one.ssim - other.ssim).max() < 0.2


def test_where_no_signal_is_left_there_is_no_snr(table: Table) -> None:
    curves = table.curves(build(ScheduleSpec("linear", zero_terminal=True)))
    assert math.isnan(curves.snr_db[-1])
    assert np.isfinite(curves.psnr[1:]).all()
    assert np.isfinite(curves.ssim).all()
    assert np.isfinite(curves.kl).all()


@pytest.mark.parametrize("T", [1, 2, 50, 1000, 10_000])
def test_curves_are_drawn_at_whole_t_from_0_to_T(T: int) -> None:
    t = curve_times(build(ScheduleSpec("cosine", T=T)))
    assert (t[0], t[-1]) == (0, T)
    assert np.all(np.diff(t) > 0)
    assert 1 in t
    assert len(t) <= 204
