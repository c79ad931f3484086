"""`diffusion-gui --self-test`: an installed copy checks what it depends on, without a person."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory

import numpy as np
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from diffusion_gui.app.crash import versions
from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import build_parts
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.schedules import build_preset
from diffusion_gui.session import library
from diffusion_gui.state.settings import Settings


def self_test(app: QApplication) -> int:
    """Run every check, print a line for each, and return 0 if all passed, 1 otherwise."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("bundled pictures", _pictures),
        ("schedules", _schedules),
        ("reverse process", _reverse),
        ("window", lambda: _window(app)),
    )
    failures = 0
    for name, check in checks:
        try:
            _say(f"ok      {name}: {check()}")
        except Exception as error:  # any failure at all is what this is here to report
            failures += 1
            _say(f"FAILED  {name}: {type(error).__name__}: {error}")
    _say(versions())
    return 1 if failures else 0


def _pictures() -> str:
    emoji = library.emoji(32)
    if len(emoji) != len(library.captions()):
        raise RuntimeError(f"{len(emoji)} emoji, but {len(library.captions())} captions")
    for name in library.PHOTOS:
        library.photo(name)
    return f"{len(emoji)} emoji, {len(library.PHOTOS)} photographs"


def _schedules() -> str:
    last = float(build_preset("linear").alpha_bar[1000])
    if abs(last / 4.035829765375687e-05 - 1.0) > 1e-10:
        raise RuntimeError(f"alpha-bar at T of the linear preset is {last!r}")
    return f"linear, T = 1000: alpha-bar_T = {last:.6e}"


def _reverse() -> str:
    from diffusion_gui.engine import device, recorder, reverse

    emoji = library.emoji(32)
    experiment = Experiment()
    experiment = replace(experiment, sampling=replace(experiment.sampling, count=4))
    target = device.choose()
    steps = list(reverse.run(experiment, reverse.Inputs(emoji), target))
    result = recorder.to_pixels(steps[-1].x_t).astype(int)
    for picture in result:
        if np.abs(emoji.astype(int) - picture).max(axis=(1, 2, 3)).min() > 1:
            raise RuntimeError("a sample of the exact model is not one of its images")
    return f"{len(result)} samples in {len(steps) - 1} steps on {device.describe(target)}"


def _window(app: QApplication) -> str:
    with TemporaryDirectory() as folder:
        store = QSettings(f"{folder}/settings.ini", QSettings.Format.IniFormat)
        parts = build_parts(app, Settings(store), theme="light", device="cpu")
        window = MainWindow(parts)
        try:
            picture = window.grab()
            if picture.isNull():
                raise RuntimeError("nothing was painted")
            return f"painted {picture.width()} x {picture.height()} pixels"
        finally:
            window.leave()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
