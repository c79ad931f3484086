"""The forward process as files: pictures at t, film strips, contact sheets, tensors. Knows no Qt.

Everything is rendered by `engine.forward.Process` from what a `Scene` says, so that the window, its
exports and the command line make the same pixels. PNGs carry the experiment, its view, and x_0 as
it was arranged: `session/restore.py` reads that back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePath
from typing import Any, BinaryIO, cast

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, PictureRef
from diffusion_gui.engine.forward import CLIPPED, Process, Shown, Span
from diffusion_gui.engine.images import Picture, Pixels, arranged, colour, to_float
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.schedules import Schedule, ScheduleSpec, build
from diffusion_gui.session import png_parts
from diffusion_gui.session.export import METADATA_KEY, png_bytes, save_png
from diffusion_gui.session.files import AnyPath, WatchedFile, atomic_write, check_target
from diffusion_gui.session.format import View, encode
from diffusion_gui.session.frame_sheet import Layout, Row, draw_rows
from diffusion_gui.session.schedule_plot import describe
from diffusion_gui.session.shared import shared
from diffusion_gui.session.watch import IDLE, Watch

USUAL_CELL, LEAST_CELL = 512, 32
"""Sides of a contact sheet's cells where pictures are noised at their own size, and at least."""
_STEM_BYTES = 200
"""File systems take names of 255 bytes, and "-t1000-signal.png" comes behind the stem."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A picture that is exported, opened only when it is needed."""

    ref: PictureRef
    open: Callable[[], Picture]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is exported: the experiment, where it is looked at, the chosen pictures, both sides."""

    experiment: Experiment
    view: View
    subjects: tuple[Subject, ...]
    """The one on show, `view.picture`, is among them."""
    sides: Mapping[str, ScheduleSpec] = field(default_factory=dict)
    """The schedules that are compared, by letter; empty for that of the experiment alone."""

    @property
    def subject(self) -> Subject:
        """The picture on show."""
        return next(subject for subject in self.subjects if subject.ref.id == self.view.picture)

    @property
    def shared(self) -> Experiment:
        """The experiment as it goes into files: without paths, with the pictures it needs."""
        return shared(self.experiment, {subject.ref.id for subject in self.subjects})

    def pixels(self, subject: Subject, size: int | None = None) -> Pixels:
        """Return x_0 of a picture, uint8 [H, W, 3], at the working size or a smaller one."""
        forward = self.experiment.forward
        side = forward.size if size is None else size
        return arranged(subject.open(), side, forward.fit, colour(forward.background))

    def process(self, pixels: Pixels) -> Process:
        """Return the forward process of x_0."""
        return Process(pixels, self.experiment.seed, self.experiment.forward)


class Part(StrEnum):
    """What of a picture at t is shown."""

    X_0 = "x_0"
    X_T = "x_t"
    SIGNAL = "signal"
    NOISE = "noise"


def rendered(
    process: Process,
    schedule: Schedule,
    t: int,
    shown: Shown = Shown.CLIP,
    part: Part = Part.X_T,
) -> tuple[Pixels, Span]:
    """Return a picture at t, uint8 [H, W, 3], and the values that are its black and white."""
    if part is Part.X_0:
        return process.pixels, CLIPPED
    moment = process.at(schedule, t)
    spans = (CLIPPED,) * 3 if shown is Shown.CLIP else moment.spans(shown)
    place = (Part.X_T, Part.SIGNAL, Part.NOISE).index(part)
    return (moment.x_t, moment.signal, moment.noise)[place](spans[place]), spans[place]


def frames(
    process: Process, schedule: Schedule, times: Sequence[int], shown: Shown
) -> Iterator[Pixels]:
    """Yield x_t at each of `times`, each over the display range that `shown` gives it."""
    return (rendered(process, schedule, t, shown)[0] for t in times)


# --- one picture ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """x_t on show: as pixels, uint8 [H, W, 3], and as a PNG that carries the experiment."""

    pixels: Pixels
    png: bytes


def shot(scene: Scene, part: Part = Part.X_T) -> Shot:
    """Return the picture on show at t."""
    pixels, text, pictures = _frame(scene, part)
    return Shot(pixels, png_bytes(pixels, text, pictures))


def save_frame(path: AnyPath, scene: Scene, watch: Watch = IDLE) -> None:
    """Write the picture on show at t as a PNG that carries the experiment."""
    save_png(path, *_frame(scene), watch.poll)


def _frame(scene: Scene, part: Part = Part.X_T) -> tuple[Pixels, dict[str, str], dict[str, Pixels]]:
    """Return the picture on show at t, the texts and the pictures that go along."""
    x_0, view = scene.pixels(scene.subject), scene.view
    schedule = build(scene.experiment.schedule)
    pixels, span = rendered(scene.process(x_0), schedule, view.t, view.shown, part)
    text = _text(scene, replace(view, span=(span.low, span.high)))
    return pixels, text, png_parts.portable({scene.subject.ref.id: x_0})


def _text(scene: Scene, view: View | None = None) -> dict[str, str]:
    return {METADATA_KEY: encode(scene.shared, view or scene.view)}


# --- many frames ----------------------------------------------------------------------------------


def save_strip(
    path: AnyPath, scene: Scene, times: Mapping[str, Sequence[int]], watch: Watch = IDLE
) -> None:
    """Write the film strip of the picture on show: x_t at `times` by side, "" for the only one.

    Frames have the working size. Raises EngineError if that makes the strip too large.
    """
    x_0 = scene.pixels(scene.subject)
    process = scene.process(x_0)
    sides = scene.sides or {"": scene.experiment.schedule}
    rows = [
        _row(process, spec, times[side], scene.view.shown, _side_title(side, spec))
        for side, spec in sides.items()
    ]
    pixels = draw_rows(rows, Layout(rows, (x_0.shape[1], x_0.shape[0])), watch.poll, watch.progress)
    save_png(
        path, pixels, _text(scene), png_parts.portable({scene.subject.ref.id: x_0}), watch.poll
    )


def _row(
    process: Process, spec: ScheduleSpec, times: Sequence[int], shown: Shown, title: str
) -> Row:
    schedule = build(spec)
    return Row(times, lambda: frames(process, schedule, times, shown), title)


def _side_title(side: str, spec: ScheduleSpec) -> str:
    return f"{side}   {describe(build(spec), spec)[0]}" if side else ""


def save_sheet(
    path: AnyPath, scene: Scene, times: Sequence[int], watch: Watch = IDLE
) -> tuple[int, int]:
    """Write the chosen pictures, one below the other, each as a row over `times`.

    Cells have the longest side of the pictures at the working size, halved until the sheet is not
    too large: then every picture is noised at the size of the cell. Returns that size,
    0 where nothing was halved, and how many of the pictures travel in the file, as far as it may
    carry them.
    """
    longest = _longest(scene, scene.experiment.forward.size or USUAL_CELL, watch.poll)
    kept: dict[str, Pixels] = {}
    schedule = build(scene.experiment.schedule)

    def row_of(subject: Subject) -> Row:
        def made() -> Iterator[Pixels]:
            kept.update(png_parts.portable({**kept, subject.ref.id: scene.pixels(subject)}))
            process = scene.process(scene.pixels(subject, cell))
            return frames(process, schedule, times, scene.view.shown)

        return Row(times, made, subject.ref.name)

    rows = [row_of(subject) for subject in scene.subjects]
    cell, layout = sheet_layout(rows, longest)
    pixels = draw_rows(rows, layout, watch.poll, watch.progress)
    save_png(path, pixels, _text(scene), kept, watch.poll)
    return cell if cell < longest else 0, len(kept)


def _longest(scene: Scene, size: int, poll: Callable[[], None]) -> int:
    """Return the longest side of the pictures at `size`; only small ones are all looked at."""
    longest = 0
    for subject in scene.subjects:
        poll()
        longest = max(longest, *scene.pixels(subject, size).shape[:2])
        if longest >= size:
            break
    return longest


def sheet_layout(rows: Sequence[Row], size: int) -> tuple[int, Layout]:
    """Return the side of a contact sheet's cells for pictures of a size.

    With it goes the layout. Where the sheet would be too large, its pixels are not enlarged, and
    then the cells are halved; raises EngineError if cells of `LEAST_CELL` are too many as well.
    """
    cell = size
    try:
        return cell, Layout(rows, (cell, cell))
    except EngineError:
        while True:
            try:
                return cell, Layout(rows, (cell, cell), scale=1)
            except EngineError:
                if cell <= LEAST_CELL:
                    raise
                cell //= 2


# --- values ---------------------------------------------------------------------------------------


def tensors(scene: Scene) -> dict[str, Any]:
    """Return the picture on show at t as values, not clipped, by name.

    x_0, eps and x_t = a x_0 + s eps are float32 [H, W, 3], x_0 in [-1, 1]; a, s, alpha_bar and
    log_snr are those of the schedule at t; beta [T] is the schedule, t = 1..T.
    """
    experiment, t = scene.experiment, scene.view.t
    schedule, forward = build(experiment.schedule), experiment.forward
    if not 0 <= t <= schedule.T:
        raise EngineError(f"t must be in 0..{schedule.T}, got {t}")
    x_0 = to_float(scene.pixels(scene.subject))
    field = NoiseField(experiment.seed, x_0.shape, forward.noise, forward.offset)
    eps = field.at(t, float(schedule.log_snr[t]))
    a, s = schedule.a[t], schedule.s[t]
    return {
        "x_0": x_0,
        "eps": eps,
        "x_t": np.float32(a) * x_0 + np.float32(s) * eps,
        "t": np.int64(t),
        "a": a,
        "s": s,
        "alpha_bar": schedule.alpha_bar[t],
        "log_snr": schedule.log_snr[t],
        "seed": np.int64(experiment.seed),
        "beta": schedule.beta[1:],
        "family": schedule.family.value,
        "experiment": encode(scene.shared, scene.view),
    }


def save_tensors(path: AnyPath, scene: Scene, watch: Watch = IDLE) -> None:
    """Write `tensors` as .npz."""
    target = check_target(path, (".npz",))
    arrays = tensors(scene)
    watch.poll()

    def write(file: BinaryIO) -> None:
        np.savez(cast(BinaryIO, WatchedFile(file, watch.poll)), **arrays)

    atomic_write(target, write, watch.poll)


def file_stem(name: str) -> str:
    """Return a picture's name as the beginning of a file name that every system takes."""
    stem = re.sub(r"[^\w.-]+", "_", PurePath(name).stem).strip("._")
    stem = stem.encode()[:_STEM_BYTES].decode(errors="ignore")
    reserved = re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", stem)
    return f"{stem or 'picture'}{'_' if reserved else ''}"
