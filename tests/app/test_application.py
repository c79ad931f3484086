"""The program as it is started: command line, screenshot, self-test, crash road."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from diffusion_gui.app import crash
from diffusion_gui.app.application import parse


def _start(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    return subprocess.run(
        [sys.executable, "-m", "diffusion_gui", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_screenshot_shows_three_panels_with_content(tmp_path: Path, theme: str) -> None:
    target = tmp_path / "shot.png"
    result = _start(tmp_path, "--screenshot", str(target), "--size", "1280x800", "--theme", theme)
    assert result.returncode == 0, result.stderr
    with Image.open(target) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (800, 1280, 3)
    corner = pixels[-4, 3].mean()
    assert corner < 60 if theme == "dark" else corner > 200
    plot = pixels[200:480, 20:430]
    pictures = pixels[110:270, 470:1100]
    grid = pixels[540:740, 470:1000]
    for name, region in (("plot", plot), ("pictures", pictures), ("grid", grid)):
        colours = {tuple(colour) for colour in region.reshape(-1, 3)[::7]}
        assert len(colours) > (8 if name == "plot" else 300), name


def test_a_picture_named_on_the_command_line_is_opened(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (250, 0, 250)).save(tmp_path / "magenta.png")
    target = tmp_path / "shot.png"
    arguments = ("--screenshot", str(target), "--size", "1280x800", "--theme", "light")
    result = _start(tmp_path, str(tmp_path / "magenta.png"), *arguments)
    assert result.returncode == 0, result.stderr
    with Image.open(target) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert (np.abs(pixels.astype(int) - (250, 0, 250)).max(axis=2) <= 2).sum() > 5000


def test_the_self_test_passes_and_says_what_it_did(tmp_path: Path) -> None:
    result = _start(tmp_path, "--self-test")
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["ok"] * 4
    assert "torch" in lines[4]


@pytest.mark.parametrize("arguments", [["--size", "big"], ["--theme", "plaid"], ["--no-such"]])
def test_a_mistake_on_the_command_line_exits_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        parse(arguments)
    assert exit_info.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_an_unexpected_error_is_logged_and_shown_once(
    qapp: QApplication,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(crash, "log_file", lambda: tmp_path / "log" / "d.log")
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", __import__("threading").excepthook)
    reporter = crash.CrashReporter()
    reporter.install()
    for text in ("first", "second"):
        error = RuntimeError(text)
        sys.excepthook(RuntimeError, error, error.__traceback__)
    boxes = [w for w in qapp.topLevelWidgets() if isinstance(w, QMessageBox) and w.isVisible()]
    assert len(boxes) == 1
    assert "RuntimeError: first" in boxes[0].informativeText()
    log = (tmp_path / "log" / "d.log").read_text(encoding="utf-8")
    assert "RuntimeError: first" in log
    assert "RuntimeError: second" in log
    boxes[0].close()
    reporter.uninstall()
