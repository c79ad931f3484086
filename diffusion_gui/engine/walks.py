"""The sampler of a run with its parameters, and what goes around it. No torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from diffusion_gui.engine import inpainting
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Sampling
from diffusion_gui.engine.params import resolve
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.samplers.restart import RESTART_PARAMS, Walk, restart

if TYPE_CHECKING:
    from torch import Tensor


def walk_of(sampling: Sampling, known: tuple[Tensor, Tensor] | None = None) -> Walk:
    """Return the sampler with its parameters, Restart or RePaint around it if there is one.

    `known` are RePaint's picture [C, H, W] and mask [H, W]; without them it takes its way and
    pastes nothing. Raises EngineError for
    an unknown sampler and parameters out of range.
    """
    if sampling.sampler not in SAMPLERS:
        names = ", ".join(SAMPLERS)
        raise EngineError(f"unknown sampler {sampling.sampler!r}; choose one of: {names}")
    row = SAMPLERS[sampling.sampler]
    values = resolve(row.params, sampling.params, row.title)
    paint = inpainting.values_of(sampling.inpaint) if sampling.inpaint is not None else {}
    if repaints(sampling):
        if sampling.restart:
            raise EngineError("Restart and RePaint both go back up; choose one of them")
        if known is None:
            return inpainting.way(row, values, **paint)
        picture, where = known
        return lambda denoise, x, levels, noise: inpainting.repaint(
            row, denoise, x, levels, noise,
            picture=picture, known=where, values=values, **paint,
        )  # fmt: skip
    if not sampling.restart:
        return lambda denoise, x, levels, noise: row.walk(denoise, x, levels, noise, **values)
    back = resolve(RESTART_PARAMS, sampling.restart, "Restart")
    plain = walk_of(replace(sampling, restart=()))
    return lambda denoise, x, levels, noise: restart(plain, denoise, x, levels, noise, **back)


def repaints(sampling: Sampling) -> bool:
    """Return whether RePaint goes around the sampler."""
    return sampling.inpaint is not None and sampling.inpaint.method == inpainting.REPAINT
