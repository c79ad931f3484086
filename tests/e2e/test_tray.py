"""Thumbnails of the tray dragged by a real mouse on a real (virtual) screen."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_gui.panels.images.tray_row import CELL, SIDE

from .desktop import Pixels, Rect
from .program import Program

pytestmark = pytest.mark.e2e

SOON = 10.0


def test_a_thumbnail_is_dragged_behind_the_next_and_undo_takes_it_back(program: Program) -> None:
    desktop = program.desktop
    desktop.wait_for_pixels(
        program.places["tray"],
        lambda _: all(_thumbnail(program, place).std() > 15 for place in range(3)),
        SOON,
        "the tray shows three thumbnails",
    )
    first, second, third = (_thumbnail(program, place) for place in range(3))
    desktop.press(_cell(program, 0).centre)
    desktop.move(_cell(program, 1).moved(CELL // 2 - 4, 0).centre, steps=20)
    desktop.release()
    _wait_for(program, [second, first, third], "the first thumbnail stands second")
    desktop.keys("ctrl+z")
    _wait_for(program, [first, second, third], "undo puts it back")
    desktop.keys("Delete")
    _wait_for(program, [second, third], "Delete takes out the thumbnail that has the keyboard")
    desktop.keys("ctrl+z")
    assert program.close(SOON) == (0, "")


def _cell(program: Program, place: int) -> Rect:
    tray = program.places["tray"]
    margin = (CELL - SIDE) // 2
    return Rect(tray.x + place * CELL + margin, tray.y + margin, SIDE, SIDE)


def _thumbnail(program: Program, place: int) -> Pixels:
    """Return the middle of a thumbnail as the screen shows it."""
    return program.desktop.screen.pixels(_cell(program, place))[8:-8, 8:-8]


def _wait_for(program: Program, thumbnails: list[Pixels], what: str) -> None:
    def as_they_are(_: Pixels) -> bool:
        pairs = ((_thumbnail(program, n), wanted) for n, wanted in enumerate(thumbnails))
        return all(np.array_equal(one, two) for one, two in pairs)

    program.desktop.wait_for_pixels(program.places["tray"], as_they_are, SOON, what)
