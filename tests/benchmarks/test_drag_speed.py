"""The promise of the drag: real mouse events to the real window, timed to the painted frame.

Compared in turn with what Qt needs to paint the same pixels from ready-made pictures.
"""

from __future__ import annotations

import statistics
import time

import pytest
from PySide6.QtCore import QEvent, QPointF, QRect, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QApplication, QWidget
from pytest_benchmark.fixture import BenchmarkFixture

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.schedule.handles import HandlePlot

MOVES = 60
LEFT = Qt.MouseButton.LeftButton


class _ReadyMade(QWidget):
    """Paints pictures that are ready, each at its place."""

    def __init__(self, pictures: list[tuple[QRect, QPixmap]]) -> None:
        super().__init__()
        self.pictures = pictures

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        for place, picture in self.pictures:
            painter.drawPixmap(place, picture)


def _send(plot: HandlePlot, kind: QEvent.Type, place: QPointF) -> None:
    buttons = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseButtonRelease else LEFT
    button = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else LEFT
    view = plot.viewport()
    event = QMouseEvent(
        kind, place, QPointF(view.mapToGlobal(place)), button, buttons,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def _painted(window: MainWindow) -> list[QWidget]:
    """Return the widgets that a drag of a control point repaints."""
    images, plots = window.images, window.schedule.plots
    panes = [pane.plot for pane in plots.panes.values() if pane.isVisible()]
    return [
        *panes,
        images.tiles.x_t,
        images.tiles.signal,
        images.tiles.noise,
        images.tiles.histogram,
        images.strip,
    ]


@pytest.fixture
def held(window: MainWindow, parts: Parts) -> MainWindow:
    parts.sampling.live = False
    return window


@pytest.mark.parametrize("pane", ["alpha_bar", "beta", "log_snr"])
@pytest.mark.parametrize("T", [100, 1000, 10_000])
def test_a_drag_from_the_mouse_to_the_painted_frame(
    benchmark: BenchmarkFixture, held: MainWindow, parts: Parts, T: int, pane: str
) -> None:
    parts.document.replace_schedule(ScheduleSpec("cosine", T), "preset")
    if pane == "log_snr":
        parts.editor.show_pane(pane)
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    app.processEvents()
    plot = held.schedule.plots.plot(pane)
    start = plot.to_pixel(*plot.points[4])
    ready = _ReadyMade(
        [(QRect(w.mapTo(held, w.rect().topLeft()), w.size()), w.grab()) for w in _painted(held)]
    )
    ready.resize(held.size())
    ready.show()
    app.processEvents()
    ours, bare = [], []
    _send(plot, QEvent.Type.MouseButtonPress, start)
    for move in range(MOVES):
        place = start + QPointF(3.0 * (move % 7), 14.0 * abs((move % 20) - 10) / 10)
        begin = time.perf_counter()
        _send(plot, QEvent.Type.MouseMove, place)
        app.processEvents()
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        ready.repaint()
        bare.append(time.perf_counter() - begin)
    _send(plot, QEvent.Type.MouseButtonRelease, place)
    ready.close()
    ready.deleteLater()
    first, second = statistics.median(ours), statistics.median(bare)
    worst = sorted(ours)[int(0.99 * len(ours))]
    benchmark.extra_info.update(ratio=first / second)
    benchmark.pedantic(lambda: None, rounds=1)
    print(f"\ndrag on {pane}, T = {T}: median {first * 1e3:.1f} ms, p99 {worst * 1e3:.1f} ms,"
          f" ready-made pictures {second * 1e3:.1f} ms, ratio {first / second:.1f}"
          " (promise: 3)")  # fmt: skip
