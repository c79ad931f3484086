"""RePaint: against the paper's algorithm written out, against the true posterior, and promises."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from diffusion_gui.engine import device
from diffusion_gui.engine.conditioning import Mask, log_likelihood
from diffusion_gui.engine.denoisers import Denoiser
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.inpainting import (
    KNOWN,
    REPAINT_PARAMS,
    UP,
    descents,
    evaluations,
    repaint,
    transitions,
)
from diffusion_gui.engine.params import pack, resolve
from diffusion_gui.engine.samplers import SAMPLERS, Levels, Step
from diffusion_gui.engine.schedules import build_preset, from_betas, timesteps

SIDE = 6
COSINE = build_preset("cosine", 1000)
GPUS = [name for name in device.available() if name != "cpu"]


def half() -> Tensor:
    known = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    known[:, : SIDE // 3] = True
    return known


def images(count: int = 24, groups: int = 8) -> Tensor:
    """Return [count, 1, 6, 6]: image i shares its left third with every groups-th other one."""
    found = torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found[:, :, half()] = found[torch.arange(count) % groups][:, :, half()]
    return found


def noises(count: int = 4) -> Callable[[int], Tensor]:
    def noise(i: int) -> Tensor:
        generator = torch.Generator().manual_seed(i)
        return torch.randn(count, 1, SIDE, SIDE, generator=generator)

    return noise


def levels(num_steps: int) -> Levels:
    return Levels.of(COSINE, timesteps(1000, num_steps))


def run(
    name: str,
    denoise: Denoiser,
    path: Levels,
    known: Tensor,
    resamples: int,
    jump: int,
    noise: Callable[[int], Tensor] | None = None,
    params: dict[str, float] | None = None,
) -> list[Step]:
    row, noise = SAMPLERS[name], noise or noises()
    return list(
        repaint(
            row, denoise, noise(10**6), path, noise,
            picture=images()[1], known=known, resamples=resamples, jump=jump,
            values=resolve(row.params, pack(params or {}), row.title),
        )
    )  # fmt: skip


# --- the way down and up --------------------------------------------------------------------


def test_the_way_is_the_papers() -> None:
    """Seven transitions, stretches of two, each walked twice; the first and the last one once."""
    path = [(way.start, way.end, way.first) for way in descents(7, 2, 2)]
    assert path == [(0, 2, 0), (0, 4, 2), (2, 6, 6), (4, 7, 10)]
    assert transitions(7, 2, 2) == 13
    path = [(way.start, way.end, way.first) for way in descents(5, 3, 3)]  # 0..4 are noisy
    assert path == [(0, 4, 0), (1, 4, 4), (1, 5, 7)]


@pytest.mark.parametrize("jump", [1, 2, 3, 10, 30])
@pytest.mark.parametrize("resamples", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 2, 3, 11, 25])
def test_every_stretch_is_walked_as_often_as_it_should(n: int, resamples: int, jump: int) -> None:
    ways = descents(n, resamples, jump)
    walked = Counter(i for way in ways for i in range(way.start, way.end))
    stretches = (n - 1) // jump * jump
    for i in range(n):
        assert walked[i] == (resamples if n - 1 - stretches <= i < n - 1 else 1)
    assert (ways[0].start, ways[-1].end) == (0, n)
    for one, other in pairwise(ways):
        assert other.start == one.end - jump
        assert other.first == one.first + len(one)


# --- the paper's algorithm ------------------------------------------------------------------


def _written_out(
    denoise: Denoiser, path: Levels, known: Tensor, resamples: int, jump: int
) -> list[Tensor]:
    """Return every x_t of algorithm 1 with DDPM: paste x_t itself, step, paste again, go up."""
    noise, picture, n = noises(), images()[1], len(path)
    a, s = path.a.tolist(), path.s.tolist()
    alpha_bar = [one**2 / (one**2 + other**2) for one, other in zip(a, s, strict=True)]

    def paste(x: Tensor, i: int, d: int) -> Tensor:
        z = noise(KNOWN + d * (n + 1) + i)
        return torch.where(known, a[i] * picture + s[i] * z, x)

    x, seen, k = noise(10**6), [], 0
    ways = descents(n, resamples, jump)
    for d, way in enumerate(ways):
        x = paste(x, way.start, d)
        for i in range(way.start, way.end):
            seen.append(x)
            x0_hat = denoise(x, a[i], s[i])
            beta = 1.0 - alpha_bar[i] / alpha_bar[i + 1]  # of the jump; DDPM, equations 6 and 7
            mean = math.sqrt(alpha_bar[i + 1]) * beta * x0_hat
            mean = mean + math.sqrt(1.0 - beta) * (1.0 - alpha_bar[i + 1]) * x
            variance = (1.0 - alpha_bar[i + 1]) * beta / (1.0 - alpha_bar[i])
            x = mean / (1.0 - alpha_bar[i]) + math.sqrt(variance) * noise(k)
            x = paste(x, i + 1, d)
            k += 1
        if way.end < n:
            kept = alpha_bar[ways[d + 1].start] / alpha_bar[way.end]
            x = math.sqrt(kept) * x + math.sqrt(1.0 - kept) * noise(UP + d)
    return [*seen, x]


@pytest.mark.parametrize(("n", "resamples", "jump"), [(9, 3, 2), (9, 2, 5), (60, 1, 1)])
def test_the_unknown_pixels_move_as_in_the_papers_algorithm(
    n: int, resamples: int, jump: int
) -> None:
    denoise, path = Exact(images()), levels(n)
    expected = _written_out(denoise, path, half(), resamples, jump)
    found = run("ddpm", denoise, path, half(), resamples, jump)
    for step, x in zip(found, expected, strict=True):
        assert_close(step.x_t, x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
def test_with_nothing_known_it_is_the_plain_sampler(name: str) -> None:
    row, noise, path = SAMPLERS[name], noises(), levels(7)
    params = {param.name: param.maximum for param in row.params}
    values = resolve(row.params, pack(params), row.title)
    plain = row.walk(Exact(images()), noise(10**6), path, noise, **values)
    nothing = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    found = run(name, Exact(images()), path, nothing, 1, 2, params=params)
    for one, other in zip(found, plain, strict=True):
        assert (one.index, one.t, one.a, one.s) == (other.index, other.t, other.a, other.s)
        assert torch.equal(one.x_t, other.x_t)
        assert torch.equal(one.x0_hat, other.x0_hat)


# --- the true posterior ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ddpm", "dpmpp_2m"])
def test_resampling_comes_nearer_to_the_true_posterior(name: str) -> None:
    """The picture's left third fits three of the 24 images, equally well.

    Pasting alone often ends on another image's right side; every result counts that is not one of
    the images that fit. 200 runs: the standard error of a share is below 0.036.
    """
    data, count = images(), 200
    truth = log_likelihood(data, Mask(data[1], half(), 0.01)).softmax(0)
    assert_close(truth[1::8], torch.full((3,), 1 / 3, dtype=torch.float64))
    shares = []
    for resamples in (1, 10):
        end = run(name, Exact(data), levels(20), half(), resamples, 5, noises(count))[-1].x_t
        rms = (end[:, None] - data[None]).square().flatten(2).mean(2).sqrt()  # [B, N]
        hits = torch.bincount(rms.argmin(1)[rms.amin(1) < 0.05], minlength=len(data)) / count
        assert torch.equal(hits[truth < 0.1], torch.zeros(21))  # the known pixels are kept
        shares.append(float(hits.sum()))
    assert shares[0] < 0.6
    assert shares[1] > 0.65
    assert shares[1] - shares[0] > 0.18  # four standard errors of a difference, and more
    fitting = hits[1::8] / hits.sum()
    assert float((fitting - 1 / 3).abs().max()) < 4 * math.sqrt(2 / 9 / (count * shares[1]))


# --- promises with every sampler ------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    ("terminal", "resamples", "jump"), [(False, 3, 4), (True, 2, 1)], ids=["noisy", "pure noise"]
)
def test_it_keeps_its_promises_with_every_sampler(
    name: str, terminal: bool, resamples: int, jump: int
) -> None:
    betas = np.r_[np.linspace(1e-4, 0.3, 19), [1.0] if terminal else [0.9]]
    path = Levels.of(from_betas(betas), timesteps(20, 10))
    row, exact, made = SAMPLERS[name], Exact(images()), 0

    def counted(x: Tensor, a: float, s: float) -> Tensor:
        nonlocal made
        made += 1
        return exact(x, a, s)

    params = {param.name: param.maximum for param in row.params}
    found = run(name, counted, path, half(), resamples, jump, params=params)
    ways = descents(10, resamples, jump)
    # from pure noise a sampler with two calls makes a first-order step
    spared = (row.calls - 1) * sum(way.start == 0 for way in ways) * terminal
    assert made == evaluations(row, 10, resamples, jump) - spared
    assert [step.index for step in found] == list(range(transitions(10, resamples, jump) + 1))
    expected = [int(path.t[i]) for way in ways for i in range(way.start, way.end)]
    assert [step.t for step in found] == [*expected, 0]
    picture = images()[1].expand(4, 1, SIDE, SIDE)
    for step in found:
        assert torch.isfinite(step.x_t).all()
        assert torch.equal(step.x0_hat[:, :, half()], picture[:, :, half()])
    end = found[-1]
    assert (end.t, end.a, end.s) == (0, 1.0, 0.0)
    assert torch.equal(end.x_t, end.x0_hat)
    again = run(name, exact, path, half(), resamples, jump, params=params)
    assert all(torch.equal(one.x_t, other.x_t) for one, other in zip(found, again, strict=True))


def test_noise_is_never_used_twice() -> None:
    """DDPM asks for each transition's, each level's on each descent and each way up's own."""
    asked: list[int] = []

    def noise(i: int) -> Tensor:
        asked.append(i)
        return noises()(i)

    run("ddpm", Exact(images()), levels(10), half(), 3, 2, noise)
    sampler = {i for i in asked[1:] if i < KNOWN}
    ups = {i for i in asked if i >= UP}
    known = Counter(i for i in asked if KNOWN <= i < UP)
    total = transitions(10, 3, 2)
    assert sampler == set(range(total - 1))  # none on the last, to the clean picture
    assert len(ups) == len(descents(10, 3, 2)) - 1
    assert len(known) == total
    assert set(known.values()) == {2}  # once for the model, once for the step's x_t
    assert max(known) - KNOWN < len(descents(10, 3, 2)) * 11


def test_the_known_pixels_have_the_level_of_every_step() -> None:
    everywhere = torch.ones(SIDE, SIDE, dtype=torch.bool)
    steps = run("heun", Exact(images()), levels(9), everywhere, 2, 3, noises(400), {"churn": 30.0})
    for step in steps[:-1]:
        eps = (step.x_t - step.a * images()[1]) / step.s
        assert abs(float(eps.mean())) < 5 / math.sqrt(eps.numel())
        assert float(eps.std()) == pytest.approx(1.0, abs=5 / math.sqrt(2 * eps.numel()))


def test_a_descents_share_of_the_churn_keeps_each_levels_own() -> None:
    plain = {step.t: step.s for step in run("heun", Exact(images()), levels(9), half(), 1, 1,
                                            params={"churn": 1.8})}  # fmt: skip
    for step in run("heun", Exact(images()), levels(9), half(), 3, 2, params={"churn": 1.8}):
        assert step.s == pytest.approx(plain[step.t], rel=1e-12)


def test_a_picture_does_not_depend_on_its_batch() -> None:
    together = run("ddpm", Exact(images()), levels(9), half(), 3, 2, noises(5))
    alone = run("ddpm", Exact(images()), levels(9), half(), 3, 2, lambda i: noises(5)(i)[2:3])
    assert torch.equal(together[-1].x_t[2:3], alone[-1].x_t)


@pytest.mark.gpu
@pytest.mark.skipif(not GPUS, reason="this machine has neither a CUDA nor an MPS device")
def test_a_gpu_gives_the_pictures_of_the_processor() -> None:
    expected = run("ddpm", Exact(images()), levels(9), half(), 3, 2)[-1].x_t
    for name in GPUS:
        place = device.choose(name)
        denoise, noise = Exact(images().to(place)), lambda i, place=place: noises()(i).to(place)
        found = run("ddpm", denoise, levels(9), half(), 3, 2, noise)[-1].x_t
        assert_close(found.cpu(), expected, rtol=0, atol=1e-3)


# --- refusals and rows ----------------------------------------------------------------------


@pytest.mark.parametrize(("n", "resamples", "jump"), [(0, 1, 1), (5, 0, 1), (5, 1, 0)])
def test_a_way_without_steps_is_refused(n: int, resamples: int, jump: int) -> None:
    with pytest.raises(EngineError, match=rf"got {n}, {resamples} and {jump}$"):
        descents(n, resamples, jump)


def test_a_mask_of_another_size_is_refused_at_once() -> None:
    with pytest.raises(EngineError, match=r"its mask \[6, 6\], got \[1, 6, 6\] and \[4, 6\]"):
        repaint(
            SAMPLERS["ddim"], Exact(images()), noises()(0), levels(5), noises(),
            picture=images()[0], known=half()[:4], resamples=2, jump=1, values={"eta": 0.0},
        )  # fmt: skip


def test_rows_are_complete_for_the_form() -> None:
    for row in REPAINT_PARAMS:
        assert row.minimum <= row.default <= row.maximum
        assert row.decimals == 0
        assert row.tooltip.endswith(".")
