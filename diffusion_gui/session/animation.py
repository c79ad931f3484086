"""x_t over t as an animation: GIF, WebP and APNG by Pillow, MP4 by PyAV, frame by frame."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.schedules import build
from diffusion_gui.session import video
from diffusion_gui.session.export import METADATA_KEY
from diffusion_gui.session.files import AnyPath, WatchedFile, atomic_write, check_target
from diffusion_gui.session.format import encode
from diffusion_gui.session.forward_export import IDLE, Scene, Watch, rendered
from diffusion_gui.session.png_parts import png_info

KINDS = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG", ".mp4": "MP4"}
"""The endings of animations."""
MOST_FRAMES, MOST_FPS = 600, 50
_MOST_SIDES = {"GIF": 65_535, "WEBP": 16_383, "MP4": 16_384}
"""The longest side in pixels that a format has."""
_MOST_PIXELS = 300_000_000
"""Of all frames together, where the encoder holds them: 900 MB."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How an animation runs: about `frames` from t = 0 to T, `fps` of them a second.

    With `back` it runs back to 0 again, so that it can go round without a jump.
    """

    frames: int = 40
    fps: int = 20
    back: bool = True

    def times(self, T: int) -> list[int]:
        """Return the t of every frame, no two in a row alike."""
        if not 2 <= self.frames <= MOST_FRAMES:
            raise EngineError(f"frames: {self.frames} is outside 2 to {MOST_FRAMES}")
        if not 1 <= self.fps <= MOST_FPS:
            raise EngineError(f"frames per second: {self.fps} is outside 1 to {MOST_FPS}")
        forth = np.unique(np.round(np.linspace(0, T, min(self.frames, T + 1))).astype(int)).tolist()
        return forth + forth[-2:0:-1] if self.back else forth

    def durations(self, count: int, unit: int) -> list[int]:
        """Return how long each of `count` frames stays, in whole `unit`s of milliseconds.

        They differ by one unit at most, and together they take `count` / `fps` seconds.
        """
        ends = [round(1000 * i / self.fps / unit) for i in range(count + 1)]
        return [unit * (end - begin) for begin, end in pairwise(ends)]


def save_animation(path: AnyPath, scene: Scene, motion: Motion, watch: Watch = IDLE) -> int:
    """Write the picture on show over t, `motion` says how, and return the number of frames.

    The ending of `path` is one of `KINDS`. An .apng carries the experiment. Raises EngineError if
    the file cannot be written, if it would be too large, and for .mp4 without PyAV.
    """
    target = check_animation(path)
    kind = KINDS[target.suffix.lower()]
    x_0 = scene.pixels(scene.subject)
    process, schedule = scene.process(x_0), build(scene.experiment.schedule)
    times = motion.times(schedule.T)

    def make(index: int) -> Pixels:
        watch.poll()
        watch.progress(index, len(times))
        return rendered(process, schedule, times[index], scene.view.shown)[0]

    def write(file: BinaryIO) -> None:
        watched = cast(BinaryIO, WatchedFile(file, watch.poll))
        if kind == "MP4":
            video.write_mp4(watched, map(make, range(len(times))), motion.fps)
        else:
            _write(watched, kind, _Reel(x_0, len(times), make), motion, scene)

    check_frames(target, len(times), x_0)
    atomic_write(target, write, watch.poll)
    return len(times)


def check_animation(path: AnyPath) -> Path:
    """Return `path` if an animation can be made there; raises EngineError as `save_animation`."""
    target = check_target(path, KINDS)
    if KINDS[target.suffix.lower()] == "MP4":
        video.require()
    return target


def check_frames(target: Path, count: int, x_0: Pixels) -> None:
    """Raise EngineError if `count` frames like `x_0` are more than the format of `target` takes."""
    kind, (height, width) = KINDS[target.suffix.lower()], x_0.shape[:2]
    most = _MOST_SIDES.get(kind, max(width, height))
    if max(width, height) > most:
        raise EngineError(
            f"{width} x {height} pixels are too large for {target.suffix}, whose sides have at"
            f" most {most}; take a smaller working size (Options), or save as .apng"
        )
    if kind != "MP4" and count * height * width > _MOST_PIXELS:
        raise EngineError(
            f"{count} frames of {width} x {height} are over {_MOST_PIXELS // 10**6} megapixels;"
            " take fewer frames, a smaller working size (Options), or save as .mp4"
        )


def _write(file: BinaryIO, kind: str, reel: _Reel, motion: Motion, scene: Scene) -> None:
    """Let Pillow write an endless animation; a PNG carries the experiment."""
    options: dict[str, Any] = dict(_QUALITY.get(kind, {}))
    if kind == "PNG":
        text = {METADATA_KEY: encode(scene.shared, scene.view)}
        options["pnginfo"] = png_info(text, {scene.subject.ref.id: scene.pixels(scene.subject)})
    durations = motion.durations(reel.n_frames, 10 if kind == "GIF" else 1)
    try:
        reel.save(file, format=kind, save_all=True, duration=durations, loop=0, **options)
    except (OSError, ValueError, ArithmeticError, RuntimeError, SystemError, struct.error) as error:
        if isinstance(error, EngineError) or (isinstance(error, OSError) and error.errno):
            raise  # of the file, not of the encoder
        raise video.refusal(kind, error) from None


_QUALITY: dict[str, dict[str, Any]] = {
    "WEBP": {"quality": 90, "method": 2},
    "GIF": {"optimize": False},
}


class _Reel(Image.Image):
    """An image of many frames, each made when Pillow comes to it."""

    def __init__(self, first: Pixels, count: int, make: Callable[[int], Pixels]) -> None:
        super().__init__()
        self.n_frames = count
        self._make = make
        self._at = -1
        self._mode = "RGB"
        self._size = (first.shape[1], first.shape[0])

    def seek(self, frame: int) -> None:
        """Make a frame the one that is read; raises EOFError behind the last."""
        if not 0 <= frame < self.n_frames:
            raise EOFError
        if frame != self._at:
            self.im = Image.fromarray(self._make(frame)).im
            self._at = frame

    def tell(self) -> int:
        """Return the number of the frame that is read."""
        return max(self._at, 0)

    def load(self) -> Any:
        """Make the first frame if none is there yet."""
        if self._at < 0:
            self.seek(0)
        return super().load()
