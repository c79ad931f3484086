"""The page of measures: read-outs, plots under mouse and keys, and rest while hidden."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import to_float
from diffusion_gui.engine.measures import histogram, kl_to_normal, psnr, ssim
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.spectrum import radial_spectrum
from diffusion_gui.panels.common.tokens import DARK
from diffusion_gui.panels.common.widgets import ElidedLabel
from diffusion_gui.panels.images.measure_plots import TimePlot, even_ticks
from diffusion_gui.panels.images.measures_view import MeasuresView
from diffusion_gui.state.view_state import Page

LEFT = Qt.MouseButton.LeftButton
NAMES = ("snr", "psnr", "ssim", "kl")
TIMEOUT = 30_000


@pytest.fixture
def page(window: MainWindow, parts: Parts, qtbot: QtBot) -> MeasuresView:
    """Return the page, opened by its chip and with everything measured."""
    parts.sampling.live = False
    parts.document.replace_forward("size", size=64)
    qtbot.mouseClick(window.images.tools.chips[Page.MEASURES], LEFT)
    view = window.images.findChild(MeasuresView, "measuresPage")
    assert isinstance(view, MeasuresView)
    _measured(parts, qtbot)
    return view


def _measured(parts: Parts, qtbot: QtBot) -> None:
    qtbot.waitUntil(
        lambda: (
            not parts.measures.busy
            and parts.measures.reading(parts.preview.values()) is not None
            and parts.measures.curves() is not None
        ),
        timeout=TIMEOUT,
    )
    qtbot.wait(100)  # the last rows of the table are under way


def _plot(page: MeasuresView, name: str) -> TimePlot:
    plot = page.over_t[name].plot
    assert isinstance(plot, TimePlot)
    return plot


def _by_hand(parts: Parts) -> tuple[np.ndarray, np.ndarray, float]:
    """Return x_0, x_t in float64 and alpha-bar at the time cursor."""
    process = parts.preview.process()
    assert process is not None
    x_0 = to_float(process.pixels).astype(np.float64)
    abar = float(parts.document.schedule.alpha_bar[parts.view.t])
    eps = gaussian(0, 0, START, x_0.shape)
    return x_0, math.sqrt(abar) * x_0 + math.sqrt(1.0 - abar) * eps, abar


def _number(text: str) -> float:
    return float(text.split()[0].replace("−", "-"))


# --- read-outs -------------------------------------------------------------------------------


def test_the_heads_say_what_is_measured_at_t(page: MeasuresView, parts: Parts) -> None:
    for t in (1, 300, 700, 1000):
        parts.view.set_t(t)
        x_0, x_t, abar = _by_hand(parts)
        heads = {name: page.over_t[name].head.value for name in NAMES}
        kl = kl_to_normal(histogram(x_t))
        assert _number(heads["snr"]) == pytest.approx(10 * math.log10(abar / (1 - abar)), abs=0.06)
        assert _number(heads["psnr"]) == pytest.approx(psnr(x_0, x_t), abs=0.06)
        assert _number(heads["ssim"]) == pytest.approx(ssim(x_0, x_t), abs=6e-4)
        assert _number(heads["kl"]) == pytest.approx(kl, rel=0.06)
        assert heads["snr"].endswith(" dB")
        assert heads["psnr"].endswith(" dB")
        assert heads["kl"].endswith(" nat")
        assert page.histogram.head.value == f"KL {heads['kl']}"
        assert page.x_t.caption.endswith(f"t = {t}")
        assert "-" not in "".join(heads.values()).replace("e-", "")


def test_at_t_0_there_is_no_noise_yet(page: MeasuresView, parts: Parts) -> None:
    parts.view.set_t(0)
    assert [page.over_t[name].head.value for name in NAMES[:3]] == ["∞ dB", "∞ dB", "1.000"]
    assert page.spectrum.head.value == "none drowned"
    assert page.spectrum.plot.drowned is None


def test_the_expected_psnr_is_in_the_tooltip(page: MeasuresView, parts: Parts) -> None:
    parts.view.set_t(600)
    x_0, _, abar = _by_hand(parts)
    error = (1 - math.sqrt(abar)) ** 2 * np.mean(x_0**2) + 1 - abar
    said = page.over_t["psnr"].toolTip().split("Over all noises, at this t: ")[1]
    assert _number(said) == pytest.approx(10 * math.log10(4 / error), abs=0.06)


def test_x_t_is_the_picture_of_the_tiles(page: MeasuresView, parts: Parts) -> None:
    for shown in Shown:
        parts.view.set_display(shown=shown)
        tiles = parts.preview.tiles()
        assert tiles is not None
        assert page.x_t.pixels is not None
        np.testing.assert_array_equal(page.x_t.pixels, tiles.x_t.pixels)
        assert (page.x_t.note == "±1") == (shown is Shown.CLIP)
        assert page.x_t.note


# --- the spectrum ----------------------------------------------------------------------------


def test_the_spectrum_is_the_signals_against_the_noise_floor(
    page: MeasuresView, parts: Parts
) -> None:
    parts.view.set_t(500)
    plot, (x_0, x_t, abar) = page.spectrum.plot, _by_hand(parts)
    f, power = radial_spectrum(math.sqrt(abar) * x_0)
    np.testing.assert_allclose(plot.signal.xData, np.log10(f[1:]))
    np.testing.assert_allclose(plot.signal.yData, np.log10(power[1:]), atol=1e-3)
    np.testing.assert_allclose(plot.floor.yData[3:], math.log10(1 - abar), atol=1e-6)
    np.testing.assert_allclose(plot.x_t.yData, np.log10(radial_spectrum(x_t)[1][1:]), atol=1e-3)
    cut = f[1:][power[1:] >= 1 - abar][-1]
    assert plot.drowned is not None
    assert plot.drowned[0] == pytest.approx(cut, rel=0.1)
    assert plot.drowned[0] >= cut
    assert _number(page.spectrum.head.value.split("e ")[-1].split("w ")[-1]) == pytest.approx(
        plot.drowned[0], rel=0.06
    )


def test_more_drowns_the_later_it_is(page: MeasuresView, parts: Parts) -> None:
    edges = []
    for t in (200, 400, 600, 800):
        parts.view.set_t(t)
        assert page.spectrum.plot.drowned is not None
        edges.append(page.spectrum.plot.drowned[0])
    assert edges == sorted(edges, reverse=True)
    assert edges[0] > 2.0 * edges[-1]
    parts.view.set_t(1000)
    assert page.spectrum.head.value == "all drowned"


def test_offset_noise_lifts_the_floor_of_the_mean(
    page: MeasuresView, parts: Parts, qtbot: QtBot
) -> None:
    floor = page.spectrum.plot.floor
    assert floor.yData[0] == pytest.approx(floor.yData[-1])
    parts.document.replace_forward("offset", offset=0.5)
    _measured(parts, qtbot)
    height, width = parts.preview.process().pixels.shape[:2]
    lift = 10.0 ** (floor.yData[0] - floor.yData[-1])
    assert lift == pytest.approx(1 + 0.25 * height * width, rel=1e-6)


# --- over t ----------------------------------------------------------------------------------


def test_a_press_and_a_drag_in_a_plot_move_t(
    page: MeasuresView, parts: Parts, qtbot: QtBot
) -> None:
    for name in NAMES:
        plot = _plot(page, name)
        low, high = plot.span
        for t in (250, 600, 900):
            place = plot.to_pixel(t, 0.5 * (low + high)).toPoint()
            qtbot.mousePress(plot.viewport(), LEFT, pos=place)
            assert parts.view.t == pytest.approx(t, abs=8)
            qtbot.mouseMove(plot.viewport(), place - QPoint(20, 0))
            moved = plot.to_data(place - QPoint(20, 0)).x()
            assert parts.view.t == pytest.approx(moved, abs=1)
            qtbot.mouseRelease(plot.viewport(), LEFT)


def test_the_keys_move_t(page: MeasuresView, parts: Parts, qtbot: QtBot) -> None:
    for name in NAMES:
        plot = _plot(page, name)
        parts.view.set_t(400)
        for key, modifier, t in (
            (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, 410),
            (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, 409),
            (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, 399),
            (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier, 1000),
            (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, 1000),
            (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier, 0),
        ):
            qtbot.keyClick(plot, key, modifier)
            assert parts.view.t == t
        assert plot.focusPolicy() == Qt.FocusPolicy.StrongFocus


def test_the_cursors_of_all_plots_stand_at_t(page: MeasuresView, parts: Parts) -> None:
    for t in (0, 123, 1000):
        parts.view.set_t(t)
        assert [_plot(page, name)._cursor.value() for name in NAMES] == [t] * 4


def test_the_curves_go_through_the_values_of_the_heads(page: MeasuresView, parts: Parts) -> None:
    for t in (100, 400, 800):
        parts.view.set_t(t)
        for name, room in (("snr", 0.1), ("psnr", 0.1), ("ssim", 0.005)):
            curve = _plot(page, name).curve
            value = np.interp(t, curve.xData, curve.yData)
            assert value == pytest.approx(_number(page.over_t[name].head.value), abs=room)
        curve = _plot(page, "kl").curve
        kl = 10.0 ** np.interp(t, curve.xData, curve.yData)
        assert kl == pytest.approx(_number(page.over_t["kl"].head.value), rel=0.25)


def test_the_curves_follow_a_control_point_while_the_mouse_is_down(
    page: MeasuresView, window: MainWindow, qtbot: QtBot
) -> None:
    before = {name: _plot(page, name).curve.yData.copy() for name in NAMES}
    plot = window.schedule.alpha_bar
    start = plot.to_pixel(*plot.points[3]).toPoint()
    qtbot.mousePress(plot.viewport(), LEFT, pos=start)
    qtbot.mouseMove(plot.viewport(), start + QPoint(0, 40))
    for name in NAMES:
        after = _plot(page, name).curve.yData
        assert len(after) != len(before[name]) or not np.array_equal(after, before[name])
    qtbot.mouseRelease(plot.viewport(), LEFT, pos=start + QPoint(0, 40))


def test_the_other_side_is_dashed_at_the_same_share_of_the_way(
    page: MeasuresView, parts: Parts, window: MainWindow, qtbot: QtBot
) -> None:
    assert all(not len(_data(_plot(page, name))) for name in NAMES)
    parts.comparison.switch()
    parts.document.replace_schedule(ScheduleSpec("linear", T=500), "B")
    _, b_values = _plot(page, "ssim").curve.getData()
    parts.comparison.switch()
    for name in NAMES:
        other = _plot(page, name).other
        assert other.xData[-1] == 1000
        assert other.opts["pen"].style() is Qt.PenStyle.DashLine
    np.testing.assert_allclose(_plot(page, "ssim").other.yData, b_values)
    qtbot.mouseClick(window.images.tools.compare, LEFT)
    assert all(not len(_data(_plot(page, name))) for name in NAMES)


def _data(plot: TimePlot) -> np.ndarray:
    data = plot.other.xData
    return np.zeros(0) if data is None else data


# --- rest, looks -----------------------------------------------------------------------------


def test_a_hidden_page_does_nothing(
    page: MeasuresView, parts: Parts, window: MainWindow, qtbot: QtBot
) -> None:
    qtbot.mouseClick(window.images.tools.chips[Page.TILES], LEFT)
    heads = [page.over_t[name].head.value for name in NAMES]
    shown = page.x_t.pixels
    parts.view.set_t(900)
    parts.view.set_picture(parts.document.experiment.pictures[1].id)
    assert not parts.measures.busy
    assert [page.over_t[name].head.value for name in NAMES] == heads
    assert page.x_t.pixels is shown
    qtbot.mouseClick(window.images.tools.chips[Page.MEASURES], LEFT)
    assert page.x_t.caption.endswith("t = 900")
    _measured(parts, qtbot)
    x_0, x_t, _ = _by_hand(parts)
    assert _number(page.over_t["psnr"].head.value) == pytest.approx(psnr(x_0, x_t), abs=0.06)


def test_no_number_of_the_picture_before_is_shown(
    page: MeasuresView, parts: Parts, qtbot: QtBot
) -> None:
    parts.view.set_picture(parts.document.experiment.pictures[1].id)
    assert [page.over_t[name].head.value for name in NAMES] == ["…"] * 4
    _measured(parts, qtbot)
    assert "…" not in [page.over_t[name].head.value for name in NAMES]


def test_what_fails_is_said_on_the_page(page: MeasuresView, parts: Parts) -> None:
    parts.measures.failed.emit("The measures cannot be made: not enough memory")
    assert page.x_t.caption == "The measures cannot be made: not enough memory"


def test_every_plot_says_symbol_unit_and_source(page: MeasuresView) -> None:
    said = {name: page.over_t[name].toolTip() for name in NAMES}
    assert "dB" in said["snr"]
    assert "10 log₁₀(2² / mean (𝑥ₜ − 𝑥₀)²)" in said["psnr"]
    assert "Wang et al. 2004" in said["ssim"]
    assert "nats" in said["kl"]
    assert "cosine transform" in page.spectrum.toolTip()
    plots = [*(_plot(page, name) for name in NAMES), page.spectrum.plot]
    assert len({plot.objectName() for plot in plots}) == 5
    assert all(plot.accessibleName() for plot in plots)


def test_the_plots_are_large_enough_to_be_read(page: MeasuresView, window: MainWindow) -> None:
    for size in ((1280, 800), (1440, 900), (2560, 1440)):
        window.resize(*size)
        for _ in range(3):
            QApplication.processEvents()
        plots = [*(_plot(page, name) for name in NAMES), page.spectrum.plot, page.histogram.plot]
        for plot in plots:
            box = plot.getViewBox()
            assert box.width() >= 110
            assert box.height() >= 36
            for axis in ("left", "bottom"):
                levels = plot.getAxis(axis)._tickLevels
                if levels is not None:
                    assert 2 <= len(levels[0]) <= 8
        assert page.rect().contains(page.x_t.geometry())


def test_the_page_follows_the_theme(page: MeasuresView, parts: Parts) -> None:
    parts.theme.set_wish("dark")
    for name, token in (("snr", DARK.log_snr), ("psnr", DARK.text)):
        assert _plot(page, name).curve.opts["pen"].color().name() == token.lower()
        assert _plot(page, name)._cursor.pen.color().name() == DARK.cursor.lower()
    assert page.spectrum.plot.signal.opts["pen"].color().name() == DARK.alpha_bar.lower()
    assert page.spectrum.plot.floor.opts["pen"].color().name() == DARK.secondary.lower()
    parts.theme.set_wish("light")


def test_the_histogram_of_the_tiles_says_the_kl_too(
    page: MeasuresView, parts: Parts, window: MainWindow, qtbot: QtBot
) -> None:
    qtbot.mouseClick(window.images.tools.chips[Page.TILES], LEFT)
    parts.view.set_t(700)
    _, x_t, _ = _by_hand(parts)
    said = window.images.tiles.histogram.head.value
    assert said.startswith("KL ")
    assert _number(said[3:]) == pytest.approx(kl_to_normal(histogram(x_t)), rel=0.06)


def test_ticks_are_round_and_few() -> None:
    assert even_ticks(0.0, 1000.0, 3) == [(0.0, "0"), (500.0, "500"), (1000.0, "1000")]
    assert [text for _, text in even_ticks(-60.0, 60.0, 3)] == ["−50", "0", "50"]
    assert [text for _, text in even_ticks(0.0, 1.0, 4)] == ["0", "0.5", "1"]
    assert [text for _, text in even_ticks(-4.0, 4.0, 1)] == ["−4", "4"]
    assert [text for _, text in even_ticks(0.0, 0.4512, 2)] == ["0", "0.4"]
    for most in range(2, 9):
        assert 2 <= len(even_ticks(0.0, 777.0, most)) <= most


def test_where_the_histogram_is_narrow_its_name_gives_way_to_the_number(
    page: MeasuresView, parts: Parts, window: MainWindow, qtbot: QtBot
) -> None:
    qtbot.mouseClick(window.images.tools.chips[Page.TILES], LEFT)
    heads = {}
    for width in (1280, 2560):
        window.resize(width, 800)
        for _ in range(3):
            QApplication.processEvents()
        head = window.images.tiles.histogram.head
        value = head.findChild(ElidedLabel)
        assert isinstance(value, ElidedLabel)
        assert value.fontMetrics().horizontalAdvance(head.value) <= value.width()
        heads[width] = head.name.text()
        ticks = window.images.tiles.histogram.plot.getAxis("bottom")._tickLevels[0]
        assert (ticks[0][1], ticks[-1][1]) == ("−4", "4")
    assert len(heads[1280]) < len(heads[2560])
