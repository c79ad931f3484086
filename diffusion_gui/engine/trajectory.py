"""The recorded run: frames of every step under a byte budget. NumPy only, safe across threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.images import Pixels

Numbers = NDArray[np.float32]

DEFAULT_BUDGET = 256 * 1024**2
EPS_SHOWN = 3.0
"""The value of eps_hat that is white in a frame, and its negative black."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One recorded step: x_t, x0_hat and eps_hat as uint8 [B, H, W, 3], and its numbers.

    x_t and x0_hat are shown from -1 to 1, eps_hat from -3 to 3 (`EPS_SHOWN`).
    """

    index: int
    t: int
    sigma: float
    x_t: Pixels
    x0_hat: Pixels
    eps_hat: Pixels
    changes: Numbers
    """Each picture's rms difference of x0_hat to the step before, in [-1, 1] units: [B]."""
    cosines: Numbers
    """Cosine of each picture's eps_hat to that of the step before, NaN where there is none: [B]."""
    seconds: float = 0.0
    """The age of the run, pauses left out."""

    @property
    def change(self) -> float:
        """The rms difference of x0_hat to the step before over the whole batch."""
        return over_batch(self.changes)

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures."""
        return self.x_t.nbytes + self.x0_hat.nbytes + self.eps_hat.nbytes


def over_batch(each: Numbers) -> float:
    """Return the rms over all pixels of a batch, given that of each picture, [B]."""
    return float(np.sqrt(np.mean(np.square(each, dtype=np.float64))))


class Trajectory:
    """Frames in the order of the run; when over budget, every second inner frame is dropped.

    The first and the newest frame are always kept, so memory stays under `budget` + 2 frames.
    One thread may append while others read.
    """

    def __init__(self, num_steps: int, budget: int = DEFAULT_BUDGET) -> None:
        self.num_steps = num_steps
        self._budget = budget
        self._stride = 1
        self._frames: list[Frame] = []
        self._nbytes = 0
        self._lock = threading.Lock()

    def append(self, frame: Frame) -> None:
        """Record a step; thins the history out when the budget is passed."""
        with self._lock:
            if len(self._frames) > 1 and self._frames[-1].index % self._stride:
                self._nbytes -= self._frames.pop().nbytes  # it was kept only for being the newest
            self._frames.append(frame)
            self._nbytes += frame.nbytes
            while self._nbytes > self._budget and len(self._frames) > 2:
                self._halve()

    def thin(self) -> bool:
        """Drop every second inner frame, now and from now on; False where there is none left."""
        with self._lock:
            left = len(self._frames) > 2
            if left:
                self._halve()
            return left

    def _halve(self) -> None:
        self._stride *= 2
        first, *inner, last = self._frames
        self._frames = [first, *(f for f in inner if f.index % self._stride == 0), last]
        self._nbytes = sum(f.nbytes for f in self._frames)

    def keep_ends(self) -> None:
        """Drop every frame but the first and the newest."""
        with self._lock:
            if len(self._frames) > 2:
                self._stride = max(self._frames[-1].index, 1)
                self._frames = [self._frames[0], self._frames[-1]]
                self._nbytes = sum(frame.nbytes for frame in self._frames)

    def __len__(self) -> int:
        """The number of frames kept so far."""
        return len(self._frames)

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames kept so far."""
        with self._lock:
            return tuple(self._frames)

    @property
    def last(self) -> Frame | None:
        """The newest frame, None before the first."""
        with self._lock:
            return self._frames[-1] if self._frames else None

    def at_step(self, index: int) -> Frame | None:
        """Return the frame nearest to step `index`, None before the first."""
        with self._lock:
            if not self._frames:
                return None
            right = bisect_left(self._frames, index, key=lambda frame: frame.index)
            around = self._frames[max(right - 1, 0) : right + 1]
            return min(around, key=lambda frame: abs(frame.index - index))

    def at_time(self, t: float) -> Frame | None:
        """Return the first frame nearest to time `t` (a run may go back up), None before any."""
        with self._lock:
            return min(self._frames, key=lambda frame: abs(frame.t - t), default=None)

    @property
    def nbytes(self) -> int:
        """Bytes of all frames kept."""
        return self._nbytes

    @property
    def stride(self) -> int:
        """1 while every step is kept, 2 when every second one is, and so on."""
        return self._stride

    @property
    def finished(self) -> bool:
        """True when the last step of the run is in."""
        last = self.last
        return last is not None and last.index == self.num_steps
