"""The program under test, started and ended as a user does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import diffusion_gui

from . import drag_source, drop_target
from .desktop import Desktop, Pixels, Rect, ended

HERE = Path(__file__).parent
ROOT = Path(diffusion_gui.__file__).parents[1]
"""The folder from which `python -m diffusion_gui` finds the package under test."""
START = 60.0
"""Seconds a start may take on a machine that is busy with other things."""


@dataclass(frozen=True, slots=True)
class Program:
    """The running program, and where its parts lie on the screen."""

    desktop: Desktop
    process: subprocess.Popen[bytes]
    places: Mapping[str, Rect]
    errors: Path

    def pixels(self, name: str) -> Pixels:
        """Return what the screen shows now where `name` lies."""
        return self.desktop.screen.pixels(self.places[name])

    def close(self, timeout: float) -> tuple[int, str]:
        """Close the window through the window manager; return exit code and standard error."""
        self.desktop.keys("alt+F4")
        return self.process.wait(timeout), self.errors.read_text(encoding="utf-8")


def command() -> list[str]:
    """Return how a user starts the program: its entry point if it is installed."""
    entry = Path(sys.executable).with_name("diffusion-gui")
    return [str(entry)] if entry.exists() else [sys.executable, "-m", "diffusion_gui"]


def layout(desktop: Desktop, home: Path) -> dict[str, Rect]:
    """Return where things lie in the window at its first start at this desktop."""
    done = subprocess.run(
        [sys.executable, str(HERE / "layout.py")],
        env={**desktop.environment(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: Rect(*numbers) for name, numbers in json.loads(done.stdout).items()}


@contextmanager
def running_program(
    desktop: Desktop, layout: Mapping[str, Rect], folder: Path
) -> Iterator[Program]:
    """Start the program without arguments as a new user, wait for its window; end it afterwards."""
    errors = folder / "stderr.txt"
    environment = desktop.environment(folder / "home")
    with errors.open("wb") as file:
        process = subprocess.Popen(command(), cwd=ROOT, env=environment, stderr=file)
    with ended(process):
        found: list[Rect] = []

        def appeared() -> bool:
            assert process.poll() is None, errors.read_text(encoding="utf-8")
            window = desktop.window("Diffusion GUI")
            found[:] = [window] if window else []
            return bool(window)

        desktop.wait_until(appeared, START, "the window appears")
        window = found[0]
        assert (window.width, window.height) == (layout["window"].width, layout["window"].height)
        places = {name: rect.moved(window.x, window.y) for name, rect in layout.items()}
        yield Program(desktop, process, places, errors)


@contextmanager
def running_drag_source(
    desktop: Desktop, at: tuple[int, int], files: Sequence[Sequence[Path]], folder: Path
) -> Iterator[list[tuple[int, int]]]:
    """Start the second program; yield where to take hold of each group of its files."""
    groups = ["\n".join(map(str, group)) for group in files]
    words = [sys.executable, str(HERE / "drag_source.py"), *map(str, at), *groups]
    source = subprocess.Popen(words, env=desktop.environment(folder / "source"))
    with ended(source):
        desktop.wait_until(
            lambda: desktop.window(drag_source.TITLE), START, "the second program's window appears"
        )
        window = desktop.window(drag_source.TITLE)
        assert window is not None
        side = drag_source.SIDE
        yield [
            Rect(window.x + index * side, window.y, side, side).centre
            for index in range(len(files))
        ]


@contextmanager
def running_drop_target(
    desktop: Desktop, at: tuple[int, int], folder: Path
) -> Iterator[tuple[int, int]]:
    """Start the program that keeps what is dropped on it in `folder`; yield where to drop."""
    words = [sys.executable, str(HERE / "drop_target.py"), *map(str, at), str(folder)]
    target = subprocess.Popen(words, env=desktop.environment(folder / "target"))
    with ended(target):
        desktop.wait_until(
            lambda: desktop.window(drop_target.TITLE), START, "the drop target's window appears"
        )
        window = desktop.window(drop_target.TITLE)
        assert window is not None
        yield window.centre
