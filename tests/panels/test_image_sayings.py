"""What the image panel says about what it shows: in its head, on its pages and on the pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.common.plot_head import PlotHead
from diffusion_gui.panels.common.widgets import ElidedLabel
from diffusion_gui.panels.images.chain_view import ChainView
from diffusion_gui.panels.images.measures_view import MeasuresView
from diffusion_gui.state.view_state import Page

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 30_000


@pytest.fixture(autouse=True)
def _no_sampling(parts: Parts) -> None:
    parts.sampling.live = False


@pytest.fixture
def open_large(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> Callable[[int, int], None]:
    """Return what opens a picture of this width and height at its own size."""

    def open_picture(width: int, height: int) -> None:
        path = tmp_path / "large.png"
        Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path, compress_level=1)
        parts.document.replace_forward("working size", size=0)
        parts.loader.open([str(path)])
        qtbot.waitUntil(
            lambda: parts.preview.size == (width, height) and not parts.preview.opening,
            timeout=TIMEOUT,
        )

    return open_picture


def _page(window: MainWindow, qtbot: QtBot, page: Page) -> None:
    qtbot.mouseClick(window.images.tools.chips[page], LEFT)


# --- how much of a large picture ------------------------------------------------------------------


@pytest.mark.parametrize("page", [Page.MEASURES, Page.CHAIN])
def test_only_the_tiles_are_said_to_be_a_part_while_they_move(
    window: MainWindow, parts: Parts, qtbot: QtBot, open_large: Callable[[int, int], None],
    page: Page,
) -> None:  # fmt: skip
    caption = window.images.caption
    _page(window, qtbot, page)
    open_large(1500, 1200)
    assert parts.preview.stride == 2
    assert "1500 × 1200   " in caption.text()
    parts.view.set_t(parts.view.t + 1)
    assert "1500 × 1200   " in caption.text()
    _page(window, qtbot, Page.TILES)
    assert "1500 × 1200, 1 of 4 pixels while it moves" in caption.text()
    qtbot.waitUntil(lambda: "1500 × 1200   " in caption.text(), timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (1500, 1200, "measured on 1 of 4 pixels, 750 × 600"),
        (1500, 400, "measured on the central 1024 × 400 pixels"),
        (5000, 400, "measured on 1 of 4 pixels, the central 1024 × 200 of them"),
        (600, 400, ""),
    ],
)
def test_the_measures_say_which_pixels_they_are_of(
    window: MainWindow, parts: Parts, qtbot: QtBot, open_large: Callable[[int, int], None],
    width: int, height: int, said: str,
) -> None:  # fmt: skip
    open_large(width, height)
    _page(window, qtbot, Page.MEASURES)
    page = window.images.findChild(MeasuresView, "measuresPage")
    assert page.sample.text() == said
    assert page.sample.isVisible() == bool(said)


# --- the head of the histogram --------------------------------------------------------------------


@pytest.mark.parametrize("estimate", [False, True])
def test_the_kl_is_whole_and_the_name_beside_it_stays_while_t_moves(
    window: MainWindow, parts: Parts, qtbot: QtBot, estimate: bool
) -> None:
    if estimate:
        qtbot.mouseClick(window.images.tools.estimate, LEFT)
    for size in ((1100, 680), (1280, 800), (1440, 900), (2560, 1440)):
        window.resize(*size)
        qtbot.wait(20)
        head = window.images.tiles.histogram.head
        value = head.findChildren(ElidedLabel)[-1]
        names, units = set(), set()
        for t in (1, 100, 400, 700, 940, 1000):
            parts.view.set_t(t)
            qtbot.wait(1)
            names.add(head.name.text())
            units.add(head.value.endswith(" nat"))
            assert head.value.startswith("KL ")
            assert value.fontMetrics().horizontalAdvance(head.value) <= value.width()
        assert len(names) == len(units) == 1


def test_a_head_without_room_gives_up_its_name_before_its_number(qtbot: QtBot) -> None:
    head = PlotHead("a long name", "name", widest=("KL 0.00048 nat", "KL 0.00048"))
    qtbot.addWidget(head)
    head.set_value("KL 0.4 nat", "KL 0.4")
    head.resize(400, head.height())
    head.show()
    assert (head.name.text(), head.value) == ("a long name", "KL 0.4 nat")
    head.resize(1, head.height())
    assert head.width() >= head.fontMetrics().horizontalAdvance("KL 0.00048") - 4
    assert (head.name.isVisible(), head.value) == (False, "KL 0.4")


# --- offset noise ---------------------------------------------------------------------------------


def test_the_snr_of_the_picture_counts_the_offset_noise_and_says_so(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    parts.document.replace_forward("offset", offset=0.8, size=64)
    parts.view.set_t(600)
    abar = float(parts.document.schedule.alpha_bar[600])
    db = 10.0 * math.log10(abar / ((1.0 - abar) * (1.0 + 0.8**2)))
    said = f"{db:.1f} dB with offset noise".replace("-", "−")
    images = window.images
    assert f"   SNR {said}" in images.caption.text()
    x_0 = images.tiles.x_0
    qtbot.mouseMove(x_0, x_0.picture_rect().center())
    assert images.caption.text().startswith("R G B at")
    assert images.caption.text().endswith(f"   SNR {said}")
    x_0.zoom.point(None)
    assert parts.film.snr_db("", 600) == pytest.approx(db, abs=1e-9)
    _page(window, qtbot, Page.MEASURES)
    page = images.findChild(MeasuresView, "measuresPage")
    head = page.over_t["snr"].head
    qtbot.waitUntil(lambda: head.value not in ("", "…"), timeout=TIMEOUT)
    assert said.startswith(head.value)
    qtbot.waitUntil(lambda: parts.measures.curves() is not None, timeout=TIMEOUT)
    curve = page.over_t["snr"].plot.curve
    assert np.interp(600, curve.xData, curve.yData) == pytest.approx(db, abs=0.1)
    parts.view.set_t(0)
    assert "no noise yet" in images.caption.text()
    assert "offset" not in images.caption.text()
    parts.view.set_t(600)
    parts.document.replace_forward("offset", offset=0.0)
    white = f"   SNR {10.0 * math.log10(abar / (1.0 - abar)):.1f} dB   ".replace("-", "−")
    assert white in images.caption.text()


# --- A and B --------------------------------------------------------------------------------------


def test_of_two_sides_every_picture_and_number_says_which_one_it_is_of(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    images, tiles = window.images, window.images.tiles
    parts.document.replace_forward("size", size=32)
    qtbot.mouseClick(images.tools.estimate, LEFT)
    for page in (Page.CHAIN, Page.MEASURES, Page.TILES):
        _page(window, qtbot, page)
    measures = images.findChild(MeasuresView, "measuresPage")
    chain = images.findChild(ChainView, "chainPage")

    def said() -> list[str]:
        _page(window, qtbot, Page.TILES)
        names = [view.caption for view in (tiles.signal, tiles.noise, tiles.estimate)]
        names += [tiles.histogram.head.name.text(), images.caption.text()]
        _page(window, qtbot, Page.MEASURES)
        names.append(measures.x_t.caption)
        _page(window, qtbot, Page.CHAIN)
        qtbot.waitUntil(lambda: not parts.chain.busy, timeout=TIMEOUT)
        return [*names, *(view.caption for view in (chain.chain, chain.jump, chain.difference))]

    assert not any(re.search(r"\b[AB]\b", text) for text in said())
    for side in ("B", "A"):
        qtbot.keyClick(window, Qt.Key.Key_F7)
        assert parts.preview.side == side
        for text in said():
            assert re.findall(r"\b[AB]\b", text) == [side], text
        assert f"   {side}  SNR " in images.caption.text()
    assert tiles.signal.accessibleName().startswith("signal part of x_t under A")


# --- where there is nothing -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1280, 800), (1440, 900)])
def test_why_there_is_no_estimate_is_short_above_the_tile_and_long_in_its_tooltip(
    window: MainWindow, parts: Parts, qtbot: QtBot, size: tuple[int, int]
) -> None:
    window.resize(*size)
    parts.view.set_t(0)
    qtbot.mouseClick(window.images.tools.estimate, LEFT)
    tile = window.images.tiles.estimate
    qtbot.waitUntil(lambda: tile.caption == "𝑥̂₀  no noise at t = 0")
    assert tile.fits(tile.caption)
    assert tile.toolTip().startswith("nothing to estimate: ")
    parts.view.set_t(300)
    qtbot.waitUntil(lambda: tile.pixels is not None, timeout=TIMEOUT)
    assert tile.toolTip().startswith("𝑥̂₀: the clean picture")


def test_without_a_picture_there_is_nothing_to_press(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    tools = window.images.tools
    controls = (tools.estimate, tools.chips[Page.CHAIN], tools.chips[Page.MEASURES], tools.export)
    assert all(control.isEnabled() for control in controls)
    parts.document.replace(replace(parts.document.experiment, pictures=()), "clear")
    assert not any(control.isEnabled() for control in controls)
    _page(window, qtbot, Page.CHAIN)
    assert parts.view.display.page is Page.TILES
    parts.document.history.undo()
    assert all(control.isEnabled() for control in controls)
