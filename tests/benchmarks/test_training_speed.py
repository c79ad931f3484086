"""The promise of the training: its steps against a bare loop of the same network, in turn.

The bare loop takes one batch that was made beforehand through the same network, in the same
numbers, and lets the same Adam learn from it: it draws nothing, clips nothing, averages nothing,
saves nothing and tells nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.training.data import batch
from diffusion_gui.engine.training.loop import TrainingLoop
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.training.trainer import BETAS, EPSILON, Trainer, autocast
from diffusion_gui.session.training_sets import emoji_set

ROUNDS = 12


def _bare(trainer: Trainer) -> Callable[[], None]:
    """Return one step of the bare loop, on a network of its own."""
    network, device = trainer.network, trainer.device
    adam = torch.optim.Adam(network.parameters(), 1e-4, BETAS, EPSILON, fused=True)
    part = batch(trainer.pictures, trainer.options, None, 0)
    x = (part.x0 + part.noise).to(device).contiguous(memory_format=torch.channels_last)
    level, wanted = part.sigma.log().to(device) / 4, part.noise.to(device)
    words = part.words.to(device)

    def step() -> None:
        with autocast(device, trainer.precision):
            found = network(x, level, words)
        (found.float() - wanted).square().mean().backward()
        adam.step()
        adam.zero_grad(set_to_none=True)

    return step


@pytest.mark.parametrize(("size", "pictures"), [(32, 64), (64, 64)])
def test_a_training_step_costs_what_the_network_costs(
    benchmark: BenchmarkFixture, size: int, pictures: int
) -> None:
    data, options = emoji_set(size), TrainOptions(batch=pictures)
    shape = UNetConfig(size=size, fold=size // 16, sigma_data=0.58)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loop = TrainingLoop(Trainer(data, shape, options, device))
    bare = _bare(Trainer(data, shape, options, device))
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(ROUNDS + 2):
        for name, step in (("ours", loop.step), ("bare", bare)):
            begin = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number >= 2:
                times[name].append(time.perf_counter() - begin)
    ratios = [b / a for a, b in zip(times["ours"], times["bare"], strict=True)]
    ratio = statistics.median(ratios)
    benchmark.extra_info.update(ratio=ratio)
    benchmark.pedantic(lambda: None, rounds=1)
    ours, theirs = (statistics.median(times[name]) for name in ("ours", "bare"))
    print(
        f"\n{pictures} pictures of {size} px on {device.type}: {1 / ours:.2f} steps/s, bare"
        f" {1 / theirs:.2f}; ratio {ratio:.3f} (promise: 0.95)"
    )
