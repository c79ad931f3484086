"""Animations: GIF, WebP and APNG by Pillow, MP4 by PyAV, frame by frame; x_t over t as one."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, repeat
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
from diffusion_gui.session.forward_export import Scene, rendered
from diffusion_gui.session.png_parts import png_info
from diffusion_gui.session.watch import IDLE, Watch

KINDS = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG", ".png": "PNG", ".mp4": "MP4"}
"""The endings of animations; a .png is an .apng by its usual name."""
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
    x_0 = scene.pixels(scene.subject)
    process, schedule = scene.process(x_0), build(scene.experiment.schedule)
    times = motion.times(schedule.T)
    check_frames(target, len(times), x_0)
    reel = Reel(
        (x_0.shape[1], x_0.shape[0]),
        len(times),
        lambda index: rendered(process, schedule, times[index], scene.view.shown)[0],
        motion.fps,
        {METADATA_KEY: encode(scene.shared, scene.view)},
        {scene.subject.ref.id: x_0},
    )
    save_reel(target, reel, watch)
    return len(times)


@dataclass(frozen=True, slots=True, eq=False)
class Reel:
    """An endless animation: `count` frames, uint8 [height, width, 3], made one by one when needed.

    An .apng carries `texts` and `pictures`, see `png_parts.py`.
    """

    size: tuple[int, int]
    """Width and height in pixels."""
    count: int
    make: Callable[[int], Pixels]
    fps: int
    texts: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, Pixels] = field(default_factory=dict)
    hold: float = 0.0
    """Seconds that the last frame stays longer."""

    def durations(self, unit: int) -> list[int]:
        """Return how long each frame stays, in whole `unit`s of milliseconds."""
        lasting = Motion(fps=self.fps).durations(self.count, unit)
        lasting[-1] += unit * round(1000.0 * self.hold / unit)
        return lasting


def save_reel(path: AnyPath, reel: Reel, watch: Watch = IDLE) -> None:
    """Write an animation in the format that the ending of `path` names, one of `KINDS`.

    Raises EngineError if the file cannot be written, and for .mp4 without PyAV.
    """
    target = check_animation(path)
    kind = KINDS[target.suffix.lower()]

    def make(index: int) -> Pixels:
        watch.poll()
        watch.progress(index, reel.count)
        return reel.make(index)

    def write(file: BinaryIO) -> None:
        watched = cast(BinaryIO, WatchedFile(file, watch.poll))
        if kind == "MP4":
            video.write_mp4(watched, _held(reel, make), reel.fps)
        else:
            _write(watched, kind, _Frames(reel, make), reel)

    atomic_write(target, write, watch.poll)


_SAMPLE = 256
"""Side in pixels of the part of a frame whose bytes tell those of all of it."""


def expected_bytes(frames: Sequence[Pixels], ending: str) -> float:
    """Return about how many bytes a pixel of an animation like `frames` takes, from their middle.

    `frames` are a few, uint8 [H, W, 3] of one shape, as different as those of the whole. Raises
    EngineError for .mp4 without PyAV.
    """
    height, width = frames[0].shape[:2]
    top, left = max(height - _SAMPLE, 0) // 2, max(width - _SAMPLE, 0) // 2
    parts = [frame[top : top + _SAMPLE, left : left + _SAMPLE] for frame in frames]
    file, size = io.BytesIO(), (parts[0].shape[1], parts[0].shape[0])
    if KINDS[ending] == "MP4":
        video.write_mp4(file, iter(parts), 10)
    else:
        reel = Reel(size, len(parts), parts.__getitem__, 10)
        _write(file, KINDS[ending], _Frames(reel, parts.__getitem__), reel)
    return file.tell() / (len(parts) * size[0] * size[1])


def _held(reel: Reel, make: Callable[[int], Pixels]) -> Iterator[Pixels]:
    """Yield the frames, the last one as often as it is held: a video has one speed."""
    yield from map(make, range(reel.count - 1))
    yield from repeat(make(reel.count - 1), 1 + round(reel.hold * reel.fps))


def check_animation(path: AnyPath) -> Path:
    """Return `path` if an animation can be made there; raises EngineError as `save_animation`."""
    target = check_target(path, KINDS)
    if KINDS[target.suffix.lower()] == "MP4":
        video.require()
    return target


def check_frames(target: Path, count: int, x_0: Pixels) -> None:
    """Raise EngineError if `count` frames like `x_0` are more than the format of `target` takes."""
    mend = "a smaller working size (Options)"
    check_size(target, count, (x_0.shape[1], x_0.shape[0]), mend)


def check_size(target: Path, count: int, size: tuple[int, int], mend: str) -> None:
    """Raise EngineError if `count` frames of a size are more than the format of `target` takes.

    `mend` is what makes them smaller.
    """
    kind, (width, height) = KINDS[target.suffix.lower()], size
    most = _MOST_SIDES.get(kind, max(width, height))
    if max(width, height) > most:
        raise EngineError(
            f"{width} x {height} pixels are too large for {target.suffix}, whose sides have at"
            f" most {most}; take {mend}, or save as .apng"
        )
    if kind != "MP4" and count * height * width > _MOST_PIXELS:
        raise EngineError(
            f"{count} frames of {width} x {height} are over {_MOST_PIXELS // 10**6} megapixels;"
            f" take fewer frames, {mend}, or save as .mp4"
        )


def _write(file: BinaryIO, kind: str, frames: _Frames, reel: Reel) -> None:
    """Let Pillow write an endless animation; a PNG carries texts and pictures."""
    options: dict[str, Any] = dict(_QUALITY.get(kind, {}))
    if kind == "PNG":
        options["pnginfo"] = png_info(reel.texts, reel.pictures)
    durations = reel.durations(10 if kind == "GIF" else 1)
    try:
        frames.save(file, format=kind, save_all=True, duration=durations, loop=0, **options)
    except (OSError, ValueError, ArithmeticError, RuntimeError, SystemError, struct.error) as error:
        if isinstance(error, EngineError) or (isinstance(error, OSError) and error.errno):
            raise  # of the file, not of the encoder
        raise video.refusal(kind, error) from None


_QUALITY: dict[str, dict[str, Any]] = {
    "WEBP": {"quality": 90, "method": 2},
    "GIF": {"optimize": False},
}


class _Frames(Image.Image):
    """An image of many frames, each made when Pillow comes to it."""

    def __init__(self, reel: Reel, make: Callable[[int], Pixels]) -> None:
        super().__init__()
        self.n_frames = reel.count
        self._make = make
        self._at = -1
        self._mode = "RGB"
        self._size = reel.size

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
