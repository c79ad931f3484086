"""What a run is said to cost is what it costs, and where a run begins is where it was told to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Guidance, Sampling, Start
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.planning import plan, transitions
from diffusion_gui.engine.reverse import Built, Ready, calls_by_step, model_calls, walk
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.schedules.operations import zero_terminal

LINEAR = ScheduleSpec("linear_scaled", 100)
GUIDED = {
    "no guidance": Guidance(),
    **{name: Guidance(name, pack({"scale": 3.0})) for name in GUIDANCE},
    "guided in the middle": Guidance("cfg", pack({"scale": 3.0, "low": 0.2, "high": 2.0})),
    "guided by 1": Guidance("cfg", pack({"scale": 1.0})),
}
RESTARTS = {
    "no restart": (),
    "restart": pack({"low": 0.3, "high": 2.0, "rounds": 3.0}),
    "restart that never comes": pack({"low": 0.001, "high": 2.0}),
}


class Counting:
    """A denoiser that counts its calls."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        self.made += 1
        return 0.1 * x


def wish(schedule: ScheduleSpec = LINEAR, **sampling: Any) -> Experiment:
    return Experiment(
        schedule, sampling=Sampling(**{"steps": 9, "count": 1, "size": 16} | sampling)
    )


def counted(experiment: Experiment) -> list[int]:
    """Return the calls that were made when each step of a real run was there."""
    one, other = Counting(), Counting()
    built = Built(one, other if experiment.sampling.guidance.method else None)
    start = None if experiment.sampling.start is None else np.zeros((16, 16, 3), np.uint8)
    steps = walk(experiment, Ready(built, start), torch.device("cpu"))
    return [one.made + other.made for _ in steps]


@pytest.mark.parametrize("restart", RESTARTS)
@pytest.mark.parametrize("guidance", GUIDED)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_calls_that_are_told_are_made(sampler: str, guidance: str, restart: str) -> None:
    for schedule in (LINEAR, zero_terminal(LINEAR)):
        experiment = wish(
            schedule, sampler=sampler, guidance=GUIDED[guidance], restart=RESTARTS[restart]
        )
        made = counted(experiment)
        assert calls_by_step(experiment) == made
        assert model_calls(experiment) == made[-1]
        assert len(made) == transitions(experiment) + 1


@pytest.mark.parametrize("spacing", ["trailing", "karras", "times"])
def test_the_calls_of_a_run_from_a_picture_are_told(spacing: str) -> None:
    experiment = wish(
        sampler="heun", start=Start("picture", 40), spacing=spacing, levels=(80.0, 30.0, 10.0)
    )
    assert calls_by_step(experiment) == counted(experiment)


def test_guidance_restart_and_second_calls_add_up() -> None:
    def calls(**sampling: Any) -> int:
        experiment = wish(spacing="times", levels=(100.0, 75.0, 50.0, 25.0), **sampling)
        return model_calls(experiment)

    guided = Guidance("cfg", pack({"scale": 2.0}))
    assert calls() == 4
    assert calls(guidance=guided) == 8
    assert calls(sampler="heun") == 7
    assert calls(sampler="heun", guidance=guided) == 14
    again = pack({"low": 1.0, "high": 10.0, "rounds": 2.0})  # from t = 25 up to 75, twice
    assert calls(restart=again) == 4 + 2 * 2


def test_a_cost_that_cannot_be_told_says_why() -> None:
    with pytest.raises(EngineError, match="unknown sampler 'dim'"):
        model_calls(wish(sampler="dim"))
    with pytest.raises(EngineError, match="unknown guidance 'gfc'"):
        model_calls(wish(guidance=Guidance("gfc")))


# --- where a run begins --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "t", "visited"),
    [
        ((90.0, 60.0, 20.0), 70, [70, 60, 20, 0]),
        ((90.0, 60.0, 20.0), 60, [60, 20, 0]),
        ((90.0, 60.0, 20.0), 10, [10, 0]),
        ((60.5, 20.0), 100, [100, 60.5, 20, 0]),
        ((50.0, 49.5), 50, [50, 49.5, 0]),
    ],
)
def test_a_start_goes_before_the_listed_times_below_it(
    levels: tuple[float, ...], t: int, visited: list[float]
) -> None:
    experiment = wish(spacing="times", levels=levels, start=Start("picture", t))
    assert plan(experiment).t.tolist() == visited


def test_a_start_goes_before_the_listed_sigmas_below_it() -> None:
    experiment = wish(spacing="sigmas", levels=(10.0, 2.0, 0.5), start=Start("picture", 60))
    levels = plan(experiment)
    assert levels.t[0] == 60.0
    below = 60.0 - levels.t[1:-1]
    assert np.all(below > 0.0)
    np.testing.assert_allclose(levels.s[1:-1] / levels.a[1:-1], (2.0, 0.5), rtol=1e-9)


def test_listed_times_beyond_T_are_refused_with_a_start_too() -> None:
    with pytest.raises(EngineError, match=r"t must be in 1\.\.100, got 101"):
        plan(wish(spacing="times", levels=(101.0,), start=Start("picture", 50)))
