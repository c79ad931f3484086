"""A schedule as bare arrays for other programs: .npy, and state dicts as .safetensors and .pt.

A state dict holds betas and alphas_cumprod at t = 1..T, float64, as diffusers and lucidrains name
them; `schedule_weights.py` reads all three back.
"""

from __future__ import annotations

import io

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import Family, Schedule
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.engine.torch_loading import import_torch


def to_npy(schedule: Schedule) -> bytes:
    """Return one array [T]: the betas, or alphas_cumprod where falling betas could be taken for it.

    Raises EngineError for other families than the variance preserving: an array cannot say it.
    """
    if schedule.family is not Family.VP:
        raise EngineError(
            f"an array cannot say that the family is {schedule.family}; save as .npz instead"
        )
    betas = schedule.beta[1:]
    falling = len(betas) > 1 and bool(np.all(np.diff(betas) < 0.0))
    content = io.BytesIO()
    np.save(content, schedule.alpha_bar[1:] if falling else betas)
    return content.getvalue()


def to_safetensors(schedule: Schedule) -> bytes:
    """Return a state dict as .safetensors; the family stands in its metadata."""
    from safetensors.numpy import save

    return save(_state(schedule), {"family": schedule.family.value})


def to_torch(schedule: Schedule) -> bytes:
    """Return a state dict as PyTorch saves it, loadable with `weights_only=True`."""
    torch = import_torch()
    state = {name: torch.from_numpy(values) for name, values in _state(schedule).items()}
    content = io.BytesIO()
    torch.save({**state, "family": schedule.family.value}, content)
    return content.getvalue()


def _state(schedule: Schedule) -> dict[str, Array]:
    return {"betas": schedule.beta[1:].copy(), "alphas_cumprod": schedule.alpha_bar[1:].copy()}
