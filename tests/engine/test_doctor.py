"""The schedule doctor: it says what is true, with the number, in one line, and its fixes help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build
from diffusion_gui.engine.schedules.doctor import (
    Finding,
    Severity,
    Use,
    examine,
    examine_alpha_bar,
    examine_table,
    refuse,
)
from diffusion_gui.engine.schedules.operations import table, zero_terminal

SD = ScheduleSpec("scaled_linear", params=pack({"beta_end": 0.0115}))


def find(kind: str, spec: ScheduleSpec, use: Use | None = None) -> Finding | None:
    return next((f for f in examine(spec, use) if f.kind == kind), None)


def mended(kind: str, spec: ScheduleSpec, use: Use | None = None) -> ScheduleSpec:
    """Return what the fix of a finding makes; the finding is gone from it."""
    finding = find(kind, spec, use)
    assert finding is not None
    assert finding.severity in (Severity.WARNING, Severity.NOTE)
    assert finding.fix is not None
    made = finding.fix.spec
    after = find(kind, made, use)
    assert after is None or after.severity is Severity.GOOD
    return made


def test_linear_reaches_noise_and_has_nothing_to_mend() -> None:
    (finding,) = examine(ScheduleSpec("linear"))
    assert finding.severity is Severity.GOOD
    assert "4e-5" in finding.text


def test_stable_diffusion_leaks_signal_and_the_share_is_told() -> None:
    schedule, finding = build(SD), examine(SD)[0]
    assert (finding.kind, finding.severity) == ("end", Severity.WARNING)
    assert f"{100 * schedule.a[-1]:.3g} % signal left" in finding.text
    assert finding.number == schedule.alpha_bar[-1]
    assert finding.times == (1000, 1000)
    assert build(mended("end", SD)).alpha_bar[-1] == 0.0


def test_an_exploding_process_that_leaks_is_shifted_until_it_does_not() -> None:
    spec = ScheduleSpec("ve", 100, pack({"sigma_max": 5.0}))
    assert build(mended("end", spec)).alpha_bar[-1] <= 0.005


@pytest.mark.parametrize(
    ("last", "severity"),
    [(0.0051, "warning"), (0.0049, "note"), (0.0011, "note"), (0.0009, "good")],
)
def test_the_borders_of_leaking_are_half_a_percent_and_a_thousandth_of_variance(
    last: float, severity: str
) -> None:
    finding = find("end", table(np.array([0.001, 1.0 - last / 0.999])))
    assert finding is not None
    assert finding.severity == severity


def test_a_noisy_first_step_is_told_and_its_point_raised() -> None:
    spec = table(np.r_[0.02, np.linspace(0.01, 0.2, 60)])
    finding = find("start", spec)
    assert finding is not None
    assert (finding.number, finding.severity) == (0.98, Severity.WARNING)
    assert "0.98" in finding.text
    assert build(mended("start", spec)).alpha_bar[1] == pytest.approx(0.999, abs=1e-6)


def test_a_clipped_last_step_is_a_note_and_many_are_a_warning() -> None:
    one, many = find("clipped", ScheduleSpec("cosine")), find("clipped", ScheduleSpec("cosine", 1))
    assert one is not None
    assert (one.severity, one.text) == (Severity.NOTE, "β clipped to 0.999 at t = 1000")
    assert many is not None
    finding = find("clipped", ScheduleSpec("linear_scaled", 15))
    assert finding is not None
    assert (finding.severity, finding.number) == (Severity.WARNING, 4.0)
    assert mended("clipped", ScheduleSpec("linear_scaled", 15)).T == 30


def test_betas_made_for_a_thousand_steps_are_told_when_there_are_fewer() -> None:
    spec = ScheduleSpec("linear", 100)
    made = mended("short", spec)
    assert made.T == 100
    assert build(made).alpha_bar[-1] == pytest.approx(build(replace(spec, T=1000)).alpha_bar[-1])
    assert find("short", ScheduleSpec("linear")) is None
    assert find("short", ScheduleSpec("linear_scaled", 100)) is None


def test_a_large_jump_is_told_with_its_size_and_resampled() -> None:
    spec = table(np.r_[np.full(30, 0.01), 0.7, np.full(30, 0.1)])
    finding, level = find("jump", spec), build(spec).log_snr
    assert finding is not None
    assert finding.times == (30, 31)
    assert finding.number == pytest.approx(level[30] - level[31])
    assert mended("jump", spec).T > 61


def test_float16_overflow_is_told_and_raised() -> None:
    spec = ScheduleSpec("sqrt_beta")
    finding, schedule = find("float16", spec), build(spec)
    assert finding is not None
    assert finding.times is not None
    first = finding.times[0]
    assert 1 / schedule.a[first] > 65504.0 >= 1 / schedule.a[first - 1]
    lifted = build(mended("float16", spec))
    assert (1 / lifted.a).max() < 65504.0
    np.testing.assert_allclose(lifted.beta[1 : first - 5], schedule.beta[1 : first - 5], rtol=1e-9)
    assert find("float16", ScheduleSpec("cosine")) is None


def test_noise_prediction_without_signal_at_T_is_told() -> None:
    use = Use(prediction="epsilon")
    spec = zero_terminal(SD)
    assert find("prediction", spec) is None
    assert find("prediction", spec, Use(prediction="v_prediction")) is None
    assert mended("prediction", spec, use) == SD
    assert 0.0 < build(mended("prediction", ScheduleSpec("flow"), use)).alpha_bar[-1] < 1e-8


@pytest.mark.parametrize(("spacing", "told"), [("leading", True), ("trailing", False)])
def test_a_spacing_that_never_visits_T_is_told(spacing: str, told: bool) -> None:
    finding = find("spacing", ScheduleSpec("linear"), Use(spacing, 20))
    assert (finding is not None) is told
    if finding is not None:
        assert finding.number == 951.0
        assert "t = 951, not at T = 1000" in finding.text


@pytest.mark.parametrize("bad", [0.0, -0.3, 1.2, np.nan, np.inf])
def test_a_table_outside_its_range_is_an_error_with_the_time_and_a_legal_table(bad: float) -> None:
    betas = np.array([0.1, 0.2, bad, 0.3])
    (finding,) = examine_table(betas)
    assert (finding.severity, finding.times) == (Severity.ERROR, (3, 3))
    assert "t = 3" in finding.text
    with pytest.raises(EngineError, match="t = 3"):
        refuse((finding,))
    assert finding.fix is not None
    legal = build(finding.fix.spec)
    np.testing.assert_array_equal(legal.beta[[1, 2, 4]], [0.1, 0.2, 0.3])
    assert examine_table(legal.beta[1:]) == ()


def test_an_alpha_bar_that_rises_is_an_error_and_is_made_to_fall() -> None:
    (finding,) = examine_alpha_bar(np.array([0.9, 0.5, 0.7, 0.1]))
    assert (finding.severity, finding.times, finding.number) == (Severity.ERROR, (3, 3), 0.7)
    assert finding.fix is not None
    fallen = build(finding.fix.spec).alpha_bar[1:]
    np.testing.assert_allclose(fallen, [0.9, 0.5, 0.5, 0.1], rtol=1e-6)
    assert examine_alpha_bar(np.array([0.9, 0.5, 0.0])) == ()
    refuse(())


@pytest.mark.parametrize("T", [1, 2, 10, 1000])
@pytest.mark.parametrize("preset", PRESETS)
def test_there_is_always_a_verdict_of_single_lines_and_every_fix_makes_a_schedule(
    preset: str, T: int
) -> None:
    findings = examine(ScheduleSpec(preset, T), Use("leading", 5, "epsilon"))
    assert findings
    order = [Severity.WARNING, Severity.GOOD, Severity.NOTE]
    ranks = [order.index(f.severity) for f in findings]
    assert ranks == sorted(ranks)
    for finding in findings:
        assert finding.text
        assert "\n" not in finding.text
        if finding.fix:
            assert build(finding.fix.spec).T >= 1


def test_the_schedule_of_stable_diffusion_is_not_called_noise_at_its_end() -> None:
    found = find("end", ScheduleSpec("scaled_linear"))
    assert found is not None
    assert found.severity is Severity.NOTE
    assert "6.83 % signal left" in found.text
    assert found.fix is not None
    assert find("end", found.fix.spec).severity is Severity.GOOD  # type: ignore[union-attr]


def test_a_beta_that_stands_out_and_steps_that_do_nothing_are_told_with_their_t() -> None:
    betas = build(ScheduleSpec("linear", 400)).beta[1:].copy()
    assert find("spike", table(betas)) is None
    assert find("flat", table(betas)) is None
    betas[199] = 0.3
    betas[300:340] = 1e-9
    spike, flat = find("spike", table(betas)), find("flat", table(betas))
    assert spike is not None
    assert spike.times == (200, 200)
    assert flat is not None
    assert flat.times == (301, 340)
    assert flat.number == 40


@pytest.mark.parametrize("key", PRESETS)
@pytest.mark.parametrize("T", [10, 50, 1000])
def test_no_preset_has_idle_steps_or_a_spike(key: str, T: int) -> None:
    assert find("flat", ScheduleSpec(key, T)) is None
    assert find("spike", ScheduleSpec(key, T)) is None
