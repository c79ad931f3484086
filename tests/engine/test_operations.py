"""Operations on schedules: what they promise, against independent values and each other."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.schedules import (
    PRESETS,
    Family,
    ScheduleSpec,
    build,
    build_preset,
    control_points,
    curve,
    with_points,
)
from diffusion_gui.engine.schedules.operations import (
    blend,
    equivalents,
    fit,
    join,
    placed,
    resampled,
    scaled,
    shifted,
    split,
    table,
    zero_terminal,
)

VISIBLE = 15.0
COSINE, LINEAR = ScheduleSpec("cosine", 200), ScheduleSpec("linear", 200)


def drawn(preset: str = "linear", T: int = 200) -> ScheduleSpec:
    spec = ScheduleSpec(preset, T)
    points = control_points(spec)
    return with_points(spec, curve.move(points, 3, points[3].u, points[3].log_snr - 0.7, T))


# --- shift --------------------------------------------------------------------------------------


@pytest.mark.parametrize("nats", [-3.0, 0.7])
@pytest.mark.parametrize(
    "spec",
    [ScheduleSpec("linear", 200), drawn(), table(build_preset("linear", 50).beta[1:])],
    ids=["preset", "drawn", "table"],
)
def test_a_shift_moves_log_snr_everywhere(spec: ScheduleSpec, nats: float) -> None:
    moved, plain = build(shifted(spec, nats)), build(spec)
    visible = np.abs(plain.log_snr) < VISIBLE
    assert visible.sum() > 40
    assert_allclose(moved.log_snr[visible] - plain.log_snr[visible], nats, rtol=0, atol=1e-3)
    back = build(shifted(shifted(spec, nats), -nats))
    assert_allclose(back.log_snr[visible], plain.log_snr[visible], rtol=0, atol=1e-3)


def test_a_shift_is_the_time_shift_of_a_flow() -> None:
    by_name = build_preset("flow", 100, shift=3.0)
    by_shift = build(shifted(ScheduleSpec("flow", 100), -2.0 * math.log(3.0)))
    assert_allclose(by_shift.s, by_name.s, rtol=1e-12)
    assert by_shift.a[-1] == 0.0


def test_a_shift_is_the_input_scale_and_the_resolution() -> None:
    b = equivalents(-1.3).input_scale
    scaled = build_preset("gamma_linear", 100, scale=b)
    moved = build(shifted(ScheduleSpec("gamma_linear", 100), -1.3))
    assert_allclose(moved.log_snr[1:99], scaled.log_snr[1:99], rtol=1e-9)
    d = equivalents(-1.3).resolution
    sized = build_preset("resolution_shift", 100, size=d)
    moved = build(shifted(ScheduleSpec("resolution_shift", 100), -1.3))
    assert_allclose(moved.log_snr[1:99], sized.log_snr[1:99], rtol=1e-9)
    same = equivalents(-2.0 * math.log(3.0))
    assert (same.sd3_shift, same.flux_mu) == (pytest.approx(3.0), pytest.approx(math.log(3.0)))


def test_a_shift_beyond_sense_is_refused() -> None:
    with pytest.raises(EngineError, match=r"within \+-20 nats, got 25"):
        shifted(COSINE, 25.0)


# --- scale --------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.4, 2.5])
@pytest.mark.parametrize(
    "spec",
    [
        ScheduleSpec("linear", 200),
        drawn(),
        fit(drawn()),
        table(build_preset("linear", 50).beta[1:]),
    ],
    ids=["preset", "drawn", "points", "table"],
)
def test_a_scale_multiplies_log_snr_everywhere_and_is_taken_back(
    spec: ScheduleSpec, factor: float
) -> None:
    plain, made = build(spec), build(scaled(spec, factor))
    assert made.notes == plain.notes == ()
    assert_allclose(made.log_snr[1:], factor * plain.log_snr[1:], rtol=0, atol=1e-3)
    assert_allclose(
        build(scaled(scaled(spec, factor), 1.0 / factor)).log_snr, plain.log_snr, atol=1e-9
    )


@pytest.mark.parametrize("preset", ["linear", "flow", "karras"])
def test_alpha_bar_is_the_logistic_of_the_scaled_logit(preset: str) -> None:
    plain, made = build_preset(preset, 100), build(ScheduleSpec(preset, 100, scale=0.5))
    root = np.sqrt(plain.alpha_bar[1:])
    assert_allclose(
        made.alpha_bar[1:], root / (root + np.sqrt(1.0 - plain.alpha_bar[1:])), rtol=1e-9
    )
    assert made.family is plain.family


def test_scale_comes_before_shift_and_before_the_points() -> None:
    plain = build(LINEAR).log_snr[1:]
    both = replace(LINEAR, scale=2.0, shift=-1.0)
    assert_allclose(build(both).log_snr[1:], 2.0 * plain - 1.0, rtol=1e-12)
    assert scaled(both, 2.0) == replace(LINEAR, scale=4.0, shift=-2.0)
    points = control_points(both)
    bent = with_points(both, curve.move(points, 2, points[2].u, points[2].log_snr - 0.5, 200))
    for spec in (scaled(bent, 0.5), placed(bent, 1.0, 0.0), shifted(scaled(bent, 0.5), 0.5)):
        assert spec.points[2].log_snr == pytest.approx(
            spec.scale / 2.0 * (bent.points[2].log_snr + 1.0) + spec.shift
        )
        expected = spec.scale / 2.0 * (build(bent).log_snr[1:] + 1.0) + spec.shift
        assert_allclose(build(spec).log_snr[1:], expected, rtol=0, atol=1e-9)


def test_an_end_without_signal_survives_a_scale() -> None:
    bent = zero_terminal(LINEAR)
    bent = with_points(bent, control_points(bent))
    for spec in (zero_terminal(LINEAR), bent, ScheduleSpec("flow", 200)):
        for factor in (0.3, 3.0):
            made = build(scaled(spec, factor))
            assert (made.alpha_bar[-1], made.family) == (0.0, build(spec).family)
            visible = np.abs(made.log_snr) < VISIBLE
            expected = factor * build(spec).log_snr[visible]
            assert_allclose(made.log_snr[visible], expected, rtol=0, atol=1e-3)


def test_a_scaled_curve_is_rescaled_after_its_scale() -> None:
    spec = scaled(LINEAR, 0.5)
    root, plain = build(zero_terminal(spec)).a, build(spec).a
    expected = (plain[1:] - plain[-1]) * plain[1] / (plain[1] - plain[-1])
    assert_allclose(root[1:], expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("factor", [0.05, 11.0, -1.0, math.nan])
def test_a_scale_beyond_sense_is_refused(factor: float) -> None:
    with pytest.raises(EngineError, match=r"a scale must stay within 0\.1 to 10"):
        scaled(COSINE, factor)


def test_scaling_does_not_carry_shift_or_points_out_of_what_a_file_may_hold() -> None:
    with pytest.raises(EngineError, match=r"within \+-20 nats, got -24"):
        scaled(shifted(COSINE, -8.0), 3.0)
    far = fit(ScheduleSpec("cosine", 200))
    with pytest.raises(EngineError, match=r"point would leave -70000..500 nats"):
        scaled(scaled(far, 10.0), 10.0)


# --- zero terminal SNR --------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["linear", "scaled_linear"])
def test_zero_terminal_snr_equals_the_reference(preset: str, grids: dict[str, Any]) -> None:
    schedule = build(zero_terminal(ScheduleSpec(preset, 1000)))
    golden = grids["zero_terminal"][preset]
    times = [int(index) + 1 for index in golden["alpha_bar"]]
    for name in ("alpha_bar", "beta"):
        expected = list(golden[name].values())
        assert_allclose(getattr(schedule, name)[times], expected, rtol=1e-9, atol=0)
    assert (schedule.alpha_bar[-1], schedule.beta[-1], schedule.a[-1]) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("preset", [k for k, row in PRESETS.items() if row.family is not Family.VE])
@pytest.mark.parametrize("T", [1, 2, 50])
def test_any_schedule_can_end_without_signal_and_keeps_its_first_step(preset: str, T: int) -> None:
    spec = ScheduleSpec(preset, T)
    schedule = build(zero_terminal(spec))
    assert schedule.alpha_bar[-1] == 0.0
    assert np.all(np.diff(schedule.log_snr) < 0.0)
    if T > 1:
        assert schedule.alpha_bar[1] == pytest.approx(build(spec).alpha_bar[1], rel=1e-12)


@pytest.mark.parametrize("spec", [drawn(), shifted(LINEAR, -0.5), drawn("scaled_linear")])
def test_a_drawn_or_shifted_curve_can_be_rescaled_too(spec: ScheduleSpec) -> None:
    root, plain = build(zero_terminal(spec)).a, build(spec).a
    expected = (plain[1:] - plain[-1]) * plain[1] / (plain[1] - plain[-1])
    assert_allclose(root[1:], expected, rtol=1e-9, atol=1e-15)


def test_a_table_of_another_length_can_be_bent_and_resampled() -> None:
    spec = replace(table(np.linspace(0.1, 0.5, 10)), T=20)
    plain = build(spec).log_snr[1:]
    assert_allclose(build(with_points(spec, control_points(spec))).log_snr[1:], plain, atol=1e-3)
    assert build(resampled(spec, 39)).log_snr[1::2] == pytest.approx(plain, abs=1e-3)


def test_a_bent_end_without_signal_survives_a_shift() -> None:
    bent = zero_terminal(LINEAR)
    bent = with_points(bent, control_points(bent))
    for nats in (1.0, -1.0):
        assert build(shifted(bent, nats)).alpha_bar[-1] == 0.0


def test_a_rescaled_cosine_does_not_say_that_its_end_is_clipped() -> None:
    assert build(zero_terminal(ScheduleSpec("cosine"))).notes == ()


def test_levels_that_have_no_signal_to_speak_of_still_fall() -> None:
    spec = ScheduleSpec("linear_scaled", 119, pack({"beta_start": 0.875}))
    assert np.all(np.diff(build(zero_terminal(spec)).log_snr) < 0.0)


def test_it_is_done_once_and_an_exploding_process_refuses() -> None:
    once = zero_terminal(LINEAR)
    assert zero_terminal(once) == once
    with pytest.raises(EngineError, match="always keeps its signal"):
        zero_terminal(ScheduleSpec("ve"))
    with pytest.raises(EngineError, match="always keeps its signal"):
        build(ScheduleSpec("linear", zero_terminal=True, family="ve"))


def test_handles_on_it_change_nothing_and_its_end_can_be_raised() -> None:
    spec = zero_terminal(LINEAR)
    points = control_points(spec)
    assert points[-1].log_snr <= -curve.LOG_SNR_LIMIT
    assert build(with_points(spec, points)).alpha_bar[-1] == 0.0
    raised = curve.move(points, len(points) - 1, 1.0, -9.0, spec.T)
    assert build(with_points(spec, raised)).log_snr[-1] == pytest.approx(-9.0, abs=1e-3)


# --- length, blend, split, join ----------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_resampling_keeps_the_curve_and_both_ends(preset: str) -> None:
    spec = ScheduleSpec(preset, 101)
    short, long = build(resampled(spec, 21)), build(resampled(spec, 201))
    plain = build(spec).log_snr[1:]
    assert_allclose(short.log_snr[1:-1], plain[:-1:5], rtol=1e-9, atol=1e-4)
    assert_allclose(long.log_snr[1:-2:2], plain[:-1], rtol=1e-9, atol=1e-3)
    for made in (short, long):
        capped = bool(made.notes)  # fewer steps may have to be steeper than beta allows
        assert capped or made.log_snr[-1] == pytest.approx(plain[-1], abs=1e-3)
    assert resampled(resampled(spec, 21), 101) != spec  # it remembers where it came from
    assert_allclose(build(resampled(resampled(spec, 21), 101)).log_snr[1:], plain, rtol=1e-9)


def test_the_ends_of_a_blend_are_the_schedules_and_the_middle_their_mean() -> None:
    assert build(blend(COSINE, LINEAR, 0.0)) is build(COSINE)
    assert_allclose(build(blend(COSINE, LINEAR, 1.0)).beta, build(LINEAR).beta, rtol=1e-12)
    half = build(blend(COSINE, LINEAR, 0.5)).log_snr[1:]
    assert_allclose(half, 0.5 * (build(COSINE).log_snr + build(LINEAR).log_snr)[1:], rtol=1e-9)


def test_a_blend_has_the_length_and_family_of_the_first() -> None:
    mixed = build(blend(ScheduleSpec("flow", 50), ScheduleSpec("karras", 20), 0.3))
    assert (mixed.T, mixed.family) == (50, Family.FLOW)
    with pytest.raises(EngineError, match=r"ratio must be in 0\.\.1, got 2"):
        blend(COSINE, LINEAR, 2.0)


@pytest.mark.parametrize("level", [6.0, 0.0, -1.0])
def test_a_schedule_split_at_a_level_is_joined_again(level: float) -> None:
    clean, noisy = split(LINEAR, level)
    assert build(clean).log_snr[-1] >= level > build(noisy).log_snr[1]
    assert build(clean).T + build(noisy).T == LINEAR.T
    again = build(join(clean, noisy, level))
    assert_allclose(again.beta, build(LINEAR).beta, rtol=1e-9)


@pytest.mark.parametrize("level", [-20.0, -22.5])
def test_both_parts_of_a_split_have_the_levels_to_1e_6_nats(level: float) -> None:
    deep = ScheduleSpec("sqrt_beta", 600)
    clean, noisy = split(deep, level)
    parts = np.r_[build(clean).log_snr[1:], build(noisy).log_snr[1:]]
    assert_allclose(parts, build(deep).log_snr[1:], rtol=0, atol=2e-6)


@pytest.mark.parametrize("level", [-25.0, -60.0])
def test_a_split_that_would_lose_its_digits_is_refused(level: float) -> None:
    with pytest.raises(EngineError, match=r"first beta is 1 but for rounding; choose .* above -23"):
        split(ScheduleSpec("sqrt_beta", 600), level)


def test_a_split_before_the_last_level_without_signal_keeps_it() -> None:
    spec = zero_terminal(LINEAR)
    _, last = split(spec, float(build(spec).log_snr[-2]))
    assert last.betas == (1.0,)


def test_joining_takes_each_side_from_its_own_schedule() -> None:
    made = build(join(COSINE, LINEAR, 0.5)).log_snr
    cosine, linear = build(COSINE).log_snr, build(LINEAR).log_snr
    kept = int((cosine[1:] >= 0.5).sum())
    assert_allclose(made[1 : kept + 1], cosine[1 : kept + 1], rtol=1e-9)
    assert_allclose(made[kept + 1 :], linear[linear < 0.5], rtol=1e-9)


def test_a_level_outside_the_schedule_does_not_split_it() -> None:
    with pytest.raises(EngineError, match="does not divide a schedule from"):
        split(LINEAR, 50.0)


# --- tables and fitted points ------------------------------------------------------------------


def test_a_table_is_its_betas_to_the_last_digit() -> None:
    betas = np.r_[np.random.default_rng(0).uniform(1e-5, 0.1, 40), 1.0]
    schedule = build(table(betas))
    assert_array_equal(schedule.beta[1:], betas)
    assert schedule.family is Family.VP


def test_a_table_that_is_no_schedule_is_refused_with_its_time() -> None:
    with pytest.raises(EngineError, match=r"beta_2 = -0\.1"):
        build(table(np.array([0.1, -0.1])))


@pytest.mark.parametrize("preset", PRESETS)
def test_fitted_points_draw_the_schedule_within_the_tolerance(preset: str) -> None:
    spec = ScheduleSpec(preset, 1000)
    fitted = fit(spec, tolerance=0.1, most=40)
    assert len(fitted.points) <= 40
    plain, made = build(spec), build(fitted)
    visible = np.abs(plain.log_snr) < VISIBLE
    assert np.abs(made.log_snr[visible] - plain.log_snr[visible]).max() < 0.15
    assert made.family is plain.family


def test_a_looser_fit_has_fewer_points() -> None:
    counts = [len(fit(ScheduleSpec("sigmoid"), tolerance).points) for tolerance in (1.0, 0.1, 0.01)]
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (ScheduleSpec("", 10), "no preset, no betas and no points"),
        (ScheduleSpec("linear", 10, family="vq"), "unknown family 'vq'; choose one of: vp"),
        (ScheduleSpec("", 2, pack({"beta": 1.0}), betas=(0.1, 0.2)), "has no parameters"),
        (ScheduleSpec("", 10, points=drawn().points, shift=1.0), "not points"),
        (ScheduleSpec("", 10, points=drawn().points, scale=2.0), "not points"),
        (ScheduleSpec("", 3, betas=(0.1, 0.2), base_T=5), "has 2 betas"),
    ],
)
def test_specs_that_contradict_themselves_are_refused(spec: ScheduleSpec, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        build(spec)


@pytest.mark.parametrize("family", list(Family))
def test_any_schedule_can_be_told_as_any_family(family: Family) -> None:
    plain = build_preset("vp_sde", 100)
    other = build(ScheduleSpec("vp_sde", 100, family=family.value))
    assert other.family is family
    assert_allclose(other.log_snr[1:], plain.log_snr[1:], rtol=1e-12)
    assert_allclose(2.0 * np.log(other.a[1:] / other.s[1:]), plain.log_snr[1:], rtol=1e-11)


def test_levels_between_steps_lie_between_them_and_come_back_from_their_log_snr() -> None:
    for spec in (COSINE, ScheduleSpec("flow", 200), ScheduleSpec("karras", 200)):
        schedule = build(spec)
        t = np.linspace(1.0, 198.9, 50)
        assert_allclose(schedule.t_at(schedule.log_snr_at(t)), t, rtol=1e-9)
        a, s = schedule.scales_at(t)
        assert_allclose(2.0 * np.log(a / s), schedule.log_snr_at(t), rtol=1e-10, atol=1e-10)
        whole = np.array([200.0, 3.0, 0.0])
        assert_array_equal(schedule.scales_at(whole)[0], schedule.a[[200, 3, 0]])
        assert_array_equal(schedule.scales_at(whole)[1], schedule.s[[200, 3, 0]])
