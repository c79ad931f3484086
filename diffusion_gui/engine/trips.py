"""Image to noise to image with an experiment's model: what a model can represent. Imports torch.

The mathematics is in `inversion.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffusion_gui.engine import images
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.inversion import evaluations, round_trip
from diffusion_gui.engine.models import Built, guided, to_batch
from diffusion_gui.engine.planning import plan
from diffusion_gui.engine.recorder import to_pixels
from diffusion_gui.engine.schedules.schedule import display_scale
from diffusion_gui.engine.trajectory import EPS_SHOWN


@dataclass(frozen=True, slots=True, eq=False)
class Trip:
    """A picture's way up to its noise and back: uint8 [size, size, 3] each, and its error.

    `noise` is x_T as its variance-preserving twin, shown from -`EPS_SHOWN` to `EPS_SHOWN`;
    `difference` what came back minus the picture, `TRIP_GAIN` times, around grey. `rms` is in units
    of [-1, 1], `psnr` in dB (peak to peak 2), `deviation` that of the noise, 1 for a normal one.
    """

    picture: Pixels
    noise: Pixels
    result: Pixels
    difference: Pixels
    rms: float
    psnr: float
    deviation: float


TRIP_GAIN = 8.0
"""By how much the difference of a round trip is enlarged."""


@torch.no_grad()
def take_trip(
    experiment: Experiment,
    built: Built,
    picture: Pixels,
    iterations: int,
    device: torch.device,
    poll: Callable[[], None],
) -> Trip:
    """Invert a picture [size, size, 3] with the experiment's model, and draw it again by DDIM.

    Its levels are those of a run from pure noise; what it starts from, its sampler, its mask and
    its forks do not count. `poll` is called before every model call and may raise.
    """
    levels = plan(_plain(experiment))
    denoise = guided(experiment, built)

    def polled(x: Tensor, a: float, s: float) -> Tensor:
        poll()
        return denoise(x, a, s)

    x0 = to_batch(images.to_float(picture)[None], device)
    made = round_trip(polled, x0, levels, iterations=iterations)
    noise = made.noise * display_scale(float(levels.a[0]), float(levels.s[0]))
    shown = (noise / EPS_SHOWN, made.result, TRIP_GAIN * (made.result - x0))
    up, back, difference = (to_pixels(one)[0] for one in shown)
    rms, psnr = float(made.rms[0]), float(made.psnr[0])
    return Trip(picture, up, back, difference, rms, psnr, float(noise.std()))


def trip_calls(experiment: Experiment, iterations: int) -> int:
    """Return how often `take_trip` calls its model, guidance counted once."""
    steps = len(plan(_plain(experiment)))
    return evaluations(steps, iterations) + steps


def _plain(experiment: Experiment) -> Experiment:
    """Return an experiment's run from pure noise, without fork, mask and Restart."""
    sampling = replace(experiment.sampling, start=None, inpaint=None, restart=())
    return replace(experiment, sampling=sampling, fork=None)
