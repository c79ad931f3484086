"""The tray changed by others while a folder is being opened."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Picture
from diffusion_gui.state import squares

COUNT = 120
PASTED = Picture("pasted", np.full((20, 30, 3), 200, np.uint8))


@pytest.fixture
def opening(
    parts: Parts, qtbot: QtBot, make_image: Callable[..., Path], tmp_path: Path
) -> list[str]:
    """Begin to open a folder into an empty tray; return its names once some are in the tray."""
    names = [make_image(f"many/{n:03d}.png", size=150).name for n in range(COUNT)]
    parts.pictures.clear()
    seen: list[int] = []

    def look() -> None:
        """Be called within the first change: the loader is not ahead of the test then."""
        seen.append(len(parts.document.experiment.pictures))

    parts.document.pictures_changed.connect(look)
    parts.loader.open([str(tmp_path / "many")])
    qtbot.waitUntil(lambda: bool(seen), timeout=20_000)
    assert 0 < seen[-1] < COUNT
    parts.document.pictures_changed.disconnect(look)
    return names


def _names(parts: Parts) -> list[str]:
    return [ref.name for ref in parts.document.experiment.pictures]


def _finish(parts: Parts, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=20_000)


def test_what_was_cleared_does_not_come_back_with_a_paste(
    parts: Parts, qtbot: QtBot, opening: list[str]
) -> None:
    parts.pictures.clear()
    parts.loader.add(PASTED, "clipboard")
    _finish(parts, qtbot)
    assert _names(parts) == ["pasted"]
    parts.document.history.undo()
    assert _names(parts) == [], "the step of Clear is as it was"
    parts.document.history.undo()
    assert 0 < len(_names(parts)) < COUNT


def test_a_paste_does_not_break_the_order_of_a_folder(
    parts: Parts, qtbot: QtBot, opening: list[str]
) -> None:
    parts.loader.add(PASTED, "clipboard")
    _finish(parts, qtbot)
    assert _names(parts) == ["pasted", *opening]
    parts.document.history.undo()
    assert _names(parts) == opening


def test_a_clear_that_was_undone_clears_when_it_is_done_again(
    parts: Parts, qtbot: QtBot, opening: list[str]
) -> None:
    parts.pictures.clear()
    parts.document.history.undo()
    _finish(parts, qtbot)
    assert _names(parts) == opening
    parts.document.history.redo()
    assert _names(parts) == []


# --- large pictures that are pasted ---------------------------------------------------------------


@pytest.fixture
def large() -> Picture:
    """Return a picture too large to be taken in at once."""
    pixels = np.random.default_rng(3).integers(0, 256, (1100, 1100, 3), np.uint8)
    return Picture("large", pixels, alpha=pixels[..., 0].copy())


def _watch(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[bool]:
    """Note of every call of a function whether it was in the GUI thread."""
    real, calls = getattr(owner, name), []

    def call(*given: object, **named: object) -> object:
        calls.append(threading.current_thread() is threading.main_thread())
        return real(*given, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_a_large_paste_is_kept_and_squared_in_the_background(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, large: Picture
) -> None:
    added = _watch(monkeypatch, parts.store, "add")
    squared = _watch(monkeypatch, squares, "_square")
    before = len(_names(parts))
    parts.loader.add(large, "clipboard")
    assert parts.loader.busy
    _finish(parts, qtbot)
    assert _names(parts)[0] == "large"
    assert len(_names(parts)) == before + 1
    assert parts.view.picture == parts.document.experiment.pictures[0].id
    assert added == [False]
    squared.clear()
    with qtbot.waitSignal(parts.film.changed, timeout=20_000):
        rough = parts.film.strip(3, 96)[0].frames[0][1]
    assert squared == [True, False], "the thumbnail now, the picture by the worker"
    fine = parts.film.strip(3, 96)[0].frames[0][1]
    assert not np.array_equal(rough, fine)
    assert parts.document.history.count == 1


def test_a_large_paste_does_not_wait_for_a_folder(
    parts: Parts, qtbot: QtBot, opening: list[str], large: Picture
) -> None:
    parts.loader.add(large, "clipboard")
    _finish(parts, qtbot)
    assert _names(parts) == ["large", *opening]


def test_a_paste_that_is_cancelled_or_shut_down_leaves_nothing(
    parts: Parts, qtbot: QtBot, large: Picture
) -> None:
    before = _names(parts)
    parts.loader.add(large, "clipboard")
    parts.loader.cancel()
    _finish(parts, qtbot)
    assert _names(parts) == before


def test_what_stays_in_memory_for_want_of_room_is_said_once(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.store._budget = 0
    monkeypatch.setattr(np, "savez", Mock(side_effect=OSError(errno.ENOSPC, "no space left")))
    lines: list[str] = []
    parts.loader.problems_found.connect(lines.extend)
    for shade in (10, 20):
        pixels = np.full((20, 30, 3), shade, np.uint8)
        parts.loader.add(Picture(f"pasted {shade}", pixels), "clipboard")
        _finish(parts, qtbot)
    assert [line.split(":")[0] for line in lines] == ["pasted 10"]
    assert _names(parts)[:2] == ["pasted 20", "pasted 10"]
