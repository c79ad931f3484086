"""The Markov chain comes to the closed form: its recursion to 1e-12, its pictures by chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from diffusion_gui.engine.chain import (
    RECENT,
    SNAPSHOTS,
    Chain,
    as_pixels,
    compare,
    extent,
    preserving,
)
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.forward import CLIPPED, Span, posterior
from diffusion_gui.engine.images import Pixels, to_float, to_uint8
from diffusion_gui.engine.noise import gaussian
from diffusion_gui.engine.schedules import (
    PRESETS,
    Family,
    Schedule,
    ScheduleSpec,
    build,
    build_preset,
)


def _pixels(height: int = 12, width: int = 20) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def _recursion(schedule: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """Walk one pixel to T and return the factors and variances read off on the way."""
    chain = Chain(_pixels(1, 1), preserving(schedule), seed=0)
    factors, variances = [chain.mean_factor], [chain.noise_variance]
    for _ in range(schedule.T):
        chain.advance()
        factors.append(chain.mean_factor)
        variances.append(chain.noise_variance)
    assert np.isfinite(chain.x).all()
    assert_array_equal(chain.variances, variances)
    return np.array(factors), np.array(variances)


def _agree(schedule: Schedule) -> None:
    factors, variances = _recursion(schedule)
    shown = np.array([schedule.shown(t) for t in range(schedule.T + 1)])
    assert_allclose(factors, np.sqrt(schedule.alpha_bar), rtol=0, atol=1e-12)
    assert_allclose(variances, 1.0 - schedule.alpha_bar, rtol=0, atol=1e-12)
    assert_allclose(factors, shown[:, 0], rtol=0, atol=1e-12)
    assert_allclose(variances, shown[:, 1] ** 2, rtol=1e-12, atol=0)
    kept = shown[:, 0] > 1e-100
    assert_allclose(factors[kept], shown[kept, 0], rtol=1e-12, atol=0)


@pytest.mark.parametrize("T", [1, 2, 100])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_recursion_comes_to_the_closed_form(preset: str, T: int) -> None:
    _agree(build_preset(preset, T))


@pytest.mark.parametrize("preset", ["linear", "cosine", "ve", "flow", "harmonic"])
def test_so_it_does_after_ten_thousand_steps(preset: str) -> None:
    _agree(build_preset(preset, 10_000))


@pytest.mark.parametrize("family", [Family.VP, Family.SUB_VP, Family.FLOW])
def test_so_it_does_where_no_signal_is_left_at_T(family: Family) -> None:
    schedule = build(ScheduleSpec("cosine", 60, family=family, zero_terminal=True))
    assert schedule.a[-1] == 0.0
    _agree(schedule)
    assert _recursion(schedule)[0][-1] == 0.0


def test_so_it_does_where_the_signal_is_below_any_number() -> None:
    schedule = build(ScheduleSpec("constant", 10_000, scale=10.0, shift=-20.0))
    assert np.count_nonzero(schedule.a[:-1] == 0.0) > 1000
    _agree(schedule)
    assert np.isfinite(posterior(schedule, schedule.T)).all()


def test_so_it_does_where_beta_is_all_but_1() -> None:
    schedule = build(ScheduleSpec("sub_vp", 1, scale=10.0))
    assert 0.0 < 1.0 - schedule.beta[1] < 1e-12  # which has hardly a digit left
    _agree(schedule)


@pytest.mark.parametrize("preset", ["ve", "flow", "sub_vp", "linear"])
def test_the_twin_has_the_same_levels(preset: str) -> None:
    schedule = build_preset(preset, 50)
    twin = preserving(schedule)
    assert twin.family is Family.VP
    assert_array_equal(twin.log_snr, schedule.log_snr)
    assert_array_equal(twin.beta, schedule.beta)
    assert_allclose(twin.a**2 + twin.s**2, 1.0, rtol=1e-14)
    assert_allclose(twin.a[1:] / twin.s[1:], schedule.a[1:] / schedule.s[1:], rtol=1e-12)


def test_a_walk_draws_ddpm_equation_2_step_by_step() -> None:
    schedule, pixels = build_preset("cosine", 40), _pixels()
    chain = Chain(pixels, schedule, seed=5, draw=2)
    x = pixels / 127.5 - 1.0
    for t in range(1, 41):
        eps = gaussian(5, 0, (1 << 34) + 2 * (1 << 14) + t, x.shape).astype(np.float64)
        x = np.sqrt(1.0 - schedule.beta[t]) * x + np.sqrt(schedule.beta[t]) * eps
        chain.advance()
        assert chain.k == t
        assert_allclose(chain.x, x, rtol=0, atol=1e-6)  # x_0 is float32


def test_the_twin_of_another_family_is_its_chain_rescaled() -> None:
    schedule, pixels = build_preset("ve", 30), _pixels()
    chain = Chain(pixels, preserving(schedule), seed=1)
    y = to_float(pixels).astype(np.float64)  # variance exploding: y_t = y_{t-1} + noise
    for t in range(1, 31):
        added = schedule.s[t] ** 2 - schedule.s[t - 1] ** 2
        y = y + np.sqrt(added) * gaussian(1, 0, (1 << 34) + t, y.shape)
        chain.advance()
        assert_allclose(chain.x, y / np.hypot(1.0, schedule.s[t]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("T", [1, 7, 100, 1000])
def test_any_order_comes_to_the_same_states(T: int) -> None:
    schedule, pixels = build_preset("linear", T), _pixels(3, 4)
    straight = Chain(pixels, schedule, seed=2)
    states = [straight.x]
    for _ in range(T):
        straight.advance()
        states.append(straight.x)
    chain = Chain(pixels, schedule, seed=2)
    order = np.random.default_rng(T).integers(0, T + 1, 40).tolist()
    for t in [T, max(T - 1, 0), 0, *order, *range(T, max(T - 40, -1), -1)]:
        chain.to(t)
        assert chain.k == t
        assert_array_equal(chain.x, states[t])
        assert len(chain.variances) == t + 1


def test_going_back_sets_out_from_a_state_near_by() -> None:
    chain = Chain(_pixels(3, 4), build_preset("linear", 1000), seed=0)
    chain.to(1000)
    steps = []
    for t in (1000 - RECENT // 2, 500, 499, 490):
        count = itertools.count()
        chain.to(t, lambda count=count: next(count))
        steps.append(next(count))
    assert steps[0] == 0, "one of the latest"
    assert steps[1] <= 1000 // SNAPSHOTS + 1
    assert steps[2:] == [0, 0], "what the way back passed"


def test_what_is_kept_stays_bounded() -> None:
    chain = Chain(_pixels(2, 3), build_preset("linear", 10_000), seed=0)
    chain.to(10_000)
    for t in (9_000, 10_000, 3, 5_000):
        chain.to(t)
    kept = {id(x) for x in (*chain._kept.values(), *(x for _, x in chain._recent))}
    assert len(kept) <= SNAPSHOTS + RECENT + 1
    assert chain.most_bytes == (SNAPSHOTS + RECENT + 1) * 2 * 3 * 3 * 8


def test_a_stopped_walk_goes_on_where_it_stands() -> None:
    chain, other = (Chain(_pixels(), build_preset("cosine", 50), seed=4) for _ in range(2))
    turns = itertools.count()

    def poll() -> None:
        if next(turns) == 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        chain.to(50, poll)
    assert chain.k == 20
    chain.to(50)
    other.to(50)
    assert_array_equal(chain.x, other.x)


@pytest.mark.parametrize("offset", [0.0, 0.3])
@pytest.mark.parametrize("preset", ["cosine", "ve", "flow"])
def test_the_standard_errors_are_those_of_many_draws(preset: str, offset: float) -> None:
    schedule, t, pixels = preserving(build_preset(preset, 20)), 12, _pixels(16, 24)
    a, s = schedule.a[t], schedule.s[t]
    scores = []
    for draw in range(150):
        chain = Chain(pixels, schedule, seed=9, draw=draw, offset=offset)
        chain.to(t)
        rng = np.random.default_rng(draw)
        eps = rng.standard_normal(pixels.shape) + offset * rng.standard_normal(3)
        found = compare(chain.x, a * chain.x_0 + s * eps, chain.x_0, a, s, offset)
        assert found is not None
        scores.append(list(found.scores.values()))
    # 6 numbers: mean 0 +- 1 / sqrt(150), deviation 1 +- 1 / sqrt(300); 4 standard errors
    assert np.abs(np.mean(scores, axis=0)).max() < 4.0 / np.sqrt(150)
    assert np.abs(np.std(scores, axis=0) - 1.0).max() < 4.0 / np.sqrt(300)


def test_another_draw_is_another_walk() -> None:
    schedule, pixels = build_preset("cosine", 20), _pixels(40, 40)
    first, second, seeded = (Chain(pixels, schedule, s, d) for s, d in ((0, 0), (0, 1), (1, 0)))
    for chain in (first, second, seeded):
        chain.to(20)
    for other in (second, seeded):
        correlation = np.corrcoef(first.x.ravel(), other.x.ravel())[0, 1]
        assert abs(correlation) < 5.0 / np.sqrt(first.x.size)


def test_the_statistics_are_those_of_the_residuals() -> None:
    rng = np.random.default_rng(0)
    x_0 = rng.uniform(-1, 1, (9, 11, 3))
    one, other = rng.standard_normal((2, 9, 11, 3))
    a, s = 0.8, 0.6
    found = compare(a * x_0 + s * one, a * x_0 + s * other, x_0, a, s)
    assert found is not None
    flat = [(r - r.mean(axis=(0, 1))).ravel() for r in (one, other)]
    assert found.values == 297
    assert_allclose([found.chain.mean, found.jump.mean], [one.mean(), other.mean()], atol=1e-12)
    by_channel = [r.reshape(-1, 3).var(axis=0, ddof=1).mean() for r in (one, other)]
    assert_allclose([found.chain.variance, found.jump.variance], by_channel, rtol=1e-12)
    assert_allclose(found.correlation, np.corrcoef(*flat)[0, 1], rtol=1e-10)
    apart = (one - other).reshape(-1, 3).var(axis=0, ddof=1).mean()
    assert_allclose(found.distance, np.sqrt(apart), rtol=1e-12)
    assert_allclose(found.mean_error, 297**-0.5, rtol=1e-12)
    density = np.histogram(np.clip(one, -4, 4), 48, (-4, 4), density=True)[0]
    assert_allclose(found.chain.density, density, atol=1e-9)


def test_there_is_nothing_to_measure_without_noise_or_in_one_pixel() -> None:
    x = np.zeros((4, 4, 3))
    assert compare(x, x, x, 1.0, 0.0) is None
    one = np.zeros((1, 1, 3))
    assert compare(one + 0.1, one, one, 0.5, 0.5) is None


def test_a_picture_is_shown_as_everywhere_else() -> None:
    x = np.random.default_rng(1).normal(0.0, 0.8, (30, 40, 3))
    assert_array_equal(as_pixels(x, CLIPPED), to_uint8(x.astype(np.float32)))
    low, high = extent(x, 2.0 * x)
    assert (low, high) == (2.0 * x.min(), 2.0 * x.max())
    wide = as_pixels(x, Span(float(x.min()), float(x.max())))
    assert (wide.min(), wide.max()) == (0, 255)


def test_bad_requests_are_named() -> None:
    schedule = build_preset("linear", 3)
    chain = Chain(_pixels(), schedule, seed=0)
    with pytest.raises(EngineError, match=r"t must be in 0\.\.3, got 4"):
        chain.to(4)
    chain.to(3)
    with pytest.raises(EngineError, match="come to its end, t = 3"):
        chain.advance()
    with pytest.raises(EngineError, match="draw must be in"):
        Chain(_pixels(), schedule, seed=0, draw=-1)
    with pytest.raises(EngineError, match="preserving"):
        Chain(_pixels(), build_preset("ve", 3), seed=0)
