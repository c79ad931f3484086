"""Every fix that the doctor offers helps: on every schedule, in every family, for every length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from diffusion_gui.engine.params import pack
from diffusion_gui.engine.schedules import (
    PRESETS,
    ControlPoint,
    Family,
    ScheduleSpec,
    build,
    control_points,
    with_points,
)
from diffusion_gui.engine.schedules.doctor import (
    Finding,
    Severity,
    Use,
    examine,
    examine_alpha_bar,
    examine_table,
)
from diffusion_gui.engine.schedules.operations import resampled, shifted, table, zero_terminal

LENGTHS = (1, 2, 10, 50, 1000, 4000)
USES = (Use(), Use("leading", 5, "epsilon"), Use("trailing", 5, "v_prediction"))
ALWAYS_MENDED = {"end", "jump", "float16", "prediction"}
"""Kinds of findings that are never left without a fix."""

rng = np.random.default_rng(3)
TABLES = {
    "a jump": np.r_[np.full(30, 0.01), 0.7, np.full(30, 0.1)],
    "a jump out of sight": np.r_[np.full(30, 0.01), 1.0 - 1e-9, np.full(30, 0.1)],
    "a jump among ten thousand": np.r_[np.full(4000, 1e-6), 0.999, np.full(5999, 1e-6)],
    "two jumps": np.r_[np.full(5, 1e-4), 0.9, np.full(5, 0.02), 0.9, np.full(5, 0.02)],
    "no noise": np.full(100, 1e-8),
    "almost no noise": np.full(10_000, 1e-12),
    "noise at once": np.r_[1.0 - 1e-12, np.full(40, 0.01)],
    "one step": np.array([0.5]),
    "one last step": np.array([1.0]),
    "two steps to nothing": np.array([0.3, 1.0]),
    "deep": np.full(400, 0.999),
    "below float": np.full(3000, 0.999),
    "deep, then no signal": np.r_[np.full(300, 0.9), 1.0],
    "rough": rng.uniform(1e-6, 0.9, 300),
    "starts noisy": np.r_[0.2, np.full(60, 0.05)],
}
CURVES = {
    "steep": ((0.0, 19.0), (0.5, 18.0), (0.51, -18.0), (1.0, -19.0)),
    "flat": ((0.0, 1.0), (1.0, 0.9)),
    "late": ((0.0, 3.0), (0.7, 2.0), (1.0, -12.0)),
    "deep": ((0.0, 8.0), (0.5, -60.0), (1.0, -400.0)),
    "single": ((0.5, 0.0),),
}


def drawn(name: str, T: int, family: str = "") -> ScheduleSpec:
    points = tuple(ControlPoint(u, level) for u, level in CURVES[name])
    return ScheduleSpec("", T, points=points, family=family)


def bent(spec: ScheduleSpec) -> ScheduleSpec:
    points = control_points(spec)
    return with_points(spec, (*points[:-1], replace(points[-1], log_snr=points[-1].log_snr + 1e-4)))


def legal(spec: ScheduleSpec) -> None:
    schedule = build(spec)
    assert schedule.T == spec.T
    assert np.all((schedule.beta[1:] > 0.0) & (schedule.beta[1:] <= 1.0))
    assert not np.any(schedule.beta[1:-1] == 1.0)
    assert np.all(np.diff(schedule.log_snr) < 0.0)
    assert np.isfinite(schedule.a).all()
    assert np.isfinite(schedule.s).all()


def mend(spec: ScheduleSpec, use: Use, always: bool = True) -> None:
    """Check every finding of a schedule and what its fix makes of it."""
    for finding in examine(spec, use):
        assert "\n" not in finding.text
        assert finding.times is not None
        first, last = finding.times
        assert 1 <= first <= last <= spec.T
        if finding.severity is Severity.GOOD:
            assert finding.fix is None
        elif finding.fix is not None:
            helped(finding, use)
        else:
            assert not (always and finding.kind in ALWAYS_MENDED), (finding, spec)


def helped(finding: Finding, use: Use) -> None:
    assert finding.fix is not None
    assert finding.fix.label[0].isupper()
    assert len(finding.fix.label) <= 40
    legal(finding.fix.spec)
    left = [f for f in examine(finding.fix.spec, use) if f.kind == finding.kind]
    worst = (Severity.GOOD, Severity.NOTE) if finding.severity is not Severity.NOTE else ()
    assert all(f.severity in (Severity.GOOD, *worst) for f in left), (finding, left)


@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_fix_of_a_preset_removes_its_finding(preset: str, T: int) -> None:
    spec = ScheduleSpec(preset, T)
    for use in USES:
        mend(spec, use)
    if PRESETS[preset].family is not Family.VE:
        mend(zero_terminal(spec), USES[1])
    mend(shifted(spec, 6.0), USES[1])
    mend(bent(spec), USES[1])


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("name", TABLES)
def test_every_fix_of_a_table_removes_its_finding(name: str, family: Family) -> None:
    spec = table(TABLES[name], family.value)
    if family is Family.VE and build(table(TABLES[name])).log_snr[-1] < -1400.0:
        return  # refused by name: its sigma is beyond float
    for use in USES:
        mend(spec, use)
    mend(bent(spec), USES[0])
    mend(resampled(spec, 37), USES[0])


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("T", LENGTHS)
@pytest.mark.parametrize("name", CURVES)
def test_every_fix_of_a_drawn_curve_removes_its_finding(name: str, T: int, family: Family) -> None:
    mend(drawn(name, T, family.value), USES[1])


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("preset", ["linear", "scaled_linear", "sqrt_beta", "flow", "karras"])
def test_every_fix_of_a_preset_told_as_another_family_removes_its_finding(
    preset: str, family: Family
) -> None:
    if preset == "flow" and family is Family.VE:
        return  # refused by name: no signal is left
    mend(ScheduleSpec(preset, 100, family=family.value), USES[1])


falls = st.lists(st.floats(1e-6, 30.0), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    start=st.floats(-15.0, 15.0), falls=falls, ends=st.booleans(), family=st.sampled_from(Family)
)
def test_every_fix_of_any_schedule_removes_its_finding(
    start: float, falls: list[float], ends: bool, family: Family
) -> None:
    levels = start - np.cumsum(falls)
    if ends and family is not Family.VE:
        levels[-1] = -np.inf
    betas = -np.expm1(np.diff(-np.logaddexp(0.0, -levels), prepend=0.0))
    if np.all(betas[:-1] < 1.0) and np.all(betas > 0.0) and (ends or betas[-1] < 1.0):
        mend(table(betas, family.value), USES[1])


@settings(deadline=None, max_examples=60)
@given(betas=st.lists(st.floats(width=64), min_size=1, max_size=30))
def test_any_numbers_are_betas_after_the_fix(betas: list[float]) -> None:
    for finding in examine_table(np.array(betas)):
        assert finding.fix is not None
        legal(finding.fix.spec)
        assert examine_table(np.array(finding.fix.spec.betas)) == ()


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.floats(width=64), min_size=1, max_size=30))
@example(values=[np.inf, np.inf])
@example(values=[0.5, 0.0, 0.0])
def test_any_numbers_fall_after_the_fix(values: list[float]) -> None:
    for finding in examine_alpha_bar(np.array(values)):
        assert finding.fix is not None
        legal(finding.fix.spec)
        assert examine_alpha_bar(build(finding.fix.spec).alpha_bar[1:]) == ()


def test_a_jump_beyond_what_is_visible_is_resampled_as_finely_as_it_is_steep() -> None:
    spec = table(TABLES["a jump out of sight"])
    (finding,) = [f for f in examine(spec) if f.kind == "jump"]
    assert finding.fix is not None
    assert finding.fix.label == f"Resample to T = {finding.fix.spec.T:,}"
    steep = build(spec).log_snr[30] - build(spec).log_snr[31]
    assert abs(finding.fix.spec.T - 1 - 60 * steep / 0.99) <= 2


def test_a_float16_overflow_is_mended_without_touching_an_end_without_signal() -> None:
    spec = table(np.r_[np.full(300, 0.9), 1.0])
    (finding,) = [f for f in examine(spec) if f.kind == "float16"]
    assert finding.fix is not None
    mended = build(finding.fix.spec)
    assert mended.a[-1] == 0.0
    assert 1.0 / mended.a[-2] < 65504.0


def test_a_flow_that_was_rescaled_is_left_some_signal_by_its_fix() -> None:
    spec = ScheduleSpec("flow", 100, zero_terminal=True)
    (finding,) = [f for f in examine(spec, USES[1]) if f.kind == "prediction"]
    assert finding.fix is not None
    assert finding.fix.label == "Keep a little signal"
    assert build(finding.fix.spec).a[-1] > 0.0


def test_a_network_that_predicts_noise_is_not_sent_where_there_is_no_signal() -> None:
    spec = ScheduleSpec("scaled_linear", params=pack({"beta_end": 0.0115}))
    labels = [examine(spec, use)[0].fix.label for use in USES]  # type: ignore[union-attr]
    assert labels[0] == labels[2] == "Rescale to zero terminal SNR"
    assert labels[1].startswith("Shift log-SNR by -1.")


def test_betas_of_one_before_the_end_are_an_error() -> None:
    (finding,) = examine_table(np.array([0.1, 1.0, 0.5, 1.0]))
    assert (finding.severity, finding.times) == (Severity.ERROR, (2, 2))
    assert examine_table(np.array([0.1, 0.5, 1.0])) == ()
