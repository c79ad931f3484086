"""Distances to the result and nearest images, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_gui.engine.errors import Cancelled
from diffusion_gui.engine.run_measures import distances, nearest_since
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.session import library

DATA = library.emoji(16)[:30]


def frame(index: int, x0_hat: np.ndarray) -> Frame:
    nothing = np.zeros(len(x0_hat), np.float32)
    return Frame(index, 10 - index, 1.0, x0_hat, x0_hat, x0_hat, nothing, nothing)


def test_distances_are_the_rms_to_the_last_frame() -> None:
    rng = np.random.default_rng(0)
    frames = [frame(i, rng.integers(0, 256, (3, 8, 8, 3), np.uint8)) for i in (0, 2, 5)]
    steps, found = distances(frames)
    assert steps.tolist() == [0, 2, 5]
    last = frames[-1].x0_hat / 127.5
    for row, one in zip(found, frames, strict=True):
        wanted = np.sqrt(np.square(one.x0_hat / 127.5 - last).mean(axis=(1, 2, 3)))
        np.testing.assert_allclose(row, wanted, rtol=1e-5)
    assert (found[-1] == 0.0).all()


def test_the_nearest_image_and_since_when_it_is() -> None:
    rng = np.random.default_rng(1)

    def near(*indices: int) -> np.ndarray:
        grain = rng.integers(-9, 10, (len(indices), 16, 16, 3))
        return np.clip(DATA[list(indices)] + grain, 0, 255).astype(np.uint8)

    frames = [
        frame(step, near(*indices))
        for step, indices in enumerate([(1, 2, 3), (5, 2, 3), (1, 2, 3), (1, 7, 3), (1, 2, 3)])
    ]
    nearest, since = nearest_since(frames, DATA)
    assert nearest.tolist() == [1, 2, 3]
    assert since.tolist() == [2, 4, 0]
    wide = DATA.reshape(30, -1).astype(float)
    for sample, picture in enumerate(frames[-1].x0_hat.reshape(3, -1).astype(float)):
        assert np.square(wide - picture).sum(axis=1).argmin() == nearest[sample]
    small = DATA.reshape(30, 8, 2, 8, 2, 3).mean(axis=(2, 4)).astype(np.uint8)
    assert nearest_since(frames, small)[0].tolist() == [1, 2, 3]


def test_they_can_be_cancelled() -> None:
    def poll() -> None:
        raise Cancelled

    frames = [frame(0, DATA[:2]), frame(1, DATA[:2])]
    with pytest.raises(Cancelled):
        distances(frames, poll)
    with pytest.raises(Cancelled):
        nearest_since(frames, DATA, poll)
