"""What the image panel shows is the forward process, at t and over t."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import to_float, to_uint8
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import ScheduleSpec


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_tiles_are_the_closed_form_with_the_noise_of_the_seed(
    parts: Parts, share: float
) -> None:
    t = round(share * parts.view.T)
    parts.view.set_t(t)
    tiles = parts.preview.tiles()
    assert tiles is not None
    schedule, x_0 = parts.document.schedule, to_float(tiles.x_0)
    eps = gaussian(0, 0, START, x_0.shape)
    a, s = np.float32(schedule.a[t]), np.float32(schedule.s[t])
    for shown, expected in (
        (tiles.x_t, a * x_0 + s * eps),
        (tiles.signal, a * x_0),
        (tiles.noise, s * eps),
    ):
        assert np.abs(shown.astype(int) - to_uint8(expected)).max() <= 1


def test_the_strip_runs_from_clean_to_noise(parts: Parts) -> None:
    frames = parts.preview.strip(11, 64)
    assert [t for t, _ in frames] == list(range(0, 1001, 100))
    clean = frames[0][1].astype(float)
    distances = [np.abs(pixels - clean).mean() for _, pixels in frames]
    assert distances == sorted(distances)
    assert distances[-1] > 50.0


def test_a_short_schedule_has_a_short_strip(parts: Parts) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", T=1), "T")
    assert [t for t, _ in parts.preview.strip(11, 32)] == [0, 1]


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
    assert np.abs(first.x_t.astype(int) - second.x_t).max() > 50
    np.testing.assert_array_equal(first.x_t, again.x_t)
