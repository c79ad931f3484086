"""Guidance: the score it stands for, the papers' formulas picture by picture, its cost."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers import Denoiser
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.guided import APG, Guided
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.guidance import APG_PARAMS, GUIDANCE, GUIDANCE_PARAMS, UNBOUNDED
from diffusion_gui.engine.params import Param, pack, resolve
from diffusion_gui.engine.samplers import Levels, ddim
from diffusion_gui.engine.schedules import build_preset, timesteps

LEVELS = Levels.of(build_preset("cosine", 1000), timesteps(1000, 12))


def gaussian(mean: float, std: float) -> Denoiser:
    """Return E[x_0 | x_t] for x_0 ~ N(mean, std^2)."""

    def denoise(x: Tensor, a: float, s: float) -> Tensor:
        return mean + a * std**2 / (a**2 * std**2 + s**2) * (x - a * mean)

    return denoise


def pictures(seed: int, count: int = 4, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 5, 5, generator=generator, dtype=dtype)


def constant(value: Tensor) -> Denoiser:
    return lambda x, a, s: value


def never(x: Tensor, a: float, s: float) -> Tensor:
    raise AssertionError(f"the second model was called at ({a}, {s})")


def by_sigma(x: Tensor, a: float, s: float) -> Tensor:
    """Return a different picture at every level."""
    return torch.cos(x * s / a)


# --- classifier-free guidance and autoguidance ----------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0, 7.5])
@pytest.mark.parametrize(("a", "s"), [(1.0, 0.3), (0.6, 0.8), (1.0, 40.0)])
def test_the_guided_score_is_the_weighted_sum_of_the_scores(
    scale: float, a: float, s: float
) -> None:
    """The score of x_t is (a D - x) / s^2; those of two Gaussians are known."""
    x = pictures(0)
    guided = Guided(gaussian(0.4, 0.2), gaussian(-0.1, 0.6), scale=scale)
    conditional = -(x - a * 0.4) / (a**2 * 0.2**2 + s**2)
    unconditional = -(x + a * 0.1) / (a**2 * 0.6**2 + s**2)
    expected = scale * conditional + (1.0 - scale) * unconditional
    assert_close((a * guided(x, a, s) - x) / s**2, expected, rtol=1e-9, atol=1e-9)


def test_guidance_between_equal_gaussians_samples_the_shifted_one() -> None:
    guided = Guided(gaussian(0.4, 0.3), gaussian(-0.1, 0.3), scale=3.0)
    shifted = gaussian(-0.1 + 3.0 * 0.5, 0.3)
    for denoise in (guided, shifted):
        *_, end = ddim(denoise, pictures(1), LEVELS, pictures, eta=0.0)
        if denoise is guided:
            found = end.x_t
    assert_close(found, end.x_t, rtol=1e-12, atol=1e-12)


def test_scale_1_is_the_first_model_and_asks_no_other() -> None:
    x = pictures(2)
    for guided in (Guided(by_sigma, never, scale=1.0), APG(by_sigma, never, scale=1.0)):
        assert torch.equal(guided(x, 0.6, 0.8), by_sigma(x, 0.6, 0.8))
        assert guided.calls(0.6, 0.8) == 1


def test_scale_0_is_the_second_model() -> None:
    one, other = pictures(3), pictures(4)
    found = Guided(constant(one), constant(other), scale=0.0)(pictures(5), 0.6, 0.8)
    assert torch.equal(found, other)


@pytest.mark.parametrize(
    ("sigma", "inside"),
    [(0.49, False), (0.5, False), (0.51, True), (2.0, True), (2.01, False), (math.inf, False)],
)
def test_outside_its_interval_only_the_first_model_is_asked(sigma: float, inside: bool) -> None:
    a, s = (0.0, 1.0) if sigma == math.inf else (1.0, sigma)
    one, x = pictures(3), pictures(5)
    against = constant(pictures(4)) if inside else never
    guided = Guided(constant(one), against, scale=2.0, low=0.5, high=2.0)
    assert guided.calls(a, s) == (2 if inside else 1)
    assert torch.equal(guided(x, a, s), one) != inside


@pytest.mark.parametrize("high", [math.inf, UNBOUNDED])
def test_without_an_upper_end_pure_noise_is_guided(high: float) -> None:
    one, other = pictures(3), pictures(4)
    guided = Guided(constant(one), constant(other), scale=2.0, high=high)
    assert guided.calls(0.0, 1.0) == 2
    assert_close(guided(pictures(5), 0.0, 1.0), 2.0 * one - other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rescale", [0.0, 0.3, 0.7, 1.0])
def test_rescale_mixes_the_deviations_of_each_picture(rescale: float) -> None:
    """Lin et al., equations 15 and 16."""
    one, other = pictures(3), 0.3 * pictures(4)
    plain = Guided(constant(one), constant(other), scale=4.0)(one, 0.6, 0.8)
    found = Guided(constant(one), constant(other), scale=4.0, rescale=rescale)(one, 0.6, 0.8)
    for guided, wanted, result in zip(plain, one, found, strict=True):
        factor = np.std(wanted.numpy(), ddof=1) / np.std(guided.numpy(), ddof=1)
        expected = rescale * guided * factor + (1.0 - rescale) * guided
        assert_close(result, expected, rtol=1e-12, atol=1e-12)


def test_rescale_leaves_a_picture_of_one_colour_alone() -> None:
    flat = torch.full((2, 3, 4, 4), 0.25)
    guided = Guided(constant(flat), constant(0.0 * flat), scale=3.0, rescale=1.0)
    assert_close(guided(flat, 1.0, 1.0), 3.0 * flat)


def test_guidance_between_a_class_and_the_whole_set_ends_on_the_class() -> None:
    images = torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    guided = Guided(Exact(images[:2]), Exact(images), scale=1.5)
    *_, end = ddim(guided, pictures(6, 16, torch.float32), LEVELS, pictures, eta=0.0)
    distance = (end.x_t[:, None] - images[None]).square().flatten(2).mean(2).sqrt()
    assert set(distance.argmin(1).tolist()) <= {0, 1}
    assert distance.amin(1).max() < 1e-3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scale": math.nan}, "scale must be a finite number, got nan"),
        ({"scale": 2.0, "rescale": 1.5}, "rescale must be in 0 to 1, got 1.5"),
        ({"scale": 2.0, "low": 2.0, "high": 1.0}, r"interval \(2, 1\] is empty"),
        ({"scale": 2.0, "low": -1.0}, r"interval \(-1, inf\] is empty"),
    ],
)
def test_bad_settings_are_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Guided(never, never, **given)


# --- adaptive projected guidance ------------------------------------------------------------


def _apg(
    conditional: np.ndarray, delta: np.ndarray, scale: float, eta: float, norm: float
) -> np.ndarray:
    """Return the paper's update of one picture, its vectors written out."""
    length = math.sqrt(float((delta**2).sum()))
    if norm > 0.0 and length > norm:
        delta = delta / length * norm
    unit = conditional / math.sqrt(float((conditional**2).sum()))
    parallel = float((delta * unit).sum()) * unit
    return conditional + (scale - 1.0) * (delta - parallel + eta * parallel)


@pytest.mark.parametrize("norm", [0.0, 2.5, 100.0])
@pytest.mark.parametrize("momentum", [0.0, -0.5, 0.3])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_apg_is_the_papers_algorithm(norm: float, momentum: float, eta: float) -> None:
    main, against = by_sigma, gaussian(0.1, 0.5)
    apg = APG(main, against, scale=4.0, eta=eta, momentum=momentum, norm=norm)
    average = np.zeros((4, 3, 5, 5))
    for i, sigma in enumerate([20.0, 5.0, 1.0, 0.1]):
        x = pictures(i)
        conditional = main(x, 1.0, sigma).numpy()
        average = conditional - against(x, 1.0, sigma).numpy() + momentum * average
        expected = [_apg(*row, 4.0, eta, norm) for row in zip(conditional, average, strict=True)]
        assert_allclose(apg(x, 1.0, sigma).numpy(), expected, rtol=1e-11, atol=1e-11)


def test_apg_with_nothing_adapted_is_classifier_free_guidance() -> None:
    main, against, x = by_sigma, gaussian(0.1, 0.5), pictures(0)
    apg = APG(main, against, scale=4.0, eta=1.0, momentum=0.0)
    guided = Guided(main, against, scale=4.0)
    for sigma in (9.0, 0.7):
        assert_close(apg(x, 1.0, sigma), guided(x, 1.0, sigma), rtol=1e-12, atol=1e-12)


def test_apg_pushes_across_the_estimate_and_no_further_than_its_norm() -> None:
    one, other = pictures(3), pictures(4)
    found = APG(constant(one), constant(other), scale=3.0, norm=1.5)(one, 0.6, 0.8)
    for push, wanted in zip(found - one, one, strict=True):
        assert abs(float((push * wanted).sum())) < 1e-12
        assert float(push.square().sum().sqrt()) <= (3.0 - 1.0) * 1.5 + 1e-12


@pytest.mark.parametrize("between", [[], [1.0], [0.9]], ids=["repeat", "repeat twice", "rise"])
def test_a_level_asked_again_gives_the_same_again(between: list[float]) -> None:
    """Heun asks a level twice and, with churn, goes up a little: the momentum is from above."""
    apg = APG(by_sigma, gaussian(0.1, 0.5), scale=4.0, momentum=-0.5)
    apg(pictures(0), 1.0, 3.0)
    first = apg(pictures(1), 1.0, 1.0)
    for sigma in between:
        apg(pictures(2), 1.0, sigma)
    assert torch.equal(first, apg(pictures(1), 1.0, 1.0))
    assert not torch.equal(first, APG(by_sigma, gaussian(0.1, 0.5), scale=4.0)(pictures(1), 1, 1))


def test_a_long_way_up_has_no_momentum() -> None:
    apg = APG(by_sigma, gaussian(0.1, 0.5), scale=4.0, momentum=-0.5)
    for sigma in (3.0, 1.0, 0.7, 0.5):
        apg(pictures(0), 1.0, sigma)
    fresh = APG(by_sigma, gaussian(0.1, 0.5), scale=4.0, momentum=-0.5)
    assert torch.equal(apg(pictures(1), 1.0, 1.0), fresh(pictures(1), 1.0, 1.0))


@pytest.mark.parametrize("stop", [1, 5, 13])
def test_a_run_that_starts_over_has_no_momentum(stop: int) -> None:
    apg = APG(by_sigma, gaussian(0.1, 0.5), scale=2.0, momentum=-0.5)
    x = pictures(0)
    whole = [step.x_t for step in ddim(apg, x, LEVELS, pictures, eta=0.0)]
    steps = ddim(apg, pictures(1), LEVELS, pictures, eta=0.0)
    for _ in range(stop):
        next(steps)
    again = [step.x_t for step in ddim(apg, x, LEVELS, pictures, eta=0.0)]
    assert all(map(torch.equal, whole, again))
    assert torch.equal(whole[-1], again[-1])


def test_another_number_of_pictures_has_no_momentum() -> None:
    apg = APG(by_sigma, gaussian(0.1, 0.5), scale=2.0, momentum=-0.5)
    apg(pictures(0, 2), 1.0, 3.0)
    fresh = APG(by_sigma, gaussian(0.1, 0.5), scale=2.0, momentum=-0.5)
    assert torch.equal(apg(pictures(1), 1.0, 1.0), fresh(pictures(1), 1.0, 1.0))


def _guided() -> Denoiser:
    return Guided(by_sigma, gaussian(0.1, 0.5), scale=4.0, rescale=0.7)


def _adaptive() -> Denoiser:
    return APG(by_sigma, gaussian(0.1, 0.5), scale=4.0, norm=2.5)


@pytest.mark.parametrize("build", [_guided, _adaptive])
def test_a_picture_does_not_depend_on_its_batch(build: Callable[[], Denoiser]) -> None:
    x = pictures(0, 9, torch.float32)
    together, alone = build(), [build() for _ in x]
    for sigma in (3.0, 0.4):
        rows = [one(row[None], 1.0, sigma) for one, row in zip(alone, x, strict=True)]
        assert torch.equal(together(x, 1.0, sigma), torch.cat(rows))


def test_apg_without_any_picture_content_is_finite() -> None:
    zero = torch.zeros(2, 3, 4, 4)
    assert_close(APG(constant(zero), constant(zero), scale=3.0, norm=1.0)(zero, 1.0, 1.0), zero)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"momentum": 1.0}, "momentum must be between -1 and 1, got 1"), ({"norm": -1.0}, "got -1")],
)
def test_bad_settings_of_apg_are_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        APG(never, never, scale=2.0, **given)


# --- rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "rows"), [(Guided, GUIDANCE_PARAMS), (APG, APG_PARAMS)])
def test_rows_name_the_keywords_and_every_corner_is_legal(
    kind: type[Guided], rows: tuple[Param, ...]
) -> None:
    for row in rows:
        assert row.minimum <= row.default <= row.maximum
        assert row.tooltip.endswith(".")
        for value in (row.minimum, row.default, row.maximum):
            given = {row.name: value} | ({"high": UNBOUNDED} if row.name == "low" else {})
            kind(never, never, **resolve(rows, pack(given), "Guidance"))


@pytest.mark.parametrize("name", GUIDANCE)
def test_every_method_guides_with_its_defaults(name: str) -> None:
    row, x = GUIDANCE[name], pictures(0)
    guided = row.build(by_sigma, gaussian(0.1, 0.5), **resolve(row.params, (), row.title))
    found = guided(x, 0.6, 0.8)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert not torch.equal(found, by_sigma(x, 0.6, 0.8))
    assert row.title
    assert row.source
    assert row.explanation.endswith(".")
