"""A schedule as source code: what it makes when it runs is the schedule again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import (
    PRESETS,
    ControlPoint,
    Family,
    ScheduleSpec,
    build,
    with_points,
)
from diffusion_gui.engine.schedules.operations import shifted, table, zero_terminal
from diffusion_gui.session.schedule_source import SOURCES, from_python, python_source

SPECS = {
    **{preset: ScheduleSpec(preset, 100) for preset in PRESETS},
    **{f"{family} table": table(np.linspace(1e-4, 0.2, 70), family.value) for family in Family},
    "one step": ScheduleSpec("linear", 1),
    "bent": with_points(
        ScheduleSpec("cosine", 80), (ControlPoint(0.0, 8.0), ControlPoint(1.0, -9.0))
    ),
    "zero terminal": zero_terminal(ScheduleSpec("scaled_linear", 150)),
    "shifted": shifted(ScheduleSpec("linear", 60), -1.5),
}


def run(source: str) -> dict[str, Any]:
    """Return the names that a source defines."""
    names: dict[str, Any] = {}
    exec(compile(source, "source", "exec"), names)
    return names


@pytest.mark.parametrize("name", SPECS)
def test_the_numpy_source_makes_the_schedule(name: str) -> None:
    schedule, source = build(SPECS[name]), python_source(SPECS[name], "numpy")
    made = run(source)
    for key, expected in (("alphas_cumprod", schedule.alpha_bar), ("a", schedule.a),
                          ("s", schedule.s), ("betas", schedule.beta)):  # fmt: skip
        assert_allclose(made[key], expected[1:], rtol=1e-9, err_msg=key)
    assert_allclose(made["log_snr"], schedule.log_snr[1:], rtol=1e-9, atol=1e-9)
    assert made["family"] == schedule.family
    assert build(from_python(source).spec).family is schedule.family


@pytest.mark.parametrize("name", SPECS)
def test_the_diffusers_source_makes_a_scheduler_with_the_schedule(name: str) -> None:
    schedule = build(SPECS[name])
    scheduler = run(python_source(SPECS[name], "diffusers"))["scheduler"]
    kind = type(scheduler).__name__
    if kind.startswith("FlowMatch"):
        if not scheduler.config.use_dynamic_shifting:  # else the shift is told when it samples
            assert_allclose(scheduler.sigmas.numpy()[::-1], schedule.s[1:], atol=1e-6)
    elif kind.startswith("EDM"):
        scheduler.set_timesteps(schedule.T)
        assert_allclose(scheduler.sigmas.numpy()[-2::-1], schedule.sigma[1:], rtol=1e-5)
    else:
        assert_allclose(scheduler.alphas_cumprod.numpy(), schedule.alpha_bar[1:], atol=1e-6)
        assert len(scheduler.alphas_cumprod) == schedule.T


def test_the_diffusers_source_of_a_known_formula_is_short() -> None:
    source = python_source(ScheduleSpec("scaled_linear"), "diffusers")
    assert "beta_schedule='scaled_linear'" in source
    assert len(source) < 600


@pytest.mark.parametrize("name", SPECS)
def test_the_k_diffusion_source_lists_sigmas_down_to_zero(name: str) -> None:
    schedule = build(SPECS[name])
    if not np.isfinite(schedule.sigma).all():
        with pytest.raises(EngineError, match="infinite"):
            python_source(SPECS[name], "k-diffusion")
        return
    source = python_source(SPECS[name], "k-diffusion")
    assert_allclose(run(source)["sigmas"].numpy(), schedule.sigma[::-1], rtol=1e-9)
    assert "k_diffusion.sampling.sample_" in source


@pytest.mark.parametrize("kind", SOURCES)
def test_sources_fit_their_lines_and_name_the_schedule(kind: str) -> None:
    source = python_source(ScheduleSpec("cosine", 30), kind)
    assert max(map(len, source.splitlines())) <= 100
    assert "cosine, T = 30" in source.splitlines()[0]


def test_an_unknown_source_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match=r"'jax'.*numpy, diffusers, k-diffusion"):
        python_source(ScheduleSpec(), "jax")
