"""Which device the mathematics runs on: the one place that decides. Imports torch."""

from __future__ import annotations

import os

import torch

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import DEVICES


def available() -> tuple[str, ...]:
    """Return the devices this machine offers, the fastest first."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def choose(wish: str = "auto") -> torch.device:
    """Return the device for `wish`; "auto" takes the fastest there is.

    Raises EngineError for an unknown name or a device this machine does not have.
    """
    if wish not in DEVICES:
        raise EngineError(f"unknown device {wish!r}; choose one of: {', '.join(DEVICES)}")
    here = available()
    if wish == "auto":
        return torch.device(here[0])
    if wish not in here:
        raise EngineError(f"device {wish!r} is not available here; available: {', '.join(here)}")
    return torch.device(wish)


def leave_a_core_free() -> None:
    """Let torch use all processor cores but one, for a program that has a window to paint.

    torch's threads wait for each other in a busy loop: where one of them finds no core, a matrix
    product takes ten times as long (measured on two cores). Who sets OMP_NUM_THREADS gets no more
    than that.
    """
    wish = os.environ.get("OMP_NUM_THREADS", "")
    cores = (os.cpu_count() or 1) - 1
    torch.set_num_threads(max(1, min(cores, int(wish)) if wish.isdecimal() else cores))


def describe(device: torch.device) -> str:
    """Return the device in a few words, e.g. "CPU (2 cores)" or "NVIDIA H100"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return cpu_name()


def cpu_name() -> str:
    """Return "CPU (n cores)"."""
    cores = os.cpu_count() or 1
    return f"CPU ({cores} core{'s' if cores > 1 else ''})"
