"""What is opened later is loaded after the first run, in a thread, and not before."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from threading import get_ident

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app import warming
from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.app.warming import MODULES, Warming
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000


def test_every_module_to_load_is_there() -> None:
    assert [name for name in MODULES if find_spec(name) is None] == []


def test_modules_are_loaded_once_the_first_run_is_made(
    parts: Parts, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("warmed_first", "warmed_second")
    for name in names:
        (tmp_path / f"{name}.py").write_text("from threading import get_ident\nhere = get_ident()")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(warming, "MODULES", names)
    monkeypatch.setattr(warming, "IDLE_MS", 0)
    parts.sampling.live = False
    parts.document.replace_sampling("few", count=1, steps=300, model="gaussian", size=16)
    warm = Warming(parts.sampling, parts.sampling)
    ended: list[bool] = []
    warm.ended.connect(lambda: ended.append(warm.done))
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.RUNNING, timeout=TIMEOUT)
    parts.sampling.pause()
    assert not [name for name in names if name in sys.modules]
    parts.sampling.stop()
    qtbot.waitUntil(lambda: bool(ended), timeout=TIMEOUT)
    assert ended == [True], "once, when all are there"
    threads = {sys.modules.pop(name).here for name in names}
    assert len(threads - {get_ident()}) == 1, "one thread, and not the window's"
    warm.shutdown()


def test_the_drawer_is_built_before_it_is_opened_and_shows_what_is_set(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    panel = window.sampling
    assert panel.drawer is None
    window.warming.ended.emit()
    built = panel.drawer
    assert built is not None
    assert not built.isVisible()
    parts.document.replace_sampling("count", count=5)
    qtbot.mouseClick(panel.tools.settings, Qt.MouseButton.LeftButton)
    assert panel.drawer is built
    assert built.isVisible()
    assert built.count.value() == 5
    window.warming.ended.emit()
    assert built.isVisible(), "what is open stays open"
