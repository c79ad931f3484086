"""The progress bar of a run: steps, steps per second and time left, on the error stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class _Rate(ProgressColumn):
    """Steps per second, or seconds per step where that is slower."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        if speed >= 1.0:
            return Text(f"{speed:.1f} steps/s")
        return Text(f"{1.0 / speed:.1f} s/step")


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
