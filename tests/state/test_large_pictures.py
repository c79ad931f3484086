"""Large pictures: thinned while anything changes, whole at rest, opened in the background."""

from __future__ import annotations

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
from diffusion_gui.engine.experiment import Fit, Forward, NoiseKind
from diffusion_gui.engine.forward import LARGE, Shown, Span
from diffusion_gui.engine.images import Picture, Pixels
from diffusion_gui.engine.noise_fields import WHOLE, NoiseField
from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.state.large_pictures import needs_opening
from diffusion_gui.state.tiles import Tiles

SIDE = 1100
"""More than LARGE pixels: every second one is shown while t moves."""
Paint = Callable[[int, int], Path]


def _pixels(height: int, width: int) -> Pixels:
    return np.random.default_rng(9).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Paint:
    """Return a function that writes a picture of noise and returns its path."""

    def paint(height: int, width: int) -> Path:
        path = tmp_path / f"{width}x{height}.png"
        Image.fromarray(_pixels(height, width)).save(path, compress_level=0)
        return path

    return paint


def _open(parts: Parts, qtbot: QtBot, path: Path) -> None:
    """Open a file at its own size and wait until it is there."""
    parts.document.replace_forward("working size", size=0)
    parts.loader.open([str(path)])
    qtbot.waitUntil(lambda: parts.document.experiment.pictures[0].name == path.name)
    qtbot.waitUntil(lambda: not parts.preview.opening)


def _paste(parts: Parts, qtbot: QtBot, height: int = SIDE, width: int = SIDE) -> Pixels:
    """Paste a picture and show it at its own size."""
    pixels = _pixels(height, width)
    parts.document.replace_forward("working size", size=0)
    parts.loader.add(Picture("pasted", pixels), "pasted")
    qtbot.waitUntil(lambda: not parts.loader.busy)
    qtbot.waitUntil(lambda: not parts.preview.opening)
    return pixels


def _at_rest(parts: Parts, qtbot: QtBot) -> Tiles:
    """Wait for the whole picture, as the panel does."""

    def whole() -> bool:
        tiles = parts.preview.tiles()
        return tiles is not None and tiles.stride == 1

    qtbot.waitUntil(whole, timeout=30_000)
    return _tiles(parts)


def _tiles(parts: Parts) -> Tiles:
    tiles = parts.preview.tiles()
    assert tiles is not None
    return tiles


def _check(parts: Parts, tiles: Tiles, pixels: Pixels) -> None:
    """Compare with the formula in float64, pixel by pixel of the whole picture."""
    n, t, experiment = tiles.stride, parts.view.t, parts.document.experiment
    schedule, forward = parts.document.schedule, experiment.forward
    log_snr = float(schedule.log_snr[t])
    field = NoiseField(experiment.seed, pixels.shape, forward.noise, forward.offset)
    eps = field.at(t, log_snr).astype(np.float64)[::n, ::n]
    abar = float(schedule.alpha_bar[t])
    signal = np.sqrt(abar) * (pixels[::n, ::n] / 127.5 - 1.0)
    noise = np.sqrt(1.0 - abar) * eps
    np.testing.assert_array_equal(tiles.x_0.pixels, pixels[::n, ::n])
    for tile, values in ((tiles.x_t, signal + noise), (tiles.signal, signal), (tiles.noise, noise)):
        span = tile.span
        exact = (np.clip(values, span.low, span.high) - span.low) / (span.high - span.low) * 255.0
        wrong = tile.pixels - np.floor(exact + 0.5)
        tie = abs(exact - np.floor(exact) - 0.5) < 1e-3
        assert abs(wrong).max() <= 1
        assert not wrong[~tie].any()


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_a_large_picture_is_thinned_while_t_moves_and_whole_at_rest(
    parts: Parts, qtbot: QtBot, kind: NoiseKind
) -> None:
    parts.document.replace_forward("noise", noise=kind, offset=0.1)
    pixels = _paste(parts, qtbot)
    assert parts.preview.size == (SIDE, SIDE)
    for t in (100, 700):
        parts.view.set_t(t)
        thin = _tiles(parts)
        assert thin.stride == (2 if kind is NoiseKind.FROZEN else 4)
        assert parts.preview.stride == thin.stride
        assert thin.x_t.pixels.shape[0] * thin.x_t.pixels.shape[1] <= LARGE
        _check(parts, thin, pixels)
        whole = _at_rest(parts, qtbot)
        assert parts.preview.stride == 1
        _check(parts, whole, pixels)
        n = thin.stride
        np.testing.assert_array_equal(whole.x_t.pixels[::n, ::n], thin.x_t.pixels)
        means = whole.x_t.pixels.reshape(SIDE // n, n, SIDE // n, n, 3).mean(axis=(1, 3))
        assert whole.x_t.small is not None
        assert abs(whole.x_t.small - means).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("shown", [Shown.NORMALISE, Shown.SYMMETRIC])
def test_the_whole_picture_has_its_own_range(parts: Parts, qtbot: QtBot, shown: Shown) -> None:
    pixels = _paste(parts, qtbot)
    parts.view.set_display(shown=shown)
    thin, whole = _tiles(parts), _at_rest(parts, qtbot)
    _check(parts, whole, pixels)
    assert whole.x_t.span.low <= thin.x_t.span.low
    assert whole.x_t.span.high >= thin.x_t.span.high
    assert whole.x_t.span != Span()


def test_every_change_shows_a_thinned_frame_of_what_is_now(parts: Parts, qtbot: QtBot) -> None:
    pixels = _paste(parts, qtbot)
    for change in (
        lambda: parts.view.set_t(321),
        lambda: parts.document.replace_schedule(ScheduleSpec("linear"), "preset"),
        lambda: parts.document.replace(replace(parts.document.experiment, seed=5), "seed"),
        lambda: parts.document.replace_forward("noise", noise=NoiseKind.PATH),
        lambda: parts.document.replace_forward("offset", offset=0.4),
    ):
        _at_rest(parts, qtbot)
        change()
        thin = _tiles(parts)
        assert thin.stride > 1
        _check(parts, thin, pixels)
    _check(parts, _at_rest(parts, qtbot), pixels)


def test_a_page_turned_does_not_make_the_picture_anew(parts: Parts, qtbot: QtBot) -> None:
    _paste(parts, qtbot)
    whole = _at_rest(parts, qtbot)
    parts.view.set_display(estimate=True)
    assert parts.preview.tiles() is whole


def test_frames_of_times_gone_by_are_never_shown(parts: Parts, qtbot: QtBot) -> None:
    """While t moves faster than the whole picture is made, only the last one arrives."""
    pixels = _paste(parts, qtbot)
    seen: list[tuple[int, int]] = []

    def look() -> None:
        tiles = _tiles(parts)
        seen.append((parts.view.t, tiles.stride))
        _check(parts, tiles, pixels)

    parts.preview.tiles_changed.connect(look)
    for t in (200, 400, 600):
        parts.view.set_t(t)
        qtbot.wait(130)  # the whole one is begun, then overtaken
    qtbot.waitUntil(lambda: seen[-1] == (600, 1), timeout=30_000)
    parts.preview.tiles_changed.disconnect(look)
    thin = [t for t, stride in seen if stride > 1]
    assert thin == [200, 400, 600]


def test_both_sides_are_shown_whole_at_rest(parts: Parts, qtbot: QtBot) -> None:
    pixels = _paste(parts, qtbot)
    parts.comparison.switch()
    parts.document.replace_schedule(ScheduleSpec("linear", T=200), "B")
    parts.comparison.switch()
    thin, whole = _tiles(parts), _at_rest(parts, qtbot)
    _check(parts, whole, pixels)
    assert thin.other is not None
    assert whole.other is not None
    assert (whole.other.side, whole.other.t) == ("B", thin.other.t)
    n = thin.stride
    np.testing.assert_array_equal(whole.other.x_t.pixels[::n, ::n], thin.other.x_t.pixels)
    schedule = build(ScheduleSpec("linear", T=200))
    eps = NoiseField(0, pixels.shape, NoiseKind.FROZEN).at(0, 0.0).astype(np.float64)
    abar = schedule.alpha_bar[whole.other.t]
    exact = np.sqrt(abar) * (pixels / 127.5 - 1.0) + np.sqrt(1.0 - abar) * eps
    assert abs(whole.other.x_t.pixels - (np.clip(exact, -1, 1) + 1.0) * 127.5).max() <= 1.0


def test_a_small_picture_is_noised_at_once(parts: Parts, qtbot: QtBot) -> None:
    parts.document.replace_forward("working size", size=1024)
    parts.loader.add(Picture("square", _pixels(1024, 1024)), "pasted")
    assert not parts.preview.opening
    assert _tiles(parts).stride == 1
    _check(parts, _tiles(parts), _pixels(1024, 1024))
    parts.document.replace_forward("noise", noise=NoiseKind.FRESH)
    thin = _tiles(parts)  # another noise to draw at every t: too much for 2^20 pixels
    assert thin.stride == 2
    assert thin.x_t.pixels.shape[0] * thin.x_t.pixels.shape[1] <= WHOLE
    _check(parts, _at_rest(parts, qtbot), _pixels(1024, 1024))


# --- opening --------------------------------------------------------------------------------------


def test_the_file_is_read_at_its_own_size_behind_the_kept_one(
    parts: Parts, qtbot: QtBot, file: Paint
) -> None:
    parts.document.replace_forward("working size", size=0)
    parts.loader.open([str(file(1300, 1700))])
    qtbot.waitUntil(lambda: parts.preview.opening)
    assert parts.preview.size == (1024, 783)
    assert parts.preview.notes == ("scaled down from 1700 x 1300",)
    assert _tiles(parts).x_t.pixels.shape == (392, 512, 3)  # in no time
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert parts.preview.size == (1700, 1300)
    assert parts.preview.notes == ()
    assert parts.preview.picture is not None
    assert max(parts.preview.picture.pixels.shape) == 1024  # for the strip and the other pages
    _check(parts, _at_rest(parts, qtbot), _pixels(1300, 1700))


@pytest.mark.parametrize(
    ("fit", "size", "expected"),
    [(Fit.CROP, 0, (1200, 1200)), (Fit.PAD, 0, (1500, 1500)), (Fit.CROP, 1024, (1024, 1024))],
)
def test_the_shape_is_made_from_the_whole_file(
    parts: Parts, qtbot: QtBot, file: Paint, fit: Fit, size: int, expected: tuple[int, int]
) -> None:
    parts.document.replace_forward("shape", fit=fit)
    _open(parts, qtbot, file(1200, 1500))
    parts.document.replace_forward("working size", size=size)
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert parts.preview.size == expected
    source = _pixels(1200, 1500)
    if size == 0:
        whole = _at_rest(parts, qtbot).x_0.pixels
        if fit is Fit.CROP:
            np.testing.assert_array_equal(whole, source[:, 150:1350])
        else:
            np.testing.assert_array_equal(whole[150:1350], source)


def test_other_noise_does_not_read_the_file_again(
    parts: Parts, qtbot: QtBot, file: Paint, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open(parts, qtbot, file(1200, 1500))

    def read(*_: object) -> Picture:
        raise AssertionError

    monkeypatch.setattr(parts.store, "read", read)
    parts.document.replace_forward("offset", offset=0.2)
    parts.document.replace(replace(parts.document.experiment, seed=8), "seed")
    assert not parts.preview.opening
    _check(parts, _at_rest(parts, qtbot), _pixels(1200, 1500))


def test_another_picture_while_one_is_opened_is_the_one_shown(
    parts: Parts, qtbot: QtBot, file: Paint
) -> None:
    _open(parts, qtbot, file(1200, 1500))
    first, second, *_ = parts.document.experiment.pictures
    parts.view.set_picture(second.id)
    parts.view.set_picture(first.id)
    assert parts.preview.opening
    parts.view.set_picture(second.id)
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert parts.preview.picture is not None
    assert parts.preview.picture.name == second.name


def test_a_file_that_has_gone_is_said_and_the_kept_picture_stays(
    parts: Parts, qtbot: QtBot, file: Paint
) -> None:
    path = file(1200, 1500)
    parts.loader.open([str(path)])
    qtbot.waitUntil(lambda: parts.document.experiment.pictures[0].name == path.name)
    path.unlink()
    parts.document.replace_forward("working size", size=0)
    qtbot.waitUntil(lambda: bool(parts.preview.problem))
    assert "1500x1200.png" in parts.preview.problem
    assert not parts.preview.opening
    assert parts.preview.size == (1024, 819)
    assert _tiles(parts).x_0.pixels.shape == (410, 512, 3)
    parts.document.replace_forward("working size", size=512)
    assert parts.preview.problem == ""


def test_what_must_be_read_from_the_file() -> None:
    kept = Picture("a", _pixels(512, 1024), full_size=(4096, 2048))
    forward = Forward(size=1024)
    assert not needs_opening(kept, forward)
    assert needs_opening(kept, replace(forward, size=0))
    assert needs_opening(kept, replace(forward, fit=Fit.CROP))
    assert not needs_opening(kept, replace(forward, fit=Fit.CROP, size=512))
    whole = replace(kept, full_size=(1024, 512))
    assert not needs_opening(whole, replace(forward, size=0))
    assert needs_opening(Picture("b", _pixels(1025, 1024)), forward)


def test_closing_in_the_middle_of_it_ends_the_threads(
    parts: Parts, qtbot: QtBot, file: Paint
) -> None:
    _paste(parts, qtbot)
    parts.view.set_t(77)
    _tiles(parts)
    qtbot.wait(125)  # the whole picture is on its way
    parts.document.replace_forward("noise", noise=NoiseKind.PATH)
    parts.loader.open([str(file(1200, 1500))])
    qtbot.waitUntil(lambda: parts.preview.opening)
    parts.shutdown()
    assert not parts.preview.opening


def test_the_panel_says_how_much_of_the_picture_is_shown(
    window: MainWindow, parts: Parts, qtbot: QtBot, file: Paint
) -> None:
    parts.sampling.live = False
    parts.document.replace_forward("working size", size=0)
    parts.loader.open([str(file(1200, 1500))])
    caption, x_t = window.images.caption, window.images.tiles.x_t
    qtbot.waitUntil(lambda: "1024 × 819, opening at full size…" in caption.text())
    qtbot.waitUntil(lambda: "1500 × 1200, 1 of 4 pixels while it moves" in caption.text())
    assert x_t.image.width() == 750
    qtbot.waitUntil(lambda: "1500 × 1200   " in caption.text(), timeout=30_000)
    assert x_t.image.width() == 1500
    window.toolbar.slider.setFocus()
    qtbot.keyClick(window.toolbar.slider, Qt.Key.Key_Right)
    assert "1 of 4 pixels" in caption.text()
    assert x_t.image.width() == 750
    qtbot.waitUntil(lambda: x_t.image.width() == 1500, timeout=30_000)
