"""What tests of the real window look for on the screen, and what they do with the mouse."""

from __future__ import annotations

from functools import partial
from math import erf, exp, pi, sqrt
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from diffusion_gui.panels.common.theme import LIGHT

from .desktop import Pixels
from .program import START, Program

TAG = 28
"""Height in pixels at the foot of a picture where a tag may stand."""
SOON = 10.0
"""Seconds after which a window that answers a hand at all has answered."""
QUADRANTS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
"""Colours of the test picture: upper left, upper right, lower left, lower right."""


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
    """Return the inner parts of a picture's quadrants, away from their edges and from the tag."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    return [
        pixels[y + 8 : y + height - TAG, x + 8 : x + width - 8]
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
