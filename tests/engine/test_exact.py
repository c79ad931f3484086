"""The exact denoiser: against brute force in float64, at every level and in every batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers import logits
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.local import Local
from diffusion_gui.engine.denoisers.smoothed import Smoothed
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


def _far_apart_and_close(frames: int) -> Tensor:
    """Return `frames` nearly equal pictures among quite different ones: norms are large."""
    rng = np.random.default_rng(2)
    one = rng.uniform(-1, 1, (3, 64, 64))
    others = np.sign(rng.uniform(-1, 1, (frames // 2, 3, 64, 64))) * 0.5 - 0.5
    close = one + 0.002 * rng.normal(size=(frames, 3, 64, 64))
    return torch.tensor(np.concatenate([close, others]), dtype=torch.float32)


@pytest.mark.parametrize("frames", [10, 100])  # few enough for single distances, and too many
@pytest.mark.parametrize("s", [1e-4, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_close_pictures_among_distant_ones_are_told_apart(
    s: float, frames: int, slope: float
) -> None:
    # here float32 logits are wrong by hundreds of nats although the images are centred
    images = _far_apart_and_close(frames)
    eps = torch.from_numpy(gaussian_batch(3, range(4), 0, tuple(images.shape[1:])))
    x = images[: frames : frames // 4][:4] + s * eps
    prior = slope * torch.arange(len(images), dtype=torch.float64)
    weights = _posterior_weights(images, x, 1.0, s, prior)
    expected = torch.einsum("bn,nchw->bchw", weights, images.double())
    denoise = Exact(images, log_prior=prior)
    assert_close(denoise(x, 1.0, s).double(), expected, rtol=0, atol=2e-5)
    found = denoise.posterior(x, 1.0, s, k=1)
    assert_close(found.max_weight, weights.amax(1), rtol=0, atol=5e-3)


@pytest.mark.parametrize("tile", [0, 37])
def test_a_picture_with_few_candidates_does_not_depend_on_one_with_many(tile: int) -> None:
    images = _images(300)
    denoise = Exact(images, tile=tile)
    near, between = images[:8], 0.02 * images[8:16]
    x = torch.stack([near, between], dim=1).flatten(0, 1)
    for s in (1.5, 2.0):
        together = denoise(x, 1.0, s)
        numbers = (_posterior_weights(images, x, 1.0, s) > 1e-6 / 300).sum(1)
        assert numbers.min() * 16 <= 300 < numbers.max() * 16
        assert torch.equal(together, torch.cat([denoise(row[None], 1.0, s) for row in x]))
        assert_close(together.double(), _brute_force(images, x, 1.0, s), rtol=0, atol=2e-5)


def test_equals_the_reference(reference: dict[str, Any]) -> None:
    y, x = np.mgrid[:4, :4]
    images = [np.sin((i + 1) * (1 + x) / 2) + 0.5 * np.cos((i + 2) * (1 + y) / 3) for i in range(3)]
    query = 0.3 * np.cos(1.3 * x + 0.7 * y)
    denoise = Exact(torch.tensor(np.stack(images)[:, None]))
    golden = torch.tensor(reference["denoiser_exact"]["x0_hat"], dtype=torch.float64)
    a = 0.8  # the same problem in the form a x_0 + s eps: sigma = s / a = 0.6
    for scale in (1.0, a):
        found = denoise(torch.tensor(scale * query)[None, None], scale, scale * 0.6)
        assert_close(found[0, 0], golden, rtol=0, atol=1e-9)


def _log_weighted(images: Tensor, x: Tensor, a: float, s: float) -> Tensor:
    """Return the posterior mean by differences in extended precision, as far as NumPy has it."""
    wide, queries = (v.double().numpy().astype(np.longdouble) for v in (images, x))
    found = []
    for query in queries:
        logits = -0.5 * np.square((query - a * wide) / s).sum(axis=(1, 2, 3))
        weights = np.exp(logits - logits.max())
        found.append(np.einsum("n,nchw->chw", weights / weights.sum(), wide))
    return torch.from_numpy(np.stack(found).astype(np.float64))


@pytest.mark.parametrize("tile", [0, 7])
@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_of_float64_images_the_estimate_is_float64(a: float, s: float, tile: int) -> None:
    images = _images(60).double() / 3.0  # no float32 number any more
    x = _noisy(images, a, s).double() + 1e-9
    before = images.clone()
    denoise = Exact(images, tile=tile)
    expected = _log_weighted(images, x, a, s)
    found = denoise.posterior(x, a, s)
    assert_close(denoise(x, a, s), expected, rtol=0, atol=1e-9)
    assert_close(found.x0_hat, expected, rtol=0, atol=1e-9)
    assert torch.equal(denoise(x, a, s), denoise(x, a, s))
    assert torch.equal(images, before)


@pytest.mark.parametrize("s", [1e-5, 1e-4, 0.01])
def test_close_float64_images_are_told_apart_to_nine_digits(s: float) -> None:
    # two pictures one deviation apart: products of float64 numbers would be 1e-2 nats off here
    images = _far_apart_and_close(4).double()
    images[1] = images[0]
    images[1, 0, 0, 0] += s
    eps = torch.from_numpy(gaussian_batch(3, range(4), 0, tuple(images.shape[1:]))).double()
    x = images[:1] + s * eps
    expected = _log_weighted(images, x, 1.0, s)
    share = (expected - images[0])[:, 0, 0, 0] / s
    assert ((share > 0.1) & (share < 0.9)).any()
    assert_close(Exact(images)(x, 1.0, s), expected, rtol=0, atol=1e-9 * min(1.0, 100 * s))


@pytest.mark.parametrize(("a", "s"), LEVELS)
def test_local_and_smoothed_without_their_point_are_as_exact(a: float, s: float) -> None:
    images = _images(20).double() / 3.0
    x = _noisy(images, a, s, 3).double()
    expected = _log_weighted(images, x, a, s)
    whole = 2 * SHAPE[1] - 1  # every patch is the picture
    for denoise in (Local(images, patch=whole), Smoothed(images, spread=0.0)):
        assert_close(denoise(x, a, s), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("s", [0.002, 0.6])
def test_float64_images_answer_float32_queries_in_float32(s: float) -> None:
    images = _images(30)
    x = _noisy(images, 1.0, s)
    found = Exact(images.double())(x, 1.0, s)
    assert found.dtype == torch.float32
    assert_close(found, Exact(images)(x, 1.0, s), rtol=0, atol=2e-5)


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
    calls = -1_000

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled

    denoise = Exact(images, poll, tile=5)
    calls = 0
    with pytest.raises(Cancelled):
        denoise(_noisy(images, 1.0, s), 1.0, s)
    assert calls == 3


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (3, 4, 4), (5, 48)])
def test_sets_that_are_no_pictures_are_refused_with_their_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=r"N >= 1, got \[" + ", ".join(map(str, shape))):
        Exact(torch.zeros(shape))


def _posterior_weights(
    images: Tensor, x: Tensor, a: float, s: float, prior: Tensor | float = 0.0, tau: float = 1.0
) -> Tensor:
    wide = images.double().flatten(1)
    distance = (x.double().flatten(1)[:, None] - a * wide[None]).square().sum(2)  # [B, N]
    return (prior - 0.5 * distance / (tau * s**2)).softmax(1)


FEW_LEVELS = [(0.0, 1.0), (1.0, 0.002), (1.0, 0.6), (0.3, 0.95), (1.0, 8.0)]


@pytest.mark.parametrize("tau", [0.2, 5.0, 1000.0])
@pytest.mark.parametrize(("a", "s"), FEW_LEVELS)
def test_the_temperature_divides_the_logits(a: float, s: float, tau: float) -> None:
    images = _images(60)
    x = _noisy(images, a, s)
    weights = _posterior_weights(images, x, a, s, tau=tau)
    expected = torch.einsum("bn,nchw->bchw", weights, images.double())
    found = Exact(images, temperature=tau)(x, a, s)
    assert_close(found.double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("a", "s"), FEW_LEVELS)
def test_a_left_out_image_counts_for_nothing(a: float, s: float) -> None:
    images = _images(40)
    x = _noisy(images, a, s, 20)
    denoise = Exact(images).leave_out(torch.arange(20))
    for i, found in enumerate(denoise(x, a, s)):
        others = torch.cat([images[:i], images[i + 1 :]])
        assert_close(found, Exact(others)(x[i : i + 1], a, s)[0], rtol=0, atol=2e-5)
    some = torch.tensor([-1, 1] * 10)
    mixed = Exact(images).leave_out(some)(x, a, s)
    assert torch.equal(mixed[::2], Exact(images)(x, a, s)[::2])
    assert torch.equal(mixed[1], denoise(x, a, s)[1])


@pytest.mark.parametrize(("a", "s"), FEW_LEVELS)
def test_the_log_prior_is_added_to_the_logits(a: float, s: float) -> None:
    images = _images(60)
    x = _noisy(images, a, s)
    prior = torch.linspace(-30.0, 5.0, 60, dtype=torch.float64)[torch.randperm(60)]
    weights = _posterior_weights(images, x, a, s, prior)
    expected = torch.einsum("bn,nchw->bchw", weights, images.double())
    plain = Exact(images)
    for denoise in (Exact(images, log_prior=prior), plain.given(prior + 1e4)):
        assert_close(denoise(x, a, s).double(), expected, rtol=0, atol=2e-5)
    assert torch.equal(plain.given(None)(x, a, s), plain(x, a, s))


@pytest.mark.parametrize(("a", "s"), FEW_LEVELS)
def test_images_with_prior_zero_are_as_if_absent(a: float, s: float) -> None:
    images = _images(50)
    x = _noisy(images, a, s)
    prior = torch.zeros(50)
    prior[1::2] = -torch.inf
    expected = Exact(images[::2])(x, a, s)
    assert_close(Exact(images, log_prior=prior)(x, a, s), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("s", [0.002, 0.02, 0.1])
def test_many_frames_of_one_film_are_told_apart(s: float) -> None:
    # every image decides here, more than are worth single distances
    start, end = _images(2)
    images = start + torch.linspace(0, 0.02, 300)[:, None, None, None] * (end - start)
    x = _noisy(images[::20], 1.0, s)
    expected = _brute_force(images, x, 1.0, s)
    assert_close(Exact(images)(x, 1.0, s).double(), expected, rtol=0, atol=2e-6)


def test_pictures_of_one_colour_are_told_apart_without_noise() -> None:
    # equal terms round alike: float32 products are at their worst
    greys = torch.linspace(-1, 1, 60)[:, None, None, None].expand(60, 3, 64, 64)
    expected = _brute_force(greys, greys[::12], 1.0, 0.3)
    assert_close(Exact(greys)(greys[::12], 1.0, 0.3).double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", ["noise", "smooth", "binary"])
@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_float32_products_are_as_good_as_the_model_of_their_error_says(
    kind: str, sigma: float
) -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, (30, 3072))
    if kind == "smooth":
        rows = np.sin(6 * rows[:, :1] + np.linspace(0, 6, 3072) * rows[:, 1:2])
    elif kind == "binary":
        rows = np.sign(rows)
    images = torch.tensor(rows - rows.mean(0), dtype=torch.float32)
    queries = images[:16] + sigma * torch.tensor(rng.normal(size=(16, 3072))).float()
    found = queries @ images.T
    error = (found.double() - queries.double() @ images.double().T).abs().amax(1)
    size = queries.norm(dim=1) * images.norm(dim=1).max()
    bound = logits._COHERENT_ERROR * found.abs().amax(1) + logits._RANDOM_ERROR * size
    assert (error < bound).all()


@pytest.mark.parametrize(("a", "s"), [*FEW_LEVELS, (1.0, 2.0)])
def test_the_posterior_equals_brute_force_in_float64(a: float, s: float) -> None:
    images = _images(60)
    x = _noisy(images, a, s, 20)
    found = Exact(images).posterior(x, a, s, k=5)
    weights = _posterior_weights(images, x, a, s)
    best, indices = weights.topk(5, dim=1)
    assert_close(found.weights, best, rtol=0, atol=2e-5)
    assert_close(weights.gather(1, found.indices), best, rtol=0, atol=2e-5)
    if a > 0.0:
        assert torch.equal(found.indices[:, 0], indices[:, 0])
    assert_close(found.max_weight, weights.amax(1), rtol=0, atol=2e-5)
    entropy = torch.special.entr(weights).sum(1)
    assert_close(found.entropy, entropy, rtol=0, atol=2e-4)
    assert_close(found.effective_number, entropy.exp(), rtol=2e-4, atol=0)
    assert_close(found.x0_hat, _brute_force(images, x, a, s), rtol=0, atol=2e-5)
    away = (images.double()[None] - _brute_force(images, x, a, s)[:, None]).square()
    variance = torch.einsum("bn,bnchw->bchw", weights, away)
    assert_close(found.variance, variance, rtol=0, atol=2e-5)
    assert (found.variance >= 0.0).all()


def test_the_variance_is_free_of_cancellation() -> None:
    base = _images(1)
    images = torch.cat([base, base])
    images[1, 0, 0, 0] += 1 / 127.5
    middle = images.mean(0, keepdim=True)
    found = Exact(images).posterior(middle, 1.0, 0.5)
    assert found.variance[0, 0, 0, 0].item() == pytest.approx((0.5 / 127.5) ** 2, rel=1e-4)
    assert found.variance.flatten()[1:].max() < 1e-14


@pytest.mark.parametrize("k", [1, 8])
def test_the_posterior_of_one_image_is_certain(k: int) -> None:
    found = Exact(_images(1)).posterior(_noisy(_images(1), 1.0, 0.5), 1.0, 0.5, k=k)
    assert found.indices.shape == (16, 1)
    assert_close(found.weights, torch.ones(16, 1, dtype=torch.float64))
    assert_close(found.entropy, torch.zeros(16, dtype=torch.float64))
    assert_close(found.variance, torch.zeros_like(found.variance))


def test_entropy_is_the_information_that_noise_leaves() -> None:
    """I(x_0; x_sigma) = int_sigma^inf mmse(s) / s^3 ds = ln N - E[H] (Guo, Shamai, Verdu 2005)."""
    count = 48
    images = _images(count, seed=5)[:, :, ::2, ::2].contiguous()  # [48, 3, 8, 8]
    denoise = Exact(images)
    sigmas = np.geomspace(100.0, 0.5, 33)
    mmse, information = [], []
    for step, sigma in enumerate(sigmas):
        half = torch.from_numpy(gaussian_batch(1, range(8 * count), step, (3, 8, 8)))
        eps = torch.cat([half, -half])  # pairs: what is odd in the noise cancels
        found = denoise.posterior(images.repeat(16, 1, 1, 1) + sigma * eps, 1.0, float(sigma))
        mmse.append(found.variance.sum(dim=(1, 2, 3)).mean().item())
        information.append(np.log(count) - found.entropy.mean().item())
    tail = 0.5 * mmse[0] / sigmas[0] ** 2
    density = np.array(mmse) / sigmas**2  # per ln sigma
    steps = 0.5 * (density[1:] + density[:-1]) * np.log(sigmas[:-1] / sigmas[1:])
    integral = tail + np.concatenate([[0.0], steps.cumsum()])
    assert information[-1] == pytest.approx(np.log(count), rel=1e-3)
    assert integral[-1] == pytest.approx(np.log(count), rel=0.02)
    away = (integral - information) / np.log(count)
    assert np.sqrt(np.mean(away**2)) < 0.006  # the entropies are of 768 samples each
    assert np.abs(away).max() < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: Exact(_images(2), temperature=0.0), "temperature must be > 0, got 0"),
        (
            lambda: Exact(_images(2), log_prior=torch.zeros(3)),
            r"log_prior must be \[2\], got \[3\]",
        ),
        (lambda: Exact(_images(2)).given(torch.full((2,), -torch.inf)), "finite for an image"),
        (lambda: Exact(_images(2)).given(torch.tensor([0.0, torch.nan])), "finite for an image"),
        (lambda: Exact(_images(2)).leave_out(torch.tensor([2])), r"in -1..1, got \[2\]"),
        (lambda: Exact(_images(1)).leave_out(torch.tensor([0])), "leaving it out leaves none"),
        (
            lambda: Exact(_images(3)).leave_out(torch.tensor([0, 1]))(_images(1), 1.0, 1.0),
            "2 images are left out, one per picture of the batch; got a batch of 1",
        ),
    ],
)
def test_bad_options_are_refused(change: Callable[[], object], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        change()
