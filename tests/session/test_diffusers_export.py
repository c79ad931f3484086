"""Exported configs load in diffusers with the same schedule, and come back as the same spec."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import (
    PRESETS,
    Family,
    ScheduleSpec,
    build,
    control_points,
    operations,
    with_points,
)
from diffusion_gui.session.diffusers_classes import CLASSES
from diffusion_gui.session.diffusers_config import TINY, from_config
from diffusion_gui.session.diffusers_export import EXPORTED_CLASSES, TABLE_CLASSES, to_config

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""diffusers hands tensors to NumPy in a way that NumPy 2 deprecates."""

NAMED = [
    "DDPMScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
    "SASolverScheduler",
]
VP = [name for name, row in PRESETS.items() if row.family is Family.VP]


def _drawn(preset="cosine"):
    spec = ScheduleSpec(preset, 1000)
    return with_points(spec, control_points(spec))


def _bent():
    spec = _drawn()
    return replace(spec, points=(*spec.points[:-1], replace(spec.points[-1], log_snr=-9.0)))


SPECS = {
    **{name: ScheduleSpec(name, 1000) for name in PRESETS},
    "drawn": _bent(),
    "zero_terminal": operations.zero_terminal(ScheduleSpec("scaled_linear", 1000)),
    "zero_linear": ScheduleSpec("linear", 1000, zero_terminal=True, shift=-0.5),
    "shifted": ScheduleSpec("cosine", 500, shift=1.5),
    "resampled": operations.resampled(ScheduleSpec("linear", 1000), 100),
    "table": operations.table(np.linspace(1e-4, 0.9, 30)),
    "drawn_flow": _drawn("flow"),
    "shifted_flow": ScheduleSpec("flow", 300, (("shift", 3.0),), shift=-2.0),
    "far_flow": ScheduleSpec("flow", 300, shift=-12.0),
    "small_flow": ScheduleSpec("flow_dynamic", 200, (("size", 512.0),), shift=0.5),
    "shifted_karras": ScheduleSpec("karras", 200, (("rho", 5.0),), shift=-1.0),
    "scaled_linear_named": ScheduleSpec("linear", 300, scale=0.8),
    "scaled_flow": ScheduleSpec("flow", 300, scale=2.0, shift=-1.0),
    "scaled_karras": ScheduleSpec("karras", 200, scale=0.5),
    "vp_karras": ScheduleSpec("karras", 200, family="vp"),
    "points": operations.fit(ScheduleSpec("cosine", 100)),
    "one": ScheduleSpec("linear", 1),
    "one_zero": ScheduleSpec("linear", 1, zero_terminal=True),
}


def _loaded(config):
    """Return diffusers' scheduler of a config that has been a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        cls = getattr(diffusers, config["_class_name"])
        return cls.from_config(json.loads(json.dumps(config)))


@pytest.mark.parametrize("scheduler", NAMED)
@pytest.mark.parametrize("name", [*VP, "drawn", "zero_terminal", "zero_linear", "table"])
def test_a_written_table_is_diffusers_schedule(name, scheduler):
    schedule = build(SPECS[name])
    loaded = _loaded(to_config(schedule, SPECS[name], scheduler))
    expected = schedule.alpha_bar[1:].copy()
    if expected[-1] == 0.0 and scheduler not in ("DDPMScheduler", "DDIMScheduler"):
        expected[-1] = TINY  # their solvers divide by it
        assert 1e-10 < float(loaded.alphas_cumprod[-1]) < 1.01 * TINY
    np.testing.assert_allclose(loaded.alphas_cumprod, expected, rtol=0, atol=1e-6)
    if name == "sqrt_beta":  # float32 cannot hold its end, as the file says
        return
    loaded.set_timesteps(20)
    assert np.all(np.isfinite(np.array(getattr(loaded, "sigmas", 0.0), dtype=float)))


def _holds(scheduler, spec):
    """Whether a class can be written with a schedule, by its table of betas or its formula."""
    if (spec.preset, scheduler) == ("flow_dynamic", "FlowMatchHeunDiscreteScheduler"):
        return False
    usual = to_config(build(spec), spec)["_class_name"]
    return scheduler in TABLE_CLASSES or CLASSES[scheduler].kind is CLASSES[usual].kind


@pytest.mark.parametrize("name", SPECS)
def test_what_is_written_comes_back_as_the_same_spec(name):
    spec = SPECS[name]
    schedule = build(spec)
    for scheduler in EXPORTED_CLASSES:
        if not _holds(scheduler, spec):
            with pytest.raises(EngineError, match="reads betas"):
                to_config(schedule, spec, scheduler)
            continue
        config = json.loads(json.dumps(to_config(schedule, spec, scheduler)))
        assert config["_class_name"] == scheduler
        found = from_config(config)
        assert (found.spec, found.notes) == (spec, ())


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("scheduler", ["", "EulerDiscreteScheduler", "PNDMScheduler"])
def test_what_is_written_says_it_all_without_our_spec(name, scheduler):
    schedule = build(SPECS[name])
    config = json.loads(json.dumps(to_config(schedule, SPECS[name], scheduler)))
    fields = CLASSES[config["_class_name"]].fields
    assert all(key in fields for key in config if key[0] != "_")
    assert "_diffusion_gui" in config
    del config["_diffusion_gui"]
    plain = build(from_config(config, 512 if name == "small_flow" else None).spec)
    np.testing.assert_allclose(plain.alpha_bar, schedule.alpha_bar, rtol=1e-9, atol=2 * TINY)
    holds_family = config["_class_name"] not in TABLE_CLASSES
    assert plain.family is (schedule.family if holds_family else Family.VP)


def test_without_a_wish_the_class_is_that_of_the_family():
    def written(name):
        return to_config(build(SPECS[name]), SPECS[name])["_class_name"]

    assert {written(name) for name in VP} == {"DDPMScheduler"}
    assert {written(name) for name in ("karras", "exponential", "ve", "shifted_karras")} == {
        "EDMEulerScheduler"
    }
    assert {written(name) for name in ("flow", "flow_dynamic", "shifted_flow", "small_flow")} == {
        "FlowMatchEulerDiscreteScheduler"
    }
    for name in ("polyexponential", "sub_vp", "drawn_flow", "far_flow"):
        config = to_config(build(SPECS[name]), SPECS[name])
        assert config["_class_name"] == "DDPMScheduler"
        assert "variance-preserving" in config["_notes"][0]


def test_a_written_flow_is_diffusers_flow():
    schedule = build(SPECS["shifted_flow"])
    loaded = _loaded(to_config(schedule, SPECS["shifted_flow"]))
    assert loaded.config.shift == pytest.approx(3.0 * math.e)
    np.testing.assert_allclose(loaded.sigmas.flip(0), schedule.s[1:], rtol=2e-6)


def test_a_written_dynamic_flow_is_diffusers_flow():
    schedule = build(SPECS["small_flow"])
    loaded = _loaded(to_config(schedule, SPECS["small_flow"]))
    config = loaded.config
    slope = (config.max_shift - config.base_shift) / (
        config.max_image_seq_len - config.base_image_seq_len
    )
    mu = config.base_shift + slope * (32**2 - config.base_image_seq_len)
    loaded.set_timesteps(sigmas=np.linspace(1.0, 1 / 200, 200).tolist(), mu=mu)
    np.testing.assert_allclose(loaded.sigmas[:-1].flip(0), schedule.s[1:], rtol=5e-6)


@pytest.mark.parametrize("name", ["karras", "exponential", "ve", "shifted_karras"])
def test_written_sigmas_are_diffusers_sigmas(name):
    schedule = build(SPECS[name])
    loaded = _loaded(to_config(schedule, SPECS[name]))
    loaded.set_timesteps(schedule.T)
    np.testing.assert_allclose(loaded.sigmas[:-1].flip(0), schedule.sigma[1:], rtol=2e-5)


def test_without_signal_at_the_end_a_network_must_predict_v():
    spec = SPECS["zero_terminal"]
    for scheduler in ("DDPMScheduler", "HeunDiscreteScheduler"):
        config = to_config(build(spec), spec, scheduler)
        assert config["prediction_type"] == "v_prediction"
        assert config.get("rescale_betas_zero_snr", "note") == (
            True if scheduler == "DDPMScheduler" else "note"
        )
    assert "2^-24" in config["_notes"][0]


def test_a_schedule_below_float32_says_so():
    spec = SPECS["sqrt_beta"]
    assert "float32" in to_config(build(spec), spec)["_notes"][0]


def test_an_edited_config_wins_over_the_spec_in_it():
    for name, key in (("karras", "sigma_max"), ("flow", "shift"), ("flow_dynamic", "max_shift")):
        config = to_config(build(SPECS[name]), SPECS[name])
        config[key] = 2.0
        found = from_config(config).spec
        assert found.preset == name
        assert dict(found.params)[key] == 2.0
    config = to_config(build(SPECS["flow_dynamic"]), SPECS["flow_dynamic"])
    assert dict(from_config(config, 256).spec.params)["size"] == 256.0


@pytest.mark.parametrize(
    ("scheduler", "reason"),
    [("Unheard", "'Unheard' cannot be written; choose one of: DDPM"),
     ("EDMEulerScheduler", "EDMEulerScheduler holds a formula.*DDPMScheduler"),
     ("FlowMatchEulerDiscreteScheduler", "holds a formula")],
)  # fmt: skip
def test_a_class_that_cannot_hold_the_schedule_is_refused(scheduler, reason):
    spec = SPECS["linear"]
    with pytest.raises(EngineError, match=reason):
        to_config(build(spec), spec, scheduler)
