"""The local denoiser: goldens, brute force, its limits (exact, LS, ELS), and what it is for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.conditioning import LowRes, Mask, Strokes, log_likelihood
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.local import Local
from diffusion_gui.engine.denoisers.patch_prior import position_spread
from diffusion_gui.engine.denoisers.patch_size import patch_size, power_spectrum
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.noise import gaussian_batch
from diffusion_gui.engine.samplers import Levels, ddim
from diffusion_gui.engine.schedules import build_preset, grid
from diffusion_gui.session.library import emoji

FORMS = {
    "LS_zero_pad": {"freedom": 0.0},
    "bbELS_zero_pad": {"freedom": 1.0},
    "ELS_circular(dict circular too)": {"freedom": 1.0, "border": False},
}


def toy() -> tuple[Tensor, Tensor]:
    """Return the images [3, 1, 4, 4] and the query [1, 1, 4, 4] of the goldens, float64."""
    y, x = torch.meshgrid(torch.arange(4.0).double(), torch.arange(4.0).double(), indexing="ij")
    images = [torch.sin((i + 1) * (1 + x) / 2) + 0.5 * torch.cos((i + 2) * (1 + y) / 3)
              for i in range(3)]  # fmt: skip
    return torch.stack(images)[:, None], (0.3 * torch.cos(1.3 * x + 0.7 * y))[None, None]


def pictures(n: int, *shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, *shape, generator=generator, dtype=torch.float64) * 2 - 1


def brute(
    x: Tensor, images: Tensor, sigma: float, P: int, rho: float, border: bool, tau: float = 1.0
) -> Tensor:
    """Return D(x) [C, H, W] pixel by pixel, patch by patch, straight from the definition."""
    _, H, W = x.shape
    r = P // 2

    def at(picture: Tensor, y: int, u: int) -> Tensor:
        if not border:
            return picture[..., y % H, u % W]
        inside = 0 <= y < H and 0 <= u < W
        return picture[..., y, u] if inside else torch.zeros_like(picture[..., 0, 0])

    def edges(y: int, n: int) -> tuple[int, int]:
        return (min(y, r), min(n - 1 - y, r)) if border else (0, 0)

    def away(d: int, n: int) -> int:
        return abs(d) if border else min(abs(d), n - abs(d))

    out = torch.zeros_like(x)
    offsets = [(dy, dx) for dy in range(-r, r + 1) for dx in range(-r, r + 1)]
    for y in range(H):
        for u in range(W):
            logits, values = [], []
            for v in range(H):
                for w in range(W):
                    dy, dx = away(v - y, H), away(w - u, W)
                    far = max(dy, dx) > (math.inf if math.isinf(rho) else math.ceil(3 * rho))
                    if far or edges(y, H) != edges(v, H) or edges(u, W) != edges(w, W):
                        continue
                    distance = sum(
                        (at(x, y + a, u + b) - at(images, v + a, w + b)).square().sum(-1)
                        for a, b in offsets
                    )
                    prior = 0.0 if rho == 0.0 else -(dy**2 + dx**2) / (2 * rho**2)
                    logits.append(-distance / (2 * sigma**2 * tau) + prior)
                    values.append(images[:, :, v, w])
            weights = torch.cat(logits).softmax(0)
            out[:, y, u] = weights @ torch.cat(values)
    return out


# --- against independent values ---------------------------------------------------------------


@pytest.mark.parametrize("name", FORMS)
def test_values_equal_the_reference(name: str, local_golden: dict[str, Any]) -> None:
    images, query = toy()
    found = Local(images, patch=3, **FORMS[name])(query, 1.0, 0.6)
    golden = torch.tensor(local_golden[name], dtype=torch.float64)
    assert_close(found[0, 0], golden, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("freedom", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("border", [True, False])
@pytest.mark.parametrize(("P", "sigma", "tau"), [(3, 0.3, 1.0), (5, 1.5, 1.0), (3, 0.8, 4.0)])
def test_it_is_the_definition_pixel_by_pixel(
    freedom: float, border: bool, P: int, sigma: float, tau: float
) -> None:
    images, x = pictures(4, 2, 6, 7), pictures(1, 2, 6, 7, seed=1)
    rho = position_spread(freedom, 7)
    local = Local(images, patch=P, freedom=freedom, border=border, temperature=tau)
    expected = brute(x[0], images, sigma, P, rho, border, tau)
    assert_close(local(x, 1.0, sigma)[0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("P", [15, 99])
@pytest.mark.parametrize("freedom", [0.0, 1.0])
def test_a_patch_as_large_as_the_picture_is_the_exact_denoiser(P: int, freedom: float) -> None:
    images, x = pictures(9, 3, 8, 8).float(), 1.5 * pictures(2, 3, 8, 8, seed=1).float()
    found = Local(images, patch=P, freedom=freedom)(x, 0.7, 0.9)
    assert_close(found, Exact(images)(x, 0.7, 0.9), rtol=1e-5, atol=1e-5)


def test_the_form_of_the_process_does_not_matter() -> None:
    images, x = pictures(5, 3, 8, 8), pictures(2, 3, 8, 8, seed=1)
    local = Local(images, freedom=0.2)
    assert_close(local(0.6 * x, 0.6, 0.3), local(x, 1.0, 0.5), rtol=1e-9, atol=1e-9)


# --- promises -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_the_size_of_the_chunks_does_not_matter(chunk: int) -> None:
    images, x = pictures(10, 3, 9, 9).float(), pictures(2, 3, 9, 9, seed=1).float()
    plain = Local(images, freedom=0.2)(x, 1.0, 0.4)
    assert_close(Local(images, freedom=0.2, chunk=chunk)(x, 1.0, 0.4), plain, rtol=0, atol=2e-5)


def test_a_picture_does_not_depend_on_its_batch() -> None:
    images, x = pictures(10, 3, 9, 9).float(), pictures(4, 3, 9, 9, seed=1).float()
    local = Local(images, freedom=0.1)
    assert torch.equal(local(x, 1.0, 0.4)[2:3], local(x[2:3], 1.0, 0.4))


def test_it_is_finite_from_pure_noise_to_almost_none() -> None:
    images = pictures(6, 3, 8, 8).float()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    for freedom in (0.0, 0.1, 1.0):
        local = Local(images, freedom=freedom)
        assert_close(local(x, 0.0, 1.0), images.mean(0).expand(2, 3, 8, 8), rtol=0, atol=1e-5)
        for sigma in (1e-4, 1e-2, 1.0, 1e3, 1e8):
            found = local(images[:2] + sigma * x, 1.0, sigma)
            assert found.isfinite().all()
            assert found.abs().max() <= 1.0 + 1e-5
        assert_close(local(images[:2] + 1e-4 * x, 1.0, 1e-4), images[:2], rtol=0, atol=1e-3)


def test_one_image_one_channel_and_any_shape_will_do() -> None:
    one = pictures(1, 1, 5, 9)
    x = pictures(1, 1, 5, 9, seed=1)
    assert_close(Local(one)(x, 1.0, 0.5), one)
    assert Local(one, freedom=1.0)(x, 1.0, 0.5).shape == one.shape
    with pytest.raises(EngineError, match=r"\[N, C, H, W\] with N >= 1"):
        Local(one[0])


def test_poll_is_called_while_it_works_and_may_end_it() -> None:
    calls = []

    def poll() -> None:
        calls.append(1)
        if len(calls) > 5:
            raise Cancelled

    local = Local(pictures(8, 3, 9, 9), poll, patch=3, chunk=1)
    with pytest.raises(Cancelled):
        local(pictures(2, 3, 9, 9, seed=1), 1.0, 0.5)
    assert len(calls) == 6


# --- the sample of the sum ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freedom", "sigma", "away", "worse"),
    [
        (0.25, 0.1, 0.09, 0.015),
        (0.25, 1.0, 0.09, 0.015),
        (1.0, 0.1, 0.13, 0.04),
        (1.0, 1.0, 0.18, 0.03),
    ],
)
def test_a_sample_of_the_patches_does_nearly_as_well_as_all(
    freedom: float, sigma: float, away: float, worse: float
) -> None:
    """Half the patches at freedom 0.25, a fourteenth at 1, on emoji left out; rms in [-1, 1]."""
    images = torch.from_numpy(emoji(16)[::3].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    x0, images = images[5::100], images[torch.arange(len(images)) % 100 != 5]
    noise = torch.from_numpy(gaussian_batch(0, range(len(x0)), 0, tuple(x0.shape[1:])))
    x = x0 + sigma * noise.float()
    plain = Local(images, freedom=freedom, most=0)(x, 1.0, sigma)
    found = Local(images, freedom=freedom, most=1 << 21)(x, 1.0, sigma)
    still = Local(images)(x, 1.0, sigma)
    assert rms(found - plain) < rms(still - plain)  # nearer than if no patch moved
    assert 1e-4 < rms(found - plain) < away
    assert rms(found - x0) < rms(plain - x0) + worse


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def test_what_is_cheap_is_never_sampled() -> None:
    images, x = pictures(6, 3, 8, 8), pictures(1, 3, 8, 8, seed=1)
    whole = Local(images, freedom=0.5, most=0)(x, 1.0, 0.5)
    assert torch.equal(Local(images, freedom=0.5)(x, 1.0, 0.5), whole)
    assert torch.equal(Local(images, most=1)(x, 1.0, 0.5), Local(images, most=0)(x, 1.0, 0.5))


@pytest.mark.parametrize("chunk", [1, 3])
def test_the_size_of_the_chunks_does_not_matter_to_a_sample(chunk: int) -> None:
    images, x = pictures(10, 3, 9, 9).float(), pictures(2, 3, 9, 9, seed=1).float()
    settings: dict[str, Any] = {"freedom": 1.0, "patch": 3, "most": 20_000}
    plain = Local(images, **settings)(x, 1.0, 0.4)
    found = Local(images, chunk=chunk, **settings)(x, 1.0, 0.4)
    assert_close(found, plain, rtol=0, atol=2e-5)


@pytest.mark.parametrize("most", [1, 200, 2000])
def test_a_sample_is_finite_and_the_same_in_any_batch(most: int) -> None:
    images, x = pictures(6, 3, 9, 9).float(), pictures(3, 3, 9, 9, seed=1).float()
    local = Local(images, freedom=1.0, patch=3, most=most)
    for sigma in (1e-4, 1.0, 1e8):
        found = local(x, 1.0, sigma)
        assert found.isfinite().all()
        assert torch.equal(found[1:2], local(x[1:2], 1.0, sigma))


# --- measurements -------------------------------------------------------------------------------


def known() -> tuple[Mask, Tensor]:
    weights = torch.zeros(6, 7, dtype=torch.float64)
    weights[1:4, 2:5], weights[5, 6] = 1.0, 0.25
    return Mask(pictures(1, 3, 6, 7, seed=5)[0], weights, 0.7), weights


@pytest.mark.parametrize("freedom", [0.0, 1.0])
def test_known_pixels_count_in_each_patch_that_covers_them(freedom: float) -> None:
    """The definition again: of two measurements of a pixel, noisy x and y, the mean counts."""
    images, x = pictures(4, 3, 6, 7), pictures(1, 3, 6, 7, seed=1)
    mask, weights = known()
    found = Local(images, freedom=freedom, patch=3).given(mask)(x, 1.0, 0.8)
    added = torch.cat([x[0], mask.picture * weights.sqrt() * 0.8 / 0.7])
    shift = position_spread(freedom, 7)
    for y, u in ((2, 3), (0, 0), (4, 5), (2, 1), (5, 6)):
        logits, values = [], []
        for v in range(6):
            for w in range(7):
                if (v, w) != (y, u) and shift == 0.0:
                    continue
                if any(
                    min(a, 1) != min(b, 1)
                    for a, b in ((y, v), (5 - y, 5 - v), (u, w), (6 - u, 6 - w))
                ):
                    continue
                total = torch.zeros(4, dtype=torch.float64)
                for a in range(-1, 2):
                    for b in range(-1, 2):
                        if not (0 <= y + a < 6 and 0 <= u + b < 7):
                            continue
                        pixel = images[:, :, v + a, w + b]
                        root = weights[y + a, u + b].sqrt() * 0.8 / 0.7
                        seen = torch.cat([pixel, root * pixel], 1)
                        total += (seen - added[:, y + a, u + b]).square().sum(1)
                logits.append(-total / (2 * 0.8**2))
                values.append(images[:, :, v, w])
        expected = torch.cat(logits).softmax(0) @ torch.cat(values)
        assert_close(found[0, :, y, u], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("patch", [11, 13])
def test_a_patch_over_the_whole_picture_is_the_exact_conditional(patch: int) -> None:
    """The patch of 11 reaches all of the picture from its centre only, 13 from everywhere."""
    images, x = pictures(9, 3, 6, 7), pictures(2, 3, 6, 7, seed=1)
    painted = torch.cat([pictures(1, 3, 6, 7, seed=5)[0], torch.zeros(1, 6, 7).double()])
    painted[3, 2:4] = 1.0
    for measurement in (known()[0], Strokes(painted, 0.5)):
        exact = Exact(images, log_prior=log_likelihood(images, measurement))(x, 0.7, 0.9)
        found = Local(images, patch=patch).given(measurement)(x, 0.7, 0.9)
        assert_close(found[..., 2:4, 2:5], exact[..., 2:4, 2:5], rtol=0, atol=1e-5)


def test_what_is_of_the_whole_picture_is_refused() -> None:
    images = pictures(4, 3, 8, 8)
    with pytest.raises(EngineError, match="LowRes is of the whole picture; use a mask"):
        Local(images).given(LowRes.of(images[0], 2))


# --- patch size ---------------------------------------------------------------------------------


def test_patches_of_a_natural_spectrum_grow_with_the_noise_as_those_of_networks_do() -> None:
    """The support of the Wiener kernel along an axis, bare 1/f^2 spectrum of deviation 0.5."""
    f = torch.fft.fftfreq(32) * 32
    r2 = (f[:, None].square() + f[None].square()).double()
    r2[0, 0] = 1.0
    power = 1.0 / r2
    power *= 0.25 / power.mean()
    sigmas = (0.24, 0.32, 0.41, 0.51, 0.72, 1.16, 1.6, 1.92, 2.98, 3.98, 5.9)
    expected = (3, 3, 3, 3, 5, 7, 9, 11, 15, 17, 21)
    found = [patch_size(power, sigma) for sigma in sigmas]
    assert found[:-1] == list(expected[:-1])
    assert found[-1] == 17  # as large as the picture allows in area


def test_a_patch_is_odd_and_within_the_picture() -> None:
    power = power_spectrum(pictures(6, 3, 8, 12))
    for sigma in (1e-3, 0.1, 1.0, 10.0, 1e4, math.inf):
        P = patch_size(power, sigma)
        assert P % 2 == 1
        assert 3 <= P <= 23
    assert patch_size(power, math.inf) == 23
    assert Local(pictures(2, 3, 8, 8), patch=4).patch_size(1.0) == 5


# --- what it is for -----------------------------------------------------------------------------


def test_two_flat_pictures_give_locally_flat_ones() -> None:
    """Everywhere -1 and everywhere 1: each pixel ends with the majority of its 3 x 3 patch."""
    images = torch.stack([-torch.ones(1, 8, 8), torch.ones(1, 8, 8)])
    local = Local(images, patch=3, freedom=1.0, border=False)
    sigmas = torch.logspace(math.log10(20.0), math.log10(0.02), 100, dtype=torch.float64)
    x = 20.0 * torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for sigma, after in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        x0_hat = local(x, 1.0, sigma)
        x = x0_hat + after / sigma * (x - x0_hat)
    x = local(x, 1.0, 0.02)
    assert ((x.abs() - 1.0).abs() < 0.1).double().mean() > 0.97
    near = sum(x.roll((dy, dx), (2, 3)) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    assert (near.sign() == x.sign()).double().mean() > 0.95
    assert 0.0 < (x > 0).double().mean() < 1.0  # mosaics, not one of the two pictures


def test_samples_are_new_while_the_exact_ones_are_copies() -> None:
    images = torch.from_numpy(emoji(16)[::8].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    schedule = build_preset("cosine", 1000)
    levels = Levels.of(schedule, grid(schedule, 12))
    x = torch.from_numpy(gaussian_batch(0, range(4), 0, (3, 16, 16)))
    rms = {}
    for model in (Exact(images), Local(images)):
        steps = list(ddim(model, x, levels, lambda i: x, eta=0.0))
        away = (steps[-1].x_t[:, None] - images).square().mean((2, 3, 4)).sqrt()
        rms[type(model)] = away.amin(1)
    assert rms[Exact].max() < 1e-3
    assert rms[Local].min() > 0.1
