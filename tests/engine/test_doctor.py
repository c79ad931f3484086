"""The schedule doctor: it says what is true, with the number, in one line."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_gui.engine.schedules import PRESETS, build_preset, from_betas
from diffusion_gui.engine.schedules.doctor import Severity, examine


def test_linear_reaches_noise_and_has_nothing_to_mend() -> None:
    (finding,) = examine(build_preset("linear"))
    assert finding.severity is Severity.GOOD
    assert "4e-05" in finding.text


def test_stable_diffusion_leaks_signal_and_the_share_is_told() -> None:
    schedule = build_preset("scaled_linear", beta_end=0.0115)
    findings = examine(schedule)
    assert findings[0].severity is Severity.WARNING
    assert f"{100 * schedule.a[-1]:.3g} % signal left" in findings[0].text
    assert f"{schedule.alpha_bar[-1]:.3g}" in findings[0].text


def test_a_noisy_first_step_is_told() -> None:
    schedule = from_betas(np.array([0.02, 0.999]))
    starts = [f for f in examine(schedule) if "Starts noisy" in f.text]
    assert [f.severity for f in starts] == [Severity.WARNING]
    assert "0.98" in starts[0].text


def test_what_was_clipped_is_repeated() -> None:
    schedule = build_preset("cosine")
    assert schedule.notes[0] in [f.text for f in examine(schedule)]


@pytest.mark.parametrize(("last", "severity"), [(0.0051, "warning"), (0.0049, "good")])
def test_the_border_of_leaking_is_half_a_percent_of_variance(last: float, severity: str) -> None:
    schedule = from_betas(np.array([0.001, 1.0 - last / 0.999]))
    assert examine(schedule)[0].severity == severity


@pytest.mark.parametrize("T", [1, 2, 10, 1000])
@pytest.mark.parametrize("preset", PRESETS)
def test_there_is_always_a_verdict_of_single_lines(preset: str, T: int) -> None:
    findings = examine(build_preset(preset, T))
    assert findings
    assert all(f.text and "\n" not in f.text for f in findings)
