"""Hundreds of runs, started and ended in every way or by edits, leave nothing behind."""

from __future__ import annotations

import gc
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.state.sampling import RunState, SamplingController

TIMEOUT = 60_000
CYCLES, WARM = 500, 100


def _resources() -> dict[str, int]:
    """Return threads of Python and of the process, file handles, and KiB of memory in use."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "python threads": threading.active_count(),
        "threads": int(status["Threads"]),
        "handles": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "memory": int(status["RssAnon"].split()[0]),
    }


def _cycle(controller: SamplingController, qtbot: QtBot, number: int) -> None:
    """Start a run; end it at once, in its course, in a pause, by the next one, or not at all."""
    way = number % 5
    controller.run()
    if way == 1:
        qtbot.waitUntil(lambda: controller.state is not RunState.LOADING, timeout=TIMEOUT)
    elif way == 2:
        controller.step()
        qtbot.waitUntil(lambda: controller.state is not RunState.LOADING, timeout=TIMEOUT)
        controller.pause()
    elif way == 3:
        qtbot.waitUntil(lambda: controller.state is RunState.DONE, timeout=TIMEOUT)
    if way != 4:
        controller.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the counts are read from /proc")
def test_five_hundred_runs_started_and_cancelled_leave_nothing_behind(
    parts: Parts, qtbot: QtBot
) -> None:
    controller = parts.sampling
    controller.live = False
    parts.document.replace_sampling("small", steps=6, count=1, size=16)
    for number in range(WARM):
        _cycle(controller, qtbot, number)
    before = _resources()
    for number in range(WARM, CYCLES):
        _cycle(controller, qtbot, number)
    qtbot.waitUntil(lambda: not controller._thread._runner.busy, timeout=TIMEOUT)
    after = _resources()
    assert after["python threads"] <= before["python threads"]
    assert after["threads"] <= before["threads"]
    assert after["handles"] <= before["handles"]
    assert after["memory"] <= 1.05 * before["memory"], (before, after)
    controller.run()
    qtbot.waitUntil(lambda: controller.state is RunState.DONE, timeout=TIMEOUT)


@pytest.mark.skipif(sys.platform != "linux", reason="the counts are read from /proc")
def test_three_hundred_live_runs_keep_one_and_leave_nothing_behind(
    parts: Parts, qtbot: QtBot
) -> None:
    controller = parts.sampling
    parts.document.replace_sampling("small", steps=6, count=4, size=16)
    controller.run()
    qtbot.waitUntil(lambda: controller.state is RunState.DONE, timeout=TIMEOUT)
    before = {}
    for number in range(1, 301):
        parts.document.replace(replace(parts.document.experiment, seed=number), "seed", "drag")
        qtbot.waitUntil(
            lambda: controller.state is RunState.DONE and not controller.outdated, timeout=TIMEOUT
        )
        if number == 60:
            before = _resources()
    after = _resources()
    assert len(controller.runs) == 2, "the one that was asked for, and the newest of the edits"
    assert after["python threads"] <= before["python threads"]
    assert after["threads"] <= before["threads"]
    assert after["handles"] <= before["handles"]
    assert after["memory"] <= 1.05 * before["memory"], (before, after)
