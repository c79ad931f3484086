"""The real window on a real (virtual) screen, driven by mouse and keys, judged by its pixels."""

from __future__ import annotations

from functools import partial
from math import erf, exp, pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.panels.common.theme import LIGHT
from diffusion_gui.session.export import save_schedule

from .desktop import Pixels
from .program import START, Program, running_drag_source

pytestmark = pytest.mark.e2e

SOON = 10.0
"""Seconds after which a window that answers a hand at all has answered."""
QUADRANTS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
"""Colours of the test picture: upper left, upper right, lower left, lower right."""
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
    with running_drag_source(program.desktop, corner, [broken, good], tmp_path) as handles:
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
    with running_drag_source(desktop, corner, [file], tmp_path) as handles:
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
        lambda pixels: distance(matched(pixels, x_0), x_0) < 2.0,
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
    with running_drag_source(desktop, corner, [file], tmp_path) as handles:
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
    wait_until_it_samples(program)
    assert program.close(SOON) == (0, "")


def wait_until_as(program: Program, before: dict[str, Pixels]) -> None:
    """Wait until these parts of the window are, pixel for pixel, as they were `before`."""
    for name, earlier in before.items():
        same = partial(np.array_equal, earlier)
        program.desktop.wait_for_pixels(program.places[name], same, SOON, f"{name} is as before")


def wait_for_a_picture(program: Program, name: str, what: str) -> None:
    """Wait until a place holds a picture: dark and bright, and of many colours."""

    def varied(pixels: Pixels) -> bool:
        colours = np.unique(pixels.reshape(-1, 3), axis=0)
        return bool(pixels.std() > 30.0 and len(colours) > 500)

    program.desktop.wait_for_pixels(program.places[name], varied, START, what)


def wait_until_it_samples(program: Program) -> None:
    """Wait until the frames have changed more often than in the first run of 20 steps."""
    place, seen = program.places["batch_x_t"], [program.pixels("batch_x_t")]

    def differs(pixels: Pixels) -> bool:
        return not np.array_equal(pixels, seen[-1])

    while len(seen) < 40:
        what = f"the reverse process changes its frames for the {len(seen)}th time"
        seen.append(program.desktop.wait_for_pixels(place, differs, SOON, what))


def wait_for_the_message_bar(program: Program) -> None:
    """Wait until the image panel's message bar shows its frame, in the colour of warnings."""
    warning = np.array(ImageColor.getrgb(LIGHT.warning))
    program.desktop.wait_for_pixels(
        program.places["messageBar"],
        lambda pixels: (pixels[0] == warning).all(-1).mean() > 0.9,
        SOON,
        "a message bar says what is wrong with the file",
    )


def source_corner(program: Program) -> tuple[int, int]:
    """Return a place for the second program where it hides no picture: above the beta plot."""
    window = program.places["window"]
    return window.x + 20, window.y + 640


def drop(program: Program, handle: tuple[int, int]) -> None:
    """Drag what lies at `handle` onto the image panel; it shows that it would take it."""
    desktop, place = program.desktop, program.places["imagePanel"]
    desktop.press(handle)
    desktop.move(program.places["tray"].centre, steps=20)
    desktop.wait_for_pixels(place, is_framed, SOON, "the panel is framed while the drag is over it")
    desktop.release()
    desktop.wait_for_pixels(place, is_not_framed, SOON, "the frame goes when the drag is over")


def is_framed(panel: Pixels) -> bool:
    """Return whether a panel's left edge has the accent colour throughout."""
    return bool((panel[20:-20, 0] == np.array(ImageColor.getrgb(LIGHT.accent))).all())


def is_not_framed(panel: Pixels) -> bool:
    """Return whether a panel's left edge has the accent colour nowhere."""
    return not (panel[20:-20, 0] == np.array(ImageColor.getrgb(LIGHT.accent))).all(-1).any()


def four_quadrants(path: Path) -> Path:
    """Write a picture of four saturated colours that nothing else on the screen looks like."""
    pixels = np.array(QUADRANTS, np.uint8).reshape(2, 2, 3).repeat(128, 0).repeat(128, 1)
    Image.fromarray(pixels).save(path)
    return path


def quadrants_of(pixels: Pixels) -> list[Pixels]:
    """Return the inner parts of a picture's quadrants, away from their edges."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    return [
        pixels[y + 8 : y + height - 8, x + 8 : x + width - 8]
        for y in (0, height)
        for x in (0, width)
    ]


def shows_quadrants(pixels: Pixels) -> bool:
    """Return whether the clean test picture is on show."""
    pairs = zip(quadrants_of(pixels), QUADRANTS, strict=True)
    return all(np.abs(quadrant - np.array(colour)).max() <= 1 for quadrant, colour in pairs)


def mean_on_screen(mean: float, a: float) -> float:
    """Return the mean, in 0..255, of N(mean, 1 - a^2) clipped to [-1, 1] (closed form)."""
    s = sqrt(1.0 - a * a)
    low, high = (-1.0 - mean) / s, (1.0 - mean) / s
    below, above = (1.0 + erf(low / sqrt(2.0))) / 2.0, (1.0 - erf(high / sqrt(2.0))) / 2.0
    density = (exp(-low * low / 2.0) - exp(-high * high / 2.0)) / sqrt(2.0 * pi)
    inside = mean * (1.0 - below - above) + s * density
    return 127.5 * (inside - below + above + 1.0)


def matched(picture: Pixels, other: Pixels) -> Pixels:
    """Cut a picture to the other's size: tiles of one row may differ by a pixel."""
    return picture[: other.shape[0], : other.shape[1]]


def distance(one: Pixels, other: Pixels) -> float:
    """Return the root mean square difference in grey levels."""
    return float(np.sqrt(np.square(one.astype(float) - other).mean()))


def correlation(one: Pixels, other: Pixels) -> float:
    """Return the correlation of two pictures' values."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
