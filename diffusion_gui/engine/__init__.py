"""The mathematics of a diffusion process, usable without the window.

Imports no Qt. Names that need torch are loaded when they are first used, so that schedules and
the forward process stay light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.experiment import (
    Experiment,
    Fit,
    Fork,
    Forward,
    Guidance,
    Inpaint,
    PictureRef,
    Sampling,
    Start,
)
from diffusion_gui.engine.forward import closed_form, markov_step, posterior
from diffusion_gui.engine.noise import gaussian
from diffusion_gui.engine.schedules import Schedule, ScheduleSpec, build, build_preset, timesteps

if TYPE_CHECKING:
    from diffusion_gui.engine.denoisers.exact import Exact
    from diffusion_gui.engine.recorder import to_pixels
    from diffusion_gui.engine.reverse import Inputs, run
    from diffusion_gui.engine.samplers import Levels, Step, ddim, ddpm

_LAZY = {
    "Exact": "denoisers.exact",
    "Inputs": "reverse",
    "run": "reverse",
    "to_pixels": "recorder",
    "Levels": "samplers",
    "Step": "samplers",
    "ddim": "samplers",
    "ddpm": "samplers",
}

__all__ = [
    "Cancelled",
    "EngineError",
    "Exact",
    "Experiment",
    "Fit",
    "Fork",
    "Forward",
    "Guidance",
    "Inpaint",
    "Inputs",
    "Levels",
    "PictureRef",
    "Sampling",
    "Schedule",
    "ScheduleSpec",
    "Start",
    "Step",
    "build",
    "build_preset",
    "closed_form",
    "ddim",
    "ddpm",
    "gaussian",
    "markov_step",
    "posterior",
    "run",
    "timesteps",
    "to_pixels",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
