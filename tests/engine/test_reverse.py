"""The whole reverse process on the bundled emoji: where it ends, and what it depends on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from diffusion_gui.engine import device
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.experiment import Experiment, Guidance, Sampling, Start
from diffusion_gui.engine.guidance import GUIDANCE
from diffusion_gui.engine.images import Pixels, to_float
from diffusion_gui.engine.noise import gaussian_batch
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.recorder import record, to_pixels
from diffusion_gui.engine.reverse import Inputs, members, plan, run, transitions
from diffusion_gui.engine.samplers import SAMPLERS, Step
from diffusion_gui.engine.schedules import PRESETS, SPACINGS, ScheduleSpec, build
from diffusion_gui.engine.schedules.doctor import Severity, examine
from diffusion_gui.session.library import emoji

GPUS = [name for name in device.available() if name != "cpu"]


@pytest.fixture(scope="module")
def data() -> Pixels:
    return emoji(32)[::10]


def experiment(seed: int = 0, **sampling: Any) -> Experiment:
    return Experiment(sampling=Sampling(**sampling), seed=seed)


def result(steps: Any) -> Step:
    return list(steps)[-1]


def nearest(batch: torch.Tensor, data: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each picture of the batch, the index of its nearest data image and their rms."""
    known = to_float(data).astype(np.float64)
    shown = batch.permute(0, 2, 3, 1).numpy().astype(np.float64)
    rms = np.array([np.sqrt(((known - one) ** 2).mean(axis=(1, 2, 3))) for one in shown])
    return rms.argmin(axis=1), rms.min(axis=1)


def test_ddim_ends_on_training_images() -> None:
    data = emoji(32)
    steps = list(run(experiment(), Inputs(data)))
    assert len(steps) == 21
    assert [steps[0].t, steps[-1].t] == [1000, 0]
    index, rms = nearest(steps[-1].x_t, data)
    assert rms.shape == (16,)
    assert rms.max() < 1e-3
    assert len(set(index)) > 8  # not one picture for every noise
    assert_array_equal(to_pixels(steps[-1].x_t), data[index])


RULES = [key for key, row in SPACINGS.items() if not row.listed]
COUNTING = ("trailing", "linspace", "leading")


@pytest.mark.parametrize("spacing", COUNTING)
@pytest.mark.parametrize(
    ("sampler", "params"),
    [(name, {p.name: p.maximum}) for name, row in SAMPLERS.items() for p in row.params],
)
def test_every_sampler_and_spacing_ends_on_training_images(
    data: Pixels, sampler: str, params: dict[str, float], spacing: str
) -> None:
    wish = experiment(sampler=sampler, params=pack(params), spacing=spacing, steps=15, count=4)
    steps = list(run(wish, Inputs(data)))
    assert len(steps) == 16
    assert nearest(steps[-1].x_t, data)[1].max() < 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_picture_depends_on_the_seed_and_not_on_the_count(data: Pixels, sampler: str) -> None:
    few = list(run(experiment(3, sampler=sampler, steps=8, count=4), Inputs(data)))
    many = list(run(experiment(3, sampler=sampler, steps=8, count=16), Inputs(data)))
    for one, other in zip(few, many, strict=True):
        assert torch.equal(one.x_t, other.x_t[:4])
        assert torch.equal(one.x0_hat, other.x0_hat[:4])
    another = result(run(experiment(4, sampler=sampler, steps=8, count=4), Inputs(data)))
    assert not torch.equal(another.x_t, few[-1].x_t)


def test_the_steps_are_pictures_in_the_promised_form(data: Pixels) -> None:
    for index, step in enumerate(run(experiment(size=32, steps=3, count=2), Inputs(data))):
        assert step.index == index
        for batch in (step.x_t, step.x0_hat):
            assert batch.shape == (2, 3, 32, 32)
            assert batch.dtype == torch.float32
            assert batch.device.type == "cpu"


def test_pure_noise_has_the_deviation_of_its_level(data: Pixels) -> None:
    first = next(run(experiment(count=16), Inputs(data)))
    n = first.x_t.numel()
    assert abs(first.x_t.std().item() - 1.0) < 5 / np.sqrt(2 * n)


def test_every_step_draws_its_own_noise(data: Pixels) -> None:
    wish = experiment(seed=5, sampler="ddim", params=pack({"eta": 1.0}), steps=6, count=2)
    steps = list(run(wish, Inputs(data)))
    for i, (here, after) in enumerate(pairwise(steps[:-1])):
        eps_hat = (here.x_t - here.a * here.x0_hat) / here.s
        added = after.s * np.sqrt(1 - (after.s * here.a / (after.a * here.s)) ** 2)
        kept = np.sqrt(after.s**2 - added**2)
        fresh = (after.x_t - after.a * here.x0_hat - kept * eps_hat) / added
        expected = gaussian_batch(5, range(2), 1 + i, (32, 32, 3))
        assert_allclose(fresh.permute(0, 2, 3, 1).numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("spacing", RULES)
def test_every_spacing_ends_on_training_images(data: Pixels, spacing: str) -> None:
    wish = experiment(spacing=spacing, steps=15, count=4)
    assert nearest(result(run(wish, Inputs(data))).x_t, data)[1].max() < 1e-3


@pytest.mark.parametrize("preset", PRESETS)
def test_every_schedule_ends_on_training_images(data: Pixels, preset: str) -> None:
    spec = ScheduleSpec(preset, 200)
    if examine(spec)[0].severity is Severity.WARNING:
        spec = ScheduleSpec(preset, 1000)
    wish = replace(experiment(steps=20, count=4), schedule=spec)
    steps = list(run(wish, Inputs(data)))
    assert nearest(steps[-1].x_t, data)[1].max() < 1e-3
    shown = record(steps[0]).x_t  # an exploding process is shown as its preserving twin
    assert 0.0 < np.mean((shown == 0) | (shown == 255)) < 0.5


@pytest.mark.parametrize("spacing", RULES)
def test_a_run_from_a_slightly_noised_picture_gives_it_back(data: Pixels, spacing: str) -> None:
    picture = data[123]
    wish = experiment(spacing=spacing, start=Start("picture", 100))
    steps = list(run(wish, Inputs(data, picture)))
    assert steps[0].t == 100
    assert_array_equal(to_pixels(steps[-1].x_t), np.broadcast_to(picture, (16, 32, 32, 3)))


def test_a_run_from_a_picture_begins_with_its_noised_version(data: Pixels) -> None:
    wish = experiment(start=Start("picture", 400), count=16)
    first = next(run(wish, Inputs(data, data[5])))
    schedule = build(wish.schedule)
    noise = first.x_t.permute(0, 2, 3, 1).numpy() - schedule.a[400] * to_float(data[5])
    assert abs(noise.mean()) < 5 * schedule.s[400] / np.sqrt(noise.size)
    assert abs(noise.std() / schedule.s[400] - 1) < 5 / np.sqrt(2 * noise.size)


@pytest.mark.parametrize("spacing", RULES)
@pytest.mark.parametrize(("start", "steps"), [(1, 20), (7, 20), (100, 20), (1000, 20), (999, 1)])
def test_the_plan_begins_exactly_at_the_picture_and_ends_clean(
    spacing: str, start: int, steps: int
) -> None:
    levels = plan(experiment(spacing=spacing, steps=steps, start=Start("picture", start)))
    assert levels.t[-1] == 0
    assert np.all(np.diff(levels.t) < 0)
    counts = len(levels) == min(steps, start)
    assert counts if spacing in COUNTING else 1 <= len(levels) <= steps
    if start < 1000:
        assert levels.t[0] == start


def test_a_run_may_begin_at_levels_without_any_signal() -> None:
    data = emoji(16)[:20]
    spec = ScheduleSpec("linear", 1600, pack({"beta_start": 1e-4, "beta_end": 0.999}))
    wish = replace(experiment(steps=200, count=2, size=16), schedule=spec)
    assert np.count_nonzero(plan(wish).a == 0.0) > 1
    assert nearest(result(run(wish, Inputs(data))).x_t, data)[1].max() < 1e-3


def test_a_run_is_ended_by_its_poll(data: Pixels) -> None:
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise Cancelled

    seen: list[int] = []
    with pytest.raises(Cancelled):
        seen.extend(step.index for step in run(experiment(), Inputs(data), poll=poll))
    assert calls == 7
    assert len(list(run(experiment(steps=3, count=1), Inputs(data)))) == 4  # nothing is left over


@pytest.mark.parametrize("size", [16, 64])
def test_other_sizes_run(size: int) -> None:
    data = emoji(size)[:50]
    final = result(run(experiment(size=size, count=3), Inputs(data)))
    assert nearest(final.x_t, data)[1].max() < 1e-3


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"sampler": "flow"}, "unknown sampler 'flow'; choose one of: ddim, ddpm"),
        ({"model": "unet"}, "unknown model 'unet'; choose one of: exact"),
        ({"count": 0}, "count must be in 1..256, got 0"),
        ({"count": 257}, "count must be in 1..256, got 257"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"spacing": "krras"}, "unknown spacing 'krras'"),
        ({"params": (("eta", 1.5),)}, "eta = 1.5 is outside 0 to 1"),
        ({"params": (("variance", 1.0),)}, "DDIM has no parameter 'variance'"),
        ({"size": 16}, r"the data set must be [N, 16, 16, 3] with N >= 1, got [3, 32, 32, 3]"),
        ({"start": Start("p", 0)}, "start t must be in 1..1000, got 0"),
        ({"start": Start("p", 1001)}, "start t must be in 1..1000, got 1001"),
        ({"start": Start("p", 10)}, "starts from a picture, but none was given"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(
    data: Pixels, sampling: dict[str, Any], message: str
) -> None:
    with pytest.raises(EngineError) as caught:
        run(experiment(**sampling), Inputs(data[:3]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 32, 32, 3), (3, 32, 32), (3, 32, 32, 4), (3, 32, 16, 3)])
def test_data_of_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="the data set must be"):
        run(experiment(), Inputs(np.zeros(shape, np.uint8)))


@pytest.mark.parametrize("shape", [(1, 1, 3), (64, 64, 3), (32, 32)])
def test_a_start_picture_of_a_wrong_shape_is_refused(data: Pixels, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=r"start picture must be \[32, 32, 3\], got"):
        run(experiment(start=Start("p", 10)), Inputs(data[:3], np.zeros(shape, np.uint8)))


def test_a_negative_seed_is_refused(data: Pixels) -> None:
    with pytest.raises(EngineError, match=r"seed must be .* got -1"):
        run(experiment(seed=-1), Inputs(data[:3]))


def test_a_bad_schedule_is_refused(data: Pixels) -> None:
    wish = replace(experiment(), schedule=ScheduleSpec("linear", 0))
    with pytest.raises(EngineError, match="got 0"):
        run(wish, Inputs(data[:3]))


@pytest.mark.parametrize("name", device.available())
def test_a_run_works_on_every_device_this_machine_has(data: Pixels, name: str) -> None:
    where = device.choose(name)
    final = result(run(experiment(count=3, steps=5), Inputs(data[:40]), where))
    assert final.x_t.device.type == name
    assert nearest(final.x_t.cpu(), data[:40])[1].max() < 1e-3


@pytest.mark.gpu
@pytest.mark.skipif(not GPUS, reason="this machine has neither a CUDA nor an MPS device")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_gpu_gives_the_pictures_of_the_processor(data: Pixels, sampler: str) -> None:
    wish = experiment(sampler=sampler, count=8)
    expected = list(run(wish, Inputs(data)))
    for name in GPUS:
        found = list(run(wish, Inputs(data), device.choose(name)))
        assert_close(found[0].x0_hat.cpu(), expected[0].x0_hat, rtol=0, atol=1e-4)
        assert_array_equal(to_pixels(found[-1].x_t), to_pixels(expected[-1].x_t))


def test_to_pixels_clamps_and_puts_colours_last() -> None:
    batch = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, 0.5]).reshape(1, 3, 1, 2)
    assert_array_equal(to_pixels(batch), [[[[0, 128, 255], [0, 255, 191]]]])


# --- labels, guidance, restart ------------------------------------------------------------------

LABELS = ("cat",) * 20 + ("big cat",) * 10 + ("dog",) * 10


def test_a_label_restricts_the_images_to_its_folder_or_its_words() -> None:
    assert members(LABELS, "cat") == list(range(20))  # the folder itself, not "big cat"
    assert members(LABELS, "big") == list(range(20, 30))
    with pytest.raises(EngineError, match=r"no image has the label 'bird': there are 'cat', 'big"):
        members(LABELS, "bird")
    with pytest.raises(EngineError, match=r"no image has the label 'Dogs': is it 'dog'\?"):
        members(LABELS, "Dogs")
    with pytest.raises(EngineError, match="put images into class folders"):
        members((), "bird")


def test_samples_with_a_label_are_images_with_that_label(data: Pixels) -> None:
    inputs = Inputs(data[:40], labels=LABELS)
    index, rms = nearest(result(run(experiment(label="dog"), inputs)).x_t, data[:40])
    assert rms.max() < 1e-3
    assert index.min() >= 30


def test_guidance_at_scale_1_is_the_label_alone_and_at_0_no_label(data: Pixels) -> None:
    inputs = Inputs(data[:40], labels=LABELS)

    def final(**sampling: Any) -> torch.Tensor:
        return result(run(experiment(steps=6, count=3, **sampling), inputs)).x_t

    def guided(scale: float) -> Guidance:
        return Guidance("cfg", pack({"scale": scale}))

    torch.testing.assert_close(final(label="cat", guidance=guided(1.0)), final(label="cat"))
    torch.testing.assert_close(final(label="cat", guidance=guided(0.0)), final())
    pushed = final(label="cat", guidance=guided(3.0))
    assert (pushed - final(label="cat")).abs().max() > 1e-3


def test_every_method_can_guide_away_from_another_model(data: Pixels) -> None:
    for method in GUIDANCE:
        wish = experiment(count=2, steps=5, guidance=Guidance(method, (), "gaussian"))
        assert torch.isfinite(result(run(wish, Inputs(data[:40]))).x_t).all()


def test_guidance_without_anything_to_move_away_from_is_refused(data: Pixels) -> None:
    with pytest.raises(EngineError, match="needs a label to follow, or a second model"):
        run(experiment(guidance=Guidance("cfg")), Inputs(data[:40]))
    with pytest.raises(EngineError, match="unknown guidance 'cgf'; choose one of: cfg, apg"):
        run(experiment(label="cat", guidance=Guidance("cgf")), Inputs(data[:40], labels=LABELS))


def test_a_restarted_run_makes_the_steps_that_were_forecast(data: Pixels) -> None:
    wish = experiment(count=2, steps=12, restart=pack({"rounds": 3.0, "low": 0.2, "high": 2.0}))
    steps = list(run(wish, Inputs(data[:40])))
    assert len(steps) == transitions(wish) + 1 > 13
    assert [step.index for step in steps] == list(range(len(steps)))
    assert nearest(steps[-1].x_t, data[:40])[1].max() < 1e-3
    assert max(b.t - a.t for a, b in itertools.pairwise(steps)) > 0  # it goes back up
