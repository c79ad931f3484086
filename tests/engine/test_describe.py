"""The line that says how a schedule is made, and the way back from a bent curve to its base."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion_gui.engine.schedules import (
    PRESETS,
    ControlPoint,
    ScheduleSpec,
    build,
    control_points,
    formula_of,
    with_points,
    without_points,
)
from diffusion_gui.engine.schedules.operations import resampled, shifted, table, zero_terminal

POINTS = (ControlPoint(0.0, 8.0), ControlPoint(0.4, 1.0), ControlPoint(1.0, -9.0))
LINEAR = PRESETS["linear"].formula
BETAS = np.linspace(0.01, 0.2, 40)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_plain_preset_is_its_formula_and_its_length(preset: str) -> None:
    assert formula_of(ScheduleSpec(preset, 1000)) == f"{PRESETS[preset].formula}; T = 1,000"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (zero_terminal(ScheduleSpec("linear", 50)),
         f"{LINEAR}; rescaled to zero terminal SNR; T = 50"),
        (shifted(ScheduleSpec("linear", 50), -2.0 * np.log(3.0)),
         f"{LINEAR}; log-SNR shifted by -2.197 nats (SD3 shift 3); T = 50"),
        (ScheduleSpec("linear", 50, scale=0.5), f"{LINEAR}; log-SNR times 0.5; T = 50"),
        (resampled(ScheduleSpec("linear", 1000), 50),
         f"{LINEAR}; resampled from T = 1,000 to 50"),
        (ScheduleSpec("linear", 50, family="flow"), f"{LINEAR}; T = 50; told as straight flow"),
        (ScheduleSpec("ve", 50, family="ve"), f"{PRESETS['ve'].formula}; T = 50"),
        (with_points(ScheduleSpec("linear", 50), POINTS),
         f"{LINEAR}; T = 50; bent through 3 points in log-SNR"),
        (ScheduleSpec("", 50, points=POINTS), "drawn through 3 points in log-SNR; T = 50"),
        (table(np.array([0.1])), "βₜ from a table of 1 beta; T = 1"),
        (resampled(table(BETAS, "sub_vp"), 90),
         "βₜ from a table of 40 betas; resampled from T = 40 to 90; told as sub-VP"),
        (with_points(resampled(shifted(zero_terminal(ScheduleSpec("linear", 1000)), 1.0), 50),
                     POINTS[:1]),
         f"{LINEAR}; rescaled to zero terminal SNR; log-SNR shifted by +1 nats (SD3 shift 0.6065);"
         " resampled from T = 1,000 to 50; bent through 1 point in log-SNR"),
    ],
)  # fmt: skip
def test_everything_that_was_applied_is_named(spec: ScheduleSpec, text: str) -> None:
    assert formula_of(spec) == text


@pytest.mark.parametrize(
    "base",
    [
        ScheduleSpec("cosine", 100),
        table(BETAS),
        resampled(ScheduleSpec("linear", 1000), 100),
        resampled(table(BETAS), 100),
        shifted(zero_terminal(ScheduleSpec("linear", 100)), -1.0),
        resampled(shifted(ScheduleSpec("flow", 50), 1.0), 100),
    ],
)
def test_without_its_points_a_bent_schedule_is_what_it_was(base: ScheduleSpec) -> None:
    first, *rest = control_points(base)
    bent = with_points(base, (replace(first, log_snr=first.log_snr + 1.0), *rest))
    plain = without_points(bent)
    assert plain.points == ()
    assert plain.T == base.T
    np.testing.assert_array_equal(build(plain).log_snr, build(base).log_snr)
    assert formula_of(plain) == formula_of(base)
    assert without_points(plain) == plain


def test_a_bent_schedule_that_was_resampled_keeps_that_without_its_points() -> None:
    bent = resampled(with_points(ScheduleSpec("linear", 1000), POINTS), 50)
    assert without_points(bent) == resampled(ScheduleSpec("linear", 1000), 50)


def test_points_alone_stay() -> None:
    spec = ScheduleSpec("", 50, points=POINTS)
    assert without_points(spec) is spec
