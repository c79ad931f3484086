"""Results as files: schedules, pictures, grids of samples. Knows the engine, no Qt.

Every file appears whole or not at all (`files.atomic_write`), and the same input gives the same
bytes. To add a schedule format, write its function and its row in `SCHEDULE_WRITERS`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

import msgspec
import numpy as np
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.images import Pixels, contact_sheet
from diffusion_gui.engine.schedules import Family, Schedule, ScheduleSpec, operations
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.session.diffusers_export import to_config
from diffusion_gui.session.files import AnyPath, WatchedFile, atomic_write, check_target
from diffusion_gui.session.format import View, encode
from diffusion_gui.session.png_parts import png_info
from diffusion_gui.session.schedule_arrays import to_npy, to_safetensors, to_torch
from diffusion_gui.session.schedule_source import numpy_source
from diffusion_gui.session.shared import shared

METADATA_KEY = "diffusion-gui"
"""The PNG text chunk that holds the picture's experiment as JSON."""
SCHEDULE_KEY = "diffusion-gui-schedule"
"""The PNG text chunk of a plot that holds its schedule as JSON."""
FLOW_LINE = "# family: flow\n"
"""The first line of a list that holds a flow's s; other families have a line like it."""
CELL = 128
"""About how many pixels wide a sample is in a contact sheet."""


def save_schedule(
    schedule: Schedule, path: AnyPath, spec: ScheduleSpec | None = None, scheduler: str = ""
) -> None:
    """Write `schedule` in the format that the ending of `path` names (see SCHEDULE_WRITERS).

    `spec`, if known, travels in the .json and the .png and titles the latter; `scheduler` is the
    diffusers class of a .json, the usual one if empty. Raises EngineError for another ending or
    class, and for a file that cannot be written.
    """
    target = check_target(path, SCHEDULE_WRITERS)
    content = schedule_bytes(schedule, target.suffix.lower(), spec, scheduler)
    atomic_write(target, lambda file: file.write(content))


def schedule_bytes(
    schedule: Schedule, ending: str, spec: ScheduleSpec | None = None, scheduler: str = ""
) -> bytes:
    """Return what `save_schedule` writes into a file with this ending, one of SCHEDULE_WRITERS."""
    return SCHEDULE_WRITERS[ending](schedule, spec, scheduler)


def schedule_columns(schedule: Schedule) -> dict[str, Array]:
    """Return what is exported at t = 0..T, by name: arrays of T + 1 entries."""
    with np.errstate(over="ignore"):
        snr = np.exp(schedule.log_snr)
    return {
        "beta": schedule.beta,
        "alpha": schedule.alpha,
        "alpha_bar": schedule.alpha_bar,
        "snr": snr,
        "log_snr": schedule.log_snr,
        "sigma": schedule.sigma,
        "posterior_variance": schedule.posterior_variance,
    }


def _schedule_json(schedule: Schedule, spec: ScheduleSpec | None, scheduler: str) -> bytes:
    return (json.dumps(to_config(schedule, spec, scheduler), indent=2) + "\n").encode()


def _schedule_csv(schedule: Schedule, *_: object) -> bytes:
    columns = {name: values.tolist() for name, values in schedule_columns(schedule).items()}
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["t", *columns, "family"])
    family = [schedule.family.value] * (schedule.T + 1)
    rows.writerows(zip(range(schedule.T + 1), *columns.values(), family, strict=True))
    return text.getvalue().encode()


def _schedule_npz(schedule: Schedule, *_: object) -> bytes:
    content = io.BytesIO()
    arrays: dict[str, Any] = {"t": np.arange(schedule.T + 1), **schedule_columns(schedule)}
    np.savez(content, **arrays, a=schedule.a, s=schedule.s, family=schedule.family.value)
    return content.getvalue()


def _schedule_sigmas(schedule: Schedule, *_: object) -> bytes:
    """Return sigma_T..sigma_1 and 0, one per line; of a flow its s, which diffusers calls sigma.

    Where the variance is not preserved, a first line that begins with # names the family.
    """
    sigmas = (schedule.s if schedule.family is Family.FLOW else schedule.sigma)[::-1]
    if not np.all(np.isfinite(sigmas)):
        raise EngineError(
            "sigma is infinite where no signal is left (alpha_bar = 0), and a list of sigmas"
            " cannot hold it; save as .json or .csv"
        )
    plain = schedule.family is Family.VP
    head = "" if plain else FLOW_LINE.replace(Family.FLOW, schedule.family)
    return (head + "".join(f"{sigma!r}\n" for sigma in sigmas.tolist())).encode()


def _schedule_py(schedule: Schedule, spec: ScheduleSpec | None, _: str) -> bytes:
    return numpy_source(schedule, spec).encode()


def _schedule_png(schedule: Schedule, spec: ScheduleSpec | None, _: str) -> bytes:
    from diffusion_gui.session.schedule_plot import draw_schedule

    content = io.BytesIO()
    kept = {SCHEDULE_KEY: _kept(schedule, spec)}
    _write_png(content, draw_schedule(schedule, spec), kept)
    return content.getvalue()


def _schedule_svg(schedule: Schedule, spec: ScheduleSpec | None, _: str) -> bytes:
    from diffusion_gui.session.schedule_svg import schedule_svg

    return schedule_svg(schedule, spec, _kept(schedule, spec)).encode()


def _kept(schedule: Schedule, spec: ScheduleSpec | None) -> str:
    """Return the JSON of the schedule that a picture of it carries."""
    kept = spec or operations.table(schedule.beta[1:], schedule.family.value)
    return msgspec.json.encode(kept).decode()


def save_png(
    path: AnyPath,
    pixels: Pixels | Image.Image,
    text: Mapping[str, str],
    pictures: Mapping[str, Pixels] = {},
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Write `pixels`, uint8 [H, W, 3] or an image, as a PNG with international text chunks `text`.

    The experiment of a picture goes under `METADATA_KEY`, the `pictures` it needs, by id, go along.
    `poll` is called all the while and may raise to end it. Raises EngineError if it cannot be
    written.
    """
    target = check_target(path, (".png",))

    def write(file: BinaryIO) -> None:
        _write_png(cast(BinaryIO, WatchedFile(file, poll)), pixels, text, pictures)

    atomic_write(target, write, poll)


def png_bytes(pixels: Pixels, text: Mapping[str, str], pictures: Mapping[str, Pixels]) -> bytes:
    """Return what `save_png` writes."""
    content = io.BytesIO()
    _write_png(content, pixels, text, pictures)
    return content.getvalue()


def _write_png(
    file: BinaryIO,
    pixels: Pixels | Image.Image,
    text: Mapping[str, str],
    pictures: Mapping[str, Pixels] = {},
) -> None:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(file, format="PNG", pnginfo=png_info(text, pictures))


def save_grid(
    path: AnyPath,
    frames: Pixels,
    experiment: Experiment,
    columns: int | None = None,
    pictures: Mapping[str, Pixels] = {},
    poll: Callable[[], None] = lambda: None,
    view: View | None = None,
) -> None:
    """Write samples, uint8 [N, H, W, 3] with N >= 1, as one PNG that carries its experiment.

    Every pixel is enlarged a whole number of times, so that a cell is about `CELL` wide;
    `columns` is the square root of N unless given. `pictures` are those that the run learned from
    or began with, as it took them. `poll` is called all the while and may raise to end it. `view`
    tells at which t the samples are.
    """
    sheet = _sheet(frames, columns or square_columns(len(frames)), CELL)
    text = encode(shared(experiment, pictures), view)
    save_png(path, sheet, {METADATA_KEY: text}, pictures, poll)


def square_columns(count: int) -> int:
    """Return the columns of the squarest grid that holds `count` cells."""
    return math.isqrt(count - 1) + 1


def _sheet(frames: Pixels, columns: int, cell: int) -> Pixels:
    scale = max(1, round(cell / frames.shape[2]))
    return contact_sheet(frames, columns, scale=scale)


SCHEDULE_WRITERS: dict[str, Callable[[Schedule, ScheduleSpec | None, str], bytes]] = {
    ".json": _schedule_json,
    ".csv": _schedule_csv,
    ".npz": _schedule_npz,
    ".npy": lambda schedule, *_: to_npy(schedule),
    ".safetensors": lambda schedule, *_: to_safetensors(schedule),
    ".pt": lambda schedule, *_: to_torch(schedule),
    ".txt": _schedule_sigmas,
    ".png": _schedule_png,
    ".svg": _schedule_svg,
    ".py": _schedule_py,
}
