"""Samplers: one short generator each over x_t = a_t x_0 + s_t eps, and their registry.

A sampler walks down the levels and yields a `Step` before every transition, and a last one with
the result. Cancel, pause, recording and timing live outside (`reverse.py`, `state/`). The
functions only use operators, so this package imports no torch. To add a sampler, write its
generator and its row in `SAMPLERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from diffusion_gui.engine.params import Param
from diffusion_gui.engine.samplers.base import Levels, Step
from diffusion_gui.engine.samplers.er_sde import er_sde
from diffusion_gui.engine.samplers.first_order import ddim, ddpm, euler, euler_ancestral
from diffusion_gui.engine.samplers.multistep import (
    deis,
    dpmpp_2m,
    dpmpp_2m_sde,
    dpmpp_3m_sde,
    gradient_estimation,
    ipndm,
    lms,
    res_2m,
)
from diffusion_gui.engine.samplers.predictor_corrector import sa_solver, unipc
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS, restart
from diffusion_gui.engine.samplers.two_calls import dpm_2, dpmpp_2s, heun

__all__ = [
    "RESTART_PARAMS",
    "SAMPLERS",
    "Levels",
    "Sampler",
    "Step",
    "ddim",
    "ddpm",
    "restart",
]


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampler by name: title, source, one line, parameters and generator.

    `order` is its order of convergence (with fresh noise the weak one, of the variance), `calls`
    the model calls a step makes (the last one step makes one), `stochastic` whether it draws fresh
    noise with its default parameters. `foresight` is how many transitions, itself included, a step
    must have before it so that it does not depend on how many there are: 0 for any.
    """

    title: str
    source: str
    explanation: str
    params: tuple[Param, ...]
    walk: Callable[..., Iterator[Step]]
    order: int = 1
    calls: int = 1
    stochastic: bool = False
    foresight: int = 0

    def evaluations(self, index: int, num_steps: int) -> int:
        """Return the model calls made when step `index` of `num_steps` is there."""
        first = min(index + 1, num_steps)
        return first + (self.calls - 1) * min(index, max(num_steps - 1, 0))


def _share(default: float, tooltip: str) -> tuple[Param, ...]:
    return (Param("eta", "η", default, 0.0, 1.0, tooltip, 2, words="fresh noise η"),)


def _order(default: float, minimum: float, maximum: float, tooltip: str) -> tuple[Param, ...]:
    return (Param("order", "order", default, minimum, maximum, tooltip, 0),)


SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler(
        title="DDIM",
        source="Song et al. 2021",
        explanation="Deterministic at η = 0: the same noise always gives the same picture.",
        params=_share(0.0, "Share of fresh noise per step: 0 is deterministic, 1 DDPM. No unit."),
        walk=ddim,
    ),
    "ddpm": Sampler(
        title="DDPM",
        source="Ho et al. 2020",
        explanation="Fresh noise at every step: the reverse of the Markov chain.",
        params=(
            Param(
                "variance", "variance", 0.0, 0.0, 1.0,
                "Variance of the fresh noise: β̃ (the posterior's) or β (the forward step's).", 0,
                ("β̃ small", "β large"),
            ),
        ),
        walk=ddpm,
        stochastic=True,
    ),
    "euler": Sampler(
        title="Euler",
        source="Karras et al. 2022",
        explanation="Straight steps along the noise direction: DDIM at η = 0 by another name.",
        params=(),
        walk=euler,
    ),
    "euler_ancestral": Sampler(
        title="Euler ancestral",
        source="k-diffusion",
        explanation="Euler to a cleaner level, then fresh noise: DDIM at η = 1 by another name.",
        params=(),
        walk=euler_ancestral,
        stochastic=True,
    ),
    "heun": Sampler(
        title="Heun",
        source="Karras et al. 2022 (EDM)",
        explanation="Looks ahead and averages: second order, two model calls a step.",
        params=(
            Param(
                "churn", "churn", 0.0, 0.0, 80.0,
                "Fresh noise added before the steps, summed over the run. Range 0 to 80.", 1,
            ),
            Param(
                "noise_scale", "noise", 1.0, 0.9, 1.1,
                "Factor on the churn's noise. Range 0.9 to 1.1.", 3, words="noise factor",
            ),
        ),
        walk=heun,
        order=2,
        calls=2,
    ),
    "dpm_2": Sampler(
        title="DPM-2",
        source="k-diffusion",
        explanation="Asks the model again half-way: second order, two model calls a step.",
        params=(),
        walk=dpm_2,
        order=2,
        calls=2,
    ),
    "dpmpp_2s": Sampler(
        title="DPM++ 2S",
        source="Lu et al. 2022",
        explanation="Half-way in log-SNR, exponential form: second order, two model calls a step.",
        params=(),
        walk=dpmpp_2s,
        order=2,
        calls=2,
    ),
    "dpmpp_2m": Sampler(
        title="DPM++ 2M",
        source="Lu et al. 2022",
        explanation="Extrapolates the last two estimates: second order, one model call a step.",
        params=(),
        walk=dpmpp_2m,
        order=2,
    ),
    "dpmpp_2m_sde": Sampler(
        title="DPM++ 2M SDE",
        source="Lu et al. 2022, k-diffusion",
        explanation="DPM++ 2M with fresh noise at every step.",
        params=_share(1.0, "Share of fresh noise per step: 0 is DPM++ 2M. No unit."),
        walk=dpmpp_2m_sde,
        order=2,
        stochastic=True,
    ),
    "dpmpp_3m_sde": Sampler(
        title="DPM++ 3M SDE",
        source="k-diffusion",
        explanation="Extrapolates the last three estimates, with fresh noise at every step.",
        params=_share(1.0, "Share of fresh noise per step: 0 is deterministic. No unit."),
        walk=dpmpp_3m_sde,
        order=2,
        stochastic=True,
    ),
    "res_2m": Sampler(
        title="RES 2M",
        source="Zhang et al. 2023",
        explanation="Two estimates with the exact weights of the exponential integrator.",
        params=(),
        walk=res_2m,
        order=2,
    ),
    "lms": Sampler(
        title="LMS",
        source="k-diffusion",
        explanation="Adams-Bashforth in σ with exact weights on any grid, one model call a step.",
        params=_order(4.0, 1.0, 4.0, "Model calls remembered, 1 to 4; 1 is Euler."),
        walk=lms,
        order=3,
    ),
    "deis": Sampler(
        title="DEIS",
        source="Zhang & Chen 2022",
        explanation="As LMS, but extrapolates over ln σ: better where the levels lie far apart.",
        params=_order(3.0, 1.0, 4.0, "Model calls remembered, 1 to 4; 1 is Euler."),
        walk=deis,
        order=2,
    ),
    "ipndm": Sampler(
        title="iPNDM",
        source="Liu et al. 2022, Zhang & Chen 2022",
        explanation="Adams-Bashforth with the weights of an even grid, one model call a step.",
        params=_order(4.0, 1.0, 4.0, "Model calls remembered, 1 to 4; 1 is Euler."),
        walk=ipndm,
        order=2,
    ),
    "unipc": Sampler(
        title="UniPC",
        source="Zhao et al. 2023",
        explanation="DPM++ 2M, each step corrected by the model call after it: third order.",
        params=_order(2.0, 2.0, 3.0, "Estimates a prediction uses, 2 or 3; more for a small step."),
        walk=unipc,
        order=3,
        foresight=3,
    ),
    "er_sde": Sampler(
        title="ER-SDE",
        source="Cui et al. 2023",
        explanation="Adds less fresh noise than DDPM, and uses the last three estimates.",
        params=_order(3.0, 1.0, 3.0, "Estimates a step uses, 1 to 3. No unit."),
        walk=er_sde,
        order=2,
        stochastic=True,
    ),
    "sa_solver": Sampler(
        title="SA-Solver",
        source="Xue et al. 2023",
        explanation="Predicts, then corrects; fresh noise on the middle levels alone.",
        params=(
            Param(
                "predictor_order", "predictor", 3.0, 1.0, 3.0,
                "Estimates the prediction uses, 1 to 3. No unit.", 0, words="predictor order",
            ),
            Param(
                "corrector_order", "corrector", 4.0, 0.0, 4.0,
                "Estimates the correction uses, 1 to 4; 0 is no correction.", 0,
                words="corrector order",
            ),
            Param(
                "tau", "τ", 1.0, 0.0, 2.0,
                "Fresh noise at σ 0.72 to 25.8: 0 is none, 1 the reverse SDE. Range 0 to 2.", 2,
                words="fresh noise τ",
            ),
        ),
        walk=sa_solver,
        order=2,
        stochastic=True,
        foresight=3,
    ),
    "gradient_estimation": Sampler(
        title="Gradient estimation",
        source="Permenter & Yuan 2023",
        explanation="Euler along a direction pushed away from the one before.",
        params=(
            Param(
                "gamma", "γ", 2.0, 1.0, 3.0, "1 is Euler; the paper takes 2. Range 1 to 3.", 2,
                words="push γ",
            ),
        ),
        walk=gradient_estimation,
    ),
}  # fmt: skip
