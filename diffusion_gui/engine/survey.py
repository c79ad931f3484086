"""What is noted of every step of a run besides its pictures: the map, the posterior. NumPy only.

`witness.py` makes the notes, `projection.py` the map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_gui.engine.images import Pixels

Numbers = NDArray[np.float32]

CERTAIN = 0.9
"""A sample is settled on the image that has more than this of the posterior."""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane in the space of pictures, through the mean of a data set.

    `mean` [D] and `axes` [2, D] are float32, D = C H W in that order; `axes` are orthonormal.
    `explained` are the shares of the set's variance along each, `points` [N, 2] where its images
    lie on the plane: distances there are never larger than between the pictures themselves.
    """

    mean: Numbers
    axes: Numbers
    explained: tuple[float, float]
    points: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """The images that a model knows: uint8 [N, H, W, 3] to show, their names, and their plane."""

    pixels: Pixels
    names: tuple[str, ...]
    plane: Plane

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures and of the plane."""
        plane = self.plane
        return self.pixels.nbytes + plane.mean.nbytes + plane.axes.nbytes + plane.points.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """The posterior over the images of `atlas` behind the estimate of one step, B pictures.

    `indices` and `weights` [B, k] are the k most probable images, descending; `entropy` [B] is in
    nats.
    """

    atlas: Atlas
    indices: NDArray[np.int64]
    weights: Numbers
    entropy: Numbers

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers, the atlas left out: many steps share it."""
        return self.indices.nbytes + self.weights.nbytes + self.entropy.nbytes

    @property
    def bits(self) -> Numbers:
        """The entropy in bits, [B]."""
        return self.entropy / np.float32(math.log(2.0))

    @property
    def most_bits(self) -> float:
        """The entropy in bits where nothing is known: log2 N."""
        return math.log2(len(self.atlas))

    @property
    def effective_number(self) -> Numbers:
        """exp(entropy), [B]: among how many equally probable images the answer is still open."""
        return np.exp(self.entropy)


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """What needs the result of a run, see `run_measures.py`.

    `steps` [S] and `distances` [S, B]: how far x0_hat was from the result. `nearest` [B]: the
    image nearest to it, and `since` [B] the step from which on it was; None where the run has no
    map of images.
    """

    steps: NDArray[np.int64]
    distances: Numbers
    nearest: NDArray[np.int64] | None = None
    since: NDArray[np.int64] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        numbers = self.steps, self.distances, self.nearest, self.since
        return sum(one.nbytes for one in numbers if one is not None)


class Survey:
    """The notes of one run, step by step; none is thinned out. One thread appends, others read.

    `atlas` is the map of the run's own model: a fork's parent may have had another.
    """

    def __init__(self, atlas: Atlas, num_steps: int, count: int) -> None:
        self.atlas = atlas
        self._places = np.full((2, num_steps + 1, count, 2), np.nan, np.float32)
        self._beliefs: list[Belief | None] = []

    def append(self, places: Numbers, belief: Belief | None) -> None:
        """Note a step: where x_t and x0_hat lie on the plane, [2, B, 2], and the posterior."""
        self._places[:, len(self._beliefs)] = places
        self._beliefs.append(belief)  # last: it says how many there are

    def __len__(self) -> int:
        """The number of steps noted."""
        return len(self._beliefs)

    @property
    def x_t(self) -> Numbers:
        """Where x_t lies on the plane at every step, scaled as in a frame: [steps, B, 2]."""
        return self._places[0, : len(self)]

    @property
    def x0_hat(self) -> Numbers:
        """Where x0_hat lies on the plane at every step, [steps, B, 2]."""
        return self._places[1, : len(self)]

    def parts(self) -> Iterator[tuple[object, int]]:
        """Yield what is held here and its bytes; other surveys may hold some of it too."""
        yield self, self._places.nbytes
        yield self.atlas, self.atlas.nbytes
        for belief in self._beliefs[: len(self)]:
            if belief is not None:
                yield belief, belief.nbytes
                if belief.atlas is not self.atlas:
                    yield belief.atlas, belief.atlas.nbytes

    def belief(self, step: int) -> Belief | None:
        """Return the posterior of a step, None where the model has none or is not asked."""
        return self._beliefs[step] if 0 <= step < len(self) else None

    def newest_belief(self, step: int) -> tuple[int, Belief] | None:
        """Return the newest posterior at or before a step, and its step."""
        for index in range(min(step, len(self) - 1), -1, -1):
            if (belief := self._beliefs[index]) is not None:
                return index, belief
        return None

    def bits(self) -> Numbers:
        """Return the entropy in bits at every step, NaN where there is none: [steps, B]."""
        beliefs = self._beliefs[: len(self)]
        nothing = np.full(self._places.shape[2], np.nan, np.float32)
        rows = [nothing if one is None else one.bits for one in beliefs]
        return np.stack(rows) if rows else nothing[None, :][:0]

    def settled(self) -> NDArray[np.int64]:
        """Return the step from which on one image has more than CERTAIN of the posterior, [B].

        -1 where that is not so at the newest posterior. Another image, or doubt, begins it anew.
        """
        since = np.full(self._places.shape[2], -1, np.int64)
        image = np.full_like(since, -1)
        known: Atlas | None = None
        for step, belief in enumerate(self._beliefs[: len(self)]):
            if belief is None:
                continue
            best = belief.indices[:, 0]
            same = (best == image) & (known is belief.atlas)
            certain = belief.weights[:, 0] > CERTAIN
            since = np.where(certain, np.where(same & (since >= 0), since, step), -1)
            image, known = best, belief.atlas
        return since
