"""Steps of a run become frames: 8-bit pictures and a few numbers. Imports torch.

On a CUDA device everything is worked out there, copied into pinned memory behind the run's back
and handed out when it has arrived, so that recording never makes the run wait for the device.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.samplers import Step
from diffusion_gui.engine.schedules.schedule import display_scale
from diffusion_gui.engine.trajectory import EPS_SHOWN, Frame

_ON_THE_WAY = 3
"""Frames that may be on the way from the device before the run waits for the oldest."""


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
        self._before: tuple[Tensor, Tensor] | None = None
        self._queue: deque[_Parcel] = deque()

    def put(self, step: Step, seconds: float = 0.0) -> list[Frame]:
        """Record a step and return the frames that are ready, oldest first.

        `seconds` is the run's age, pauses left out. Raises EngineError, with the step and the
        picture, where a step is NaN or infinite.
        """
        self._queue.append(self._send(step, seconds))
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
        x, x0_hat = step.x_t, step.x0_hat
        eps_hat = (x - step.a * x0_hat) / step.s if step.s > 0.0 else torch.zeros_like(x)
        # pictures of one SNR look alike in every family
        shown = x * display_scale(step.a, step.s)
        pictures = torch.stack([to_bytes(one) for one in (shown, x0_hat, eps_hat / EPS_SHOWN)])
        numbers = torch.stack([*self._compare(x0_hat, eps_hat), _finite(x) * _finite(x0_hat)])
        self._before = x0_hat, eps_hat
        if x.device.type != "cuda":
            return _Parcel(step, seconds, pictures.cpu(), numbers.cpu(), None)
        arrived = torch.cuda.Event()
        pictures, numbers = pinned(pictures), pinned(numbers)
        arrived.record()
        return _Parcel(step, seconds, pictures, numbers, arrived)

    def _compare(self, x0_hat: Tensor, eps_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rms change of x0_hat and the cosine of the directions, [B] each."""
        if self._before is None:
            nothing = x0_hat.new_full((len(x0_hat),), math.nan)
            return torch.zeros_like(nothing), nothing
        change = (x0_hat - self._before[0]).flatten(1).square().mean(dim=1).sqrt()
        one, other = eps_hat.flatten(1), self._before[1].flatten(1)
        return change, (one * other).sum(dim=1) / (one.norm(dim=1) * other.norm(dim=1))


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


def _finite(batch: Tensor) -> Tensor:
    """Return 1.0 for each picture without NaN and infinity, else 0.0: float32 [B]."""
    return torch.isfinite(batch).flatten(1).all(dim=1).float()


def _check_finite(step: Step, finite: Pixels) -> None:
    broken = [i + 1 for i, fine in enumerate(finite) if not fine]
    if broken:
        which = "all pictures" if len(broken) == len(finite) else f"picture {broken[0]}"
        raise EngineError(
            f"step {step.index} (t = {step.t}): the model's estimate is not a finite number in"
            f" {which}; lower the guidance, or choose another sampler or spacing"
        )
