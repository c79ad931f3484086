"""Shared fixtures: an offscreen Qt, isolated settings, the parts of the program, leak checks."""

from __future__ import annotations

import gc
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.pop("LD_PRELOAD", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests share the cores: one process on each

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from PIL import Image
from PySide6.QtCore import QEvent, QObject, QSettings, QThread, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts, build_parts
from diffusion_gui.state import live
from diffusion_gui.state.settings import Settings

hypothesis_settings.register_profile(
    "untimed",
    parent=hypothesis_settings(),  # pytest's own choice: on CI the examples are always the same
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("untimed")
NETWORK_WORDS = ("blue", "circle", "heart", "red")
"""What the networks of the tests are told."""
live.TRIAL_SECONDS = 60.0  # a busy machine is no reason to give a live run up


@pytest.fixture(scope="session", autouse=True)
def _imports_out_of_sight() -> None:
    """Keep what the imports left (half a million objects) out of the collections below."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_left_running(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a QThread, an active QTimer or a visible window behind."""
    yield
    app = QApplication.instance()
    if "qapp" not in request.fixturenames or not isinstance(app, QApplication):
        return
    gc.collect()
    objects = [o for o in gc.get_objects() if issubclass(type(o), QObject)]
    threads = [o for o in objects if isinstance(o, QThread) and _alive(o) and o.isRunning()]
    timers = [o for o in objects if isinstance(o, QTimer) and _alive(o) and o.isActive()]
    until = time.monotonic() + 1.0
    while timers and time.monotonic() < until:  # a single shot may still be on its way
        app.processEvents()
        timers = [o for o in timers if _alive(o) and o.isActive()]
    windows = [w for w in app.topLevelWidgets() if w.isVisible()]
    assert not threads, f"running threads: {[t.objectName() for t in threads]}"
    assert not timers, f"active timers: {[(t, t.parent(), t.interval()) for t in timers]}"
    assert not windows, f"visible windows: {windows}"


def _alive(obj: QObject) -> bool:
    import shiboken6

    return shiboken6.isValid(obj) and (
        not isinstance(obj, QThread) or obj is not QThread.currentThread()
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings in a file of this test."""
    return Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def parts(qapp: QApplication, settings: Settings) -> Iterator[Parts]:
    """Return everything below the window, on the CPU, and end its threads."""
    built = build_parts(qapp, settings, theme="light", device="cpu")
    yield built
    built.shutdown()
    for owned in (
        built.estimator,
        built.run_checks,
        built.run_comparison,
        built.forecaster,
        built.run_endings,
        built.starts,
        built.training,
        built.training.plans,
        built.run_view,
        built.sampling,
        built.loader,
        built.film,
        built.measures,
        built.chain,
        built.pictures,
        built.preview,
        built.comparison,
        built.editor,
        built.presets,
        built.networks,
        built.player,
        built.view,
        built.document,
    ):
        owned.deleteLater()
    built.theme.deleteLater()


@pytest.fixture
def window(parts: Parts, qtbot: QtBot) -> Iterator[MainWindow]:
    """Return the main window, shown offscreen at 1440x900, and close it."""
    main_window = MainWindow(parts)
    qtbot.addWidget(main_window)
    main_window.resize(1440, 900)
    main_window.show()
    qtbot.waitExposed(main_window)
    yield main_window
    main_window.leave()
    main_window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # else windows pile up


@pytest.fixture
def make_image(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a picture of one colour (or noise) and returns its path."""

    def make(name: str, colour: tuple[int, int, int] | None = None, size: int = 40) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if colour is None:
            pixels = np.random.default_rng(zlib.crc32(name.encode())).integers(
                0, 256, (size, size, 3), np.uint8
            )
            Image.fromarray(pixels).save(path)
        else:
            Image.new("RGB", (size, size), colour).save(path)
        return path

    return make


@pytest.fixture
def make_network(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a tiny U-Net with random weights and returns its path."""

    def make(
        name: str = "tiny", words: tuple[str, ...] = NETWORK_WORDS, size: int = 16, seed: int = 0
    ) -> Path:
        import torch

        from diffusion_gui.engine.denoisers.unet import UNet
        from diffusion_gui.engine.denoisers.unet_config import UNetConfig
        from diffusion_gui.engine.training.options import TrainOptions
        from diffusion_gui.engine.training.trainer import State
        from diffusion_gui.session.model_files import save_model

        config = UNetConfig(size, 2, (16, 16), 1, 16, words)
        random = torch.Generator().manual_seed(seed)
        weights = {
            f"average.{key}": 0.2 * torch.randn(value.shape, generator=random)
            for key, value in UNet(config).state_dict().items()
        }
        path = tmp_path / f"{name}.safetensors"
        save_model(path, State(config, TrainOptions(), 1234, weights), "dots")
        return path

    return make


@pytest.fixture
def main_thread() -> int:
    """Return the identity of the thread the tests run in."""
    return threading.get_ident()
