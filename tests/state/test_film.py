"""The film strip is the forward process at every t it shows."""

from __future__ import annotations

import numpy as np
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.images import Pixels, fit_within, square
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import ScheduleSpec, build


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


def test_the_strip_runs_from_clean_to_noise(parts: Parts) -> None:
    (row,) = parts.film.strip(11, 64)
    frames = row.frames
    assert (row.side, row.T) == ("", 1000)
    assert [t for t, _ in frames] == list(range(0, 1001, 100))
    clean = frames[0][1].astype(float)
    distances = [np.abs(pixels - clean).mean() for _, pixels in frames]
    assert distances == sorted(distances)
    assert distances[-1] > 50.0


def test_a_short_schedule_has_a_short_strip(parts: Parts) -> None:
    parts.document.replace_schedule(ScheduleSpec("linear", T=1), "T")
    (row,) = parts.film.strip(11, 32)
    assert [t for t, _ in row.frames] == [0, 1]


def test_the_strip_has_a_row_for_each_side_with_the_same_noise(parts: Parts) -> None:
    _split(parts, COSINE, LINEAR)
    picture = parts.preview.picture
    assert picture is not None
    x_0 = square(fit_within(picture.pixels, 512), 48)
    rows = parts.film.strip(11, 48)
    assert [(row.side, row.T) for row in rows] == [("A", 1000), ("B", 1000)]
    for row, spec in zip(rows, (COSINE, LINEAR), strict=True):
        assert [t for t, _ in row.frames] == list(range(0, 1001, 100))
        for t, shown in row.frames:
            assert np.abs(shown - _x_t(x_0, spec, t)).max() <= 1.0


def test_rows_of_another_length_stand_at_the_same_share_of_the_way(parts: Parts) -> None:
    _split(parts, COSINE, SHORT)
    for _ in range(2):  # with A on show, then with B
        a, b = parts.film.strip(11, 32)
        assert [t for t, _ in a.frames] == list(range(0, 1001, 100))
        assert [t for t, _ in b.frames] == list(range(0, 201, 20))
        parts.comparison.switch()


def test_the_letters_stay_in_order_whichever_side_is_on_show(parts: Parts) -> None:
    _split(parts, COSINE, LINEAR)
    before = parts.film.strip(11, 32)
    parts.comparison.switch()
    after = parts.film.strip(11, 32)
    for one, other in zip(before, after, strict=True):
        assert one.side == other.side
        for (_, first), (_, second) in zip(one.frames, other.frames, strict=True):
            np.testing.assert_array_equal(first, second)


def test_the_comparison_can_be_left_out(parts: Parts, qtbot: QtBot) -> None:
    _split(parts, COSINE, LINEAR)
    with qtbot.waitSignal(parts.film.changed):
        parts.preview.set_comparing(False)
    assert [row.side for row in parts.film.strip(11, 32)] == [""]


def test_ending_the_comparison_is_told_and_shows_one_row(parts: Parts, qtbot: QtBot) -> None:
    _split(parts, COSINE, LINEAR)
    with qtbot.waitSignal(parts.film.changed):
        parts.comparison.end()
    assert len(parts.film.strip(11, 32)) == 1
