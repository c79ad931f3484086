"""The film strip is the forward process at every t it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import NoiseKind, PictureRef, Start
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import Picture, Pixels, fit_within, square
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.state.view_state import Frames


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


# --- several pictures -----------------------------------------------------------------------------


def _ids(parts: Parts) -> list[str]:
    return [ref.id for ref in parts.document.experiment.pictures]


def _clean(parts: Parts, picture: str, side: int) -> Pixels:
    return square(fit_within(parts.store.get(picture).pixels, 512), side)


def test_chosen_pictures_are_rows_in_the_order_of_the_tray_with_the_same_noise(
    parts: Parts,
) -> None:
    first, second, third = _ids(parts)
    parts.view.choose((third, first))
    rows = parts.film.strip(11, 40)
    assert [row.head.picture for row in rows] == [first, third]
    assert [row.head.name for row in rows] == ["chelsea.png", "hubble_deep_field.jpg"]
    for row in rows:
        for t, shown in row.frames:
            assert np.abs(shown - _x_t(_clean(parts, row.head.picture, 40), COSINE, t)).max() <= 1.0
    parts.view.choose((*parts.view.chosen, second))
    assert [row.head.picture for row in parts.film.strip(11, 40)] == [first, second, third]


def test_each_picture_has_its_rows_A_and_B_below_one_another(parts: Parts) -> None:
    first, second, _ = _ids(parts)
    parts.view.choose((first, second))
    _split(parts, COSINE, LINEAR)
    rows = parts.film.strip(11, 32)
    assert [(row.head.picture, row.side) for row in rows] == [
        (first, "A"), (first, "B"), (second, "A"), (second, "B"),
    ]  # fmt: skip
    for row in rows:
        spec = COSINE if row.side == "A" else LINEAR
        for t, shown in row.frames:
            assert np.abs(shown - _x_t(_clean(parts, row.head.picture, 32), spec, t)).max() <= 1.0


def test_a_picture_that_leaves_the_tray_leaves_the_strip(parts: Parts, qtbot: QtBot) -> None:
    first, second, _ = _ids(parts)
    parts.view.choose((first, second))
    with qtbot.waitSignal(parts.film.rows_changed):
        parts.pictures.remove({second})
    assert [row.head.picture for row in parts.film.strip(11, 32)] == [first]


def test_a_picture_that_cannot_be_opened_says_so_in_its_row(parts: Parts) -> None:
    gone = PictureRef("gone", "gone.png", "elsewhere")
    pictures = (*parts.document.experiment.pictures, gone)
    parts.document.replace(replace(parts.document.experiment, pictures=pictures), "x")
    parts.view.choose((*parts.view.chosen, "gone"))
    good, bad = parts.film.strip(11, 32)
    assert (good.problem, len(good.frames)) == ("", 11)
    assert (bad.problem, bad.frames) == (
        "the picture gone is not loaded; open its file again", ()
    )  # fmt: skip


# --- placements -----------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", Frames)
@pytest.mark.parametrize(
    "spec", [COSINE, LINEAR, SHORT, ScheduleSpec("linear", zero_terminal=True)]
)
def test_frames_of_every_placement_are_the_closed_form(
    parts: Parts, spec: ScheduleSpec, frames: Frames
) -> None:
    parts.document.replace_schedule(spec, "schedule")
    parts.view.set_display(frames=frames)
    (row,) = parts.film.strip(12, 40)
    assert (row.frames[0][0], row.frames[-1][0]) == (0, spec.T)
    for t, shown in row.frames:
        assert np.abs(shown - _x_t(_clean(parts, row.head.picture, 40), spec, t)).max() <= 1.0


def test_even_in_log_snr_follows_the_schedule_of_each_side(parts: Parts) -> None:
    _split(parts, COSINE, LINEAR)
    parts.view.set_display(frames=Frames.LOG_SNR)
    a, b = parts.film.strip(9, 32)
    assert [t for t, _ in a.frames] != [t for t, _ in b.frames]
    snr = build(LINEAR).log_snr
    levels = [snr[t] for t, _ in b.frames[1:-1]]
    assert np.ptp(np.diff(levels)) < 0.1 * abs(np.diff(levels).mean())


@pytest.mark.parametrize(
    ("spec", "count", "ends_with_T"),
    [
        (COSINE, 3, False),  # two levels lie far enough apart for the steep last step
        (COSINE, 9, True),
        (COSINE, 13, True),
        (LINEAR, 3, False),
        (LINEAR, 13, False),
        (ScheduleSpec("flow"), 3, True),  # pure noise has no level
        (ScheduleSpec("flow"), 13, True),
    ],
)
def test_the_caption_of_even_log_snr_says_the_snr_of_the_frames_there_are(
    parts: Parts, spec: ScheduleSpec, count: int, ends_with_T: bool
) -> None:
    parts.document.replace_schedule(spec, "schedule")
    parts.view.set_display(frames=Frames.LOG_SNR)
    (row,) = parts.film.strip(count, 32)
    schedule = build(spec)
    with np.errstate(divide="ignore"):
        decibels = 20.0 * np.log10(schedule.a[1:] / schedule.s[1:])
    even = [decibels[t - 1] for t, _ in row.frames[1 : -1 if ends_with_T else None]]
    first, last = (f"{value:.0f} dB".replace("-", "−") for value in (even[0], even[-1]))
    said = f"evenly in log-SNR, {first} to {last}" if len(even) > 1 else first
    end = ", then t = T" if ends_with_T else ""
    assert parts.film.note(count) == f"x₀, then {said}{end}"


def test_one_step_to_pure_noise_has_two_frames_and_no_log_snr(parts: Parts) -> None:
    parts.document.replace_schedule(ScheduleSpec("flow", 1), "flow")
    parts.view.set_display(frames=Frames.LOG_SNR)
    assert parts.film.times("", 11) == (0, 1)
    assert parts.film.note(2) == "no step has any signal"


def test_the_sampler_s_steps_are_those_of_its_run(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_display(frames=Frames.STEPS)
    assert parts.film.times("", 21) == tuple(range(0, 1001, 50))
    assert parts.film.note(21) == "20 steps, all shown"
    assert parts.film.times("", 11) == tuple(range(0, 1001, 100))
    assert parts.film.note(11) == "20 steps, 11 of 21 levels shown"
    with qtbot.waitSignal(parts.film.changed):
        parts.document.replace_sampling("steps", steps=5, spacing="leading")
    assert parts.film.times("", 11) == (0, 1, 201, 401, 601, 801)
    with qtbot.waitSignal(parts.film.changed):
        parts.document.replace_sampling("start", start=Start(parts.view.picture, 300))
    assert parts.film.times("", 11)[-1] == 300


def test_a_run_from_a_picture_starts_at_the_same_share_of_the_way_on_the_other_side(
    parts: Parts,
) -> None:
    _split(parts, COSINE, SHORT)
    parts.view.set_display(frames=Frames.STEPS)
    parts.document.replace_sampling("start", start=Start(parts.view.picture, 500))
    assert (parts.film.times("A", 11)[-1], parts.film.times("B", 11)[-1]) == (500, 100)


def test_where_the_sampler_cannot_run_the_frames_are_even_in_t_and_it_is_said(
    parts: Parts,
) -> None:
    parts.view.set_display(frames=Frames.STEPS)
    parts.document.replace_sampling("list", spacing="times", levels=(2000.0,))
    assert parts.film.times("", 11) == tuple(range(0, 1001, 100))
    assert parts.film.note(11).startswith("evenly in t, for there are no steps: List of t")


def test_a_plain_strip_says_nothing_and_the_sampler_does_not_move_it(
    parts: Parts, qtbot: QtBot
) -> None:
    assert parts.film.note(11) == ""
    with qtbot.assertNotEmitted(parts.film.changed):
        parts.document.replace_sampling("steps", steps=7)


# --- display range, noise, sizes ------------------------------------------------------------------


@pytest.mark.parametrize("shown", [Shown.NORMALISE, Shown.SYMMETRIC])
def test_every_frame_is_shown_over_its_own_range(parts: Parts, shown: Shown) -> None:
    parts.view.set_display(shown=shown)
    (row,) = parts.film.strip(6, 40)
    clean = _clean(parts, row.head.picture, 40).astype(np.float64) / 127.5 - 1.0
    eps = gaussian(0, 0, START, clean.shape).astype(np.float64)
    for (t, pixels), span in zip(row.frames, row.spans, strict=True):
        abar = float(build(COSINE).alpha_bar[t])
        x_t = np.sqrt(abar) * clean + np.sqrt(1.0 - abar) * eps
        low, high = x_t.min(), x_t.max()
        if shown is Shown.SYMMETRIC:
            high = max(-low, high)
            low = -high
        assert (span.low, span.high) == (
            pytest.approx(low, abs=1e-5),
            pytest.approx(high, abs=1e-5),
        )
        assert np.abs(pixels - 255.0 * (x_t - low) / (high - low)).max() <= 1.0
    assert parts.film.note(6).startswith("each frame")


@pytest.mark.parametrize("kind", [NoiseKind.PATH, NoiseKind.FRESH])
def test_other_kinds_of_noise_are_the_same_in_every_row(parts: Parts, kind: NoiseKind) -> None:
    parts.document.replace_forward("noise", noise=kind, offset=0.3)
    parts.view.choose(_ids(parts)[:2])
    schedule, field = build(COSINE), NoiseField(0, (32, 32, 3), kind, 0.3)
    for row in parts.film.strip(6, 32):
        clean = _clean(parts, row.head.picture, 32).astype(np.float64) / 127.5 - 1.0
        for t, shown in row.frames:
            eps = field.at(t, float(schedule.log_snr[t])).astype(np.float64)
            abar = float(schedule.alpha_bar[t])
            x_t = np.sqrt(abar) * clean + np.sqrt(1.0 - abar) * eps
            assert np.abs(shown - (np.clip(x_t, -1.0, 1.0) + 1.0) * 127.5).max() <= 1.0


def test_a_frame_is_no_larger_than_the_picture(parts: Parts) -> None:
    parts.document.replace_forward("size", size=64)
    (row,) = parts.film.strip(6, 120)
    assert {pixels.shape for _, pixels in row.frames} == {(64, 64, 3)}
    picture = parts.store.get(row.head.picture).pixels
    for t, shown in row.frames:
        assert np.abs(shown - _x_t(square(fit_within(picture, 64), 64), COSINE, t)).max() <= 1.0


def test_a_wide_picture_shows_its_central_square(parts: Parts) -> None:
    wide = np.zeros((50, 200, 3), np.uint8)
    wide[:, 75:125] = 200
    parts.loader.add(Picture("wide.png", wide), "test")
    (row,) = parts.film.strip(3, 32)
    assert row.head.name == "wide.png"
    assert (row.frames[0][1] == 200).all()


def test_what_was_not_changed_is_not_computed_again(parts: Parts) -> None:
    _split(parts, COSINE, LINEAR)
    before = parts.film.strip(11, 32)
    parts.document.replace_schedule(SHORT, "edit A")
    after = parts.film.strip(11, 32)
    assert after[0] is not before[0]
    assert after[1] is before[1]
    parts.document.history.undo()
    parts.document.replace(replace(parts.document.experiment, seed=4), "seed")
    assert all(a is not b for a, b in zip(before, parts.film.strip(11, 32), strict=True))
