"""The plane of the first two principal components against NumPy's SVD in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion_gui.engine import projection
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.images import to_float
from diffusion_gui.engine.projection import Projector, principal_plane
from diffusion_gui.session import library

CPU = torch.device("cpu")


def centred(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1) / 127.5 - 1.0
    return flat - flat.mean(axis=0)


def by_channel(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(to_float(images)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("count", [3, 40, 400])
def test_the_axes_are_those_of_an_svd_in_float64(count: int) -> None:
    images = library.emoji(16)[:count]
    plane = principal_plane(images, CPU)
    wide = centred(images)
    _, sizes, rows = np.linalg.svd(wide, full_matrices=False)
    axes = plane.axes.reshape(2, 3, 16, 16).transpose(0, 2, 3, 1).reshape(2, -1)
    for axis, row in zip(axes, rows[:2], strict=True):
        sign = np.sign(row[np.abs(row).argmax()])
        np.testing.assert_allclose(axis, sign * row, atol=2e-5)
    np.testing.assert_allclose(plane.points, wide @ axes.T.astype(np.float64), atol=1e-4)
    np.testing.assert_allclose(plane.explained, sizes[:2] ** 2 / (sizes**2).sum(), rtol=1e-5)


def test_the_projector_puts_the_images_on_their_points() -> None:
    images = library.emoji(16)[:60]
    plane = principal_plane(images, CPU)
    project = Projector(plane, CPU)
    np.testing.assert_allclose(project(by_channel(images)), plane.points, atol=1e-4)
    half = project(by_channel(images), 0.5).double().numpy()
    wide = 0.5 * by_channel(images).flatten(1).double().numpy() - plane.mean
    np.testing.assert_allclose(half, wide @ plane.axes.T.astype(np.float64), atol=1e-4)


def test_sets_of_one_and_of_two_images_have_fewer_components() -> None:
    images = library.emoji(16)[:2]
    pair = principal_plane(images, CPU)
    assert pair.explained[0] == pytest.approx(1.0)
    assert pair.explained[1] == 0.0
    apart = np.linalg.norm(centred(images)[0] - centred(images)[1])
    assert abs(pair.points[0, 0] - pair.points[1, 0]) == pytest.approx(apart, rel=1e-5)
    one = principal_plane(images[:1], CPU)
    assert one.explained == (0.0, 0.0)
    for plane in (pair, one):
        np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-5)


def test_a_large_set_is_fitted_on_some_and_its_points_are_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = library.emoji(16)[:300]
    whole = principal_plane(images, CPU)
    monkeypatch.setattr(projection, "_FITTED_VALUES", images.size // 2)
    monkeypatch.setattr(projection, "_CHUNK_VALUES", 7 * images[0].size)
    some = principal_plane(images, CPU)
    assert len(some.points) == 300
    assert abs(float(some.axes[0] @ whole.axes[0])) > 0.9
    every_other = centred(images[::2])
    assert some.explained[0] == pytest.approx(
        np.linalg.svd(every_other, compute_uv=False)[0] ** 2 / (every_other**2).sum(), rel=1e-4
    )


def test_it_can_be_cancelled_and_refuses_nothing_at_all() -> None:
    def poll() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        principal_plane(library.emoji(16)[:9], CPU, poll)
    with pytest.raises(EngineError, match="N >= 1"):
        principal_plane(library.emoji(16)[:0], CPU)
