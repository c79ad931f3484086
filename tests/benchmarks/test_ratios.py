"""The promises of speed, each as a ratio of two things timed in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image
from pytest_benchmark.fixture import BenchmarkFixture

from diffusion_gui.engine import reverse
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.forward import Noiser
from diffusion_gui.engine.noise import gaussian
from diffusion_gui.engine.schedules import build_preset
from diffusion_gui.session import library

BARE_WINDOW = """
import time
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QMainWindow
import pyqtgraph as pg
app = QApplication([])
window, plot = QMainWindow(), pg.PlotWidget()
class Quit(QObject):
    def eventFilter(self, watched, event):
        if event.type() is QEvent.Type.Paint:
            plot.viewport().removeEventFilter(self)
            QTimer.singleShot(0, app.quit)
        return False
quitter = Quit()
plot.plot([0, 1], [0, 1])
plot.viewport().installEventFilter(quitter)
window.setCentralWidget(plot)
window.resize(1440, 900)
window.show()
app.exec()
import os; os._exit(0)
"""
OUR_WINDOW = """
import gc, os, sys
gc.disable()  # as the program's entry point does
from diffusion_gui.app import application
class Quit(application.Starter):
    def _start(self):
        os._exit(1 if "torch" in sys.modules else 0)
application.Starter = Quit
application.main(["--size", "1440x900", "--theme", "light"])
"""


def _in_turn(
    ours: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Return the median seconds of both, timed alternately after one warm-up each."""
    times: tuple[list[float], list[float]] = ([], [])
    for index in range(rounds + 1):
        for kept, work in zip(times, (ours, other), strict=True):
            begin = time.perf_counter()
            work()
            if index:
                kept.append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])


def _report(
    benchmark: BenchmarkFixture,
    name: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    rounds: int,
) -> None:
    first, second = _in_turn(ours, other, rounds)
    benchmark.extra_info.update(ratio=first / second, ours=first, other=second)
    benchmark.pedantic(ours, rounds=1)
    print(f"\n{name}: {first * 1e3:.1f} ms / {second * 1e3:.1f} ms = {first / second:.3f}")


def _process(code: str, home: Path) -> None:
    """Run `code`; all modules are compiled after the first time, as in an installed program."""
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_CONFIG_HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(home / "compiled"),
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)


def test_first_painted_window_against_a_bare_one(
    benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    _report(
        benchmark,
        "first painted window / bare PySide6 + pyqtgraph window (promise: 1.6)",
        lambda: _process(OUR_WINDOW, tmp_path),
        lambda: _process(BARE_WINDOW, tmp_path),
        rounds=5,
    )


def test_noising_a_megapixel_against_diffusers(benchmark: BenchmarkFixture) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1024, 1024, 3), np.uint8)
    eps = gaussian(0, 0, 0, pixels.shape)
    noiser, schedule = Noiser(pixels, eps), build_preset("linear")
    x_0 = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    noise = torch.from_numpy(eps).permute(2, 0, 1)[None].contiguous()
    scheduler, index = DDPMScheduler(), torch.tensor([499])  # its index 499 is our t = 500

    def theirs() -> Image.Image:
        """Noise and convert as a diffusers pipeline does."""
        x_t = scheduler.add_noise(x_0, noise, index)
        array = (x_t / 2 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).float().numpy()
        return Image.fromarray((array[0] * 255).round().astype("uint8"))

    def ours() -> np.ndarray:
        return noiser.x_t(*schedule.shown(500))

    assert abs(ours() - np.array(theirs(), int)).max() <= 1
    _report(benchmark, "x_0 -> uint8 at 1024 x 1024 / diffusers (promise: 0.1)", ours, theirs, 31)


def test_the_exact_sampler_against_its_bare_matrix_products(benchmark: BenchmarkFixture) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - 1))
    emoji, experiment = library.emoji(32), Experiment()
    cpu = torch.device("cpu")
    model = reverse.build_model(experiment, reverse.Inputs(emoji), cpu, lambda: None)
    source = reverse.Ready(model)
    data = torch.from_numpy(emoji.reshape(len(emoji), -1).astype(np.float32))
    queries = torch.randn(16, data.shape[1])

    def bare() -> None:
        for _ in range(20):
            weights = queries @ data.T
            _ = weights @ data

    def ours() -> None:
        for _ in reverse.walk(experiment, source, cpu):
            pass

    _report(benchmark, "16 exact samples, 20 steps / bare products (promise: 1.6)", ours, bare, 9)


@pytest.mark.parametrize("T", [1000, 10_000])
def test_a_drag_of_a_control_point(benchmark: BenchmarkFixture, T: int) -> None:
    from diffusion_gui.engine.schedules import ScheduleSpec, build, control_points, curve
    from diffusion_gui.engine.schedules.build import with_points

    spec = ScheduleSpec("cosine", T)
    points = control_points(spec)

    def move() -> None:
        value = float(np.random.default_rng().uniform(-1, 1))
        build(with_points(spec, curve.move(points, 4, points[4].u, value, T)))

    benchmark(move)
