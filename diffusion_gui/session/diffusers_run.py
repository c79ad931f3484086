"""A run as a Python script in which a scheduler of diffusers drives our denoiser. No Qt, no torch.

Where diffusers visits the same times, the scheduler is made of our schedule; else its table is just
the levels of the run, which every class steps through one by one. Read next: `python_run.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diffusion_gui import __version__
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.planning import plan
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.schedules import Family, build
from diffusion_gui.session.diffusers_classes import CLASSES
from diffusion_gui.session.diffusers_export import to_config
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.python_run import Script, about
from diffusion_gui.session.python_values import Raw, call, written

Params = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A class of diffusers that takes the steps of one of our samplers."""

    name: str
    config: Callable[[Params], dict[str, Any]] = lambda _: {}
    step: Callable[[Params], str] = lambda _: ""
    """Further arguments of its `step`."""
    in_sigma: bool = False
    """Whether it walks in x_0 + sigma eps and is told eps_hat; else in x_t, and is told x0_hat."""
    fresh: Callable[[Params], bool] = lambda _: False
    """Whether it draws noise on the way."""
    takes_noise: bool = False
    """Whether it can be given that noise, so that it is ours."""
    where: Callable[[Params], bool] = lambda _: True
    """Whether it knows these parameters."""
    most_sigma: float = 0.0
    """Above it, its float32 leaves nothing of a picture; 0 for no such level."""


_MULTI = "DPMSolverMultistepScheduler"
_SDE = {"algorithm_type": "sde-dpmsolver++"}
SCHEDULERS: dict[str, Scheduler] = {
    "ddim": Scheduler(
        "DDIMScheduler", step=lambda p: f", eta={p['eta']!r}", fresh=lambda p: p["eta"] > 0.0,
        takes_noise=True,
    ),
    "ddpm": Scheduler(
        "DDPMScheduler", lambda p: {"variance_type": "fixed_large"} if p["variance"] else {},
        fresh=lambda _: True,
    ),
    "euler": Scheduler("EulerDiscreteScheduler", in_sigma=True),
    "euler_ancestral": Scheduler(
        "EulerAncestralDiscreteScheduler", in_sigma=True, fresh=lambda _: True
    ),
    "heun": Scheduler(
        "HeunDiscreteScheduler", in_sigma=True, where=lambda p: p["churn"] == 0.0, most_sigma=1e3
    ),
    "lms": Scheduler(
        "LMSDiscreteScheduler", step=lambda p: f", order={int(p['order'])}", in_sigma=True
    ),
    "dpmpp_2m": Scheduler(_MULTI),
    "dpmpp_2m_sde": Scheduler(
        _MULTI, lambda _: _SDE, fresh=lambda _: True, where=lambda p: p["eta"] == 1.0,
        takes_noise=True,
    ),
    "res_2m": Scheduler(_MULTI, lambda _: {"solver_type": "heun"}),
    "unipc": Scheduler("UniPCMultistepScheduler", lambda p: {"solver_order": int(p["order"])}),
}  # fmt: skip
"""Which class takes the steps of which sampler."""


def diffusers_source(experiment: Experiment, store: PictureStore) -> str:
    """Return a script in which diffusers makes the samples of a run, by our denoiser.

    Raises EngineError where diffusers has no such run: another sampler, Restart, RePaint, a start
    from a picture, a fork.
    """
    row, params = _row_of(experiment)
    config, natural = _config(experiment, row, params)
    script = Script(experiment, store)
    script.uses |= {"build_model", "guided", "to_batch", "START", "gaussian_batch"}
    script.uses |= {"RunInputs", "contact_sheet", "to_pixels"}
    modules = ("import torch", "from PIL import Image", f"from diffusers import {row.name}")
    script.others = _merged(script.others, *modules)
    script.say(
        "sampling = experiment.sampling",
        'device = torch.device("cpu")',
        f"built = build_model(experiment, {script.inputs}(experiment), device, lambda: None)",
        "denoise = guided(experiment, built)  # (x_t, a, s) -> x0_hat for x_t = a x_0 + s eps",
        "",
    )
    steps = _say_levels(script, experiment, natural)
    script.say(
        f"scheduler = {written(call(row.name, **config), 0, 12)}",
        f"scheduler.set_timesteps({steps})",
        "",
        "shape = (sampling.size, sampling.size, 3)",
        "noise = gaussian_batch(experiment.seed, range(sampling.count), START, shape)",
        "x = to_batch(noise, device)",
        *_loop(row, params),
        "",
        *_differences(experiment, row, params),
        "pixels = to_pixels(x)",
        "sheet = contact_sheet(pixels, columns=4, scale=max(1, round(128 / sampling.size)))",
        'Image.fromarray(sheet).save("samples-diffusers.png")',
    )
    return script.text(
        f"{about(experiment)}, by diffusers.\n\n{row.name} drives the denoiser of Diffusion GUI"
        f" {__version__};\nwrites samples-diffusers.png.\n"
    )


def _row_of(experiment: Experiment) -> tuple[Scheduler, Params]:
    """Return the class for a run and the sampler's parameters; raises EngineError without one."""
    sampling = experiment.sampling
    for there, what in (
        (experiment.fork is not None, "forks"),
        (sampling.start is not None, "starts from a picture"),
        (sampling.inpaint is not None, "masks"),
        (bool(sampling.restart), "Restart"),
    ):
        if there:
            raise EngineError(f"diffusers' schedulers have no {what}; copy it as Python instead")
    sampler = SAMPLERS[sampling.sampler]
    params = resolve(sampler.params, sampling.params, sampler.title)
    row = SCHEDULERS.get(sampling.sampler)
    if row is None or not row.where(params):
        known = ", ".join(SAMPLERS[name].title for name in SCHEDULERS)
        raise EngineError(
            f"diffusers has no {sampler.title} with these settings; copy it as Python instead, or"
            f" choose one of: {known}"
        )
    levels = plan(experiment)
    if row.most_sigma and levels.s[0] > row.most_sigma * levels.a[0]:
        raise EngineError(
            f"diffusers' {sampler.title} loses all precision above sigma = {row.most_sigma:g}, and"
            " this run begins there; copy it as Python, or choose DPM++ 2M"
        )
    return row, params


def _config(
    experiment: Experiment, row: Scheduler, params: Params
) -> tuple[dict[str, object], bool]:
    """Return the arguments of the scheduler, and whether it is made of the whole schedule."""
    known = CLASSES[row.name].fields
    natural = _natural(experiment)
    table: dict[str, object] = {"timestep_spacing": "trailing"}
    if natural:
        schedule = build(experiment.schedule)
        full = to_config(schedule, experiment.schedule, row.name)
        table |= {key: full[key] for key in ("rescale_betas_zero_snr",) if key in full}
        table["num_train_timesteps"] = schedule.T
        table["timestep_spacing"] = experiment.sampling.spacing
    else:
        table["num_train_timesteps"] = Raw("len(levels)")
    table["trained_betas"] = Raw("betas.tolist()")
    table["prediction_type"] = "epsilon" if row.in_sigma else "sample"
    table |= {key: False for key in ("clip_sample",) if key in known}
    return table | row.config(params), natural


def _natural(experiment: Experiment) -> bool:
    """Return whether diffusers visits our times, with the last step to the clean picture."""
    sampling, schedule = experiment.sampling, build(experiment.schedule)
    even = schedule.T % min(sampling.steps, schedule.T) == 0
    plain = sampling.spacing == "trailing" and not sampling.spacing_params
    return plain and even and schedule.family is Family.VP and schedule.alpha_bar[-1] > 0.0


def _say_levels(script: Script, experiment: Experiment, natural: bool) -> str:
    """Write what `betas` are; return the source of the number of steps."""
    if natural:
        script.uses.add("build")
        script.say("betas = build(experiment.schedule).beta[1:]")
        steps, T = experiment.sampling.steps, experiment.schedule.T
        return "sampling.steps" if steps <= T else str(T)
    script.uses.add("plan")
    script.others = _merged(script.others, "import numpy as np")
    script.say(
        "# The levels of the run are all the table that the scheduler has, noisier ones later",
        "levels = plan(experiment)",
        "alpha_bar = (levels.a**2 / (levels.a**2 + levels.s**2))[-2::-1]",
        "betas = 1.0 - alpha_bar / np.r_[1.0, alpha_bar[:-1]]",
        "betas = np.minimum(betas, 1.0 - 2.0**-24)  # diffusers wants some signal everywhere",
    )
    return "len(levels)"


def _loop(row: Scheduler, params: Params) -> list[str]:
    """Return the lines that walk from `x` down to the samples."""
    more = row.step(params)
    before = []
    if row.fresh(params) and row.takes_noise:
        fresh = [
            "    z = gaussian_batch(experiment.seed, range(sampling.count), START + 1 + i, shape)"
        ]
        more += ", variance_noise=to_batch(z, device)"
    elif row.fresh(params):
        fresh, before = [], ["generator = torch.Generator().manual_seed(experiment.seed)"]
        more += ", generator=generator"
    else:
        fresh = []
    if row.in_sigma:
        return [
            "# This scheduler walks in x_0 + sigma eps, and wants to scale what a network sees.",
            "x = x * (1.0 + float(scheduler.sigmas[0]) ** 2) ** 0.5",
            *before,
            "for i, t in enumerate(scheduler.timesteps):",
            "    sigma = float(scheduler.sigmas[i])",
            "    scheduler.scale_model_input(x, t)",
            "    eps_hat = (x - denoise(x, 1.0, sigma)) / sigma",
            *fresh,
            f"    x = scheduler.step(eps_hat, t, x{more}).prev_sample",
        ]
    return [
        *before,
        "for i, t in enumerate(scheduler.timesteps):" if fresh else "for t in scheduler.timesteps:",
        "    alpha_bar_t = float(scheduler.alphas_cumprod[t])",
        "    x0_hat = denoise(x, alpha_bar_t**0.5, (1.0 - alpha_bar_t) ** 0.5)",
        *fresh,
        f"    x = scheduler.step(x0_hat, t, x{more}).prev_sample",
    ]


def _differences(experiment: Experiment, row: Scheduler, params: Params) -> list[str]:
    """Return what is said of how far this is from our own samples; tests hold the numbers."""
    levels = plan(experiment)
    if row.fresh(params) and not row.takes_noise:
        return [
            "# The first noise is that of Diffusion GUI, the noise of the steps is torch's: other",
            "# pictures of the same distribution.",
        ]
    if levels.a[0] <= 2.0**-12 * levels.s[0]:
        return [
            "# The same noise, levels and steps as in Diffusion GUI, but diffusers cannot begin",
            "# without any signal: the samples differ by a few of 255 grey levels, by up to",
            "# about twenty with UniPC.",
        ]
    return [
        "# The same noise, levels and steps as in Diffusion GUI; diffusers keeps its tables in",
        "# float32, so that the samples differ by one of 255 grey levels at most.",
    ]


def _merged(before: list[str], *more: str) -> list[str]:
    """Return imports of other packages: the standard library's first, then the others, sorted."""
    own = [line for line in before if line in ("import base64", "import io")]
    others = {line for line in (*before, *more) if line and line not in own}
    ordered = sorted(others, key=lambda line: (line.startswith("from"), line.lower()))
    return [*own, *([""] if own else []), *ordered]
