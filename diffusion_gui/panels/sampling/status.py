"""How a run stands, and what a changed setting asks for, in a line each."""

from __future__ import annotations

import math

from diffusion_gui.state.forecast import Forecaster, spoken
from diffusion_gui.state.run import Outcome, Run
from diffusion_gui.state.sampling import RunState, SamplingController

MOST_LETTERS = 18
"""Of a run's name where there is little room."""


def brief(title: str, most: int = MOST_LETTERS) -> str:
    """Return a run's title, shortened to so many letters."""
    return title if len(title) <= most else f"{title[: most - 1]}…"


def told_outcome(run: Run) -> str:
    """Return in a word how a run stands."""
    return "paused" if run.held else str(run.outcome)


def status(controller: SamplingController, run: Run | None) -> str:
    """Return state, step, model calls, pace and time of the run on show."""
    state = controller.shown_state
    last = run.trajectory.last if run else None
    if state is RunState.LOADING:
        return "getting ready"
    failed = state is RunState.FAILED and not controller.outdated
    if run is None or last is None or failed:
        return "failed" if failed else ""
    total = run.trajectory.num_steps
    parts = [] if run.outcome is Outcome.RUNNING and not run.held else [told_outcome(run)]
    parts += [f"step {last.index} of {total}", f"NFE {run.calls[last.index]}"]
    if last.index and last.seconds > 0.0:
        rate = last.index / last.seconds
        parts.append(f"{rate:.3g} steps/s")
        goes_on = last.index < total and run.outcome is Outcome.RUNNING
        left = (total - last.index) / rate
        parts.append(f"{left:.1f} s left" if goes_on else f"{last.seconds:.2f} s")
    if total < run.experiment.sampling.steps:
        parts.append(f"(at most {total} steps from there)")
    if run.untrained:
        parts.append(run.untrained)
    if run.trajectory.stride > 1:
        parts.append(f"1 of {run.trajectory.stride} steps kept")
    return "   ".join(parts)


def wish(controller: SamplingController, forecaster: Forecaster, shown: Run | None) -> str:
    """Return what is to be done for pictures of the settings, before the forecast; "" for nothing.

    Nothing is where the run on show has these settings. It stands at the left, where it is not cut
    off. The time is told where the forecast has none.
    """
    if armed := controller.armed:
        run, step = armed
        return f"fork at step {step} of {brief(run.title)}: change a setting to go on"
    moving = controller.state in (RunState.LOADING, RunState.RUNNING)
    if shown is None or moving or not controller.differs(shown):
        return ""
    offered = None if forecaster.seconds else controller.offered
    time = ""
    if offered is not None:
        known = math.isfinite(offered)
        time = f" (about {spoken(offered)})" if known else " (it takes a while)"
    press = "Stop, then Run" if controller.state is RunState.PAUSED else "Run"
    model = controller.other_model(shown)
    said = f"pictures still by {brief(model)}" if model else "settings changed"
    return f"{said}: press {press}{time}   "
