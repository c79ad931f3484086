"""What the image panel shows is the forward process, at t and over t."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Pixels, to_float, to_uint8
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build
from diffusion_gui.state import forward_preview


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_tiles_are_the_closed_form_with_the_noise_of_the_seed(
    parts: Parts, share: float
) -> None:
    t = round(share * parts.view.T)
    parts.view.set_t(t)
    tiles = parts.preview.tiles()
    assert tiles is not None
    schedule, x_0 = parts.document.schedule, to_float(tiles.x_0.pixels)
    eps = gaussian(0, 0, START, x_0.shape)
    a, s = np.float32(schedule.a[t]), np.float32(schedule.s[t])
    for shown, expected in (
        (tiles.x_t, a * x_0 + s * eps),
        (tiles.signal, a * x_0),
        (tiles.noise, s * eps),
    ):
        assert np.abs(shown.pixels.astype(int) - to_uint8(expected)).max() <= 1


def test_the_cursor_keeps_its_share_of_the_way_when_T_changes(parts: Parts) -> None:
    parts.view.set_t(250)
    parts.document.replace_schedule(ScheduleSpec("cosine", T=4000), "T")
    assert (parts.view.t, parts.view.T) == (1000, 4000)
    parts.document.replace_schedule(ScheduleSpec("cosine", T=1), "T")
    assert parts.preview.tiles() is not None
    parts.document.history.undo()
    assert parts.view.T == 4000


def test_another_seed_is_another_noise_and_the_first_comes_back(parts: Parts) -> None:
    first = parts.preview.tiles()
    parts.document.replace(replace(parts.document.experiment, seed=1), "seed")
    second = parts.preview.tiles()
    parts.document.history.undo()
    again = parts.preview.tiles()
    assert first is not None
    assert second is not None
    assert again is not None
    assert np.abs(first.x_t.pixels.astype(int) - second.x_t.pixels).max() > 50
    np.testing.assert_array_equal(first.x_t.pixels, again.x_t.pixels)


def test_while_a_live_run_is_made_a_drag_shows_the_picture_less_often_but_ends_right(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_preview, "SECONDS_BETWEEN", 0.2)
    way, told = [True], []
    parts.preview.gives_way = lambda: way[0]
    parts.preview.tiles_changed.connect(lambda: told.append(parts.document.schedule))
    specs = [
        ScheduleSpec(name) for name in PRESETS if name != parts.document.experiment.schedule.preset
    ]
    for spec in specs[:10]:
        parts.document.replace_schedule(spec, "drag", "drag")
    assert len(told) <= 2, "the first at once, the others soon"
    qtbot.waitUntil(lambda: told[-1:] == [build(specs[9])], timeout=5000)
    assert len(told) <= 3
    way[0] = False
    told.clear()
    for spec in specs[10:]:
        parts.document.replace_schedule(spec, "drag", "drag")
    assert len(told) == len(specs) - 10, (
        "where nothing else wants the time every change is shown at once"
    )


# --- two schedules side by side -------------------------------------------------------------------


def _x_t(x_0: Pixels, spec: ScheduleSpec, t: int, seed: int = 0) -> np.ndarray:
    """Return sqrt(abar) x_0 + sqrt(1 - abar) eps in grey levels, float64, by the formula alone."""
    clean = x_0.astype(np.float64) / 127.5 - 1.0
    eps = gaussian(seed, 0, START, x_0.shape).astype(np.float64)
    abar = float(build(spec).alpha_bar[t])
    noisy = np.sqrt(abar) * clean + np.sqrt(1.0 - abar) * eps
    return (np.clip(noisy, -1.0, 1.0) + 1.0) * 127.5


def _split(parts: Parts, a: ScheduleSpec, b: ScheduleSpec) -> None:
    """Put `a` and `b` on the sides, A on show."""
    parts.document.replace_schedule(a, "A")
    parts.comparison.switch()
    parts.document.replace_schedule(b, "B")
    parts.comparison.switch()


COSINE, LINEAR, SHORT = ScheduleSpec("cosine"), ScheduleSpec("linear"), ScheduleSpec("sqrt", T=200)


@pytest.mark.parametrize("b", [LINEAR, SHORT])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_both_sides_noise_the_same_picture_with_the_same_noise(
    parts: Parts, b: ScheduleSpec, share: float
) -> None:
    parts.document.replace(replace(parts.document.experiment, seed=3), "seed")
    _split(parts, COSINE, b)
    parts.view.set_t(round(share * 1000))
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert tiles.other is not None
    assert (tiles.other.side, tiles.other.t) == ("B", round(share * b.T))
    for shown, spec, t in ((tiles.x_t, COSINE, parts.view.t), (tiles.other.x_t, b, tiles.other.t)):
        assert np.abs(shown.pixels - _x_t(tiles.x_0.pixels, spec, t, seed=3)).max() <= 1.0


def test_with_B_on_show_the_other_tile_is_A(parts: Parts) -> None:
    _split(parts, COSINE, LINEAR)
    parts.comparison.switch()
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert tiles.other is not None
    assert tiles.other.side == "A"


def test_the_comparison_can_be_left_out_of_the_pictures(parts: Parts, qtbot: QtBot) -> None:
    assert not parts.preview.two_sides
    _split(parts, COSINE, LINEAR)
    assert parts.preview.comparing
    with qtbot.waitSignals([parts.preview.sides_changed, parts.preview.tiles_changed]):
        parts.preview.set_comparing(False)
    assert parts.preview.two_sides
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert tiles.other is None


def test_ending_the_comparison_is_told(parts: Parts, qtbot: QtBot) -> None:
    _split(parts, COSINE, LINEAR)
    with qtbot.waitSignals([parts.preview.sides_changed, parts.preview.tiles_changed]):
        parts.comparison.end()
    assert not parts.preview.two_sides


def test_undo_over_a_switch_between_lengths_is_safe(parts: Parts) -> None:
    _split(parts, COSINE, ScheduleSpec("linear", T=1))
    parts.view.set_t(1000)
    for _ in range(2):
        while parts.document.history.undo_text:
            parts.document.history.undo()
            assert parts.preview.tiles() is not None
        while parts.document.history.redo_text:
            parts.document.history.redo()
            assert parts.preview.tiles() is not None
            assert len(parts.film.strip(11, 16)) == 2
