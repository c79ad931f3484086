"""The promise of the film strip: frames of 256 x 256 follow a control point with the mouse.

Measured as in `test_drag_speed.py`, on a screen of scale 2 (a process of its own: Qt reads the
scale once), against what Qt needs to paint the same pixels from ready-made pictures.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPointF, QRect, QSettings, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QApplication, QWidget
from pytest_benchmark.fixture import BenchmarkFixture

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts, build_parts
from diffusion_gui.engine.experiment import NoiseKind
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.images.film_strip import FilmStrip
from diffusion_gui.state.settings import Settings
from diffusion_gui.state.view_state import Frames

MOVES = 60
WIDTH, BUDGET = 1664, 300
"""Room in which a frame is 128 pixels wide."""
SIZE = (2720, 1440)
"""A window in which a frame is 128 pixels wide, on a screen with two to a pixel."""
LEFT = Qt.MouseButton.LeftButton
CASES = ("1 row", "A and B", "3 pictures", "log-SNR", "steps", "true path", "fresh noise")


@pytest.mark.parametrize("case", CASES)
def test_frames_of_256_pixels_follow_a_control_point(
    benchmark: BenchmarkFixture, case: str
) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": "2"}
    told = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.test_strip_speed", case],
        env=environment, capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    found = json.loads(told.stdout)
    benchmark.extra_info.update(found)
    benchmark.pedantic(lambda: None, rounds=1)
    print(f"\n{case}: {found['frames']} frames of {found['pixels']} pixels")
    for name in ("strip", "drag"):
        print(f"  {name}: median {found[f'{name}_ms']:.1f} ms,"
              f" p99 {found[f'{name}_p99_ms']:.1f} ms,"
              f" ready-made pictures {found[f'{name}_ready_ms']:.1f} ms,"
              f" ratio {found[f'{name}_ratio']:.1f} (promise: 3)")  # fmt: skip
    print(f"  rendered {found['renderings']} times at {MOVES} moves")


class _ReadyMade(QWidget):
    """Paints pictures that are ready, each at its place."""

    def __init__(self, pictures: list[tuple[QRect, QPixmap]]) -> None:
        super().__init__()
        self.pictures = pictures

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        for place, picture in self.pictures:
            painter.drawPixmap(place, picture)


def _arrange(parts: Parts, case: str) -> None:
    document, view = parts.document, parts.view
    match case:
        case "A and B":
            parts.comparison.switch()
            document.replace_schedule(ScheduleSpec("linear"), "B")
            parts.comparison.switch()
        case "3 pictures":
            view.choose(ref.id for ref in document.experiment.pictures)
        case "log-SNR":
            view.set_display(frames=Frames.LOG_SNR)
        case "steps":
            view.set_display(frames=Frames.STEPS)
        case "true path" | "fresh noise":
            kind = NoiseKind.PATH if case == "true path" else NoiseKind.FRESH
            forward = replace(document.experiment.forward, noise=kind)
            document.replace(replace(document.experiment, forward=forward), "noise")


def _send(view: QWidget, kind: QEvent.Type, place: QPointF) -> None:
    buttons = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseButtonRelease else LEFT
    button = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else LEFT
    event = QMouseEvent(
        kind, place, QPointF(view.mapToGlobal(place)), button, buttons,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def _painted(window: MainWindow) -> list[QWidget]:
    """Return the widgets that a drag of a control point repaints."""
    images, plots = window.images, window.schedule.plots
    panes: list[QWidget] = [pane.plot for pane in plots.panes.values() if pane.isVisible()]
    tiles = images.tiles
    shown = [tiles.x_t, tiles.signal, tiles.noise, tiles.histogram, images.strip]
    return panes + [widget for widget in shown if widget.isVisible()]


def _ready(window: QWidget, widgets: list[QWidget]) -> _ReadyMade:
    ready = _ReadyMade(
        [(QRect(w.mapTo(window, w.rect().topLeft()), w.size()), w.grab()) for w in widgets]
    )
    ready.resize(window.size())
    ready.show()
    QApplication.processEvents()
    return ready


def _measure(window: MainWindow, parts: Parts) -> dict[str, object]:
    strip, plot = window.images.strip, window.schedule.plots.plot("alpha_bar")
    ready = _ready(window, _painted(window))
    renderings = []
    row = parts.film.row
    parts.film.row = lambda *given: renderings.append(1) or row(*given)  # type: ignore[method-assign]
    view, start = plot.viewport(), plot.to_pixel(*plot.points[4])
    ours, bare = [], []
    _send(view, QEvent.Type.MouseButtonPress, start)
    for move in range(MOVES):
        place = start + QPointF(3.0 * (move % 7), 14.0 * abs((move % 20) - 10) / 10)
        begin = time.perf_counter()
        _send(view, QEvent.Type.MouseMove, place)
        QApplication.processEvents()
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        ready.repaint()
        bare.append(time.perf_counter() - begin)
    _send(view, QEvent.Type.MouseButtonRelease, start)
    ready.close()
    return {**_told("drag", ours, bare), "renderings": len(renderings) // len(strip.rows)}


def _measure_alone(parts: Parts) -> dict[str, object]:
    """Time the strip by itself: from the changed schedule to the painted frames."""
    strip = FilmStrip(parts.film, parts.view, parts.theme)
    strip.set_budget(BUDGET)
    strip.resize(WIDTH, BUDGET)
    strip.show()
    for _ in range(5):
        QApplication.processEvents()
    ready = _ready(strip, [strip])
    ours, bare = [], []
    for move in range(MOVES):
        spec = replace(parts.document.experiment.schedule, shift=0.01 * move)
        begin = time.perf_counter()
        parts.document.replace_schedule(spec, "shift", "shift")
        QApplication.processEvents()
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        ready.repaint()
        bare.append(time.perf_counter() - begin)
    found = {
        "frames": sum(len(row.frames) for row in strip.rows),
        "pixels": strip.frames[0][1].width(),
        **_told("strip", ours, bare),
    }
    strip.close()
    ready.close()
    return found


def _told(name: str, ours: list[float], bare: list[float]) -> dict[str, object]:
    median, ready = statistics.median(ours), statistics.median(bare)
    return {
        f"{name}_ms": 1e3 * median,
        f"{name}_p99_ms": 1e3 * sorted(ours)[int(0.99 * len(ours))],
        f"{name}_ready_ms": 1e3 * ready,
        f"{name}_ratio": median / ready,
    }


def main(case: str) -> None:
    """Measure one case and print what was found as JSON."""
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(QSettings(f"{folder}/settings.ini", QSettings.Format.IniFormat))
        parts = build_parts(app, settings, theme="light", device="cpu")
        parts.sampling.live = False
        _arrange(parts, case)
        found = _measure_alone(parts)
        window = MainWindow(parts)
        window.resize(*SIZE)
        window.show()
        for _ in range(10):
            app.processEvents()
        found.update(_measure(window, parts))
        window.close()
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
