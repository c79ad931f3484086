"""What the training panel says of a training, in words. No widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diffusion_gui.engine.numerals import size, spelled
from diffusion_gui.session.training_plan import Source
from diffusion_gui.state.training import TrainingController, TrainState
from diffusion_gui.state.training_plans import TrainingPlans

if TYPE_CHECKING:
    from diffusion_gui.engine.training.loop import Progress

MEMORISED = 0.5
"""Share of the samples that are copies from which a network is said to have memorised."""


def spent(seconds: float) -> str:
    """Return a time in words: 42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def million(count: int) -> str:
    """Return a number of parameters: 840 k, 2.1 M."""
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"


def data_line(plans: TrainingPlans) -> str:
    """Return what is known of the pictures that the plan needs."""
    if plans.problem:
        return plans.problem
    if plans.reading is not None:
        done, total = plans.reading
        return f"reading {done:,} of {total:,} pictures" if total else "looking for pictures"
    if plans.data is None:
        return ""
    found = plans.data
    parts = [_count(found.count, "picture")]
    parts.append(_count(found.captions, "caption") if found.captions else "no captions")
    if plans.plan.source is Source.EMOJI:
        parts.append("every tenth held out")
    if found.set.problems:
        parts.append(f"{len(found.set.problems):,} left out")
    return "   ".join([*parts, *found.set.notes])


def numbers_line(training: TrainingController) -> str:
    """Return how a training is, in numbers; "" before the first step."""
    news = training.news
    if news is None:
        return ""
    now = news.progress
    parts = [f"step {now.step:,}", f"loss {spelled(now.loss)}"]
    parts.append(f"{spelled(now.steps_per_second)} steps/s")
    if now.left is not None and training.state is TrainState.RUNNING:
        parts.append(f"{spent(now.left)} left")
    parts.append(f"learning rate {spelled(now.last.rate, 2)}")
    if now.memory is not None:
        parts.append(size(now.memory))
    return "   ".join(parts)


def state_line(training: TrainingController) -> str:
    """Return what the training is doing."""
    if training.waiting:
        return "waits while a run samples"
    match training.state:
        case TrainState.LOADING:
            return "getting ready"
        case TrainState.PAUSED | TrainState.RUNNING if training.news is not None:
            paused = training.state is TrainState.PAUSED
            return ", ".join(["paused"] * paused + [saved_line(training.news.progress)])
        case TrainState.STOPPING:
            return "ends after this step"
        case TrainState.STOPPED:
            return "stopped and saved"
        case TrainState.DONE:
            return "done and saved"
    return ""


def saved_line(progress: Progress) -> str:
    """Return how long ago a training was saved, by the time spent training."""
    if progress.problem:
        return "not saved"
    if not progress.saved:
        return "not saved yet"
    if progress.saved == progress.step:
        return "saved"
    minutes = int(progress.unsaved // 60)
    return f"saved {minutes} min ago" if minutes else "saved less than a minute ago"


def copies_line(copies: int, count: int, ratio: float) -> str:
    """Return whether samples are copies of training pictures, in words."""
    if copies >= MEMORISED * count:
        said = f"memorised: {copies} of {count} are copies"
    elif copies:
        said = f"{copies} of {count} are copies"
    else:
        said = "no copies"
    return f"{said}, median {ratio:.2f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
