"""Which device the mathematics runs on: the one place that decides. Imports torch."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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
    """Return the device for `wish`; "auto" takes the fastest that answers.

    A device may be there and of no use: a driver too old, a GPU that was unplugged or has failed
    under an earlier run. Raises EngineError for such a one, a device that this machine does not
    have and an unknown name.
    """
    if wish not in DEVICES:
        raise EngineError(f"unknown device {wish!r}; choose one of: {', '.join(DEVICES)}")
    here = available()
    if wish == "auto":
        return next(found for found in map(torch.device, here) if not _trouble(found))
    if wish not in here:
        raise EngineError(f"device {wish!r} is not available here; available: {', '.join(here)}")
    if trouble := _trouble(torch.device(wish)):
        raise EngineError(
            f"device {wish!r} does not answer ({trouble}); choose {here[-1]!r}, or start the"
            " program again"
        )
    return torch.device(wish)


def _trouble(device: torch.device) -> str:
    """Return why a device cannot compute, "" if it can: a few microseconds of work say so."""
    if device.type == "cpu":
        return ""
    try:
        fine = float(torch.ones(2, device=device).sum()) == 2.0
    except Exception as error:  # torch raises AssertionError, RuntimeError, AcceleratorError, ...
        return next(iter(str(error).splitlines()), "") or type(error).__name__
    return "" if fine else "it adds 1 and 1 wrong"


def leave_a_core_free() -> None:
    """Let torch use all processor cores but one, for a program that has a window to paint.

    torch's threads wait for each other in a busy loop: where one of them finds no core, a matrix
    product takes ten times as long (measured on two cores). Who sets OMP_NUM_THREADS gets no more
    than that.
    """
    wish = os.environ.get("OMP_NUM_THREADS", "")
    cores = (os.cpu_count() or 1) - 1
    torch.set_num_threads(max(1, min(cores, int(wish)) if wish.isdecimal() else cores))


def keep_to_one_core() -> None:
    """Let torch work in the calling thread alone: small work beside a run that has the others."""
    torch.set_num_threads(1)


def memory_used(device: torch.device) -> int | None:
    """Return the bytes of memory in use: on the GPU, or by this process where it works on the CPU.

    None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return _most_memory()
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _most_memory() -> int | None:
    """Return the most bytes that this process has had in memory."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


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
