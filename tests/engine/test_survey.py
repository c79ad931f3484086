"""What is noted of a run, against independent float64 arithmetic in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_gui.engine import reverse
from diffusion_gui.engine.experiment import Experiment, Guidance, Sampling
from diffusion_gui.engine.models import Inputs, Ready, build_model
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.projection import principal_plane
from diffusion_gui.engine.samplers import SAMPLERS, Step
from diffusion_gui.engine.survey import Atlas, Belief, Survey
from diffusion_gui.engine.witness import Witness
from diffusion_gui.session import library

CPU = torch.device("cpu")
DATA = library.emoji(16)[:7]
FEW = Experiment(sampling=Sampling(size=16, steps=6, count=3))


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return Atlas(DATA, library.captions()[:7], principal_plane(DATA, CPU))


def survey(experiment: Experiment, atlas: Atlas) -> tuple[Survey, list[Step]]:
    """Run an experiment under a witness; return its notes and its steps."""
    labels = library.captions()[: len(DATA)]
    built = build_model(experiment, Inputs(DATA, labels=labels), CPU, lambda: None)
    total = len(reverse.calls_by_step(experiment)) - 1
    witness = Witness(Survey(atlas, total, experiment.sampling.count), CPU)
    steps = []
    for step in reverse.walk(experiment, Ready(witness.watch(built, atlas)), CPU):
        witness.put(step, witness.seen())
        witness.take(step.index)
        steps.append(step)
    return witness.survey, steps


def posterior(x: torch.Tensor, a: float, s: float) -> np.ndarray:
    """Return the posterior over DATA in float64, [B, N]."""
    images = (DATA / 127.5 - 1.0).transpose(0, 3, 1, 2).reshape(len(DATA), -1)
    apart = x.flatten(1).double().numpy()[:, None] - a * images.astype(np.float32)
    logits = -np.square(apart).sum(axis=2) / (2 * s * s)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def test_beliefs_and_places_are_what_numpy_makes_of_the_steps(atlas: Atlas) -> None:
    notes, steps = survey(FEW, atlas)
    assert len(notes) == 7
    for step in steps[:-1]:
        belief = notes.belief(step.index)
        assert belief is not None
        weights = posterior(step.x_t, step.a, step.s)
        best = np.argsort(-weights, axis=1)
        found = np.take_along_axis(weights, belief.indices, axis=1)
        np.testing.assert_allclose(belief.weights, found, atol=2e-4)
        np.testing.assert_allclose(found, np.take_along_axis(weights, best, axis=1), atol=2e-4)
        entropy = -(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1)
        np.testing.assert_allclose(belief.entropy, entropy, atol=2e-3)
        np.testing.assert_allclose(belief.bits, entropy / np.log(2), atol=3e-3)
        np.testing.assert_allclose(belief.effective_number, np.exp(belief.entropy), rtol=1e-5)
        assert belief.most_bits == pytest.approx(np.log2(7))
        wide = step.x_t.flatten(1).double().numpy() / np.hypot(step.a, step.s)
        place = (wide - atlas.plane.mean) @ atlas.plane.axes.T.astype(np.float64)
        np.testing.assert_allclose(notes.x_t[step.index], place, atol=1e-3)
        seen = step.x0_hat.flatten(1).double().numpy() - atlas.plane.mean
        place = seen @ atlas.plane.axes.T.astype(np.float64)
        np.testing.assert_allclose(notes.x0_hat[step.index], place, atol=1e-3)
    assert notes.belief(6) is None, "at s = 0 nothing is estimated"
    newest = notes.newest_belief(6)
    assert newest is not None
    assert newest[0] == 5
    assert np.isnan(notes.bits()[6]).all()
    np.testing.assert_allclose(notes.bits()[0], notes.belief(0).bits)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_belief_is_the_one_behind_the_estimate_of_its_step(sampler: str, atlas: Atlas) -> None:
    notes, steps = survey(replace(FEW, sampling=replace(FEW.sampling, sampler=sampler)), atlas)
    images = (DATA / 127.5 - 1.0).transpose(0, 3, 1, 2).reshape(len(DATA), -1)
    checked = 0
    for step in steps:
        belief = notes.belief(step.index)
        if belief is not None:
            mean = (belief.weights[:, :, None] * images[belief.indices]).sum(axis=1)
            np.testing.assert_allclose(step.x0_hat.flatten(1).numpy(), mean, atol=1e-3)
            checked += 1
    assert checked >= 6


def test_under_guidance_it_is_the_belief_of_the_model_that_is_followed(atlas: Atlas) -> None:
    guidance = Guidance("cfg", pack({"scale": 3.0}), "gaussian")
    sampling = replace(FEW.sampling, guidance=guidance)
    notes, steps = survey(replace(FEW, sampling=sampling), atlas)
    belief = notes.belief(2)
    assert belief is not None
    weights = posterior(steps[2].x_t, steps[2].a, steps[2].s)
    np.testing.assert_allclose(
        belief.weights, np.take_along_axis(weights, belief.indices, axis=1), atol=2e-4
    )


def test_a_batch_asked_in_parts_is_noted_whole(atlas: Atlas) -> None:
    built = build_model(FEW, Inputs(DATA), CPU, lambda: None)
    whole, parts = (Witness(Survey(atlas, 1, 3), CPU) for _ in range(2))
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    x0_hat = whole.watch(built, atlas).main(x, 0.6, 0.8)
    asked = parts.watch(built, atlas).main
    for part in (x[:2], x, x[:2], x[2:]):  # the last two are the batch
        asked(part, 0.6, 0.8)
    for witness in (whole, parts):
        witness.put(Step(0, 9, 0.6, 0.8, x, x0_hat), witness.seen())
        witness.take(0)
    one, other = whole.survey.belief(0), parts.survey.belief(0)
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.weights, other.weights)
    asked(x[:2], 0.6, 0.8)  # of a third picture nothing is known
    parts.put(Step(1, 8, 0.6, 0.8, x, x0_hat), parts.seen())
    parts.take(1)
    assert parts.survey.belief(1) is None


def test_models_without_a_posterior_have_no_beliefs_but_places(atlas: Atlas) -> None:
    notes, _ = survey(replace(FEW, sampling=replace(FEW.sampling, model="gaussian")), atlas)
    assert notes.newest_belief(6) is None
    assert np.isnan(notes.bits()).all()
    assert (notes.settled() == -1).all()
    assert np.isfinite(notes.x_t).all()


def test_settled_since_the_last_change_of_a_certain_image(atlas: Atlas) -> None:
    notes = Survey(atlas, 9, 3)
    images = ([0, 1, 2], [0, 1, 2], [0, 5, 2], [0, 1, 2], [0, 1, 2])
    weights = (
        [0.5, 0.95, 0.99],
        [0.95, 0.95, 0.99],
        [0.95, 0.95, 0.5],
        [0.91, 0.95, 0.9],
        [1, 1, 0.9],
    )
    for image, weight in zip(images, weights, strict=True):
        column = np.array(weight, np.float32)[:, None]
        belief = Belief(atlas, np.array(image)[:, None], column, np.zeros(3, np.float32))
        notes.append(np.zeros((2, 3, 2), np.float32), belief)
    notes.append(np.zeros((2, 3, 2), np.float32), None)
    assert notes.settled().tolist() == [1, 3, -1]
