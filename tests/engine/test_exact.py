"""The exact denoiser: against brute force in float64, at every level and in every batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers import MODELS
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.noise import gaussian_batch
from diffusion_gui.engine.schedules import build_preset

SHAPE = (3, 16, 16)


def _images(count: int, seed: int = 0) -> Tensor:
    """Return smooth random pictures in 8-bit steps: [count, 3, 16, 16] in [-1, 1]."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (count, 3, 4, 4))
    fine = np.round(coarse.repeat(4, 2).repeat(4, 3) * 127.5) / 127.5
    return torch.tensor(fine, dtype=torch.float32)


def _noisy(images: Tensor, a: float, s: float, count: int = 16, step: int = 0) -> Tensor:
    eps = torch.from_numpy(gaussian_batch(3, range(count), step, SHAPE))
    chosen = images[torch.arange(count) % len(images)]
    return (a * chosen + s * eps).float()


def _brute_force(images: Tensor, x: Tensor, a: float, s: float) -> Tensor:
    wide = images.double()
    distance = (x.double()[:, None] - a * wide[None]).square().flatten(2).sum(2)  # [B, N]
    weights = (-0.5 * distance / s**2).softmax(1)
    return torch.einsum("bn,nchw->bchw", weights, wide)


COSINE = build_preset("cosine", 1000)
LEVELS = [(0.0, 1.0), (1.0, 0.002), (1.0, 0.05), (1.0, 0.6), (1.0, 5.0), (1.0, 80.0)] + [
    (float(COSINE.a[t]), float(COSINE.s[t])) for t in (1, 5, 100, 400, 700, 900, 990, 1000)
]


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_equals_brute_force_in_float64(a: float, s: float) -> None:
    images = _images(60)
    x = _noisy(images, a, s)
    assert_close(Exact(images)(x, a, s).double(), _brute_force(images, x, a, s), rtol=0, atol=2e-5)


def _near_duplicates(side: int = 64) -> Tensor:
    """Return pictures of D = 12,288 that differ by one grey level in a handful of pixels."""
    rng = np.random.default_rng(1)
    base = np.round(rng.uniform(-1, 1, (3, side, side)) * 127.5) / 127.5
    images = np.stack([base] * 12)
    for i in range(1, 12):
        where = rng.integers(0, base.size, 1 + i // 3)
        images[i].reshape(-1)[where] += 1 / 127.5
    return torch.tensor(images, dtype=torch.float32)


@pytest.mark.parametrize("s", [0.002, 0.005, 0.02, 0.2])
def test_near_duplicates_are_told_apart_at_small_noise(s: float) -> None:
    # float32 logits are wrong by up to 200 nats here and pick the wrong picture
    images = _near_duplicates()
    eps = torch.from_numpy(gaussian_batch(3, range(12), 0, tuple(images.shape[1:])))
    x = images + s * eps
    expected = _brute_force(images, x, 1.0, s)
    assert_close(Exact(images)(x, 1.0, s).double(), expected, rtol=0, atol=5e-5)
    if s == 0.002:
        assert_close(expected.float(), images, rtol=0, atol=1e-3)


def test_equals_the_reference(reference: dict[str, Any]) -> None:
    y, x = np.mgrid[:4, :4]
    images = [np.sin((i + 1) * (1 + x) / 2) + 0.5 * np.cos((i + 2) * (1 + y) / 3) for i in range(3)]
    query = 0.3 * np.cos(1.3 * x + 0.7 * y)
    denoise = Exact(torch.tensor(np.stack(images)[:, None]))
    golden = torch.tensor(reference["denoiser_exact"]["x0_hat"], dtype=torch.float64)
    a = 0.8  # the same problem in the form a x_0 + s eps: sigma = s / a = 0.6
    for scale in (1.0, a):
        found = denoise(torch.tensor(scale * query)[None, None], scale, scale * 0.6)
        assert_close(found[0, 0], golden, rtol=0, atol=2e-6)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("a", "s"), [(0.0, 1.0), (0.5, 0.8), (1.0, 0.3), (1.0, 0.002)])
def test_a_picture_does_not_depend_on_its_batch(a: float, s: float, threads: int) -> None:
    torch.set_num_threads(threads)
    images = _images(50)
    denoise = Exact(images)
    x = _noisy(images, a, s, 40)
    together = denoise(x, a, s)
    alone = torch.cat([denoise(row[None], a, s) for row in x])
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    permuted = torch.empty_like(together)
    permuted[order] = denoise(x[order], a, s)
    torch.set_num_threads(1)
    assert torch.equal(together, alone)
    assert torch.equal(together, permuted)


@pytest.mark.parametrize("tile", [1, 7, 49, 50, 4096])
@pytest.mark.parametrize(("a", "s"), [(0.0, 1.0), (0.5, 0.8), (1.0, 0.002)])
def test_the_tile_size_does_not_matter(tile: int, a: float, s: float) -> None:
    images = _images(50)
    x = _noisy(images, a, s)
    assert_close(Exact(images, tile=tile)(x, a, s), Exact(images)(x, a, s), rtol=0, atol=2e-5)


def test_pure_noise_gives_the_mean_of_the_data() -> None:
    images = _images(9)
    found = Exact(images)(_noisy(images, 0.0, 1.0), 0.0, 1.0)
    assert_close(found, images.mean(0).expand_as(found), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("a", "s"), [(0.0, 1.0), (0.3, 0.9), (1.0, 0.002)])
def test_a_single_image_is_always_the_answer(a: float, s: float) -> None:
    images = _images(1)
    found = Exact(images)(_noisy(images, a, s), a, s)
    assert_close(found, images.expand_as(found), rtol=0, atol=1e-6)


@pytest.mark.parametrize("s", [0.1, 0.5])
def test_duplicates_add_weight(s: float) -> None:
    first, second = _images(2)
    images = torch.stack([first, second, first])
    middle = (0.5 * (first + second))[None]  # equally far from both
    expected = (2 * first + second)[None] / 3
    assert_close(Exact(images)(middle, 1.0, s), expected, rtol=0, atol=1e-3)
    assert_close(_brute_force(images, middle, 1.0, s).float(), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("nats", [3.0, 7.0, 9.0, 11.0])
def test_many_unlikely_images_count_together(nats: float) -> None:
    s = 0.05
    likely = _images(1)[0]
    unlikely = likely.clone()
    unlikely[0, 0, 0] += s * np.sqrt(2 * nats)
    images = torch.stack([likely, -likely] + [unlikely] * 700)
    weight = 700 * np.exp(-nats) / (1 + 700 * np.exp(-nats))
    found = Exact(images)(likely[None], 1.0, s)[0]
    assert_close(found, likely + weight * (unlikely - likely), rtol=0, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_precision_are_those_of_the_query(dtype: torch.dtype) -> None:
    images = _images(5)
    x = _noisy(images, 0.5, 0.8, 3).to(dtype)
    before = x.clone()
    found = Exact(images)(x, 0.5, 0.8)
    assert found.shape == x.shape
    assert found.dtype == dtype
    assert torch.equal(x, before)


@pytest.mark.parametrize("s", [0.8, 0.002])
def test_a_call_can_be_ended_between_tiles(s: float) -> None:
    images = _images(30)
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled

    denoise = Exact(images, poll, tile=5)
    with pytest.raises(Cancelled):
        denoise(_noisy(images, 1.0, s), 1.0, s)
    assert calls == 3


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (3, 4, 4), (5, 48)])
def test_sets_that_are_no_pictures_are_refused_with_their_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=r"N >= 1, got \[" + ", ".join(map(str, shape))):
        Exact(torch.zeros(shape))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_every_model_of_the_registry_keeps_the_contract(name: str, a: float, s: float) -> None:
    images = _images(12)
    polls: list[None] = []
    denoise = MODELS[name].build(images, lambda: polls.append(None))
    x = _noisy(images, a, s, 4)
    found = denoise(x, a, s)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert torch.isfinite(found).all()
    assert torch.equal(found, denoise(x, a, s))
    assert polls
    assert MODELS[name].title
    assert MODELS[name].explanation.endswith(".")
