"""Frames as an MP4 that plays everywhere: H.264, 4:2:0, by PyAV (the extra `video`).

4:2:0 keeps the colour of every second pixel in both directions only, which would average the
colour of noise away: small pictures are doubled first, so that each pixel keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, BinaryIO

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels

DOUBLED = 720
"""Pictures whose longer side is at most this many pixels are doubled."""
QUALITY = "18"
"""H.264's constant rate factor: 0 without loss, 18 hard to tell from it, 51 worst."""


def require() -> None:
    """Raise EngineError with the command that installs PyAV if it is not there."""
    if find_spec("av") is None:
        raise EngineError('an MP4 needs PyAV: pip install "diffusion-gui[video]"')


def write_mp4(file: BinaryIO, frames: Iterator[Pixels], fps: int) -> None:
    """Write frames, uint8 [H, W, 3] of one shape, into `file`, `fps` a second.

    An odd last row or column is repeated, since the format wants even sides.
    """
    require()
    import av

    kept = _Kept(file)
    try:
        _encode(av, kept, frames, fps)
    except Exception as error:
        if kept.error is not None:
            raise kept.error from None
        if isinstance(error, av.FFmpegError):
            raise refusal("H.264", error) from None
        raise


def refusal(encoder: str, error: Exception) -> EngineError:
    """Return what an encoder says as one line."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return EngineError(f"the {encoder} encoder refuses these frames ({reason}); save as .apng")


def _encode(av: Any, file: _Kept, frames: Iterator[Pixels], fps: int) -> None:
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": QUALITY, "preset": "veryfast"}
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.color_range = 1  # 16..235
        for index, pixels in enumerate(frames):
            even = laid_out(pixels)
            if index == 0:
                stream.height, stream.width = even.shape[:2]
            frame = av.VideoFrame.from_ndarray(even, format="rgb24")
            # the mean of four pixels is their colour: smoother filters mix in the next pixel's
            toned = frame.reformat(format="yuv420p", dst_colorspace="ITU709", interpolation="AREA")
            container.mux(stream.encode(toned))
        container.mux(stream.encode())


def laid_out(pixels: Pixels) -> Pixels:
    """Return a frame with even sides, each pixel twice in both directions if it is small."""
    if max(pixels.shape) <= DOUBLED:
        return pixels.repeat(2, axis=0).repeat(2, axis=1)
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class _Kept:
    """A file that keeps what its last write raised: PyAV says only that something was."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell
        self.error: Exception | None = None

    def write(self, data: bytes) -> int:
        """Write `data`; returns how many bytes that were."""
        try:
            return self._file.write(data)
        except Exception as error:
            self.error = error
            raise
