"""Predictions and x_0: golden values, round trips in every form, the ends of the schedule."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers.parametrisation import (
    Form,
    FromPrediction,
    Prediction,
    convert,
    from_x0,
    level_number,
    scale,
    to_x0,
)
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import build_preset

KINDS = list(Prediction)
BLIND = (Prediction.EPSILON, Prediction.SCORE)
VP = build_preset("linear", 1000)
LEVELS = {
    **{f"vp-{t}": (float(VP.a[t]), float(VP.s[t])) for t in (1, 100, 501, 900, 1000)},
    **{f"ve-{sigma}": (1.0, sigma) for sigma in (0.002, 0.5, 80.0)},
    **{f"flow-{s}": (1.0 - s, s) for s in (0.01, 0.5, 0.999)},
}


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    path = Path(__file__).with_name("reference_denoisers.json")
    return json.loads(path.read_text(encoding="utf-8"))["conversion_golden_linear_t500"]


def _pair(a: float, s: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return x_0, eps and x_t, float64 [2, 3, 4, 4]."""
    x_0, eps = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 2, 3, 4, 4)))
    return x_0, eps, a * x_0 + s * eps


def _truth(kind: Prediction, x_0: Tensor, eps: Tensor, a: float, s: float) -> Tensor:
    """Return what a perfect network of this kind predicts, from the definitions."""
    size = math.hypot(a, s)
    sigma = s / a if a else math.inf
    c_skip, c_out = 0.25 / (sigma**2 + 0.25), 0.5 / math.sqrt(1.0 + 0.25 / sigma**2)
    edm = (x_0 - c_skip * (x_0 + sigma * eps)) / c_out if a else x_0 / 0.5
    return {
        Prediction.SAMPLE: x_0,
        Prediction.EPSILON: eps,
        Prediction.V: (a * eps - s * x_0) / size,
        Prediction.SCORE: -eps / s,
        Prediction.FLOW: eps - x_0,
        Prediction.EDM: edm,
    }[kind]


def test_equals_the_reference(golden: dict[str, Any]) -> None:
    a, s = float(VP.a[501]), float(VP.s[501])  # 0-based t = 500
    x = torch.tensor(golden["x_t"], dtype=torch.float64)
    values = {
        Prediction.SAMPLE: golden["x0"],
        Prediction.EPSILON: golden["eps"],
        Prediction.V: golden["v"],
        Prediction.SCORE: golden["score"],
        Prediction.FLOW: golden["flow_velocity(eps-x0)"],
    }
    for kind, value in values.items():
        prediction = torch.tensor(value, dtype=torch.float64)
        assert to_x0(kind, prediction, x, a, s).item() == pytest.approx(golden["x0"], abs=1e-12)
        for other, expected in values.items():
            found = convert(kind, other, prediction, x, a, s).item()
            assert found == pytest.approx(expected, abs=1e-12)
    assert s / a == pytest.approx(golden["sigma_ve"], abs=1e-12)
    assert level_number(Form.FLOW, a, s) == pytest.approx(golden["flow_s"], abs=1e-12)
    assert scale(Form.FLOW, a, s) * x.item() == pytest.approx(golden["x_flow"], abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LEVELS)
def test_each_kind_is_what_its_definition_says(name: str, kind: Prediction) -> None:
    a, s = LEVELS[name]
    x_0, eps, x = _pair(a, s)
    expected = _truth(kind, x_0, eps, a, s)
    small = 1e-12 * max(1.0, 1 / s**2, 1 / a)
    assert_close(from_x0(kind, x_0, x, a, s), expected, rtol=0, atol=small)
    assert_close(to_x0(kind, expected, x, a, s), x_0, rtol=0, atol=1e-12 / a)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("name", LEVELS)
def test_round_trips_return(name: str, kind: Prediction, to: Prediction) -> None:
    a, s = LEVELS[name]
    x_0, eps, x = _pair(a, s)
    prediction = _truth(kind, x_0, eps, a, s)
    there = convert(kind, to, prediction, x, a, s)
    back = convert(to, kind, there, x, a, s)
    lost = 1.0 if kind is Prediction.SAMPLE else max(1.0, (a / s) / min(1.0, s))
    assert_close(back, prediction, rtol=1e-12, atol=1e-12 * lost / a)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in BLIND])
def test_pure_noise_is_no_singularity(kind: Prediction) -> None:
    x_0, eps, x = _pair(0.0, 2.0)
    prediction = _truth(kind, x_0, eps, 0.0, 2.0)
    assert_close(to_x0(kind, prediction, x, 0.0, 2.0), x_0, rtol=0, atol=1e-12)
    assert_close(from_x0(kind, x_0, x, 0.0, 2.0), prediction, rtol=0, atol=1e-12)
    close = to_x0(kind, prediction, x, 1e-12, 2.0)
    assert_close(close, x_0, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", BLIND)
def test_epsilon_and_score_say_nothing_of_the_picture_at_pure_noise(kind: Prediction) -> None:
    x_0, eps, x = _pair(0.0, 1.0)
    with pytest.raises(EngineError, match=f"predicts {kind.value} says nothing"):
        to_x0(kind, eps, x, 0.0, 1.0)
    denoise = FromPrediction(lambda x, level: pytest.fail("was called"), kind, Form.VP)
    with pytest.raises(EngineError, match="at a = 0"):
        denoise(x, 0.0, 1.0)
    assert_close(from_x0(kind, x_0, x, 0.0, 1.0), _truth(kind, x_0, eps, 0.0, 1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_the_picture_itself_is_the_answer(kind: Prediction) -> None:
    x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    if kind is Prediction.SAMPLE:
        assert_close(from_x0(kind, x, x, 1.0, 0.0), x)
        return
    assert_close(to_x0(kind, 7.0 * x, 0.8 * x, 0.8, 0.0), x)
    with pytest.raises(EngineError, match="s must be > 0, got 0"):
        from_x0(kind, x, x, 1.0, 0.0)


@pytest.mark.parametrize("sigma", [0.002, 0.5, 80.0])
@pytest.mark.parametrize("sigma_data", [0.5, 1.0])
def test_edm_is_preconditioned_as_in_its_paper(sigma: float, sigma_data: float) -> None:
    """Karras et al. 2022, table 1, with the network's inputs and outputs written out."""
    seen: list[tuple[Tensor, Tensor]] = []

    def network(x: Tensor, level: Tensor) -> Tensor:
        seen.append((x, level))
        return torch.sin(3.0 * x)

    total = sigma**2 + sigma_data**2
    c_skip, c_out = sigma_data**2 / total, sigma * sigma_data / math.sqrt(total)
    c_in, c_noise = 1.0 / math.sqrt(total), math.log(sigma) / 4.0
    _, _, x = _pair(1.0, sigma)
    expected = c_skip * x + c_out * torch.sin(3.0 * c_in * x)
    denoise = FromPrediction(network, Prediction.EDM, Form.EDM, sigma_data=sigma_data)
    for a in (1.0, 0.3):
        assert_close(denoise(a * x, a, a * sigma), expected, rtol=0, atol=1e-12 * max(1, sigma))
        assert_close(seen[-1][0], c_in * x, rtol=1e-12, atol=1e-12)
        assert_close(seen[-1][1], torch.full((2,), c_noise, dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("name", LEVELS)
def test_a_perfect_network_of_any_kind_in_any_form_denoises(
    name: str, form: Form, kind: Prediction
) -> None:
    a, s = LEVELS[name]
    x_0, eps, x = _pair(a, s)
    told: list[Tensor] = []

    def network(seen: Tensor, level: Tensor) -> Tensor:
        c = scale(form, a, s)
        assert_close(seen, c * x)
        told.append(level)
        return _truth(kind, x_0, eps, c * a, c * s)

    found = FromPrediction(network, kind, form)(x, a, s)
    assert_close(found, x_0, rtol=0, atol=1e-11 / a)
    assert told[0].shape == (2,)
    assert told[0].dtype == x.dtype
    assert told[0][0].item() == pytest.approx(level_number(form, a, s))


def test_the_forms_have_their_scales() -> None:
    a, s = 0.6, 1.7
    vp, ve, flow, edm = (scale(form, a, s) for form in (Form.VP, Form.VE, Form.FLOW, Form.EDM))
    assert (vp * a) ** 2 + (vp * s) ** 2 == pytest.approx(1.0)
    assert ve * a == pytest.approx(1.0)
    assert flow * a + flow * s == pytest.approx(1.0)
    assert (edm * a * 0.5) ** 2 + (edm * s) ** 2 == pytest.approx(1.0)
    assert level_number(Form.VP, a, s) == pytest.approx(2 * math.log(a / s))
    for form in (Form.VP, Form.FLOW, Form.EDM):
        assert math.isfinite(scale(form, 0.0, 1.0))
    with pytest.raises(EngineError, match="at a = 0"):
        scale(Form.VE, 0.0, 1.0)


def test_a_network_is_told_the_number_it_knows_and_needs_no_gradient() -> None:
    weight = torch.nn.Parameter(torch.ones(()))
    told: list[Tensor] = []

    def network(x: Tensor, level: Tensor) -> Tensor:
        told.append(level)
        return weight * x

    denoise = FromPrediction(network, Prediction.V, Form.VP, number=lambda a, s: 741.0)
    found = denoise(torch.ones(3, 1, 2, 2), 0.8, 0.6)
    assert_close(told[0], torch.full((3,), 741.0))
    assert not found.requires_grad
