"""What `diffusion-cli sample` does between reading its options and its last word.

Imports torch, but only when a run begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from diffusion_gui.cli.progress import step_progress
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import EMOJI, Experiment, PictureRef, Start
from diffusion_gui.engine.image_files import find_images
from diffusion_gui.engine.images import Pixels, read_picture, square
from diffusion_gui.engine.planning import transitions
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.session import export, library
from diffusion_gui.session.files import check_target
from diffusion_gui.session.format import check
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.png_parts import portable

MOST_ANIMATED = 100
"""An animation shows at most this many of a run's steps, evenly, the first and last among them."""
_MOST_RECORDED = 2 * 1024**3


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A run with its pixels: uint8 `data` [N, size, size, 3], `start` [size, size, 3] or None."""

    experiment: Experiment
    data: Pixels
    start: Pixels | None
    problems: tuple[str, ...]
    """One line for every file that was left out of the data."""

    def pictures(self) -> dict[str, Pixels]:
        """Return the user's own pictures that the run needs, by id, as many as a PNG may carry."""
        sampling, pictures = self.experiment.sampling, {}
        if sampling.start is not None and self.start is not None:
            pictures[sampling.start.picture] = self.start
        if sampling.data != EMOJI:
            ids = (ref.id for ref in self.experiment.pictures)
            pictures |= dict(zip(ids, self.data, strict=True))
        return portable(pictures)


@dataclass(slots=True)
class Recording:
    """What was kept of a run: the result, and as wished all steps and frames for an animation."""

    result: Pixels = field(default_factory=lambda: np.empty(0, np.uint8))
    frames: list[Frame] = field(default_factory=list)
    animation: list[Pixels] = field(default_factory=list)
    calls: int = 0
    """Model calls of the whole run (NFE)."""
    notes: list[str] = field(default_factory=list)
    """One line for everything that the run did without, because memory was short."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a run writes: always the grid, as wished the trajectory and the animation."""

    grid: Path
    trajectory: Path | None
    animation: Path | None

    def check(self) -> None:
        """Raise EngineError if one of them cannot be made."""
        check_target(self.grid, (".png",))
        if self.trajectory is not None:
            check_target(self.trajectory, (".npz",))
        if self.animation is not None:
            check_target(self.animation, export.ANIMATIONS)

    def write(self, recording: Recording, job: Job) -> None:
        """Write what was wished for; raises EngineError where the file system refuses."""
        export.save_grid(self.grid, recording.result, job.experiment, pictures=job.pictures())
        if self.trajectory is not None:
            export.save_trajectory(self.trajectory, recording.frames)
        if self.animation is not None:
            export.save_animation(self.animation, recording.animation)


def prepare(
    experiment: Experiment, images: str, start: Path | None, t: int | None, wanted: Files
) -> Job:
    """Check `experiment`, put the pictures and the start into it, and read their pixels.

    Raises EngineError on bad settings, and when no image of the data can be read.
    """
    check(experiment)
    if (start is None) != (t is None):
        raise EngineError("--start and --t belong together; give both or neither")
    T = experiment.schedule.T
    if t is not None and t > T:
        raise EngineError(f"--t: {t} is outside 1 to {T}, the T of the schedule; lower it")
    if wanted.trajectory is not None:
        begun = Start("", t) if t is not None else None
        _check_memory(replace(experiment, sampling=replace(experiment.sampling, start=begun)))
    size = experiment.sampling.size
    begin = None if start is None else _read_square(start, size)
    pixels, pictures, problems = _read_data(images, size)
    if begin is not None and t is not None:
        ref = begin[1]
        experiment = replace(
            experiment, sampling=replace(experiment.sampling, start=Start(ref.id, t))
        )
        if images == EMOJI:  # elsewhere the pictures are the model's data, and it is not of it
            pictures = (ref,)
    experiment = replace(experiment, pictures=pictures)
    return Job(experiment, pixels, begin[0] if begin else None, tuple(problems))


def sample(job: Job, device: str, wanted: Files) -> Recording:
    """Run `job` to its end under a progress bar, keeping what `wanted` needs."""
    recording = Recording()
    with step_progress() as advance:
        from diffusion_gui.engine import device as devices
        from diffusion_gui.engine.recorder import record
        from diffusion_gui.engine.reverse import Inputs, model_calls, run

        total = transitions(job.experiment)
        recording.calls = model_calls(job.experiment)
        shown = animated(total) if wanted.animation else set()
        labels = library.labels(job.experiment.pictures)
        if job.experiment.sampling.data == EMOJI:
            labels = library.captions()
        inputs = Inputs(job.data, job.start, labels)
        target = devices.choose(device)
        for step in run(job.experiment, inputs, target, told=recording.notes.append):
            advance(step.index, total)
            if wanted.trajectory:
                recording.frames.append(record(step))
            if step.index in shown:
                recording.animation.append(record(step).x_t)
            if step.index == total:
                recording.result = record(step).x0_hat  # raises where it is not finite
    return recording


def animated(total: int) -> set[int]:
    """Return the steps of 0..total that an animation shows."""
    return {round(x) for x in np.linspace(0, total, min(total + 1, MOST_ANIMATED)).tolist()}


def _read_data(images: str, size: int) -> tuple[Pixels, tuple[PictureRef, ...], list[str]]:
    """Return the emoji, or the central squares of the images in a folder, and what was left out.

    One picture is held at full size at a time.
    """
    if images == EMOJI:
        return library.emoji(size), (), []
    files, problems = find_images([images])
    pixels: list[Pixels] = []
    pictures: list[PictureRef] = []
    for file in files:
        try:
            one, ref = _read_square(file, size)
        except EngineError as error:
            problems.append(str(error))
        else:
            pixels.append(one)
            pictures.append(ref)
    if not pixels:
        raise EngineError(f"--images: {problems[0]}; give a folder with images, or 'emoji'")
    return np.stack(pixels), tuple(pictures), problems


def _read_square(path: Path, size: int) -> tuple[Pixels, PictureRef]:
    picture = read_picture(path)
    return square(picture.pixels, size), PictureStore().add(picture, str(path))


def _check_memory(experiment: Experiment) -> None:
    """Raise EngineError where recording every step would need more memory than is sensible."""
    sampling = experiment.sampling
    steps = transitions(experiment)
    need = (steps + 1) * sampling.count * sampling.size**2 * 3 * 3
    if need > _MOST_RECORDED:
        fewer = "--steps, the rounds of Restart" if sampling.restart else "--steps"
        raise EngineError(
            f"--trajectory: {need / 1024**3:.1f} GiB of pictures is over"
            f" {_MOST_RECORDED / 1024**3:.0f} GiB; lower {fewer}, --count or --size"
        )
