"""Steps of a run become frames: 8-bit pictures and a few numbers. Imports torch.

On a CUDA device everything is worked out there, copied into pinned memory behind the run's back
and handed out when it has arrived, so that recording never makes the run wait for the device.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vecdot, vector_norm

from diffusion_gui.engine.denoisers.in_parts import release
from diffusion_gui.engine.errors import EngineError, ran_out_of_memory
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.samplers import Step
from diffusion_gui.engine.schedules.schedule import display_scale
from diffusion_gui.engine.trajectory import EPS_SHOWN, Frame, Numbers

_ON_THE_WAY = 3
"""Frames that may be on the way from the device before the run waits for the oldest."""

_LEAST_NOISE = 1e-20
"""Below this s is no noise: x_t is rounded a million million times more coarsely."""


@dataclass(frozen=True, slots=True, eq=False)
class _Parcel:
    """A frame on its way from the device."""

    step: Step
    seconds: float
    pictures: Tensor
    numbers: Tensor
    arrived: torch.cuda.Event | None

    @property
    def there(self) -> bool:
        return self.arrived is None or self.arrived.query()

    def open(self) -> Frame:
        """Return the frame; waits for it, and raises EngineError if the step is not finite."""
        if self.arrived is not None:
            self.arrived.synchronize()
        step = self.step
        change, cosine, finite = self.numbers.numpy()
        _check_finite(step, finite)
        sigma = step.s / step.a if step.a > 0.0 else math.inf
        x_t, x0_hat, eps_hat = self.pictures.numpy()
        return Frame(step.index, step.t, sigma, x_t, x0_hat, eps_hat, change, cosine, self.seconds)


class Recorder:
    """Records one run; give it every step, in order.

    A frame's change and cosine are those to the step before, which the recorder remembers.
    """

    def __init__(self) -> None:
        self._before: tuple[Tensor, Tensor, Tensor] | None = None
        self._queue: deque[_Parcel] = deque()

    def put(self, step: Step, seconds: float = 0.0) -> list[Frame]:
        """Record a step and return the frames that are ready, oldest first.

        `seconds` is the run's age, pauses left out. Raises EngineError, with the step and the
        picture, where a step is NaN or infinite.
        """
        try:
            parcel = self._send(step, seconds)
        except Exception as error:
            if step.x_t.device.type == "cpu" or not ran_out_of_memory(error):
                raise
            parcel = None
        if parcel is None:  # no room on the device: there is more beside the processor
            release()
            parcel = self._send(
                replace(step, x_t=step.x_t.cpu(), x0_hat=step.x0_hat.cpu()), seconds
            )
        self._queue.append(parcel)
        ready = []
        while self._queue and (self._queue[0].there or len(self._queue) > _ON_THE_WAY):
            ready.append(self._queue.popleft().open())
        return ready

    def flush(self) -> list[Frame]:
        """Return the frames that were still on their way."""
        ready = [parcel.open() for parcel in self._queue]
        self._queue.clear()
        return ready

    @torch.no_grad()
    def _send(self, step: Step, seconds: float) -> _Parcel:
        """Work a step out in as few calls as it takes: each waits for the window's thread."""
        x, x0_hat = step.x_t, step.x0_hat
        noise = torch.sub(x, x0_hat, alpha=step.a)  # s eps_hat
        pictures = _pictures(step, noise)
        numbers, length = self._numbers(x, x0_hat, noise)
        arrived = None
        if x.device.type == "cuda":
            arrived = torch.cuda.Event()
            pictures, numbers = pinned(pictures), pinned(numbers)
            arrived.record()
        else:
            pictures, numbers = pictures.cpu(), numbers.cpu()
        # last: where memory ran out, the step may be put again
        self._before = x0_hat, noise, length
        return _Parcel(step, seconds, pictures, numbers, arrived)

    def _numbers(self, x: Tensor, x0_hat: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return rms change of x0_hat, cosine of the directions and whether all is finite, [3, B].

        With it the length of each picture's noise, [B].
        """
        length = vector_norm(noise, dim=(1, 2, 3))
        finite = _finite(x, x0_hat, length)
        if self._before is None:
            nothing = torch.full_like(length, math.nan)
            return torch.stack([torch.zeros_like(length), nothing, finite]), length
        before, noise_before, length_before = (one.to(x.device) for one in self._before)
        change = vector_norm(x0_hat - before, dim=(1, 2, 3)) / math.sqrt(x[0].numel())
        along = vecdot(noise.flatten(1), noise_before.flatten(1))
        return torch.stack([change, along / (length * length_before), finite]), length


def _finite(x: Tensor, x0_hat: Tensor, length: Tensor) -> Tensor:
    """Return 1 for every picture of which all is finite, else NaN, [B].

    `length` [B] is that of x - a x0_hat: where it is finite, both are. A GPU is not asked for it,
    for the run would have to wait for the answer.
    """
    if length.device.type == "cpu" and bool(length.isfinite().all()):
        return torch.ones_like(length)
    # 0 times NaN or infinity is NaN; torch.isfinite takes ten times as long
    return (x * 0.0).sum(dim=(1, 2, 3)) + (x0_hat * 0.0).sum(dim=(1, 2, 3)) + 1.0


def _pictures(step: Step, noise: Tensor) -> Tensor:
    """Return x_t, x0_hat and eps_hat = `noise` / s as they are shown, uint8 [3, B, H, W, 3]."""
    levels = torch.empty(3, *noise.shape, dtype=noise.dtype, device=noise.device)
    # pictures of one SNR look alike in every family
    torch.mul(step.x_t, 127.5 * display_scale(step.a, step.s), out=levels[0])
    torch.mul(step.x0_hat, 127.5, out=levels[1])
    if step.s > _LEAST_NOISE:
        torch.mul(noise, 127.5 / (EPS_SHOWN * step.s), out=levels[2])
    else:
        levels[2].zero_()
    levels.add_(128.0).clamp_(0.5, 255.5)
    if levels.device.type == "cpu":
        return torch.from_numpy(_interleaved(levels.numpy()))
    return torch.stack(levels.to(torch.uint8).unbind(2), dim=-1)


def _interleaved(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return float [3, B, 3, H, W] in 0..255.5 as uint8 [3, B, H, W, 3].

    As torch does it, but that takes twice as long.
    """
    with np.errstate(invalid="ignore"):  # NaN is told with the step, see `_check_finite`
        planes = levels.astype(np.uint8)
    pixels = np.empty((*planes.shape[:2], *planes.shape[3:], planes.shape[2]), np.uint8)
    for channel in range(planes.shape[2]):
        pixels[..., channel] = planes[:, :, channel]
    return pixels


def record(step: Step) -> Frame:
    """Return one step as a frame without a past."""
    recorder = Recorder()
    [frame] = recorder.put(step) + recorder.flush()
    return frame


def to_bytes(batch: Tensor) -> Tensor:
    """Return [B, 3, H, W] in [-1, 1] as uint8 [B, H, W, 3]: as `images.to_uint8`."""
    levels = batch.clamp(-1.0, 1.0).mul_(127.5).add_(128.0)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def to_pixels(batch: Tensor) -> Pixels:
    """Return [B, 3, H, W] in [-1, 1] as a NumPy array, uint8 [B, H, W, 3]."""
    return to_bytes(batch).cpu().numpy()


def pinned(tensor: Tensor) -> Tensor:
    """Start copying a tensor into pinned memory."""
    target = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return target.copy_(tensor, non_blocking=True)


def _check_finite(step: Step, finite: Numbers) -> None:
    if np.isnan(finite).any():
        broken = (np.flatnonzero(np.isnan(finite)) + 1).tolist()
        which = "all pictures" if len(broken) == len(finite) else f"picture {broken[0]}"
        raise EngineError(
            f"step {step.index} (t = {step.t}): the model's estimate is not a finite number in"
            f" {which}; lower the guidance, or choose another sampler or spacing"
        )
