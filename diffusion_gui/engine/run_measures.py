"""What can be said of a run only when it has ended, from its frames. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.trajectory import Frame

_CHUNK_VALUES = 1 << 22

Numbers = NDArray[np.float32]


def distances(
    frames: Sequence[Frame], poll: Callable[[], None] = lambda: None
) -> tuple[NDArray[np.int64], Numbers]:
    """Return the frames' steps [S] and how far each x0_hat is from the last one, [S, B].

    The distance is the rms over the values of a picture in [-1, 1] units. The frames are 8-bit:
    it is right to about 0.002, and 0 where no level differs. `poll` may raise.
    """
    steps = np.array([frame.index for frame in frames], np.int64)
    result = frames[-1].x0_hat.astype(np.float32)
    rows = np.empty((len(frames), len(result)), np.float32)
    for row, frame in zip(rows, frames, strict=True):
        poll()
        apart = (frame.x0_hat - result).reshape(len(result), -1)
        row[:] = np.sqrt(np.square(apart).mean(axis=1)) / 127.5
    return steps, rows


def nearest_since(
    frames: Sequence[Frame], images: Pixels, poll: Callable[[], None] = lambda: None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the image nearest to each result, [B], and the step from which on it was, [B].

    Nearest by the sum of squared differences of the 8-bit x0_hat to `images`, uint8 [N, h, w, 3]
    of the frames' size or a whole fraction of it. Goes back from the last frame until every sample
    had another nearest image. `poll` may raise.
    """
    last = _nearest(frames[-1].x0_hat, images, poll)
    since = np.full(len(last), frames[-1].index, np.int64)
    open_ = np.arange(len(last))
    for frame in reversed(frames[:-1]):
        same = _nearest(frame.x0_hat[open_], images, poll) == last[open_]
        open_ = open_[same]
        if not len(open_):
            break
        since[open_] = frame.index
    return last, since


def _nearest(batch: Pixels, images: Pixels, poll: Callable[[], None]) -> NDArray[np.int64]:
    """Return the index of the image nearest to each picture, [B]."""
    side, small = batch.shape[1], images.shape[1]
    shape = (len(batch), small, side // small, small, side // small, 3)
    wide = batch.reshape(shape).mean(axis=(2, 4), dtype=np.float32).reshape(len(batch), -1)
    wide = wide / np.float32(127.5) - np.float32(1.0)
    best = np.zeros(len(batch), np.int64)
    least = np.full(len(batch), np.inf, np.float32)
    rows = max(1, _CHUNK_VALUES // wide.shape[1])
    for first in range(0, len(images), rows):
        poll()
        part = images[first : first + rows].reshape(-1, wide.shape[1]).astype(np.float32)
        part = part / np.float32(127.5) - np.float32(1.0)
        apart = np.square(part).sum(axis=1) - 2.0 * (wide @ part.T)  # [B, M], but for |x|^2
        index = apart.argmin(axis=1)
        value = apart[np.arange(len(batch)), index]
        closer = value < least
        best[closer], least[closer] = index[closer] + first, value[closer]
    return best
