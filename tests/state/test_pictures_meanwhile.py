"""The tray changed by others while a folder is being opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Picture

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
