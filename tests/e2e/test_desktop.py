"""The real window on a real (virtual) screen, driven by mouse and keys, judged by its pixels."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageColor

from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.panels.common.theme import LIGHT
from diffusion_gui.session.export import save_schedule

from .looks import (
    QUADRANTS,
    SOON,
    TAG,
    correlation,
    distance,
    drop,
    four_quadrants,
    is_framed,
    is_not_framed,
    matched,
    mean_on_screen,
    quadrants_of,
    shows_quadrants,
    source_corner,
    wait_for_a_picture,
    wait_for_the_message_bar,
    wait_until_as,
    wait_until_it_samples,
)
from .program import Program, running_drag_source

pytestmark = pytest.mark.e2e

FIRST_T = 412
"""Where the time cursor stands at the start."""


def test_first_launch_shows_pictures_in_all_panels(program: Program) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    wait_for_a_picture(program, "filmStrip", "the film strip shows its frames")
    curve = ImageColor.getrgb(LIGHT.alpha_bar)
    for name in (name for name in program.places if name.startswith("point_")):
        program.desktop.wait_for_pixels(
            program.places[name],
            lambda pixels: tuple(pixels[0, 0]) == curve,
            SOON,
            f"the schedule editor shows {name}",
        )
    wait_for_a_picture(program, "batch_x0_hat", "the sampling panel shows what the model sees")
    assert program.close(SOON) == (0, "")


def test_a_dropped_picture_is_shown_and_noised(program: Program, tmp_path: Path) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    good, broken = four_quadrants(tmp_path / "quadrants.png"), tmp_path / "broken.png"
    broken.write_text("This is text, whatever its name says.\n", encoding="utf-8")
    corner = source_corner(program)
    with running_drag_source(program.desktop, corner, [[broken], [good]], tmp_path) as handles:
        before = program.pixels("x_t")
        drop(program, handles[0])
        wait_for_the_message_bar(program)
        drop(program, handles[1])
        program.desktop.wait_for_pixels(
            program.places["x_0"], shows_quadrants, SOON, "x_0 shows the dropped picture"
        )
        x_t = program.desktop.wait_for_change(
            program.places["x_t"], before, SOON, "x_t shows the dropped picture noised"
        )
    a = sqrt(build(ScheduleSpec()).alpha_bar[FIRST_T])
    for colour, quadrant in zip(QUADRANTS, quadrants_of(x_t), strict=True):
        expected = [mean_on_screen(a * (channel / 127.5 - 1.0), a) for channel in colour]
        np.testing.assert_allclose(quadrant.mean((0, 1)), expected, atol=3.0)
        assert quadrant.std((0, 1)).min() > 25.0
    assert program.close(SOON) == (0, "")


def test_a_drag_that_leaves_the_window_takes_its_frame_with_it(
    program: Program, tmp_path: Path
) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    desktop, place = program.desktop, program.places["imagePanel"]
    corner = source_corner(program)
    file = four_quadrants(tmp_path / "quadrants.png")
    with running_drag_source(desktop, corner, [[file]], tmp_path) as handles:
        desktop.press(handles[0])
        desktop.move(program.places["point_3"].centre, steps=20)
        desktop.wait_for_pixels(place, is_framed, SOON, "a drag over another panel counts, too")
        desktop.move((1, 1), steps=20)
        desktop.wait_for_pixels(place, is_not_framed, 2.0, "the frame goes with the drag")


def test_dragging_t_noises_the_picture_while_the_mouse_moves(program: Program) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    desktop, (left, y) = program.desktop, program.places["t_0"].centre
    right = program.places["t_T"].centre[0]
    x_0 = program.pixels("x_0")
    desktop.press(program.places["t_now"].centre)
    desktop.move((right, y))
    x_t = desktop.wait_for_pixels(
        program.places["x_t"],
        lambda pixels: abs(correlation(matched(pixels, x_0), x_0)) < 0.05,
        SOON,
        "x_t is noise at the right end",
    )
    distances = [distance(matched(x_t, x_0), x_0)]
    for share in (0.85, 0.7, 0.55, 0.4, 0.25, 0.1):
        desktop.move((round(left + share * (right - left)), y))
        x_t = desktop.wait_for_change(program.places["x_t"], x_t, SOON, f"x_t follows to {share}")
        distances.append(distance(matched(x_t, x_0), x_0))
    assert distances == sorted(distances, reverse=True)
    desktop.move((left, y))
    desktop.wait_for_pixels(
        program.places["x_t"],
        lambda pixels: distance(matched(pixels, x_0)[:-TAG], x_0[:-TAG]) < 2.0,
        SOON,
        "x_t is x_0 at the left end",
    )
    desktop.release()
    assert program.close(SOON) == (0, "")


def test_a_dropped_schedule_noises_the_picture_and_one_undo_takes_it_back(
    program: Program, tmp_path: Path
) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    desktop, file = program.desktop, tmp_path / "scheduler_config.json"
    save_schedule(build(ScheduleSpec("linear")), file)
    corner = source_corner(program)
    with running_drag_source(desktop, corner, [[file]], tmp_path) as handles:
        x_0 = program.pixels("x_0")
        before = {name: program.pixels(name) for name in ("x_t", "filmStrip")}
        noise = distance(matched(before["x_t"], x_0), x_0)
        drop(program, handles[0])
        desktop.wait_for_pixels(
            program.places["x_t"],
            lambda pixels: distance(matched(pixels, x_0), x_0) > 1.1 * noise,
            SOON,
            "x_t is noised by the dropped schedule",
        )
    desktop.keys("ctrl+z")
    wait_until_as(program, before)
    assert program.close(SOON) == (0, "")


def test_dragging_the_curve_is_live_and_one_undo_takes_it_back(program: Program) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    desktop, (x, y) = program.desktop, program.places["point_3"].centre
    x_0 = program.pixels("x_0")
    before = {name: program.pixels(name) for name in ("x_t", "filmStrip")}
    noise = distance(matched(before["x_t"], x_0), x_0)
    desktop.press((x, y))
    desktop.move((x, y + 60))
    desktop.wait_for_pixels(
        program.places["x_t"],
        lambda pixels: distance(matched(pixels, x_0), x_0) > 1.1 * noise,
        SOON,
        "x_t is noisier while the point is held lower",
    )
    desktop.wait_for_change(
        program.places["filmStrip"], before["filmStrip"], SOON, "the film strip follows the point"
    )
    desktop.release()
    desktop.keys("ctrl+z")
    wait_until_as(program, before)
    assert program.close(SOON) == (0, "")


def test_closing_while_torch_is_loading_ends_the_program(program: Program) -> None:
    wait_for_a_picture(program, "x_0", "the image panel shows a picture")
    assert program.close(SOON) == (0, "")


def test_closing_during_a_long_run_ends_the_program(program: Program) -> None:
    wait_for_a_picture(program, "batch_x0_hat", "the first run shows its frames")
    desktop = program.desktop
    desktop.click(program.places["stepsSpin"].centre)
    desktop.keys("ctrl+a", "1", "0", "0", "0", "Return")
    desktop.keys("F5")  # so long a run is offered, not begun
    wait_until_it_samples(program)
    assert program.close(SOON) == (0, "")
