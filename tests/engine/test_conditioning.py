"""Conditions: each likelihood against SciPy's or torch's own, and the posterior they make exact."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.distributions import Normal
from torch.testing import assert_close

from diffusion_gui.engine import conditioning
from diffusion_gui.engine.conditioning import (
    Blur,
    LowRes,
    Mask,
    Measurement,
    Strokes,
    classes,
    log_likelihood,
)
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.errors import Cancelled, EngineError

SIGMA = 0.3


def images(count: int = 20, seed: int = 0, side: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, side, side, generator=generator) * 2 - 1


def half(side: int = 8) -> Tensor:
    known = torch.zeros(side, side, dtype=torch.bool)
    known[:, : side // 2] = True
    return known


def strokes(seed: int = 3, side: int = 8) -> Tensor:
    colours = images(1, seed, side)[0]
    alpha = torch.zeros(1, side, side)
    alpha[:, 2:4, 1:7], alpha[:, 4, 4] = 1.0, 0.1
    return torch.cat([colours, alpha])


def log_normal(measured: Tensor, seen: Tensor, sigma: float = SIGMA) -> Tensor:
    """Return the sum over pixels of log N(measured; seen_i, sigma^2), [N] float64."""
    density = Normal(seen.double(), sigma)
    return density.log_prob(measured.double().expand_as(seen)).flatten(1).sum(1)


def assert_equal_up_to_a_constant(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == torch.float64
    assert_close(found - found[0], expected - expected[0], rtol=1e-9, atol=1e-6)


def truth(data: Tensor, log_prior: Tensor, x: Tensor, a: float, s: float) -> Tensor:
    """Return E[x_0 | x_t, y] over `data` by brute force in float64."""
    wide = data.double()
    distance = (x.double()[:, None] - a * wide[None]).square().flatten(2).sum(2)  # [B, N]
    weights = (log_prior - 0.5 * distance / s**2).softmax(1)
    return torch.einsum("bn,nchw->bchw", weights, wide)


# --- likelihoods ----------------------------------------------------------------------------


def test_a_mask_compares_the_known_pixels() -> None:
    data, seen = images(), images(1, 1)[0]
    found = log_likelihood(data, Mask(seen, half(), SIGMA))
    assert_equal_up_to_a_constant(found, log_normal(seen[:, :, :4], data[:, :, :, :4]))


def test_a_weight_divides_the_variance_of_its_pixel() -> None:
    data, seen = images(), images(1, 1)[0]
    weights = torch.zeros(8, 8)
    weights[1, 2], weights[5, 5] = 0.25, 4.0
    expected = log_normal(seen[:, 1, 2], data[:, :, 1, 2], 2.0 * SIGMA)
    expected = expected + log_normal(seen[:, 5, 5], data[:, :, 5, 5], 0.5 * SIGMA)
    assert_equal_up_to_a_constant(log_likelihood(data, Mask(seen, weights, SIGMA)), expected)


def test_strokes_count_wherever_they_are_not_clear() -> None:
    data, painted = images(), strokes()
    where = [(i, j) for i in (2, 3) for j in range(1, 7)] + [(4, 4)]
    rows, columns = (list(axis) for axis in zip(*where, strict=True))
    expected = log_normal(painted[:3, rows, columns], data[:, :, rows, columns])
    assert_equal_up_to_a_constant(log_likelihood(data, Strokes(painted, SIGMA)), expected)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_small_picture_compares_the_means_of_boxes(factor: int) -> None:
    data, seen = images(), images(1, 1)[0]
    pool = torch.nn.AvgPool2d(factor)
    small = LowRes.of(seen, factor, SIGMA)
    assert_close(small.picture, pool(seen[None])[0])
    expected = log_normal(pool(seen[None])[0], pool(data))
    assert_equal_up_to_a_constant(log_likelihood(data, small), expected)


@pytest.mark.parametrize("radius", [0.1, 0.7, 1.3, 6.0])
def test_a_blur_is_scipys(radius: float) -> None:
    """Also where the kernel is wider than the picture and is mirrored more than once."""
    data, seen = images(), images(1, 1)[0]

    def blurred(picture: Tensor) -> Tensor:
        wide = picture.double().numpy()
        return torch.tensor(ndimage.gaussian_filter(wide, radius, mode="reflect", axes=(-2, -1)))

    soft = Blur.of(seen, radius, SIGMA)
    assert_close(soft.picture, blurred(seen), rtol=1e-12, atol=1e-12)
    expected = log_normal(blurred(seen), blurred(data))
    assert_equal_up_to_a_constant(log_likelihood(data, soft), expected)


MEASUREMENTS: dict[str, Measurement] = {
    "mask": Mask(images(1, 1)[0], half(), SIGMA),
    "strokes": Strokes(strokes(), SIGMA),
    "small": LowRes.of(images(1, 1)[0], 4, SIGMA),
    "blur": Blur.of(images(1, 1)[0], 1.5, SIGMA),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_the_image_that_was_measured_is_the_likeliest_and_fits(name: str) -> None:
    data = torch.cat([images(), images(1, 1)])
    if name == "strokes":
        data[-1, :, 2:5] = strokes()[:3, 2:5]
    found = log_likelihood(data, MEASUREMENTS[name])
    assert int(found.argmax()) == len(data) - 1
    assert float(found[-1]) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", MEASUREMENTS)
@pytest.mark.parametrize("values", [1, 200, 1000])
def test_the_chunks_do_not_matter(name: str, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = log_likelihood(images(), MEASUREMENTS[name])
    monkeypatch.setattr(conditioning, "_CHUNK_VALUES", values)
    found = log_likelihood(images(), MEASUREMENTS[name])
    assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_measurements_add_and_none_says_nothing() -> None:
    data = images()
    both = log_likelihood(data, MEASUREMENTS["mask"], MEASUREMENTS["blur"])
    parts = [log_likelihood(data, MEASUREMENTS[name]) for name in ("mask", "blur")]
    assert_close(both, parts[0] + parts[1], rtol=1e-12, atol=1e-12)
    assert torch.equal(log_likelihood(data), torch.zeros(20, dtype=torch.float64))
    nothing = Mask(data[0], torch.zeros(8, 8), SIGMA)
    assert torch.equal(log_likelihood(data, nothing), torch.zeros(20, dtype=torch.float64))


def test_a_long_computation_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditioning, "_CHUNK_VALUES", 1)
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        log_likelihood(images(), MEASUREMENTS["mask"], poll=poll)


# --- the posterior they make ----------------------------------------------------------------


@pytest.mark.parametrize("name", MEASUREMENTS)
@pytest.mark.parametrize(("a", "s"), [(0.0, 1.0), (0.5, 0.9), (1.0, 0.2)])
def test_exact_with_a_condition_is_the_conditional_posterior(name: str, a: float, s: float) -> None:
    data = images()
    prior = log_likelihood(data, MEASUREMENTS[name]) / 50.0  # so that several images stay likely
    x = a * data[:6] + s * torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = Exact(data, log_prior=prior)(x, a, s)
    assert_close(found.double(), truth(data, prior, x, a, s), rtol=0, atol=2e-5)


@pytest.mark.parametrize("sigma", [0.5, 3.0])
def test_a_noisy_picture_is_a_measurement_of_every_pixel(sigma: float) -> None:
    """Conditioned on it alone (a = 0) the answer is the unconditional one at that noise level."""
    data = images()
    noisy = data[3] + sigma * torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
    prior = log_likelihood(data, Mask(noisy, torch.ones(8, 8), sigma))
    found = Exact(data, log_prior=prior)(torch.zeros(1, 3, 8, 8), 0.0, 1.0)
    assert_close(found, Exact(data)(noisy[None], 1.0, sigma), rtol=0, atol=2e-5)


# --- classes --------------------------------------------------------------------------------


FOLDERS = ["dog", "cat", "", "cat", "eel", "dog"]


def test_classes_are_the_folders_in_order() -> None:
    found = classes(FOLDERS)
    assert found.names == ("cat", "dog", "eel")
    assert found.labels.tolist() == [1, 0, -1, 0, 2, 1]
    assert found.members("cat").tolist() == [1, 3]
    assert found.members("eel", "dog").tolist() == [0, 4, 5]
    assert found.log_prior("cat").dtype == torch.float64
    no = -math.inf
    assert found.log_prior("cat").tolist() == [no, 0.0, no, 0.0, no, no]
    assert found.log_prior("cat", "dog", "eel").tolist() == [0.0, 0.0, no, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("a", "s"), [(0.0, 1.0), (0.5, 0.9), (1.0, 0.01)])
def test_a_class_is_the_model_of_its_images_alone(a: float, s: float) -> None:
    data, found = images(6), classes(FOLDERS)
    x = a * data + s * torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = Exact(data[found.members("dog", "eel")])(x, a, s)
    assert_close(Exact(data, log_prior=found.log_prior("dog", "eel"))(x, a, s), expected,
                 rtol=0, atol=2e-5)  # fmt: skip


@pytest.mark.parametrize("names", [(), ("cow",), ("cat", "cow"), ("",)])
def test_an_unknown_class_is_answered_with_the_known_ones(names: tuple[str, ...]) -> None:
    with pytest.raises(EngineError, match="choose of: cat, dog, eel"):
        classes(FOLDERS).log_prior(*names)


def test_a_set_without_folders_has_no_classes() -> None:
    with pytest.raises(EngineError, match="choose of: none"):
        classes(["", ""]).members("cat")


# --- refusals -------------------------------------------------------------------------------


def test_bad_measurements_are_named() -> None:
    one = images(1)[0]
    with pytest.raises(EngineError, match=r"mask must be \[8, 8\], got \[4, 8\]"):
        Mask(one, torch.ones(4, 8))
    with pytest.raises(EngineError, match="weights must be >= 0, got -1"):
        Mask(one, -torch.ones(8, 8))
    with pytest.raises(EngineError, match=r"\[C, H, W\], got \[1, 3, 8, 8\]"):
        Mask(one[None], torch.ones(8, 8))
    with pytest.raises(EngineError, match="sigma must be > 0, got 0"):
        Mask(one, torch.ones(8, 8), 0.0)
    with pytest.raises(EngineError, match=r"strokes must be \[4, H, W\], got \[3, 8, 8\]"):
        Strokes(one)
    with pytest.raises(EngineError, match="must divide 8 and 8, got 3"):
        LowRes.of(one, 3)
    with pytest.raises(EngineError, match="integer >= 1, got 0"):
        LowRes(one, 0)
    with pytest.raises(EngineError, match="radius must be > 0 pixels, got -1"):
        Blur.of(one, -1.0)


def test_a_measurement_of_another_size_is_refused() -> None:
    with pytest.raises(
        EngineError, match=r"of \[3, 16, 16\] pictures, the data set is \[3, 8, 8\]"
    ):
        log_likelihood(images(), LowRes(images(1)[0], 2))


def test_pixels_without_a_number_are_refused() -> None:
    seen = math.nan * images(1)[0]
    with pytest.raises(EngineError, match="not a number"):
        Mask(seen, half())
