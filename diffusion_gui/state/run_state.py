"""What the reverse process is doing, and in words why it failed."""

from __future__ import annotations

from enum import StrEnum

from diffusion_gui.engine.errors import EngineError, ran_out_of_memory
from diffusion_gui.state.jobs import reason
from diffusion_gui.state.run import Outcome


class RunState(StrEnum):
    """What the reverse process is doing."""

    IDLE = "idle"
    LOADING = "loading"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


ENDED = {
    Outcome.DONE: RunState.DONE,
    Outcome.STOPPED: RunState.STOPPED,
    Outcome.FAILED: RunState.FAILED,
}


def failure(error: Exception) -> str:
    """Return in one line why a run failed."""
    if isinstance(error, EngineError) or ran_out_of_memory(error):
        return reason(error, "lower the count or the size of the samples")
    name, text = type(error).__name__, reason(error)
    what = f"{name}: {text}" if text != name else f"{name} in the model or the sampler"
    return f"the run failed: press Run to try again, or choose another model or sampler. {what}"
