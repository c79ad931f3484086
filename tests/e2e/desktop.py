"""A private desktop for a test: Xvfb, openbox, xdotool, and the screen's pixels.

Xvfb keeps its frame buffer in a file (`-fbdir`), in the format of xwd: what a person would see is
read from there, at no cost to the program under test.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PROGRAMS = ("Xvfb", "openbox", "xdotool", "xprop", "xwininfo")
SIZE = (1440, 900)
POLL = 0.01
"""Seconds between two looks at the screen."""
REST = 10
"""Equal looks in a row after which a picture counts as finished: about 100 ms."""

Pixels = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def centre(self) -> tuple[int, int]:
        """The pixel in the middle."""
        return self.x + self.width // 2, self.y + self.height // 2

    def moved(self, dx: int, dy: int) -> Rect:
        """Return the same rectangle elsewhere."""
        return Rect(self.x + dx, self.y + dy, self.width, self.height)


def missing_programs() -> list[str]:
    """Return the programs a desktop needs and this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Screen:
    """The frame buffer file of a running Xvfb."""

    def __init__(self, file: Path) -> None:
        header = struct.unpack(">25I", file.read_bytes()[:100])
        width, height, row_bytes = header[4], header[5], header[12]
        offset = header[0] + 12 * header[19]  # behind the header and its colour map
        shape = (height, row_bytes // 4, 4)
        self._bgrx = np.asarray(np.memmap(file, np.uint8, "r", offset, shape))[:, :width]

    def pixels(self, rect: Rect | None = None) -> Pixels:
        """Return a copy of what is on the screen now, RGB [H, W, 3], ready to subtract."""
        r = rect or Rect(0, 0, *SIZE)
        return self._bgrx[r.y : r.y + r.height, r.x : r.x + r.width, 2::-1].astype(np.int16)

    def save(self, path: Path) -> None:
        """Write the whole screen as a PNG."""
        Image.fromarray(self.pixels().astype(np.uint8)).save(path)


class Desktop:
    """A display with a window manager, a mouse and a keyboard."""

    def __init__(self, display: str, screen: Screen, folder: Path) -> None:
        self.display = display
        self.screen = screen
        self.folder = folder

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables of a user who owns `home` and sits at this desktop."""
        dropped = ("QT_", "XDG_", "DBUS_", "WAYLAND_", "OMP_", "LD_PRELOAD", "PYTEST_")
        dropped += ("PYTHONDONTWRITEBYTECODE",)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        places = {
            "HOME": home,
            "XDG_CONFIG_HOME": home / "config",
            "XDG_DATA_HOME": home / "data",
            "XDG_CACHE_HOME": home / "cache",
            "XDG_RUNTIME_DIR": home / "run",
        }
        for place in places.values():
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted = {key: str(place) for key, place in places.items()}
        return {**kept, **wanted, "DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb"}

    def tool(self, *command: object) -> str:
        """Run a program at this display and return what it prints, "" if it fails."""
        words = [str(word) for word in command]
        environment = {**os.environ, "DISPLAY": self.display}
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    def press(self, at: tuple[int, int]) -> None:
        """Hold the left button down at a place."""
        self.tool("xdotool", "mousemove", *at, "mousedown", 1)

    def move(self, to: tuple[int, int], steps: int = 8) -> None:
        """Move the mouse in a straight line, in steps, as a hand does."""
        here = self.tool("xdotool", "getmouselocation", "--shell").split()
        x, y = (int(line.partition("=")[2]) for line in here[:2])
        words: list[object] = []
        for step in range(1, steps + 1):
            share = step / steps
            words += ["mousemove", round(x + share * (to[0] - x)), round(y + share * (to[1] - y))]
            words += ["sleep", "0.01"]  # a pace at which the programs see each step
        self.tool("xdotool", *words)

    def release(self) -> None:
        """Let the left button go."""
        self.tool("xdotool", "mouseup", 1)

    def click(self, at: tuple[int, int]) -> None:
        """Click with the left button."""
        self.tool("xdotool", "mousemove", *at, "click", 1)

    def keys(self, *names: str) -> None:
        """Press keys one after the other, named as xdotool names them: ctrl+z, alt+F4."""
        self.tool("xdotool", "key", *names)

    def window(self, title: str) -> Rect | None:
        """Return where a window's content lies once it can be seen, else None."""
        found = self.tool("xdotool", "search", "--onlyvisible", "--name", f"^{title}$").split()
        facts = self.tool("xwininfo", "-id", found[0]) if found else ""
        values = dict(line.strip().partition(":")[::2] for line in facts.splitlines())
        names = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        return Rect(*(int(values[name]) for name in names)) if values else None

    def wait_until(self, predicate: Callable[[], object], timeout: float, what: str) -> None:
        """Look until `predicate()` is true; fail, with a picture of the screen, if it never is."""
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline:
                picture = self.folder / "screen.png"
                self.screen.save(picture)
                raise AssertionError(f"not within {timeout} s: {what}; the screen: {picture}")
            time.sleep(POLL)

    def wait_for_pixels(
        self, rect: Rect, accept: Callable[[Pixels], object], timeout: float, what: str
    ) -> Pixels:
        """Wait until the pixels of `rect` are accepted, and return those very pixels."""
        seen: list[Pixels] = []

        def look() -> object:
            seen[:] = [self.screen.pixels(rect)]
            return accept(seen[0])

        self.wait_until(look, timeout, what)
        return seen[0]

    def wait_for_change(self, rect: Rect, before: Pixels, timeout: float, what: str) -> Pixels:
        """Wait until `rect` shows something else than `before` and has come to rest; return it."""
        last = [before] * REST

        def rests(pixels: Pixels) -> bool:
            last[:] = [*last[1:], pixels]
            at_rest = all(np.array_equal(pixels, earlier) for earlier in last)
            return at_rest and not np.array_equal(pixels, before)

        return self.wait_for_pixels(rect, rests, timeout, what)


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the body, then end the process, however the body went."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running_desktop(folder: Path) -> Iterator[Desktop]:
    """Start Xvfb on a free display, and openbox in it; end both afterwards."""
    with ExitStack() as stack, (folder / "desktop.log").open("wb") as log:
        display = _start_xvfb(stack, folder, log.fileno())
        screen = Screen(folder / "Xvfb_screen0")
        desktop = Desktop(display, screen, folder)
        environment = desktop.environment(folder / "home")
        manager = subprocess.Popen(["openbox"], env=environment, stdout=log, stderr=log)
        stack.enter_context(ended(manager))
        check = ("xprop", "-root", "-notype", "_NET_SUPPORTING_WM_CHECK")
        desktop.wait_until(
            lambda: "window id" in desktop.tool(*check), 20, "openbox manages the display"
        )
        yield desktop


def _start_xvfb(stack: ExitStack, folder: Path, log: int) -> str:
    """Start Xvfb, which chooses a free display by itself, and return that display's name."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "{}x{}x24".format(*SIZE)]
    command += ["-dpi", "96", "-nocursor", "-noreset", "-nolisten", "tcp", "-fbdir", str(folder)]
    xvfb = subprocess.Popen(command, pass_fds=(writer,), stdout=log, stderr=log)
    stack.enter_context(ended(xvfb))
    os.close(writer)
    with os.fdopen(reader) as answer:
        number = answer.readline().strip()  # empty if Xvfb has ended
    assert number, f"Xvfb did not start; see {folder / 'desktop.log'}"
    return f":{number}"
