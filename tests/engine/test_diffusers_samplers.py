"""Samplers against diffusers: the same steps on the same levels with the same noise.

Both walk down for Gaussian data. diffusers keeps its tables in float32, which is what the
tolerance is for. Its levels are read off the scheduler in float64, and our noise takes the place
of its own. Compared is x_t at every level, scaled to unit variance. PNDMScheduler starts with steps
of its own; what it does after them, its successor IPNDMScheduler does from the start.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_gui.engine.samplers import SAMPLERS, Levels

from .gaussian import gaussian_denoiser, ve, vp, walk

pytestmark = [  # what NumPy 2 says to torch's tensors inside diffusers
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

N = 20
TOLERANCE = 2e-6


@dataclass(frozen=True)
class Case:
    """One of our samplers, and the scheduler and settings that should do the same."""

    sampler: str
    params: dict[str, float]
    module: str
    scheduler: str
    config: dict[str, Any] = field(default_factory=dict)
    levels: Callable[[Any], Levels] = lambda scheduler: vp(_sigmas(scheduler))
    """Reads the levels off a scheduler."""
    between: Callable[[Any], np.ndarray] | None = None
    """Reads the noise-to-signal of the second call of each step off it, if there is one."""
    skip_last: bool = False
    """Whether the two mean to differ in the step to the clean picture."""
    wide: bool = False
    """Whether diffusers must compute in float64, as its weights lose too much in float32."""

    @property
    def id(self) -> str:
        values = "-".join(f"{name}={value:g}" for name, value in self.params.items())
        return f"{self.scheduler}-{self.sampler}-{values}".rstrip("-")


def _sigmas(scheduler: Any) -> np.ndarray:
    return scheduler.sigmas.double().numpy()


def _from_table(scheduler: Any) -> Levels:
    """Return the levels of a scheduler that looks alpha-bar up by time, and the clean picture."""
    alpha_bar = np.r_[scheduler.alphas_cumprod.double().numpy()[scheduler.timesteps], 1.0]
    t = np.r_[scheduler.timesteps.numpy() + 1.0, 0.0]
    return Levels(t, np.sqrt(alpha_bar), np.sqrt(1.0 - alpha_bar))


def _exploding(scheduler: Any) -> Levels:
    return ve(_sigmas(scheduler))


def _heun(scheduler: Any) -> Levels:
    """Return the levels of a list that names each one twice, but for its ends."""
    sigmas = _sigmas(scheduler)
    return ve(np.r_[sigmas[0], sigmas[1:-1:2], sigmas[-1]])


def _dpm_2(scheduler: Any) -> Levels:
    """Return the levels of a list that names each one twice, but for the first."""
    return ve(np.r_[_sigmas(scheduler)[0], _sigmas(scheduler)[1:-1:2]])


def _every_other(scheduler: Any) -> Levels:
    """Return the levels of a list that has the levels half-way in log-SNR put between."""
    return vp(_sigmas(scheduler)[[*range(0, 2 * N - 1, 2), -1]])


def _trigonometric(scheduler: Any) -> Levels:
    s, a = scheduler.betas.double().numpy(), scheduler.alphas.double().numpy()
    return Levels(np.arange(len(s), dtype=np.float64)[::-1], a, s)


CLEAN = {"final_sigmas_type": "zero"}
SDE = {**CLEAN, "algorithm_type": "sde-dpmsolver++"}
TABLE = {"clip_sample": False}
MULTI = ("dpmsolver_multistep", "DPMSolverMultistepScheduler")
CASES = [
    Case("ddim", {"eta": 0.0}, "ddim", "DDIMScheduler", TABLE, _from_table),
    Case("ddim", {"eta": 0.6}, "ddim", "DDIMScheduler", TABLE, _from_table),
    Case("ddim", {"eta": 1.0}, "ddim", "DDIMScheduler", TABLE, _from_table),
    Case("ddpm", {"variance": 0.0}, "ddpm", "DDPMScheduler", TABLE, _from_table),
    Case(
        "ddpm", {"variance": 1.0}, "ddpm", "DDPMScheduler",
        {**TABLE, "variance_type": "fixed_large"}, _from_table,
        skip_last=True,  # diffusers adds noise there, as the last timestep is 49
    ),
    Case("euler", {}, "euler_discrete", "EulerDiscreteScheduler", levels=_exploding),
    Case(
        "euler_ancestral", {}, "euler_ancestral_discrete", "EulerAncestralDiscreteScheduler",
        levels=_exploding,
    ),
    Case("lms", {"order": 4.0}, "lms_discrete", "LMSDiscreteScheduler", levels=_exploding),
    Case(
        "heun", {}, "heun_discrete", "HeunDiscreteScheduler", {"use_karras_sigmas": True}, _heun,
        between=lambda scheduler: _sigmas(scheduler)[1:-1:2],
    ),
    Case(
        "dpm_2", {}, "k_dpm_2_discrete", "KDPM2DiscreteScheduler", {}, _dpm_2,
        between=lambda scheduler: scheduler.sigmas_interpol.double().numpy()[1::2],
    ),
    Case(
        "dpmpp_2s", {}, "dpmsolver_singlestep", "DPMSolverSinglestepScheduler",
        {**CLEAN, "lower_order_final": True},
        _every_other, between=lambda scheduler: _sigmas(scheduler)[1:-1:2],
    ),
    Case("dpmpp_2m", {}, *MULTI, CLEAN),
    Case("dpmpp_2m_sde", {"eta": 1.0}, *MULTI, SDE),
    # at eta = 1 diffusers has -1/2 for +1/2 in the third weight; that one has a golden value
    Case("dpmpp_3m_sde", {"eta": 0.0}, *MULTI, {**CLEAN, "solver_order": 3}),
    Case("res_2m", {}, *MULTI, {**CLEAN, "solver_type": "heun"}),
    Case(
        "ipndm", {"order": 4.0}, "ipndm", "IPNDMScheduler", {}, _trigonometric,
        skip_last=True,  # we take the last estimate as it is
    ),
    *[
        Case(
            "unipc", {"order": order}, "unipc_multistep", "UniPCMultistepScheduler",
            {**CLEAN, "solver_type": "bh2", "solver_order": int(order)},
        )
        for order in (2.0, 3.0)
    ],
    *[
        Case(
            "deis", {"order": order}, "deis_multistep", "DEISMultistepScheduler",
            {"solver_order": int(order)}, wide=True,
        )
        for order in (1.0, 2.0, 3.0)
    ],
    *[
        Case(
            "sa_solver", {"predictor_order": p, "corrector_order": c}, "sasolver",
            "SASolverScheduler", {"predictor_order": int(p), "corrector_order": int(c)},
        )
        for p, c in ((1.0, 1.0), (2.0, 2.0), (2.0, 3.0), (3.0, 4.0))
    ],
]  # fmt: skip


@pytest.fixture(scope="session")
def diffusers() -> Callable[[str], ModuleType]:
    """Return a function that imports a scheduler's module of diffusers, without the network."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(f"diffusers.schedulers.scheduling_{name}")

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("HF_HUB_OFFLINE", "1")
        warnings.simplefilter("ignore")  # what other packages say while they are imported
        load("ddim")
    return load


def _noise(i: int) -> Tensor:
    generator = torch.Generator().manual_seed(i)
    return torch.randn(1, 1, 4, 4, generator=generator, dtype=torch.float64)


def _scheduler(module: ModuleType, case: Case) -> Any:
    """Build the scheduler for N steps."""
    config = {"timestep_spacing": "trailing", **case.config}
    if case.sampler == "ipndm":
        config = {"trained_betas": np.sin(np.linspace(1.5, 0.05, N + 1)).tolist()}
    elif case.sampler == "dpmpp_2s":
        del config["timestep_spacing"]  # it has only one
    scheduler = getattr(module, case.scheduler)(**config)
    scheduler.set_timesteps(N)
    if case.sampler == "dpmpp_2s":
        _weave(scheduler)
    if case.wide:
        scheduler.sigmas = scheduler.sigmas.double()
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    return scheduler


def _weave(scheduler: Any) -> None:
    """Put the levels half-way in log-SNR between a scheduler's own, for its second calls."""
    sigmas = _sigmas(scheduler)
    pairs = np.c_[sigmas[:-2], np.sqrt(sigmas[:-2] * sigmas[1:-1])]
    scheduler.set_timesteps(2 * N - 1)
    scheduler.sigmas = torch.from_numpy(np.r_[pairs.ravel(), sigmas[-2:]])


def _theirs(
    module: ModuleType, scheduler: Any, case: Case, levels: Levels, patch: pytest.MonkeyPatch
) -> list[Tensor]:
    """Return x_t at every level as the scheduler walks it; the model tells eps_hat."""
    a_of, s_of, calls = levels.a[:-1], levels.s[:-1], 1
    if case.between is not None:
        calls, sigmas = 2, case.between(scheduler)[: N - 1]
        a = 1.0 if a_of[0] == 1.0 else 1.0 / np.hypot(1.0, sigmas)
        a_of = np.insert(a_of, range(1, N), a)
        s_of = np.insert(s_of, range(1, N), sigmas * a)
    x = _noise(99) * float(np.hypot(a_of[0], s_of[0]))
    visited = []
    for call, (a, s, t) in enumerate(zip(a_of, s_of, scheduler.timesteps, strict=True)):
        if call % calls == 0:
            visited.append(x)
        z = _noise(call // calls)
        patch.setattr(module, "randn_tensor", lambda *_, z=z, **__: z, raising=False)
        scheduler.scale_model_input(x, t)
        eps = (x - a * gaussian_denoiser(x, a, s)) / s
        if case.sampler == "ipndm":
            eps = (eps - s * x) / a  # as velocity, which this scheduler expects
        settings = {"eta": case.params["eta"]} if case.sampler == "ddim" else {}
        x = scheduler.step(eps, t, x, return_dict=False, **settings)[0]
    return [*visited, x]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_sampler_takes_the_steps_of_diffusers(
    case: Case, diffusers: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = diffusers(case.module)
    scheduler = _scheduler(module, case)
    levels = case.levels(scheduler)
    theirs = _theirs(module, scheduler, case, levels, monkeypatch)
    steps = walk(case.sampler, case.params, gaussian_denoiser, theirs[0], levels, _noise)
    assert len(steps) == len(theirs) == N + 1
    worst = 0.0
    for step, expected in list(zip(steps, theirs, strict=True))[: N if case.skip_last else None]:
        difference = (step.x_t - expected).abs().max() / np.hypot(step.a, step.s)
        worst = max(worst, float(difference))
    assert worst < TOLERANCE, f"{worst:.1e}"


def test_the_samplers_without_a_match_in_diffusers_are_known() -> None:
    assert set(SAMPLERS) - {case.sampler for case in CASES} == {"er_sde", "gradient_estimation"}
