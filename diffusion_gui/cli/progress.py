"""The progress bars of runs and trainings, on the error stream: rate and time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from diffusion_gui.engine.training.loop import Progress as Training

_QUIET_SECONDS = 60.0
"""Where the error stream is a file, a training says where it is this often."""


class _Rate(ProgressColumn):
    """Steps per second, or seconds per step where that is slower."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(_rate(speed) if speed else "")


def _rate(speed: float) -> str:
    return f"{speed:.1f} steps/s" if speed >= 1.0 else f"{1.0 / speed:.1f} s/step"


@contextmanager
def step_progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs and yield the function that is told (done, all) steps.

    The bar is gone afterwards, so that an error is still one line; nothing is shown where the
    error stream is a file.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task("loading", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description="sampling")

        yield advance


@contextmanager
def training_progress(shown: bool = True) -> Iterator[Callable[[Training], None]]:
    """Show a training while the block runs; yield the function that is told of every step.

    On a terminal a bar, which is gone afterwards; elsewhere a line every minute. A checkpoint
    that cannot be written is told once.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"),
        console=console, transient=True, disable=not (shown and console.is_terminal),
    )  # fmt: skip
    last, problem = time.monotonic(), ""
    with bar:
        task = bar.add_task("training", total=None, said="")

        def tell(training: Training) -> None:
            nonlocal last, problem
            if not shown:
                return
            if training.problem != problem:
                problem = training.problem
                line = (
                    f"not saved: {problem}; it goes on and is tried again" if problem else "saved"
                )
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            if console.is_terminal:
                total = None if training.left is None else training.here + training.left
                bar.update(
                    task, completed=training.here, total=total, said=_said(training),
                    description=f"step {training.step:,}",
                )  # fmt: skip
            elif time.monotonic() - last >= _QUIET_SECONDS:
                last = time.monotonic()
                line = f"step {training.step:,}  {_said(training)}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield tell


def _said(training: Training) -> str:
    """Return loss, rate, memory and time left in a few words."""
    parts = [f"loss {training.loss:.4f}", _rate(training.steps_per_second)]
    if training.memory is not None:
        parts.append(f"{training.memory / 1024**2:,.0f} MiB")
    if training.left is not None:
        parts.append(f"{timedelta(seconds=round(training.left))} left")
    return "  ".join(parts)
