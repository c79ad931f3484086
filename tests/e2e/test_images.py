"""Pictures in and out of the real window: many files, a folder, and out into another program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .desktop import Pixels
from .looks import (
    SOON,
    drop,
    four_quadrants,
    shows_quadrants,
    source_corner,
    wait_for_a_picture,
)
from .program import Program, running_drag_source

pytestmark = pytest.mark.e2e

Colour = tuple[int, int, int]


@pytest.mark.parametrize("as_folder", [False, True], ids=["files", "folder"])
def test_thirty_dropped_pictures_are_all_in_the_tray_in_order(
    program: Program, tmp_path: Path, as_folder: bool
) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    folder = tmp_path / "album"
    folder.mkdir()
    files = [four_quadrants(folder / "00.png")]
    colours: list[Colour] = [(8 * i, 255 - 8 * i, (96 * i) % 256) for i in range(1, 30)]
    for number, colour in enumerate(colours, start=1):
        files.append(folder / f"{number:02}.png")
        Image.new("RGB", (120, 90), colour).save(files[-1])
    corner = source_corner(program)
    dragged = [folder] if as_folder else files
    with running_drag_source(program.desktop, corner, [dragged], tmp_path) as handles:
        drop(program, handles[0])
        program.desktop.wait_for_pixels(
            program.places["x_0"], shows_quadrants, SOON, "x_0 shows the first picture"
        )
        program.desktop.wait_for_pixels(
            program.places["tray"],
            lambda pixels: in_order(pixels, colours[:10]),
            SOON,
            "the tray shows the pictures in their order",
        )
    assert program.close(SOON) == (0, "")


def in_order(tray: Pixels, colours: Sequence[Colour]) -> bool:
    """Return whether squares of these colours stand in the tray from left to right."""
    columns = []
    for colour in colours:
        close = (np.abs(tray - np.array(colour)).max(-1) <= 1).sum(0)
        if close.max() < 12:
            return False
        columns.append(int(close.argmax()))
    return columns == sorted(columns)
