"""A diffusers `UNet2DModel` sampled here and by diffusers' own pipelines: the same steps."""

from __future__ import annotations

import statistics
import time
from collections import deque
from pathlib import Path

import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from pytest_benchmark.fixture import BenchmarkFixture

from diffusion_gui.engine import reverse
from diffusion_gui.engine.experiment import Experiment, Sampling
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.session.checkpoints import open_network
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.run_inputs import RunInputs

CPU = torch.device("cpu")
ROUNDS = 5
SIZE, STEPS, COUNT = 32, 20, 4


@pytest.mark.parametrize(
    ("sampler", "pipeline", "scheduler"),
    [("ddim", DDIMPipeline, DDIMScheduler), ("ddpm", DDPMPipeline, DDPMScheduler)],
)
def test_a_diffusers_network_is_sampled_no_slower_than_by_its_own_pipeline(
    sampler: str, pipeline, scheduler, benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=SIZE,
        block_out_channels=(64, 128, 128),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=2,
    )
    whole = pipeline(network, scheduler(clip_sample=False))
    whole.save_pretrained(tmp_path)
    whole.set_progress_bar_config(disable=True)
    ref, opened = open_network(tmp_path)
    store = NetworkStore()
    store.add(ref, opened)
    asked = Sampling(
        model="neural", network=ref, size=SIZE, sampler=sampler, steps=STEPS, count=COUNT,
        spacing="leading",
    )  # fmt: skip
    experiment = Experiment(ScheduleSpec("linear"), sampling=asked)
    inputs = RunInputs(networks=store)(experiment)
    source = reverse.Ready(reverse.build_model(experiment, inputs, CPU, lambda: None))

    def ours() -> None:
        deque(reverse.walk(experiment, source, CPU), maxlen=0)

    def theirs() -> None:
        whole(batch_size=COUNT, num_inference_steps=STEPS, output_type="np")

    ratios = []
    for number in range(ROUNDS + 1):
        pair = (ours, theirs) if number % 2 else (theirs, ours)
        took = {}
        for run in pair:
            begin = time.perf_counter()
            run()
            took[run] = time.perf_counter() - begin
        if number:  # the first warms up
            ratios.append(took[ours] / took[theirs])
    ratio = benchmark.extra_info["ratio"] = statistics.median(ratios)
    print(f"\n{sampler}: {ratio:.3f}x diffusers ({min(ratios):.2f} to {max(ratios):.2f})")
    benchmark.pedantic(ours, rounds=1)
