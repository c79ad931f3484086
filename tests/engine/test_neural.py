"""A trained network as a run's model: told words or nothing, at once or apart; precisions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.neural import neural
from diffusion_gui.engine.denoisers.unet import UNet
from diffusion_gui.engine.denoisers.unet_config import SIGMA_MAX, SIGMA_MIN, UNetConfig
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import (
    Experiment,
    Fork,
    Guidance,
    Inpaint,
    NetworkRef,
    Sampling,
    Start,
)
from diffusion_gui.engine.forecast import Part, forecast, obstacle
from diffusion_gui.engine.models import Inputs, build_model, guided
from diffusion_gui.engine.networks import About, Network, Told, check_label, described
from diffusion_gui.engine.planning import model_calls, untrained
from diffusion_gui.engine.reverse import run
from diffusion_gui.session.networks import open_file

CPU = torch.device("cpu")
NOTHING = np.empty((0, 16, 16, 3), np.uint8)
CFG = Guidance("cfg", (("scale", 3.0),))


@pytest.fixture
def network(make_network: Callable[..., Path]) -> Network:
    return open_file(make_network())[1]


def _experiment(network: NetworkRef | None = None, **changes: object) -> Experiment:
    sampling = Sampling(
        model="neural",
        network=network or NetworkRef("id", "tiny"),
        size=16,
        count=3,
        steps=4,
        label="red heart",
    )
    return Experiment(sampling=replace(sampling, **changes))  # type: ignore[arg-type]


def _x(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", ["cfg", "apg"])
def test_guidance_asks_a_network_for_both_at_once_and_gets_what_two_calls_give(
    network: Network, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = _experiment(guidance=replace(CFG, method=method))
    built = build_model(experiment, Inputs(NOTHING, network=network), CPU, lambda: None)
    assert built.both is not None
    once = guided(experiment, built)
    twice = guided(experiment, replace(built, both=None))
    alone = guided(experiment, replace(built, against=None))
    for a, s in ((0.1, 0.99), (0.7, 0.7), (0.99, 0.1)):
        torch.testing.assert_close(once(_x(), a, s), twice(_x(), a, s), atol=2e-5, rtol=1e-4)
        assert float((alone(_x(), a, s) - once(_x(), a, s)).abs().max()) > 1e-3
    calls: list[int] = []
    real = built.both

    def counted(x: torch.Tensor, a: float, s: float) -> torch.Tensor:
        calls.append(len(x))
        return real(x, a, s)

    limited = replace(experiment.sampling.guidance, params=(("low", 1.0), ("scale", 3.0)))
    within = replace(experiment, sampling=replace(experiment.sampling, guidance=limited))
    denoise = guided(within, replace(built, both=counted))
    denoise(_x(), 0.1, 0.99)
    denoise(_x(), 0.99, 0.1)  # below the interval: the network told the caption alone
    assert calls == [3]
    monkeypatch.setattr(built.at_once, "pictures", 2)
    parts, whole = guided(experiment, built), guided(experiment, replace(built, both=None))
    torch.testing.assert_close(parts(_x(), 0.7, 0.7), whole(_x(), 0.7, 0.7), atol=2e-5, rtol=1e-4)


def test_a_caption_is_told_in_any_order_and_changes_the_estimate(network: Network) -> None:
    def told(label: str) -> torch.Tensor:
        return network.denoiser(CPU, label)(_x(), 0.7, 0.7)

    torch.testing.assert_close(told("red heart"), told("Heart, red!"))
    assert float((told("red heart") - told("")).abs().max()) > 1e-3
    assert float((told("red heart") - told("blue circle")).abs().max()) > 1e-3
    with pytest.raises(EngineError, match="not taught the word 'haert': is it 'heart'"):
        check_label(network.about, "red haert")


def test_half_precision_is_near_and_float32_is_the_default(network: Network) -> None:
    def estimate(**params: float) -> torch.Tensor:
        experiment = _experiment(model_params=tuple(params.items()))
        inputs = Inputs(NOTHING, network=network)
        return build_model(experiment, inputs, CPU, lambda: None).main(_x(), 0.7, 0.7)

    exact = network.denoiser(CPU, "red heart")(_x(), 0.7, 0.7)
    assert torch.equal(estimate(), exact)
    half = estimate(precision=1.0)
    assert half.dtype is torch.float32
    assert 0.0 < float((half - exact).abs().max()) < 0.1


def test_runs_with_everything_around_a_network(network: Network) -> None:
    picture = np.full((16, 16, 3), 200, np.uint8)
    data = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    inputs = Inputs(data, picture, ("a",) * 5, picture, network)
    kept = Inpaint("p", _mask())
    for changes, NFE in (
        ({"guidance": CFG}, 8),
        ({"guidance": Guidance("cfg", (), "gaussian"), "label": ""}, 8),
        ({"start": Start("p", 500)}, 4),
        ({"start": Start("p", 500, inverted=True)}, 8),
        ({"inpaint": kept}, 4),
        ({"sampler": "heun"}, 7),
    ):
        experiment = _experiment(**changes)  # type: ignore[arg-type]
        *_, last = run(experiment, inputs)
        assert last.x_t.shape == (3, 3, 16, 16)
        assert bool(torch.isfinite(last.x_t).all()), changes
        assert model_calls(experiment) == NFE, changes
    with pytest.raises(EngineError, match="exact conditioning needs the model Exact or Local"):
        list(run(_experiment(inpaint=replace(kept, method="exact")), inputs))


def _mask() -> str:
    from diffusion_gui.engine.masks import encode

    kept = np.zeros((64, 64), bool)
    kept[:, :32] = True
    return encode(kept)


def test_a_fork_from_a_closed_form_to_a_network_and_back(network: Network) -> None:
    data = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)

    def steps(experiment: Experiment) -> list[torch.Tensor]:
        inputs = Inputs(data, None, ("a",) * 5, None, network)
        return [step.x_t for step in run(experiment, inputs)]

    exact = _experiment(model="exact", network=None, label="")
    there = replace(_experiment(), fork=Fork(exact, 2))
    back = replace(exact, fork=Fork(there, 3))
    plain, learned, again = map(steps, (exact, there, back))
    assert torch.equal(plain[2], learned[2])
    assert not torch.equal(plain[3], learned[3])
    assert torch.equal(learned[3], again[3])
    assert not torch.equal(learned[4], again[4])


def test_what_a_run_costs_and_what_refuses_it(network: Network) -> None:
    about = network.about
    told, problems = forecast(_experiment(guidance=CFG), (), about)
    assert not problems
    assert told is not None
    assert (told.calls, told.model_bytes) == (8, about.parameters * 4)
    for changes, said in (
        ({"label": "green"}, "not taught the word 'green'"),
        ({"size": 32}, "tiny draws pictures of 16 x 16: choose 16 px"),
        ({"guidance": Guidance("cfg", (), "exact"), "label": "red"}, "no pictures to learn from"),
    ):
        line = obstacle(_experiment(**changes), (), about)  # type: ignore[arg-type]
        assert said in line
        assert forecast(_experiment(**changes), (), about)[1][Part.MODEL] == line  # type: ignore[arg-type]
    assert obstacle(_experiment(), (), None) == (
        "tiny is not here: open its file again, or choose another model"
    )
    against = Guidance("cfg", (), "exact")
    large = _experiment(size=128, guidance=against)
    assert "the emoji have 64 px" in obstacle(large, ("a",), replace(about, size=128))


def test_steps_beyond_the_trained_levels_are_counted(network: Network) -> None:
    experiment = _experiment(steps=10)
    assert untrained(experiment, network.about) == "1 untrained (σ > 160)"
    narrow = replace(network.about, sigma_min=0.5, sigma_max=5.0)
    assert untrained(experiment, narrow) == "2 untrained (σ > 5), 2 untrained (σ < 0.5)"
    fork = replace(experiment, fork=Fork(experiment, 4))
    assert untrained(fork, narrow) == "2 untrained (σ < 0.5)"
    assert not untrained(experiment, About("any", 16))


def test_what_a_network_is_in_words(network: Network) -> None:
    assert described(network.about) == (
        "tiny: trained on dots, 1,234 steps. "
        f"{network.about.parameters / 1e6:.1f} million parameters, pictures of 16 × 16. It was told"
        " noise levels σ from 0.002 to 160; beyond, the nearer end."
    )
    assert described(About("any", 8, Told.NOTHING)) == "any. Pictures of 8 × 8."


def test_a_network_that_is_told_one_thing_at_a_time_is_asked_twice(network: Network) -> None:
    class Single:
        about = network.about
        denoiser = network.denoiser

    inputs = Inputs(NOTHING, network=Single())
    built = build_model(_experiment(guidance=CFG), inputs, CPU, lambda: None)
    assert built.both is None
    experiment = _experiment(guidance=CFG)
    pair = build_model(experiment, Inputs(NOTHING, network=network), CPU, lambda: None)
    one, other = (guided(experiment, made)(_x(), 0.7, 0.7) for made in (built, pair))
    torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def test_levels_beyond_the_trained_ones_are_told_as_the_nearest_of_them() -> None:
    said: list[float] = []

    class Listener(UNet):
        def forward(self, x: Tensor, level: Tensor, words: Tensor | None = None) -> Tensor:
            said.append(level[0].item())
            return super().forward(x, level, words)

    denoise = neural(Listener(UNetConfig(8, 1, (16,), 1, 16)), torch.device("cpu"))
    for sigma in (0.0, SIGMA_MIN / 2, 1.0, 2.0 * SIGMA_MAX):
        denoise(torch.zeros(1, 3, 8, 8), 1.0, sigma)
    lowest, highest = math.log(SIGMA_MIN) / 4, math.log(SIGMA_MAX) / 4
    assert said == pytest.approx([lowest, lowest, 0.0, highest], abs=1e-6)
