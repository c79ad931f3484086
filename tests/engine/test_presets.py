"""Every preset: reference values, promises for every T, parameters at their limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.params import Param
from diffusion_gui.engine.schedules import PRESETS, Family, Preset, build_preset
from diffusion_gui.engine.schedules.formulas import dynamic_shift
from diffusion_gui.engine.schedules.schedule import BETA_MAX, Schedule

schedule_building = import_module("diffusion_gui.engine.schedules.build")
DISCRETE = (
    *("linear", "scaled_linear", "cosine", "sigmoid"),
    *("quadratic", "sqrt_beta", "constant", "harmonic", "sqrt"),
)
OTHER_FAMILIES = [key for key, row in PRESETS.items() if row.family is not Family.VP]
COUNTS = (1, 2, 3, 10, 1000, 10_000)
SMALLEST = np.finfo(np.float64).tiny
QUANTITIES = {
    "beta": lambda s: s.beta,
    "alpha_bar": lambda s: s.alpha_bar,
    "log_snr": lambda s: s.log_snr,
    "sigma_ve": lambda s: s.sigma,
    "beta_tilde": lambda s: s.posterior_variance,
}


def test_every_preset_has_reference_values(reference: dict[str, Any]) -> None:
    proven = {*reference["presets"], *(row["preset"] for row in reference["continuous"])}
    by_their_own_tests = {"linear_scaled", *OTHER_FAMILIES}
    assert proven == set(PRESETS) - by_their_own_tests


def test_continuous_presets_equal_the_reference(reference: dict[str, Any]) -> None:
    for row in reference["continuous"]:
        schedule = build_preset(row["preset"], 1000, **row["params"])
        for u, expected in row["alpha_bar"].items():
            shown = float(schedule.alpha_bar[round(1000 * float(u))])
            assert shown == pytest.approx(expected, rel=1e-10), (row["preset"], u)


def test_the_scaled_linear_convention_is_the_plain_one_at_1000_and_scales_beta() -> None:
    plain, scaled = build_preset("linear", 1000), build_preset("linear_scaled", 1000)
    assert_allclose(scaled.beta, plain.beta, rtol=1e-15)
    assert_allclose(build_preset("linear_scaled", 250).beta[[1, -1]], [4e-4, 0.08], rtol=1e-12)
    assert "clipped" in build_preset("linear_scaled", 10).notes[0]


@pytest.mark.parametrize(("scale", "preset"), [(0.5, "gamma_linear"), (2.0, "gamma_sigmoid")])
def test_scaling_the_input_moves_log_snr_by_twice_its_logarithm(scale: float, preset: str) -> None:
    plain, scaled = build_preset(preset, 1000), build_preset(preset, 1000, scale=scale)
    moved = scaled.log_snr[1:900] - plain.log_snr[1:900]
    assert_allclose(moved, 2.0 * math.log(scale), rtol=1e-9)


@pytest.mark.parametrize("preset", ["gamma_sigmoid", "gamma_cosine"])
def test_an_end_before_the_start_is_refused(preset: str) -> None:
    with pytest.raises(EngineError, match=r"end = 0\.5 must be above start = 0\.7"):
        build_preset(preset, 100, start=0.7, end=0.5)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("preset", DISCRETE)
def test_values_equal_the_reference(preset: str, quantity: str, reference: dict[str, Any]) -> None:
    values = QUANTITIES[quantity](build_preset(preset, 1000))
    expected = reference["presets"][preset][quantity]
    times = [int(index) + 1 for index in expected]  # the reference counts from 0
    assert times == [1, 251, 501, 751, 1000]
    assert_allclose(values[times], list(expected.values()), rtol=1e-9, atol=0)


@pytest.mark.parametrize("preset", ["karras", "exponential", "polyexponential"])
def test_sigma_presets_equal_the_reference(preset: str, grids: dict[str, Any]) -> None:
    name = f"{preset}_10{'_rho1.5' * (preset == 'polyexponential')}_.002_80"
    expected = np.array(grids["sigma_grids"][name][:10])[::-1]
    assert_allclose(build_preset(preset, 10).sigma[1:], expected, rtol=1e-10)


def test_the_exploding_preset_is_a_geometric_sequence() -> None:
    schedule = build_preset("ve", 6, sigma_min=0.01, sigma_max=50.0)
    assert_allclose(schedule.s[1:], np.geomspace(0.01, 50.0, 6), rtol=1e-11)
    assert_array_equal(schedule.a, 1.0)


def test_sub_vp_has_the_scale_of_vp_and_the_deviation_of_its_noise_squared() -> None:
    below, plain = build_preset("sub_vp"), build_preset("vp_sde")
    assert_allclose(below.a, plain.a, rtol=1e-10)
    assert_allclose(below.s[1:], plain.s[1:] ** 2, rtol=1e-10)


@pytest.mark.parametrize("shift", ["1", "3"])
def test_flow_equals_the_reference(shift: str, grids: dict[str, Any]) -> None:
    schedule = build_preset("flow", 1000, shift=float(shift))
    for u, expected in grids["flow_alpha_bar"][shift].items():
        t = round(1000 * float(u))
        assert schedule.alpha_bar[t] == pytest.approx(expected, rel=1e-10)
    u = np.arange(1001) / 1000
    assert_allclose(schedule.s, float(shift) * u / (1 + (float(shift) - 1) * u), rtol=1e-10)
    assert schedule.a[-1] == 0.0


def test_the_shift_of_flux_follows_the_size_of_the_picture(grids: dict[str, Any]) -> None:
    for tokens, mu in grids["flux_mu"].items():
        assert dynamic_shift(float(tokens), 0.5, 1.15) == pytest.approx(mu, rel=1e-12)
    sized = build_preset("flow_dynamic", 100, size=512.0)
    plain = build_preset("flow", 100, shift=math.exp(grids["flux_mu"]["1024"]))
    assert_allclose(sized.s, plain.s, rtol=1e-12)


def test_sigmas_that_do_not_grow_are_refused() -> None:
    with pytest.raises(EngineError, match=r"sigma_max = 0\.1 must be above sigma_min = 0\.5"):
        build_preset("karras", 10, sigma_min=0.5, sigma_max=0.1)


FORMS = {
    Family.VP: lambda a, s: a**2 + s**2,
    Family.VE: lambda a, s: a,
    Family.SUB_VP: lambda a, s: a**2 + s,
    Family.FLOW: lambda a, s: a + s,
}
"""What is 1 at every t of a family."""


def _promises(schedule: Schedule, T: int) -> None:
    assert schedule.T == T
    beta, abar, log_snr = schedule.beta, schedule.alpha_bar, schedule.log_snr
    for array in (beta, abar, schedule.a, schedule.s, log_snr[1:-1], schedule.posterior_variance):
        assert np.isfinite(array).all()
    assert beta[1:].min() > 0.0
    if schedule.family is Family.VP:
        assert beta.max() <= BETA_MAX
    if schedule.family is Family.FLOW:
        assert (beta[-1], schedule.a[-1], schedule.s[-1]) == (1.0, 0.0, 1.0)
    else:
        assert beta.max() < 1.0
    assert abar[0] == 1.0
    assert np.all(np.diff(abar) <= 0.0)
    representable = abar[:-1] > SMALLEST
    assert np.all(np.diff(abar)[representable] < 0.0)
    assert np.all(np.diff(log_snr[1:]) < 0.0)
    a, s = schedule.a[1:], schedule.s[1:]
    assert_allclose(FORMS[schedule.family](a, s), 1.0, rtol=1e-15)
    assert_allclose(a**2 / (a**2 + s**2), abar[1:], rtol=1e-13, atol=SMALLEST)
    for array in (beta, abar, log_snr, schedule.a, schedule.s):
        assert array.shape == (T + 1,)
        assert not array.flags.writeable


@pytest.mark.parametrize("T", COUNTS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_keeps_the_promises_at_every_length(preset: str, T: int) -> None:
    _promises(build_preset(preset, T), T)


BROKEN: dict[str, Preset] = {
    "one step too many": Preset("x", "x", "x", (), lambda T, p: np.full(T + 1, 0.01)),
    "not a number": Preset("x", "x", "x", (), lambda T, p: np.full(T, np.nan)),
    "a flow that keeps signal": Preset(
        "x", "x", "x", (), lambda T, p: np.full(T, 0.01), family=Family.FLOW
    ),
    "a cap above the cap": Preset(
        "x", "x", "x", (Param("top", "top", 1.0, 0.0, 1.0, "."),), lambda T, p: np.full(T, 2.0),
        clip="top",
    ),
}  # fmt: skip


@pytest.fixture
def no_cache() -> Iterator[None]:
    """Forget built schedules, before and after a test that changes the registry."""

    def forget() -> None:
        schedule_building.build.cache_clear()
        schedule_building._cached_base.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize("name", BROKEN)
def test_the_promises_catch_a_broken_preset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "broken", BROKEN[name])
    with pytest.raises((AssertionError, EngineError)):
        _promises(build_preset("broken", 50), 50)


@pytest.mark.usefixtures("no_cache")
def test_the_values_catch_a_preset_with_a_wrong_formula(
    monkeypatch: pytest.MonkeyPatch, reference: dict[str, Any]
) -> None:
    sqrt_for_square = replace(PRESETS["cosine"], betas=lambda T, p: np.linspace(1e-4, 0.02, T))
    monkeypatch.setitem(PRESETS, "sigmoid", sqrt_for_square)
    with pytest.raises(AssertionError):
        test_values_equal_the_reference("sigmoid", "beta", reference)


LIMITS = [
    (preset, param.name, value)
    for preset, row in PRESETS.items()
    for param in row.params
    for value in (param.minimum, param.maximum)
]


@pytest.mark.parametrize("T", [1, 2, 100])
@pytest.mark.parametrize(("preset", "name", "value"), LIMITS)
def test_parameters_are_legal_up_to_their_limits(
    preset: str, name: str, value: float, T: int
) -> None:
    values = {name: value}
    ends = {param.name: param for param in PRESETS[preset].params}
    if name == "start":  # the end has to stay above it
        values["end"] = ends["end"].maximum
    elif name == "end":
        values["start"] = ends["start"].minimum
    _promises(build_preset(preset, T, **values), T)


@pytest.mark.parametrize(("preset", "name", "value"), LIMITS)
def test_parameters_beyond_their_limits_are_refused_by_name(
    preset: str, name: str, value: float
) -> None:
    row = next(param for param in PRESETS[preset].params if param.name == name)
    beyond = value - 1.0 if value == row.minimum else value + 1.0
    with pytest.raises(EngineError, match=rf"{name} = {beyond:g} "):
        build_preset(preset, 10, **{name: beyond})


def test_a_value_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(EngineError, match="beta_end = nan"):
        build_preset("linear", 10, beta_end=math.nan)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match=r"'krras'.*linear, scaled_linear, cosine, sigmoid"):
        build_preset("krras")
    with pytest.raises(
        EngineError, match=r"Linear has no parameter 'offset'.*beta_start, beta_end"
    ):
        build_preset("linear", offset=0.1)


def test_linear_and_scaled_linear_run_from_the_first_to_the_last_beta() -> None:
    linear = build_preset("linear", 5, beta_start=0.1, beta_end=0.5)
    assert_allclose(linear.beta[1:], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-14)
    scaled = build_preset("scaled_linear", 3, beta_start=0.01, beta_end=0.25)
    assert_allclose(scaled.beta[1:], [0.01, 0.09, 0.25], rtol=1e-14)


@pytest.mark.parametrize("offset", [0.0, 0.008, 0.5])
def test_cosine_alpha_bar_is_the_formula_until_the_last_step(offset: float) -> None:
    schedule = build_preset("cosine", 20, offset=offset)

    def f(t: int) -> float:
        return math.cos((t / 20 + offset) / (1 + offset) * math.pi / 2) ** 2

    expected = [f(t) / f(0) for t in range(20)]
    assert_allclose(schedule.alpha_bar[:20], expected, rtol=1e-12)
    assert schedule.beta[20] == BETA_MAX


def test_clipping_is_told_and_only_then() -> None:
    assert build_preset("cosine", 1000).notes == ("β clipped to 0.999 at t = 1000",)
    assert build_preset("cosine", 1000, beta_max=0.1).notes == ("β clipped to 0.1 from t = 982 on",)
    assert build_preset("linear").notes == ()


def test_sigmoid_is_symmetric_about_its_middle() -> None:
    beta = build_preset("sigmoid", 101, beta_start=0.1, beta_end=0.3).beta[1:]
    assert_allclose(beta + beta[::-1], 0.4, rtol=1e-14)
    assert beta[50] == pytest.approx(0.2, rel=1e-14)


@pytest.mark.parametrize("preset", PRESETS)
def test_rows_are_complete_for_the_form(preset: str) -> None:
    row = PRESETS[preset]
    assert all((row.title, row.source, row.formula))
    for param in row.params:
        assert param.minimum <= param.default <= param.maximum
        assert param.symbol
        assert param.tooltip.endswith(".")
