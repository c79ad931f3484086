"""The stack: its least squares against SciPy's, its fit, and that no member beats it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.optimize import nnls
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine.denoisers import Denoiser
from diffusion_gui.engine.denoisers import stack as stack_module
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.denoisers.gaussian import Gaussian, Stationary
from diffusion_gui.engine.denoisers.local import Local
from diffusion_gui.engine.denoisers.stack import SIGMAS, Stack, non_negative_least_squares
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.noise import gaussian_batch
from diffusion_gui.session.library import emoji

SHAPE = (3, 8, 8)


def _images(count: int, seed: int = 0) -> Tensor:
    """Return pictures made of a few strong directions: [count, 3, 8, 8]."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(6, 3, 8, 8)).cumsum(-1).cumsum(-2)
    mixed = np.tensordot(rng.normal(size=(count, 6)), basis, 1)
    return torch.tensor(np.tanh(mixed / 8), dtype=torch.float32)


class _Constant:
    def __init__(self, value: float):
        self.value, self.calls = value, 0

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        self.calls += 1
        return torch.full_like(x, self.value)


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("seed", range(5))
def test_the_least_squares_equal_scipys(columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(30, columns)), rng.normal(size=30)
    found = non_negative_least_squares(torch.tensor(A), torch.tensor(b), ridge=0.0)
    assert_allclose(found.numpy(), nnls(A, b)[0], rtol=0, atol=1e-10)


def test_the_least_squares_find_the_weights_of_a_mixture() -> None:
    A = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 4)))
    truth = torch.tensor([0.5, 0.0, 0.3, 0.2], dtype=torch.float64)
    assert_close(non_negative_least_squares(A, A @ truth), truth, rtol=0, atol=1e-5)


def test_where_columns_are_equal_they_share_the_weight() -> None:
    column = torch.linspace(1, 2, 20, dtype=torch.float64)
    found = non_negative_least_squares(torch.stack([column, column], dim=1), column)
    assert_close(found, torch.tensor([0.5, 0.5], dtype=torch.float64), rtol=0, atol=1e-5)


def _members(images: Tensor) -> list[Denoiser]:
    return [Exact(images), Local(images), Gaussian(images), Stationary(images)]


def test_no_member_has_a_smaller_error_on_pictures_it_has_not_seen() -> None:
    images, fresh = _images(200), _images(100, seed=1)
    stack = Stack.fit(images)
    assert stack.names == ("exact", "local", "gaussian", "stationary")
    for step, sigma in enumerate((0.05, 0.3, 1.0, 4.0)):
        x = fresh + sigma * torch.from_numpy(gaussian_batch(5, range(100), step, SHAPE))
        mean = (stack(x, 1.0, sigma) - fresh).square().mean()
        errors = [(member(x, 1.0, sigma) - fresh).square().mean() for member in _members(images)]
        assert mean < 1.05 * min(errors)


def test_the_local_member_helps_on_real_pictures() -> None:
    all_of_them = torch.tensor(emoji(16)).permute(0, 3, 1, 2) / 127.5 - 1.0
    images, fresh = all_of_them[::6].contiguous(), all_of_them[1::40].contiguous()
    stack = Stack.fit(images)
    without = Stack.fit(images, builds={"gaussian": Gaussian, "stationary": Stationary})
    for step, sigma in enumerate((0.35, 0.7, 1.5)):
        drawn = gaussian_batch(5, range(len(fresh)), step, tuple(fresh.shape[1:]))
        x = fresh + sigma * torch.from_numpy(drawn)
        found, plain, *members = (
            float((denoise(x, 1.0, sigma) - fresh).square().mean())
            for denoise in (stack, without, *_members(images))
        )
        assert found < 0.97 * plain
        assert found < 0.95 * min(members)


def test_members_are_judged_on_pictures_they_do_not_know() -> None:
    images = _images(80)
    weights = dict(zip(Stack.fit(images).names, Stack.fit(images).weights(0.05), strict=True))
    assert weights["exact"] < 0.1  # with the image itself in the set it would have all the weight
    repeated = Stack.fit(images.repeat(2, 1, 1, 1))
    exact, local, *_ = repeated.weights(0.05)
    assert exact + local > 0.9  # and so they have where every picture is there twice


def test_members_are_fitted_without_the_held_out_pictures() -> None:
    # pictures without any structure: only who knew them would see more than their variance
    white = 0.5 * torch.from_numpy(gaussian_batch(0, range(60), 0, SHAPE))
    stack = Stack.fit(white)
    weights = dict(zip(stack.names, stack.weights(0.4), strict=True))
    assert weights["stationary"] > 0.7
    assert weights["gaussian"] < 0.3
    assert weights["local"] < 0.1


@pytest.mark.parametrize(("count", "side", "held"), [(12, 8, 3), (1377, 8, 48), (1377, 32, 15)])
def test_of_large_sets_fewer_pictures_are_held_out(count: int, side: int, held: int) -> None:
    given: list[int] = []

    def build(images: Tensor) -> _Constant:
        given.append(len(images))
        return _Constant(0.0)

    Stack.fit(torch.zeros(count, 3, side, side), builds={"grey": build})
    assert given == [count, count - held]


def test_the_local_member_knows_a_part_of_a_huge_set(monkeypatch: pytest.MonkeyPatch) -> None:
    images, given = _images(40), []
    monkeypatch.setattr(stack_module, "_LOCAL_VALUES", images[:20].numel())
    monkeypatch.setattr(
        stack_module, "Local", lambda images, poll: given.append(images) or _Constant(0.0)
    )
    Stack.fit(images)
    assert torch.equal(given[0], images[::2])


def test_the_mixture_is_of_what_departs_from_the_mean() -> None:
    mean, x = torch.full((3, 4, 4), 4.0), torch.zeros(2, 3, 4, 4)
    stack = Stack({"one": _Constant(10.0)}, [1.0], torch.tensor([[0.5]]), mean)
    assert_close(stack(x, 1.0, 1.0), torch.full_like(x, 7.0))


@pytest.mark.parametrize("count", [2, 9, 50])
def test_pure_noise_gives_the_mean_of_the_data(count: int) -> None:
    images = _images(count)
    stack = Stack.fit(images, builds={"gaussian": Gaussian, "local": Local})
    found = stack(torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0)), 0.0, 1.0)
    assert_close(found, images.mean(0).expand_as(found), rtol=0, atol=1e-5)


def test_the_weights_are_linear_between_levels_and_constant_beyond() -> None:
    stack = Stack(
        {"one": _Constant(1.0), "two": _Constant(10.0)},
        [0.1, 10.0],
        torch.tensor([[1.0, 0.0], [0.0, 0.5]]),
    )
    assert stack.names == ("one", "two")
    assert_allclose(stack.weights(1.0), (0.5, 0.25))
    assert_allclose(stack.weights(10**0.5), (0.25, 0.375))
    assert stack.weights(1e-9) == (1.0, 0.0)
    assert stack.weights(np.inf) == (0.0, 0.5)
    x = torch.zeros(2, 3, 4, 4)
    assert_close(stack(x, 0.5, 0.5), torch.full_like(x, 3.0))
    assert_close(stack(x, 0.0, 1.0), torch.full_like(x, 5.0))


def test_a_member_without_weight_is_not_called() -> None:
    used, unused = _Constant(1.0), _Constant(2.0)
    Stack({"a": used, "b": unused}, [1.0], torch.tensor([[1.0, 0.0]]))(
        torch.zeros(1, 1, 1, 1), 1, 1
    )
    assert (used.calls, unused.calls) == (1, 0)


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_small_sets_work(count: int) -> None:
    images = _images(count)
    stack = Stack.fit(images)
    for a, s in ((0.0, 1.0), (0.7, 0.7), (1.0, 0.01)):
        assert torch.isfinite(stack(images, a, s)).all()
    if count < 4:
        assert stack.weights(1.0) == (0.25, 0.25, 0.25, 0.25)


def test_other_members_can_be_given() -> None:
    images = _images(40)
    stack = Stack.fit(images, builds={"grey": lambda images: _Constant(float(images.mean()))})
    assert stack.names == ("exact", "grey")
    assert all(len(stack.weights(sigma)) == 2 for sigma in SIGMAS)


def test_the_fit_can_be_ended() -> None:
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        Stack.fit(_images(40), poll)


@pytest.mark.parametrize(
    ("sigmas", "weights", "message"),
    [
        ([], torch.zeros(0, 1), "ascending"),
        ([1.0, 1.0], torch.ones(2, 1), "ascending"),
        ([-1.0], torch.ones(1, 1), "must be > 0"),
        ([1.0], torch.ones(1, 2), r"weights must be \[1, 1\], got \[1, 2\]"),
        ([1.0], -torch.ones(1, 1), "weights must be >= 0"),
        ([1.0], torch.zeros(1, 1), "one > 0 at every level"),
    ],
)
def test_what_does_not_fit_is_refused(sigmas: list[float], weights: Tensor, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Stack({"one": _Constant(1.0)}, sigmas, weights)


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(EngineError, match="at most 10 denoisers can be combined, got 11"):
        non_negative_least_squares(torch.ones(20, 11), torch.ones(20))
