"""A recorded run as files: pictures, steps, sheets, animations, numbers. Knows no Qt, no torch.

Pixels are those of the recorded frames. Every PNG carries the experiment and the pictures that it
takes in, so that `session/restore.py` brings it back from any of them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels, contact_sheet
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.session.animation import Reel, check_animation, check_size, save_reel
from diffusion_gui.session.export import CELL, METADATA_KEY, png_bytes, save_png, square_columns
from diffusion_gui.session.files import AnyPath, atomic_write, check_target
from diffusion_gui.session.format import View, encode
from diffusion_gui.session.forward_export import Shot
from diffusion_gui.session.frame_sheet import Layout, Row, draw_rows
from diffusion_gui.session.numbered import numbers
from diffusion_gui.session.run_folder import Folder, Written, write_folder
from diffusion_gui.session.run_inputs import Carriage
from diffusion_gui.session.watch import IDLE, Watch

QUANTITIES = ("x_t", "x0_hat", "eps_hat")
"""What a frame shows, by the names of its fields."""
BETWEEN = 12
"""Pixels of white between two grids that stand side by side."""
LEAST_CELL, MOST_CELL = 16, 512


@dataclass(frozen=True, slots=True)
class Look:
    """What of a step is shown: its quantities side by side, of all pictures or of chosen ones."""

    quantities: tuple[str, ...] = ("x0_hat",)
    images: tuple[int, ...] = ()
    """Numbers of the pictures in the batch, from 0; empty for all."""
    cell: int = CELL
    """About how many pixels wide a picture is: every pixel is enlarged a whole number of times."""

    def batch(self, frame: Frame, quantity: str) -> Pixels:
        """Return a step's pictures of one quantity, uint8 [N, H, W, 3]."""
        pictures: Pixels = getattr(frame, quantity)
        return pictures[list(self.images)] if self.images else pictures

    def drawn(self, frame: Frame) -> Pixels:
        """Return a step as one picture, uint8 [H, W, 3]; a single small picture has no border."""
        grids = [self._grid(self.batch(frame, quantity)) for quantity in self.quantities]
        white = np.full((grids[0].shape[0], BETWEEN, 3), 255, np.uint8)
        parts = [part for grid in grids for part in (white, grid)][1:]
        return np.concatenate(parts, axis=1)

    def _grid(self, batch: Pixels) -> Pixels:
        scale = max(1, round(self.cell / batch.shape[2]))
        if len(batch) == 1:
            return batch[0].repeat(scale, axis=0).repeat(scale, axis=1)
        return contact_sheet(batch, square_columns(len(batch)), scale=scale)


@dataclass(frozen=True, slots=True)
class RunMotion:
    """How the animation of a run goes: which of its steps, how fast, how long the last one."""

    steps: int = 40
    """At most so many of the recorded steps, evenly, the first and the last among them."""
    fps: int = 10
    hold: float = 1.5
    """Seconds that the last step stays longer."""
    look: Look = Look()


def evenly(frames: Sequence[Frame], count: int) -> list[Frame]:
    """Return at most `count` of the frames, evenly, the first and the last among them."""
    if count >= len(frames):
        return list(frames)
    if count < 2:
        return list(frames[-1:])
    return [frames[round(i * (len(frames) - 1) / (count - 1))] for i in range(count)]


def texts(carried: Carriage, view: View | None = None) -> dict[str, str]:
    """Return the text that a PNG of a run carries."""
    return {METADATA_KEY: encode(carried.experiment, view)}


def view_of(frame: Frame, carried: Carriage) -> View:
    """Return where a step is looked at: at its t. A fork may have begun beyond its own T."""
    return View(min(frame.t, carried.experiment.schedule.T))


def _at(frame: Frame, carried: Carriage) -> dict[str, str]:
    return texts(carried, view_of(frame, carried))


def shot(frame: Frame, look: Look, carried: Carriage) -> Shot:
    """Return a step as pixels, and as a PNG that carries the experiment."""
    pixels = look.drawn(frame)
    return Shot(pixels, png_bytes(pixels, _at(frame, carried), carried.pictures))


def save_step(
    path: AnyPath, frame: Frame, look: Look, carried: Carriage, watch: Watch = IDLE
) -> None:
    """Write a step as one PNG: its grids, or one picture of it."""
    save_png(path, look.drawn(frame), _at(frame, carried), carried.pictures, watch.poll)


def image_names(stem: str, look: Look, count: int) -> list[str]:
    """Return the names of files of single pictures, counted from 1 of `count`."""
    chosen = [i + 1 for i in look.images or range(count)]
    several = len(look.quantities) > 1
    kinds = [f"-{quantity}" if several else "" for quantity in look.quantities]
    return [f"{stem}-{n}{kind}.png" for n in numbers(chosen, count) for kind in kinds]


def keeper_name(stem: str) -> str:
    """Return the name of the file that carries the pictures for all others of its folder."""
    return f"{stem}-run.png"


def step_names(stem: str, frames: Sequence[Frame], last: int) -> list[str]:
    """Return the names of files of single steps of 0..`last`."""
    return [f"{stem}-step-{n}.png" for n in numbers([frame.index for frame in frames], last)]


def save_images(
    folder: AnyPath, stem: str, frame: Frame, look: Look, carried: Carriage, watch: Watch = IDLE
) -> Written:
    """Write every chosen picture of a step into a file of its own, see `run_folder.py`."""
    count = len(frame.x_t)
    single = [
        replace(look, quantities=(quantity,), images=(image,))
        for image in look.images or range(count)
        for quantity in look.quantities
    ]
    files = Folder(
        image_names(stem, look, count),
        lambda index: single[index].drawn(frame),
        keeper_name(stem),
        lambda: replace(look, images=(), cell=CELL).drawn(frame),
    )
    return write_folder(folder, files, _at(frame, carried), carried.pictures, watch)


def save_steps(
    folder: AnyPath,
    stem: str,
    frames: Sequence[Frame],
    look: Look,
    carried: Carriage,
    watch: Watch = IDLE,
) -> Written:
    """Write every one of `frames` into a file of its own, see `run_folder.py`."""
    files = Folder(
        step_names(stem, frames, frames[-1].index),
        lambda index: look.drawn(frames[index]),
        keeper_name(stem),
        lambda: replace(look, images=(), cell=CELL).drawn(frames[-1]),
    )
    return write_folder(folder, files, texts(carried), carried.pictures, watch)


def save_sheet(
    path: AnyPath,
    frames: Sequence[Frame],
    look: Look,
    carried: Carriage,
    watch: Watch = IDLE,
) -> tuple[int, int]:
    """Write a sheet: a row for every picture, a column for every step, one quantity below another.

    Returns its width and height. Raises EngineError if it would be too large.
    """
    times = [frame.t for frame in frames]
    rows = []
    for quantity in look.quantities:
        count = len(look.batch(frames[0], quantity))
        for place in range(count):
            title = quantity if place == 0 else ""
            rows.append(Row(times, partial(_row, frames, look, quantity, place), title))
    side = frames[0].x_t.shape[2]
    try:
        layout = Layout(rows, (side, side), max(1, round(look.cell / side)))
    except EngineError:
        raise EngineError(
            f"a sheet of {len(rows)} rows and {len(times)} steps is too large; choose fewer steps,"
            " one picture, or smaller ones"
        ) from None
    sheet = draw_rows(rows, layout, watch.poll, watch.progress)
    save_png(path, sheet, texts(carried), carried.pictures, watch.poll)
    return layout.size


def _row(frames: Sequence[Frame], look: Look, quantity: str, place: int) -> list[Pixels]:
    return [look.batch(frame, quantity)[place] for frame in frames]


def save_run_animation(
    path: AnyPath,
    frames: Sequence[Frame],
    motion: RunMotion,
    carried: Carriage,
    watch: Watch = IDLE,
) -> int:
    """Write a run as an animation and return the number of its frames.

    Raises EngineError if the file cannot be written, or would be too large.
    """
    target = check_animation(path)
    chosen = evenly(frames, motion.steps)
    height, width = motion.look.drawn(chosen[0]).shape[:2]
    check_size(target, len(chosen), (width, height), "smaller pictures")
    reel = Reel(
        (width, height),
        len(chosen),
        lambda index: motion.look.drawn(chosen[index]),
        motion.fps,
        texts(carried),
        carried.pictures,
        motion.hold,
    )
    save_reel(target, reel, watch)
    return len(chosen)


def save_numbers(
    path: AnyPath, frames: Sequence[Frame], calls: Sequence[int], watch: Watch = IDLE
) -> None:
    """Write the numbers of every recorded step as .csv, the pictures' changes and cosines too.

    `calls` are the model calls made when step 0, 1, ... is there. What is not known is left empty.
    """
    count = len(frames[0].changes)
    of_pictures = [f"{name}_{i + 1}" for name in ("change", "cosine") for i in range(count)]
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["step", "t", "sigma", "nfe", "seconds", "change", *of_pictures])
    for frame in frames:
        watch.poll()
        values = [frame.sigma, calls[frame.index], frame.seconds, frame.change]
        values += [*frame.changes.tolist(), *frame.cosines.tolist()]
        rows.writerow([frame.index, frame.t, *map(_number, values)])
    content = text.getvalue().encode()
    target = check_target(path, (".csv",))
    atomic_write(target, lambda file: file.write(content), watch.poll)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"
