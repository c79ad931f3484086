"""What every denoiser promises: run over the registry, and over wrong ones, which must fail it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine import device
from diffusion_gui.engine.denoisers import CLOSED_FORMS, MODELS, Denoiser, Model
from diffusion_gui.engine.errors import Cancelled
from diffusion_gui.engine.noise import gaussian_batch
from diffusion_gui.engine.params import resolve

GPUS = [name for name in device.available() if name != "cpu"]
SHAPE = (3, 8, 8)
LEVELS = (
    (0.0, 1.0), (0.01, 1.0), (0.3, 0.95), (0.8, 0.6), (0.4, 0.6), (1.0, 0.5), (1.0, 80.0),
    (1.0, 0.002), (1.0, 1e-4),
)  # fmt: skip
WITHIN_THE_IMAGES = ("exact", "smoothed")
"""Estimates that are weighted means of pixels of the set, with their default parameters."""
Poll = Callable[[], None]


def _images(count: int = 12) -> Tensor:
    coarse = np.random.default_rng(0).uniform(-1, 1, (count, 3, 4, 4))
    return torch.tensor(coarse.repeat(2, 2).repeat(2, 3), dtype=torch.float32)


def _noisy(images: Tensor, a: float, s: float, count: int) -> Tensor:
    eps = torch.from_numpy(gaussian_batch(3, range(count), 0, SHAPE))
    return a * images[torch.arange(count) % len(images)] + s * eps


def _build(name: str, images: Tensor, poll: Poll = lambda: None) -> Denoiser:
    row = MODELS[name]
    return row.build(images, poll, **resolve(row.params, (), row.title))


def check_promises(name: str) -> None:
    """Assert all that a sampler, the worker and the window rely on in a denoiser of MODELS."""
    images = _images()
    polls: list[None] = []
    denoise = _build(name, images, lambda: polls.append(None))
    for a, s in LEVELS:
        before = len(polls)
        _check_a_call(denoise, _noisy(images, a, s, 20), a, s)
        assert len(polls) > before, "a call polls"
        if name in WITHIN_THE_IMAGES:
            found = denoise(_noisy(images, a, s, 20), a, s)
            assert (found >= images.amin() - 1e-4).all(), "the estimate is within the images"
            assert (found <= images.amax() + 1e-4).all(), "the estimate is within the images"
    _check_levels(denoise, images)
    _check_cancelling(name, images)


def _check_a_call(denoise: Denoiser, x: Tensor, a: float, s: float) -> None:
    kept = x.clone()
    found = denoise(x, a, s)
    assert torch.equal(x, kept), "the query is left as it was"
    assert found.shape == x.shape, "the estimate has the query's shape"
    assert found.dtype == x.dtype, "the estimate has the query's precision"
    assert found.device == x.device, "the estimate is on the query's device"
    assert not found.requires_grad, "the estimate carries no gradient"
    assert torch.isfinite(found).all(), f"the estimate is finite at a = {a}, s = {s}"
    assert torch.equal(found, denoise(x, a, s)), "a call is a pure function"
    alone = torch.cat([denoise(row[None], a, s) for row in x])
    assert torch.equal(found, alone), "a picture does not depend on its batch"
    assert torch.equal(found.flip(0), denoise(x.flip(0), a, s)), "nor on its place in the batch"
    assert denoise(x.double(), a, s).dtype == torch.float64, "double precision stays double"


def _check_levels(denoise: Denoiser, images: Tensor) -> None:
    x = _noisy(images, 0.0, 1.0, 4)
    blind = denoise(x, 0.0, 1.0)
    assert_close(blind, denoise(-2.0 * x, 0.0, 1.0), rtol=0, atol=1e-5,
                 msg="pure noise says nothing of the picture")  # fmt: skip
    colours = blind.mean(dim=(2, 3))
    assert_close(colours, images.mean(dim=(0, 2, 3)).expand_as(colours), rtol=0, atol=0.02,
                 msg="the estimate from pure noise has the mean colour")  # fmt: skip
    for sigma in (0.1, 1.0, 10.0):
        x = _noisy(images, 1.0, sigma, 4)
        other = 1.0 / math.hypot(1.0, sigma)
        assert_close(denoise(other * x, other, other * sigma), denoise(x, 1.0, sigma), rtol=0,
                     atol=1e-3, msg="only x / a and s / a matter")  # fmt: skip
    x = _noisy(images, 1.0, 0.05, 12)
    away = (denoise(x, 1.0, 0.05) - images).square().mean().sqrt()
    assert away < 0.5 * images.std(), "with little noise the estimate is near the picture"


def _check_cancelling(name: str, images: Tensor) -> None:
    cancelled = False

    def poll() -> None:
        if cancelled:
            raise Cancelled

    denoise = _build(name, images, poll)
    x = _noisy(images, 0.7, 0.7, 4)
    expected = denoise(x, 0.7, 0.7)
    cancelled = True
    with pytest.raises(Cancelled):
        denoise(x, 0.7, 0.7)
    cancelled = False
    assert torch.equal(denoise(x, 0.7, 0.7), expected), "a call after a cancelled one is as before"


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_every_denoiser_keeps_the_promises(name: str) -> None:
    check_promises(name)
    assert MODELS[name].title
    assert MODELS[name].source
    assert MODELS[name].explanation.endswith(".")
    assert all(param.tooltip.endswith(".") for param in MODELS[name].params)


@pytest.mark.parametrize(
    ("name", "param"),
    [(name, param) for name, row in CLOSED_FORMS.items() for param in row.params],
    ids=lambda value: value if isinstance(value, str) else value.name,
)  # fmt: skip
def test_the_ends_of_every_parameter_work(name: str, param: Any) -> None:
    images = _images(5)
    for value in (param.minimum, param.default, param.maximum):
        row = MODELS[name]
        values = resolve(row.params, ((param.name, value),), row.title)
        denoise = row.build(images, lambda: None, **values)
        for a, s in ((0.0, 1.0), (0.7, 0.7), (1.0, 0.01)):
            assert torch.isfinite(denoise(_noisy(images, a, s, 2), a, s)).all()


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_one_image_is_enough(name: str) -> None:
    images = _images(1)
    denoise = _build(name, images)
    for a, s in LEVELS:
        assert torch.isfinite(denoise(_noisy(images, a, s, 3), a, s)).all()


@pytest.mark.gpu
@pytest.mark.skipif(not GPUS, reason="this machine has neither a CUDA nor an MPS device")
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_a_gpu_gives_the_estimates_of_the_processor(name: str) -> None:
    images = _images()
    here = _build(name, images)
    for where in GPUS:
        there = _build(name, images.to(where))
        for a, s in LEVELS:
            x = _noisy(images, a, s, 8)
            found = there(x.to(where), a, s)
            assert found.device.type == where
            assert_close(found.cpu(), here(x, a, s), rtol=0, atol=2e-4)


class _Good:
    """The posterior mean written down plainly, row by row; the base of the wrong ones below."""

    def __init__(self, images: Tensor, poll: Poll):
        self.images, self.poll = images, poll

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        self.poll()
        return torch.cat([self.row(row[None], a, s) for row in x])

    def row(self, x: Tensor, a: float, s: float) -> Tensor:
        away = (x.double() - a * self.images.double()).square().sum(dim=(1, 2, 3))
        weights = (-0.5 * away / s**2).softmax(0)
        return torch.einsum("n,nchw->chw", weights, self.images.double())[None].to(x.dtype)


class _Impure(_Good):
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        return super().__call__(x, a, s) + 1e-3 * torch.randn_like(x)


class _Batched(_Good):
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        return super().__call__(x, a, s) + 1e-6 * x.mean()


class _Dividing(_Good):
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        return super().__call__(x, a, s) * (torch.tensor(a) / a if a else torch.nan)


class _InPlace(_Good):
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        found = super().__call__(x, a, s)
        x *= 0.5
        return found


class _Busy(_Good):
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        return torch.cat([self.row(row[None], a, s) for row in x])


class _Deaf(_Good):
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        try:
            return super().__call__(x, a, s)
        except Cancelled:
            return x


class _Wide(_Good):
    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        return super().__call__(x, a, s).double()


class _Scaled(_Good):
    def row(self, x: Tensor, a: float, s: float) -> Tensor:
        return super().row(x, a, s / max(a, 0.1))


class _Seeing(_Good):
    def row(self, x: Tensor, a: float, s: float) -> Tensor:
        return super().row(x, max(a, 0.01), s)


class _Dull(_Good):
    def row(self, x: Tensor, a: float, s: float) -> Tensor:
        return self.images.mean(0, keepdim=True).to(x.dtype)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (_Impure, "pure function"),
        (_Batched, "does not depend on its batch"),
        (_Dividing, "finite at a = 0"),
        (_InPlace, "left as it was"),
        (_Busy, "a call polls"),
        (_Deaf, "DID NOT RAISE"),
        (_Wide, "the query's precision"),
        (_Scaled, "only x / a and s / a matter"),
        (_Seeing, "pure noise says nothing"),
        (_Dull, "near the picture"),
    ],
)
def test_a_wrong_denoiser_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Tensor, Poll], Denoiser], message: str
) -> None:
    monkeypatch.setitem(MODELS, "wrong", Model("Wrong", "none", "None.", (), wrong))
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        check_promises("wrong")


def test_the_plain_denoiser_passes_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "good", Model("Good", "none", "None.", (), _Good))
    check_promises("good")
