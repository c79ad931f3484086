"""How often a page is drawn while a run grows, and that nothing waits once the run rests."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.common.plot import show_line
from diffusion_gui.panels.sampling import pace
from diffusion_gui.panels.sampling.pace import Pace
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000


def test_a_held_run_leaves_no_page_for_later(
    parts: Parts, qapp: QObject, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SECONDS_BETWEEN", 1000.0)
    parts.sampling.live = False
    parts.document.replace_sampling("long", steps=500, count=2, size=16)
    page, drawn = Pace(parts.run_view, qapp), []
    parts.run_view.step_changed.connect(page.ask)
    page.due.connect(lambda: drawn.append(parts.run_view.step))
    parts.sampling.run()
    qtbot.waitUntil(page._timer.isActive, timeout=TIMEOUT)
    parts.sampling.pause()
    assert parts.sampling.state is RunState.PAUSED
    qtbot.waitUntil(lambda: not page._timer.isActive(), timeout=TIMEOUT)
    at = parts.run_view.step
    parts.sampling.step()
    qtbot.waitUntil(lambda: parts.run_view.step > at, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: drawn[-1] == parts.run_view.step, timeout=TIMEOUT)
    page.deleteLater()


def test_an_empty_line_is_not_emptied_again(qapp: QObject) -> None:
    line, changes = pg.PlotDataItem(), []
    line.sigPlotChanged.connect(changes.append)
    steps, nothing = np.arange(3.0), np.zeros(0)
    show_line(line, nothing, nothing)
    assert not changes
    show_line(line, steps, steps)
    show_line(line, steps, np.full(3, np.nan))
    assert len(changes) == 2
    assert line.getData() == (None, None)
    show_line(line, nothing, nothing)
    assert len(changes) == 2
