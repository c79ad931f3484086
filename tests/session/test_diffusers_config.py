"""diffusers' configs are read as diffusers reads them, and what cannot be is refused by name."""

from __future__ import annotations

import ast
import importlib.util
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import Family, ScheduleSpec, build
from diffusion_gui.engine.schedules.timesteps import SPACINGS, grid
from diffusion_gui.session.diffusers_classes import ALL_FIELDS, CLASSES, Kind
from diffusion_gui.session.diffusers_config import Imported, from_config
from diffusion_gui.session.format import check_schedule
from diffusion_gui.session.schedule_import import load_schedule

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""diffusers hands tensors to NumPy in a way that NumPy 2 deprecates."""

CONFIGS = Path(__file__).parent / "scheduler_configs"
REAL = sorted(path.stem for path in CONFIGS.glob("*.json") if path.stem != "unknown-class")
NEED_TORCHSDE = ("CosineDPMSolverMultistepScheduler", "DPMSolverSDEScheduler")
BETA_CLASSES = sorted(
    name for name, row in CLASSES.items() if row.kind is Kind.BETAS and name not in NEED_TORCHSDE
)


def theirs(config):
    """Return diffusers' own scheduler of a config."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import diffusers

        cls = getattr(diffusers, config["_class_name"].removeprefix("Flax"))
        return cls.from_config(config)


def of(name, **fields):
    return {"_class_name": name, **fields}


def _read(name):
    return json.loads((CONFIGS / f"{name}.json").read_text())


def _literal(node):
    """Return the value of a default in a signature; `-float("inf")` is the only call there."""
    return eval(ast.unparse(node), {"__builtins__": {}, "float": float})


def _signatures():
    """Return every scheduler's fields and defaults, from diffusers' source."""
    root = Path(importlib.util.find_spec("diffusers").origin).parent / "schedulers"
    found = {}
    for file in root.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.ClassDef) or node.name not in CLASSES:
                continue
            init = next(f for f in node.body if getattr(f, "name", "") == "__init__")
            names = [arg.arg for arg in init.args.args][-len(init.args.defaults) :]
            found[node.name] = dict(zip(names, map(_literal, init.args.defaults), strict=True))
    return found


# --- the table of classes ------------------------------------------------------------------------


def test_the_table_of_classes_is_diffusers_own():
    signatures = _signatures()
    assert set(CLASSES) == set(signatures)
    for name, row in CLASSES.items():
        assert dict(row.fields) == signatures[name], name


@pytest.mark.parametrize("name", BETA_CLASSES)
def test_a_config_without_fields_has_the_schedule_of_its_class(name):
    schedule = build(from_config(of(name)).spec)
    np.testing.assert_allclose(
        schedule.alpha_bar[1:], theirs(of(name)).alphas_cumprod, rtol=2e-5, atol=1e-7
    )


# --- ten configs as they are published -----------------------------------------------------------

_GOLDEN = {
    "cosine-dpm-audio": ("exponential", "v_prediction", "exponential", (), False),
    "ddim-leading": ("scaled_linear", "epsilon", "leading", (("offset", 1.0),), False),
    "ddpm-butterflies-128": ("linear", "epsilon", "leading", (), True),
    "flux-schnell-flow": ("flow", "flow", "linspace", (), False),
    "sdxl-turbo-euler-ancestral": ("scaled_linear", "epsilon", "linspace", (), False),
    "stable-cascade-wuerstchen": ("", "epsilon", "trailing", (), False),
    "stable-diffusion-2-1-flax-ddim-v": (
        *("scaled_linear", "v_prediction", "leading"),
        *((("offset", 1.0),), False),
    ),
    "stable-diffusion-v1-5-flax-pndm": (
        *("scaled_linear", "epsilon", "leading"),
        *((("offset", 1.0),), False),
    ),
    "zero123-euler-ancestral-v": ("linear", "v_prediction", "linspace", (), False),
}


@pytest.mark.parametrize("name", REAL)
def test_a_published_config_says_how_it_is_used(name):
    found = load_schedule(CONFIGS / f"{name}.json")
    use = (found.prediction, found.spacing, found.spacing_params, found.clip_sample)
    assert (found.spec.preset, *use) == _GOLDEN[name]
    assert found.spec.T == 1000


@pytest.mark.parametrize("name", REAL)
def test_a_published_config_has_diffusers_numbers(name):
    config, t = _read(name), np.array([1, 2, 50, 251, 501, 751, 999, 1000])
    schedule = build(from_config(config).spec)
    if name == "cosine-dpm-audio":  # its class cannot be imported without torchsde
        sigma = np.exp(np.log(0.3) + (t - 1) / 999 * np.log(500 / 0.3))
        np.testing.assert_allclose(schedule.sigma[t], sigma, rtol=1e-12)
        np.testing.assert_array_equal(schedule.a, 1.0)
        return
    scheduler = theirs(config)
    if name == "flux-schnell-flow":
        np.testing.assert_allclose(schedule.s[1:], scheduler.sigmas.flip(0), rtol=1e-6)
        np.testing.assert_allclose(schedule.a, 1.0 - schedule.s, atol=1e-12)
    elif name == "stable-cascade-wuerstchen":
        import torch

        expected = scheduler._alpha_cumprod(torch.from_numpy(t / 1000), "cpu")
        np.testing.assert_allclose(schedule.alpha_bar[t], expected, rtol=1e-4)
        assert np.all(np.diff(schedule.alpha_bar) < 0.0)
    else:
        assert schedule.family is Family.VP
        np.testing.assert_allclose(
            schedule.alpha_bar[t], scheduler.alphas_cumprod[t - 1], rtol=3e-6
        )


def test_the_tenth_config_is_of_a_class_that_says_too_little():
    with pytest.raises(EngineError, match=r"unknown-class.*'MiniMaxH3Scheduler' is not known"):
        load_schedule(CONFIGS / "unknown-class.json")


# --- betas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "schedule"),
    [
        *((n, s) for n in ("DDIMScheduler", "EulerDiscreteScheduler")
          for s in ("linear", "scaled_linear", "squaredcos_cap_v2")),
        ("DDPMScheduler", "sigmoid"),
        ("DDPMScheduler", "laplace"),
        ("HeunDiscreteScheduler", "exp"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("T", [1000, 77])
def test_every_formula_has_diffusers_numbers(name, schedule, T):
    config = of(name, beta_schedule=schedule, num_train_timesteps=T)
    if schedule in ("linear", "sigmoid"):
        config |= {"beta_start": 0.001, "beta_end": 0.03}
    found = from_config(config)
    expected = theirs(config).alphas_cumprod
    np.testing.assert_allclose(build(found.spec).alpha_bar[1:], expected, rtol=3e-5, atol=1e-7)
    assert bool(found.spec.betas) == (schedule in ("laplace", "exp"))


def test_laplace_is_the_square_root_of_the_papers_and_says_so():
    found = from_config(of("DDPMScheduler", beta_schedule="laplace"))
    paper, read = build(ScheduleSpec("laplace", 1000)), build(found.spec)
    np.testing.assert_allclose(read.alpha_bar[200:800] ** 2, paper.alpha_bar[200:800], rtol=0.02)
    assert "square root of the paper's" in " ".join(found.notes)


@pytest.mark.parametrize(
    "config",
    [
        of("DDIMScheduler", beta_schedule="scaled_linear", rescale_betas_zero_snr=True),
        of("TCDScheduler", rescale_betas_zero_snr=True),
        of("CogVideoXDDIMScheduler", snr_shift_scale=2.0),
        of("CogVideoXDPMScheduler", rescale_betas_zero_snr=True, snr_shift_scale=3.0),
    ],
    ids=lambda config: config["_class_name"],
)
def test_moved_and_rescaled_betas_have_diffusers_numbers(config):
    schedule = build(from_config(config).spec)
    np.testing.assert_allclose(schedule.alpha_bar[1:], theirs(config).alphas_cumprod, atol=1e-6)
    assert (schedule.alpha_bar[-1] == 0.0) == ("rescale_betas_zero_snr" in config)


def test_rescaling_keeps_the_preset():
    config = of("DDIMScheduler", rescale_betas_zero_snr=True, beta_end=0.03)
    spec = from_config(config).spec
    ends = (("beta_end", 0.03), ("beta_start", 0.0001))
    assert spec == ScheduleSpec("linear", 1000, ends, zero_terminal=True)


def test_a_class_that_does_not_rescale_does_not_although_its_config_says_so():
    found = from_config(of("HeunDiscreteScheduler", rescale_betas_zero_snr=True))
    assert not found.spec.zero_terminal
    assert found.notes == ("HeunDiscreteScheduler does not use rescale_betas_zero_snr",)


def test_trained_betas_are_a_table_and_win_over_the_formula():
    betas = [0.1, 0.2, 0.9]
    found = from_config(of("DDIMScheduler", trained_betas=betas, beta_schedule="linear"))
    assert found.spec == ScheduleSpec("", 3, betas=tuple(betas))
    told = from_config(of("DDIMScheduler", trained_betas=betas, num_train_timesteps=1000))
    assert told.spec == found.spec
    assert "3 trained_betas" in " ".join(told.notes)


def test_an_unknown_class_is_read_where_its_fields_say_enough():
    config = of("NewScheduler", beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                num_train_timesteps=500, prediction_type="sample", new=1)  # fmt: skip
    found = from_config(config)
    assert found.spec == ScheduleSpec("linear", 500, (("beta_end", 0.02), ("beta_start", 1e-4)))
    assert (found.prediction, found.spacing) == ("sample", "")
    notes = " ".join(found.notes)
    assert "'NewScheduler' is not known" in notes
    assert "left out: new" in notes
    assert from_config(of("NewScheduler", trained_betas=[0.5])).spec.betas == (0.5,)
    with pytest.raises(EngineError, match=r"^beta_end: the key is missing"):
        from_config(config | {"beta_end": None})


# --- sigmas and flows ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"])
@pytest.mark.parametrize("kind", ["karras", "exponential"])
def test_sigma_schedules_have_diffusers_numbers(name, kind):
    config = of(name, sigma_schedule=kind, sigma_min=0.01, sigma_max=50, rho=5.0,
                num_train_timesteps=200)  # fmt: skip
    found, scheduler = from_config(config), theirs(config)
    scheduler.set_timesteps(200)
    schedule = build(found.spec)
    assert schedule.family is Family.VE
    np.testing.assert_allclose(schedule.sigma[:0:-1], scheduler.sigmas[:-1], rtol=1e-5)
    assert found.spacing == kind
    scheduler.set_timesteps(10)
    times = grid(schedule, 10, found.spacing, found.spacing_params)
    levels = np.exp(-0.5 * schedule.log_snr_at(times[:-1]))
    np.testing.assert_allclose(levels, scheduler.sigmas[:-1], rtol=1e-5)


def test_score_sdes_have_diffusers_numbers():
    config = of("ScoreSdeVeScheduler")
    schedule = build(from_config(config).spec)
    np.testing.assert_allclose(schedule.sigma[1:], theirs(config).discrete_sigmas, rtol=1e-4)
    vp = build(from_config(of("ScoreSdeVpScheduler", beta_max=10)).spec)
    assert vp.T == 2000
    assert vp.alpha_bar[1000] == pytest.approx(math.exp(-0.5 * 0.25 * 9.9 - 0.05))


def test_consistency_models_karras_ve_and_ipndm_have_diffusers_numbers():
    config = of("CMStochasticIterativeScheduler", num_train_timesteps=20)
    scheduler = theirs(config)
    scheduler.set_timesteps(20)
    schedule = build(from_config(config).spec)
    np.testing.assert_allclose(schedule.sigma[:0:-1], scheduler.sigmas[:-1], rtol=1e-5)

    schedule = build(from_config(of("KarrasVeScheduler")).spec)
    assert schedule.sigma[[1, -1]] == pytest.approx([0.02, 100.0])

    scheduler = theirs(of("IPNDMScheduler", num_train_timesteps=100))
    schedule = build(from_config(of("IPNDMScheduler", num_train_timesteps=100)).spec)
    np.testing.assert_allclose(schedule.s[::-1], scheduler.betas, atol=1e-7)
    np.testing.assert_allclose(schedule.a[::-1], scheduler.alphas, atol=5e-4)  # float32 at s = 1


def _visited(config, mu=None, steps=1000):
    """Return the s of a flow at all its levels, shifted once."""
    scheduler = theirs(config)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps).tolist(), mu=mu)
    return scheduler.sigmas[:-1].flip(0).numpy()


@pytest.mark.parametrize("shift", [1.0, 3.0, 0.5])
def test_a_flow_has_diffusers_levels(shift):
    config = of("FlowMatchEulerDiscreteScheduler", shift=shift)
    found = from_config(config)
    assert found.spec == ScheduleSpec("flow", 1000, (("shift", shift),))
    schedule = build(found.spec)
    np.testing.assert_allclose(schedule.s[1:], _visited(config), rtol=2e-6)
    np.testing.assert_allclose(schedule.s[1:], theirs(config).sigmas.flip(0), rtol=2e-6)


def test_the_second_shift_of_a_flow_is_told_with_its_numbers():
    config = of("FlowMatchHeunDiscreteScheduler", shift=3.0)
    scheduler = theirs(config)
    scheduler.set_timesteps(10)
    last = f"{float(scheduler.sigmas[-2]):.4g}"
    assert last == "0.008929"
    assert f"s = {last}, here at 0.002994" in " ".join(from_config(config).notes)


@pytest.mark.parametrize(("size", "mu"), [(256, 0.5), (None, 1.15), (512, 0.63)])
def test_a_dynamic_shift_depends_on_the_size(size, mu):
    config = of("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True)
    found = from_config(config, size)
    assert found.spec.preset == "flow_dynamic"
    np.testing.assert_allclose(build(found.spec).s[1:], _visited(config, mu), rtol=3e-6)
    assert bool(found.notes) == (size is None)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
def test_a_dynamic_shift_over_other_tokens_is_a_flow_with_that_shift(kind):
    config = of("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True,
                max_image_seq_len=8192, max_shift=0.9, time_shift_type=kind)  # fmt: skip
    mu = 0.5 + (4096 - 256) / (8192 - 256) * 0.4
    found = from_config(config)
    np.testing.assert_allclose(build(found.spec).s[1:], _visited(config, mu), rtol=3e-6)
    assert "1024 pixels" in " ".join(found.notes)


def test_a_stretched_flow_ends_where_it_is_told():
    config = of("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True, shift_terminal=0.1,
                base_shift=0.95, max_shift=2.05, base_image_seq_len=1024)  # fmt: skip
    found = from_config(config)
    schedule = build(found.spec)
    assert schedule.family is Family.FLOW
    assert (schedule.s[1], schedule.s[-1]) == (pytest.approx(0.1), 1.0)
    np.testing.assert_allclose(schedule.s[1:], _visited(config, 2.05), rtol=1e-5)
    assert "shift_terminal" in " ".join(found.notes)


@pytest.mark.parametrize(
    "name",
    ["DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler",
     "DEISMultistepScheduler", "SASolverScheduler"],
)  # fmt: skip
def test_solvers_sample_flows(name):
    found = from_config(of(name, use_flow_sigmas=True, flow_shift=5.0,
                           prediction_type="flow_prediction"))  # fmt: skip
    assert found.spec == ScheduleSpec("flow", 1000, (("shift", 5.0),))
    assert (found.prediction, found.spacing) == ("flow", "trailing")


# --- its use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (of("DDIMScheduler"), ("leading", ())),
        (of("DDIMScheduler", steps_offset=1), ("leading", (("offset", 1.0),))),
        (of("DDIMScheduler", steps_offset=1, timestep_spacing="trailing"), ("trailing", ())),
        (of("EulerDiscreteScheduler", use_karras_sigmas=True), ("karras", ())),
        (of("EulerDiscreteScheduler", use_exponential_sigmas=True), ("exponential", ())),
        (of("LMSDiscreteScheduler", use_beta_sigmas=True), ("beta", ())),
        (of("DPMSolverMultistepScheduler", use_lu_lambdas=True), ("exponential", ())),
        (of("EDMEulerScheduler", rho=3.0), ("karras", (("rho", 3.0),))),
        (of("DPMSolverSinglestepScheduler"), ("linspace", ())),
    ],
)
def test_the_spacing_is_a_row_of_ours(config, expected):
    found = from_config(config)
    assert (found.spacing, found.spacing_params) == expected
    assert found.spacing in SPACINGS


@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler"])
@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("offset", [0, 1])
def test_the_spacing_visits_diffusers_times(name, spacing, offset):
    config = of(name, timestep_spacing=spacing, steps_offset=offset)
    found, scheduler = from_config(config), theirs(config)
    scheduler.set_timesteps(20)
    times = grid(build(found.spec), 20, found.spacing, found.spacing_params)
    np.testing.assert_array_equal(times[:-1] - 1, np.round(scheduler.timesteps.numpy()))


@pytest.mark.parametrize("flag", ["use_karras_sigmas", "use_exponential_sigmas"])
def test_spacings_by_level_visit_diffusers_levels(flag):
    config = _read("sdxl-turbo-euler-ancestral") | of("EulerDiscreteScheduler", **{flag: True})
    found, scheduler = from_config(config), theirs(config)
    scheduler.set_timesteps(12)
    schedule = build(found.spec)
    times = grid(schedule, 12, found.spacing, found.spacing_params)[:-1]
    np.testing.assert_allclose(
        np.exp(-0.5 * schedule.log_snr_at(times)), scheduler.sigmas[:-1], rtol=1e-4
    )


def test_the_prediction_of_old_and_new_configs():
    assert from_config(of("DDPMScheduler", predict_epsilon=False)).prediction == "sample"
    assert from_config(of("DDPMScheduler", predict_epsilon=True)).prediction == "epsilon"
    assert from_config(of("UnCLIPScheduler", prediction_type="sample")).prediction == "sample"
    assert from_config(of("KarrasVeScheduler")).prediction == ""


@pytest.mark.parametrize(
    ("config", "part"),
    [
        (of("LMSDiscreteScheduler", use_beta_sigmas=True), "quantiles over σ"),
        (of("FlowMatchEulerDiscreteScheduler", use_karras_sigmas=True), "use_karras_sigmas"),
        (of("FlowMatchEulerDiscreteScheduler", invert_sigmas=True), "invert_sigmas is true"),
        (of("FlowMatchEulerDiscreteScheduler", stochastic_sampling=True), "stochastic_sampling"),
        (of("UniPCMultistepScheduler", use_flow_sigmas=True, use_dynamic_shifting=True),
         "use_dynamic_shifting"),
        (of("DDIMScheduler", thresholding=True), "thresholding is true"),
        (of("EulerDiscreteScheduler", interpolation_type="log_linear"), "interpolation_type"),
        (of("EulerDiscreteScheduler", final_sigmas_type="sigma_min"), "final_sigmas_type"),
        (of("EulerDiscreteScheduler", use_karras_sigmas=True, sigma_min=0.1), "sigma_min"),
        (of("DPMSolverMultistepScheduler", lambda_min_clipped=-5.1), "lambda_min_clipped is -5.1"),
        (of("KarrasVeScheduler"), "σ²"),
        (of("DDPMWuerstchenScheduler"), "1,000 steps"),
        (of("DDPMScheduler", colour="red", shape=[1]), "left out: colour, shape"),
        (of("DDPMScheduler", **{"a\nb": 1, "c" * 99: 2}), r"left out: 'a\nb', 'ccc"),
        (of("PNDMScheduler", clip_sample=False), "PNDMScheduler does not use clip_sample"),
    ],
)  # fmt: skip
def test_what_is_not_taken_over_is_named(config, part):
    notes = from_config(config).notes
    assert part in " | ".join(notes)
    assert all("\n" not in note for note in notes)


def test_a_saved_solver_with_minus_infinity_is_read_without_a_word():
    config = json.loads(json.dumps(of("DPMSolverMultistepScheduler", lambda_min_clipped=-math.inf)))
    assert from_config(config).notes == ()


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ([], "one JSON object"),
        (None, "one JSON object"),
        ({}, "_class_name: the key is missing"),
        (of(7, beta_schedule="linear"), "_class_name: 7 is not text"),
        (of("X\nY"), r"_class_name: 'X\\nY' is not known"),
        (of("DDPMScheduler", num_train_timesteps=1e9), "num_train_timesteps: .* 1 to 10000"),
        (of("DDPMScheduler", num_train_timesteps=10**400), "num_train_timesteps: .* 1 to 10000"),
        (of("DDPMScheduler", num_train_timesteps=0), "num_train_timesteps: 0 is outside"),
        (of("DDPMScheduler", num_train_timesteps=10.5), "10.5 is not a whole number; round it"),
        (of("DDPMScheduler", num_train_timesteps=True), "num_train_timesteps: true is not a num"),
        (of("DDPMScheduler", num_train_timesteps="1000"), "num_train_timesteps: '1000' is not a n"),
        (of("DDPMScheduler", beta_end=math.nan), "beta_end: nan is outside 1e-07 to 0.999"),
        (of("DDPMScheduler", beta_end={}), "beta_end: an object is not a number"),
        (of("DDPMScheduler", beta_start=2), "beta_start: 2 is outside"),
        (of("DDPMScheduler", beta_schedule="odd"), "beta_schedule: 'odd' is not .* laplace"),
        (of("DDPMScheduler", beta_schedule=["linear"]), "beta_schedule: a list is not known"),
        (of("DDPMScheduler", trained_betas="linear"), "trained_betas: expected array"),
        (of("DDPMScheduler", trained_betas=[]), "trained_betas: T must be in 1..10000"),
        (of("DDPMScheduler", trained_betas=[0.1] * 10_001), "trained_betas: .* 10001 values"),
        (of("DDPMScheduler", trained_betas=[0.1, 1.5]), "trained_betas: .* 1.5 at t = 2"),
        (of("DDPMScheduler", trained_betas=[0.1, math.nan]), "trained_betas: .*nan at t = 2"),
        (of("DDPMScheduler", trained_betas=[10**400]), "trained_betas"),
        (of("DDPMScheduler", trained_betas=[0.1, 1.0, 0.1]), "trained_betas: β = 1 .* t = 2"),
        (of("DDPMScheduler", trained_betas=[True]), "trained_betas"),
        (of("DDPMScheduler", prediction_type="noise"), "prediction_type: 'noise' is not known"),
        (of("DDPMScheduler", timestep_spacing="odd"), "timestep_spacing: 'odd' .* trailing"),
        (of("DDPMScheduler", steps_offset=50), "steps_offset: 50 is outside 0 to 10"),
        (of("DDPMScheduler", rescale_betas_zero_snr=1), "rescale_betas_zero_snr: 1 is neither"),
        (of("DDPMScheduler", clip_sample="no"), "clip_sample: 'no' is neither true nor false"),
        (of("EulerDiscreteScheduler", use_karras_sigmas=True, use_beta_sigmas=True), "exclude"),
        (of("EDMEulerScheduler", sigma_max=1e9), "sigma_max: .* outside 0.1 to 10000"),
        (of("EDMEulerScheduler", sigma_min=5.0, sigma_max=0.2), "sigma_max = 0.2 must be above"),
        (of("EDMEulerScheduler", sigma_schedule="odd"), "sigma_schedule: 'odd'"),
        (of("FlowMatchEulerDiscreteScheduler", shift=0), "shift: 0 is outside"),
        (of("FlowMatchEulerDiscreteScheduler", shift_terminal=True), "shift_terminal: true"),
        (of("FlowMatchEulerDiscreteScheduler", shift_terminal=1.5), "shift_terminal: 1.5"),
        (of("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True, max_image_seq_len=256),
         "max_image_seq_len"),
        (of("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True, base_shift=-5.0,
            max_shift=5.0, base_image_seq_len=4000, max_image_seq_len=4050),
         "base_shift, max_shift: the shift at 1024 pixels is"),
        (of("DDPMWuerstchenScheduler", scaler=-1), "scaler: -1"),
        (of("IPNDMScheduler", trained_betas=[1.0, 0.0]), "trained_betas: .* deviations"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_what_cannot_be_read_is_one_line_that_names_the_key(config, reason):
    with pytest.raises(EngineError, match=reason) as caught:
        from_config(config)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("size", [0, 63, 2049, -1])
def test_an_image_size_out_of_range_is_refused(size):
    with pytest.raises(EngineError, match=f"image size {size} is outside 64 to 2048"):
        from_config(of("FlowMatchEulerDiscreteScheduler"), size)


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.integers(1, 50),
    st.floats(),
    st.floats(0.0, 1.0),
    st.sampled_from(
        ["linear", "scaled_linear", "squaredcos_cap_v2", "exp", "laplace", "karras", "trailing"]
    ),
    st.text(max_size=5),
    st.lists(st.floats(0.0, 1.0) | st.floats(), max_size=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
_OWN = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys((*ScheduleSpec.__dataclass_fields__, "nonsense"), _VALUES),
)
_CONFIG = st.builds(
    lambda name, fields, own: {"_class_name": name} | fields | own,
    st.sampled_from([*CLASSES, "FlaxDDIMScheduler", "Unheard", None]) | _VALUES,
    st.dictionaries(st.sampled_from(sorted(ALL_FIELDS)) | st.text(max_size=4), _VALUES, max_size=6),
    st.just({}) | st.fixed_dictionaries({"_diffusion_gui": _OWN | _VALUES}),
)


def _tried(read) -> Imported | str:
    """Return what was read, or the text of the one exception there may be."""
    try:
        return read()
    except EngineError as error:
        return str(error)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(config=_CONFIG)
def test_any_config_gives_a_schedule_or_an_engine_error(config):
    found = _tried(lambda: from_config(config))
    if isinstance(found, str):
        assert len(found.splitlines()) == 1
        return
    check_schedule(found.spec)
    schedule = build(found.spec)
    assert np.all(np.diff(schedule.alpha_bar) <= 0.0)
    assert found.spacing in ("", *SPACINGS)
    assert all(len(note.splitlines()) == 1 for note in found.notes)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=60) | st.sampled_from(["{", "[1", "t,beta\n", '{"a": NaN}']))
@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_any_text_gives_a_schedule_or_an_engine_error(tmp_path, text, ending):
    file = tmp_path / f"s{ending}"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = _tried(lambda: load_schedule(file))
    if isinstance(found, str):
        assert file.name in found
        assert len(found.splitlines()) == 1


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_a_merge_conflict_is_named(tmp_path, ending):
    file = tmp_path / f"s{ending}"
    text = {".json": '{\n<<<<<<< HEAD\n"a": 1\n=======\n', ".csv": "t,beta\n<<<<<<< HEAD\n1,0.5\n"}
    file.write_text(text[ending])
    with pytest.raises(EngineError, match=r"line 2 is a merge conflict \(<<<<<<<\); keep one"):
        load_schedule(file)
