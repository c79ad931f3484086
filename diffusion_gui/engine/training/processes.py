"""Several processes that share one training, as torchrun and `accelerate launch` start them.

They say so by the environment's RANK and WORLD_SIZE. Alone, everything here answers at once.
Imports torch.
"""

from __future__ import annotations

import os
from contextlib import suppress

import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError

_CARRIERS = {"cpu": "gloo", "cuda": "nccl"}


def join(device: torch.device) -> None:
    """Join the other processes, where there are any; does nothing alone, or a second time.

    gloo carries the gradients between CPUs, nccl between GPUs, of which each process takes the
    one that LOCAL_RANK counts. Raises EngineError where they do not find each other.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or joined():
        return
    if device.type not in _CARRIERS:
        raise EngineError(
            f"several processes train on CPUs or CUDA devices, not on {device.type}; choose cpu"
        )
    try:
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        torch.distributed.init_process_group(_CARRIERS[device.type])
    except (RuntimeError, ValueError) as problem:
        reason = next(iter(str(problem).splitlines()), "")
        raise EngineError(f"the processes of the training did not meet: {reason}") from None


def meet() -> None:
    """Wait for the others, so that none is gone while another still writes; alone: nothing."""
    if joined():
        with suppress(RuntimeError):  # another has failed, and says so itself
            torch.distributed.barrier()


def leave() -> None:
    """Part from the other processes, if any."""
    if joined():
        torch.distributed.destroy_process_group()


def joined() -> bool:
    """Return whether this is one of several processes."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def share() -> tuple[int, int]:
    """Return (rank, number of processes)."""
    if joined():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def any_of(wish: bool, device: torch.device) -> bool:
    """Return whether any process wishes it: the same answer in each, which all wait for."""
    if not joined():
        return wish
    wishes = torch.tensor(float(wish), device=device)
    torch.distributed.all_reduce(wishes, torch.distributed.ReduceOp.MAX)
    return bool(wishes > 0.0)


def mean_of(value: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes."""
    if not joined():
        return value
    total = value.clone()
    torch.distributed.all_reduce(total)
    return total / torch.distributed.get_world_size()
