"""The program: reads the command line, builds everything, shows the window.

torch is not imported here: the first run of the reverse process loads it in its own thread, after
the window has been painted.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QTimer, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from diffusion_gui import __version__
from diffusion_gui.app.crash import CrashReporter
from diffusion_gui.app.interrupts import Interrupts
from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts, build_parts
from diffusion_gui.engine.experiment import DEVICES
from diffusion_gui.session.resources import resource
from diffusion_gui.state.sampling import RunState
from diffusion_gui.state.settings import THEMES, Settings

SCREENSHOT_TIMEOUT_MS = 120_000


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; prints usage and exits with 2 on a mistake."""
    parser = argparse.ArgumentParser(
        prog="diffusion-gui", description="See, touch and tune a diffusion process."
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="images, folders, schedules and networks to open"
    )
    parser.add_argument("--screenshot", metavar="FILE", help="save a picture of the window, exit")
    parser.add_argument("--size", metavar="WxH", type=_size, help="window size, e.g. 1280x800")
    parser.add_argument("--t", type=int, help="where the time cursor stands, 0 to T")
    parser.add_argument("--theme", choices=THEMES, help="colours (default: as last time)")
    parser.add_argument("--device", choices=DEVICES, help="where to sample")
    parser.add_argument("--self-test", action="store_true", help="check this installation, exit")
    parser.add_argument("--version", action="version", version=f"diffusion-gui {__version__}")
    return parser.parse_args(arguments)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it as 1280x800")
    return int(width), int(height)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    app = QApplication(sys.argv[:1])
    app.setApplicationName("diffusion-gui")
    app.setApplicationDisplayName("Diffusion GUI")
    app.setDesktopFileName("diffusion-gui")
    app.setWindowIcon(QIcon(str(resource("icons", "app.png"))))
    if options.self_test:
        from diffusion_gui.app.self_test import self_test

        return self_test(app)
    reporter = CrashReporter(app)
    reporter.install()
    parts = build_parts(app, Settings(), options.theme, options.device)
    window = MainWindow(parts)
    if options.size:
        window.resize(*options.size)
    if options.t is not None:
        parts.view.set_t(options.t)
    starter = Starter(window, parts, options.paths)
    if options.screenshot:
        shot = Screenshot(window, parts, options.screenshot, options.t)
        window.show()
        code = app.exec()
        return code or shot.code
    interrupts = Interrupts(window)
    interrupts.install()
    window.show()
    code = app.exec()
    del starter
    return code or interrupts.code


class Starter(QObject):
    """Starts background work once the window has been painted: first pixels, then torch."""

    def __init__(self, window: MainWindow, parts: Parts, paths: Sequence[str]) -> None:
        super().__init__(window)
        self._window = window
        self._parts = parts
        self._paths = list(paths)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Wait for the window's first paint."""
        if event.type() is QEvent.Type.Paint:
            self._window.removeEventFilter(self)
            QTimer.singleShot(0, self._start)
        return False

    @Slot()
    def _start(self) -> None:
        if not gc.isenabled():  # it rested since the entry point; all that there is by now stays
            gc.freeze()
            gc.enable()
        if self._paths:
            self._window.open(self._paths)
        self._parts.run_view.stay()
        self._parts.sampling.run()
        self._parts.presets.load()
        self._parts.networks.recall()


class Screenshot(QObject):
    """Saves a picture of the window when its first run is over, then quits."""

    def __init__(self, window: MainWindow, parts: Parts, path: str, t: int | None) -> None:
        super().__init__(window)
        self._window = window
        self._parts = parts
        self._path = path
        self._t = t
        self.code = 0
        parts.sampling.state_changed.connect(self._on_state)
        self._timeout = QTimer(self, singleShot=True, interval=SCREENSHOT_TIMEOUT_MS)
        self._timeout.timeout.connect(self._take)
        self._timeout.start()
        self._poll = QTimer(self, interval=50)
        self._poll.timeout.connect(self._take_when_loaded)

    @Slot()
    def _on_state(self) -> None:
        if self._parts.sampling.state in (RunState.DONE, RunState.FAILED):
            self._poll.start()

    @Slot()
    def _take_when_loaded(self) -> None:
        parts = self._parts
        reading = parts.loader.busy or self._window.schedule_files.busy
        if not reading and not parts.sampling.active and not parts.run_endings.busy:
            self._poll.stop()
            self._take()

    @Slot()
    def _take(self) -> None:
        self._poll.stop()
        self._timeout.stop()
        if self._t is not None:
            self._parts.run_view.show_time()
        if not self._window.grab().save(self._path, "PNG"):
            print(f"{self._path}: cannot be written", file=sys.stderr)  # noqa: T201
            self.code = 1
        self._window.leave()


if __name__ == "__main__":
    sys.exit(main())
