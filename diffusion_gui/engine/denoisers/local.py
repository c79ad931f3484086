"""The local denoiser: every pixel is decided by the patch around it (LS, ELS and in between).

    D(x)(u) = sum_{i, u'} w x_i(u')
    log w = -|x[u] - x_i[u']|^2 / (2 sigma^2 tau) + log prior(u' | u)

where x[u] is the P x P patch around u in x = x_t / a. Kamb & Ganguli 2024 (arXiv:2412.20292): LS
has u' = u, boundary-broken ELS any u' at the same distance to the border. A convolutional network
behaves much like this; sampling gives mosaics of the images, not copies. Imports torch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from diffusion_gui.engine.conditioning import Mask, Measurement, Strokes, log_likelihood
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.patch_prior import Axis, position_spread
from diffusion_gui.engine.denoisers.patch_size import patch_size, power_spectrum
from diffusion_gui.engine.errors import EngineError

_CHUNK_VALUES = 1 << 18
"""Values of the set worked on at once: 1 MiB of float32, which stays in the cache."""
_LEAST = -60.0
"""Lower logits count as this, 1e-26 of the best: exp is far slower where it ends below 1e-38."""
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_NARROW = 5
"""Patches up to this side are summed by adding shifted rows and columns, larger ones by a product
with a band matrix: 1 and 2 ms for 1.4 million pixels at P = 3 and 5, 2.2 ms at any P."""


class Local:
    """Patch posterior over `images` [N, C, H, W] in [-1, 1], in their precision.

    Every shift of the images that the prior allows is compared by box filters, so that the cost,
    B N C H W times the shifts, does not grow with the patch. Where that is more than `most` the
    sum runs over an even sample: all images at shift 0, every m-th at the others, which then count
    m times. That is what a smaller set of patches would give, and not near the plain sum where few
    patches decide. Measured at 32 x 32 on two emoji left out of the 1,377, sigma 0.1, 0.3, 1, 4:

    * freedom 1, m = 22 (16 at sigma 4): 0.07, 0.10, 0.12, 0.13 rms away from the plain sum, in
      units of [-1, 1]; rms error 0.08, 0.13, 0.22, 0.38 where the plain sum has 0.06, 0.12, 0.21,
      0.38; a picture takes 0.4 s of one core instead of about 10;
    * freedom 0.25, m = 2: 0.05, 0.06, 0.06, 0.06 away; error 0.08, 0.15, 0.22, 0.39 as the plain
      sum has, within 0.003.

    On 361 tiles of the three photographs (two left out, overlapping others), sigma 0.1, 0.3, 1, 3:
    freedom 1, m = 20: 0.06, 0.11, 0.11, 0.07 away; error 0.06, 0.11, 0.15, 0.22 for 0.03, 0.06,
    0.11, 0.21. (The default there would be m = 6.)
    """

    def __init__(
        self,
        images: Tensor,
        poll: Callable[[], None] | None = None,
        *,
        freedom: float = 0.0,
        temperature: float = 1.0,
        patch: int = 0,
        border: bool = True,
        chunk: int = 0,
        most: int = 1 << 26,
    ):
        """Keep `images` on their device; `poll` is called between chunks of work and may raise.

        `freedom` in 0..1 lets patches move (0 is LS, 1 boundary-broken ELS), `temperature` divides
        the log-probabilities, `patch` is the odd side P, 0 for the size that the images' power
        spectrum gives at each noise level. Without `border` the picture is a torus. `chunk` is the
        number of images worked on at once, 0 for as many as fit the cache. `most` is about how many
        pixels are compared per picture at shifts other than 0; 0 is the plain sum at any cost.
        """
        if images.ndim != 4 or len(images) == 0:
            raise EngineError(f"images must be [N, C, H, W] with N >= 1, got {list(images.shape)}")
        self._images = images.contiguous()
        self._poll = poll or (lambda: None)
        self._rho = position_spread(freedom, max(images.shape[2:]))
        self._temperature, self._border = temperature, border
        self._patch = 2 * (patch // 2) + 1 if patch else 0
        self._most = most
        self._known: list[tuple[Tensor, Tensor]] = []
        self._chunk = chunk or max(1, _CHUNK_VALUES // images[0].numel())
        self._power = power_spectrum(images, self._poll)
        self._whole = Exact(images, self._poll)

    def given(self, *measurements: Measurement) -> Local:
        """Return this denoiser given what is known of the picture, sharing the images.

        Each patch's log-probability gets -sum w |y - x_i[u']|^2 / (2 sigma_y^2) over the known
        pixels it covers. Raises EngineError for a measurement that is not pixel by pixel.
        """
        other = copy.copy(self)
        other._whole = self._whole.given(log_likelihood(self._images, *measurements))
        other._known = [_precisions(one, self._images) for one in measurements]
        return other

    knowing = given

    def patch_size(self, sigma: float) -> int:
        """Return the odd side P of the patches compared at noise-to-signal ratio `sigma`."""
        largest = 2 * max(self._images.shape[2:]) - 1
        if self._border:
            return min(self._patch, largest) or patch_size(self._power, sigma)
        around = 2 * ((min(self._images.shape[2:]) - 1) // 2) + 1  # a torus ends where it begins
        return min(self._patch or patch_size(self._power, sigma), around)

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        """Return x0_hat [B, C, H, W] for x_t [B, C, H, W] at level (a, s), s > 0."""
        P = self.patch_size(s / a if a > 0.0 else math.inf)
        if self._border and 2 * max(self._images.shape[2:]) - 1 <= P:
            return self._whole(x, a, s * math.sqrt(self._temperature))  # the patch is the picture
        queries = x.to(self._images) / a if a > 0.0 else torch.zeros_like(x).to(self._images)
        precision = a * a / (s * s * self._temperature)
        boxes = tuple(self._box(n, P) for n in self._images.shape[2:])
        sums = [_Sum(one) for one in queries]
        for moved, prior in self._patches(P):
            for one in sums:
                self._poll()
                away = _squares(moved, one.x).mul_(precision)  # [n, H, W]
                for picture, known in self._known:
                    away.addcmul_(_squares(moved, picture), known)
                one.add(moved, self._boxed(away, boxes, P).mul_(-0.5).add_(prior))
        return torch.stack([one.mean / one.total for one in sums]).to(x)

    def _shifts(self, P: int) -> Iterator[tuple[int, int, Tensor]]:
        """Yield (dy, dx, log prior [H, W]) of every shift that some pixel may look at."""
        height, width = self._images.shape[2:]
        rows, columns = (
            Axis(n, P // 2, self._rho, self._border).log_prior().to(self._images)
            for n in (height, width)
        )
        places = torch.arange(height, device=rows.device), torch.arange(width, device=rows.device)
        for dy in range(height):
            self._poll()
            down = rows.gather(1, ((places[0] + dy) % height)[:, None])  # [H, 1]
            if not bool(down.isfinite().any()):
                continue
            for dx in range(width):
                across = columns.gather(1, ((places[1] + dx) % width)[:, None])  # [W, 1]
                prior = down + across.T
                if bool(prior.isfinite().any()):
                    yield dy, dx, prior

    def _patches(self, P: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what the sum runs over: shifted images [n, C, H, W] and log prior [n or 1, H, W].

        The golden ratio spreads the sample evenly over shifts and images together. Nothing is drawn
        at random: it is the same for all pictures, and at all noise levels with the same shifts.
        """
        shifts = list(self._shifts(P))
        work = (len(shifts) - 1) * self._images[:, 0].numel()
        every = math.ceil(work / self._most) if self._most else 1
        waiting: list[tuple[Tensor, Tensor]] = []  # the samples of a shift alone are too few
        for number, (dy, dx, prior) in enumerate(shifts):
            if every <= 1 or not (dy or dx):
                for part in self._images.split(self._chunk):
                    yield part.roll((-dy, -dx), (2, 3)) if dy or dx else part, prior[None]
                continue
            chosen = self._images[int(number * _GOLDEN % 1.0 * every) :: every]
            for part in chosen.split(self._chunk) if len(chosen) else ():
                waiting.append((part.roll((-dy, -dx), (2, 3)), prior + math.log(every)))
                if sum(len(moved) for moved, _ in waiting) >= self._chunk:
                    yield _joined(waiting)
                    waiting.clear()
        if waiting:
            yield _joined(waiting)

    def _boxed(self, values: Tensor, boxes: tuple[Tensor, ...], P: int) -> Tensor:
        """Return the sums over the P x P pixels around each of `values` [n, H, W]."""
        if P > _NARROW or not self._border:
            return boxes[0] @ (values @ boxes[1])
        for axis in (1, 2):
            total, length = values.clone(), values.shape[axis]
            for k in range(1, min(P // 2, length - 1) + 1):
                total.narrow(axis, k, length - k).add_(values.narrow(axis, 0, length - k))
                total.narrow(axis, 0, length - k).add_(values.narrow(axis, k, length - k))
            values = total
        return values

    def _box(self, n: int, P: int) -> Tensor:
        """Return the matrix [n, n] that sums over P neighbours along an axis."""
        place = torch.arange(n)
        distance = (place[:, None] - place).abs()
        if not self._border:
            distance = torch.minimum(distance, n - distance)
        return (distance <= P // 2).to(self._images)


class _Sum:
    """The running softmax of one picture x [C, H, W]: D is mean / total."""

    def __init__(self, x: Tensor):
        self.x = x
        self.total, self.mean = torch.zeros_like(x[0]), torch.zeros_like(x)
        self._top = torch.full_like(x[0], -torch.inf)  # [H, W]

    def add(self, images: Tensor, logits: Tensor) -> None:
        """Add `images` [n, C, H, W] with `logits` [n, H, W], which are used up."""
        peak = torch.maximum(self._top, logits.amax(dim=0))
        finite = peak.clamp(min=-1e30)
        weights = logits.sub_(finite).clamp_(min=_LEAST).exp_()
        kept = (self._top - finite).exp()
        self.total = self.total * kept + weights.sum(dim=0)
        self.mean *= kept
        for channel in range(len(self.x)):
            self.mean[channel] += (weights * images[:, channel]).sum(dim=0)
        self._top = peak


def _joined(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return shifted images [n, C, H, W] and the log prior of each [n, H, W]."""
    priors = [prior.expand(len(moved), -1, -1) for moved, prior in parts]
    return torch.cat([moved for moved, _ in parts]), torch.cat(priors)


def _squares(images: Tensor, picture: Tensor) -> Tensor:
    """Return |picture - x_i|^2 per pixel, summed over channels: [n, H, W]."""
    total = torch.zeros_like(images[:, 0])
    for channel in range(len(picture)):
        difference = images[:, channel] - picture[channel]
        total.addcmul_(difference, difference)
    return total


def _precisions(measurement: Measurement, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the picture [C, H, W] and w / sigma_y^2 [H, W] of a measurement pixel by pixel."""
    if isinstance(measurement, Mask):
        picture, weights = measurement.picture, measurement.weights
    elif isinstance(measurement, Strokes):
        picture, weights = measurement.picture[:3], measurement.picture[3] > 0
    else:
        raise EngineError(
            f"the local denoiser looks at patches, a {type(measurement).__name__} is of the whole"
            " picture; use a mask or strokes, or the exact denoiser"
        )
    return picture.to(images), weights.to(images) / measurement.sigma**2
