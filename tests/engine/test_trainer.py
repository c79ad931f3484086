"""A training learns, is weighed as it should, and goes on exactly where it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_gui.engine.denoisers.network import Precision
from diffusion_gui.engine.denoisers.parametrisation import Form, FromPrediction, Prediction
from diffusion_gui.engine.denoisers.unet import encode
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import build_preset
from diffusion_gui.engine.training.data import PictureSet, batch
from diffusion_gui.engine.training.noise_levels import sigmas_of
from diffusion_gui.engine.training.options import Levels, Weighting
from diffusion_gui.engine.training.trainer import Trainer, default_precision

from .tiny import CPU, OPTIONS, SHAPE, flats, training

DATA = 0.5


def _target(x0: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Return the F with which EDM's D is x0 (arXiv:2206.00364, table 1), in float64."""
    x0, x, sigma = x0.double(), x.double(), sigma.double()[:, None, None, None]
    total = (sigma**2 + DATA**2).sqrt()
    return (x0 - x * DATA**2 / total**2) * total / (sigma * DATA)


def test_a_network_that_says_the_target_makes_the_denoiser_say_the_picture():
    x0, noise = torch.rand(3, 3, 8, 8) * 2 - 1, torch.randn(3, 3, 8, 8)
    for a, s in ((1.0, 0.01), (0.8, 0.6), (0.05, 1.0)):
        x = a * x0 + s * noise
        f = _target(x0, x / a, torch.full((3,), s / a)).float()
        denoise = FromPrediction(
            lambda x, level, f=f: f, Prediction.EDM, Form.EDM, sigma_data=DATA
        )  # fmt: skip
        torch.testing.assert_close(denoise(x, a, s), x0, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weighting", list(Weighting))
def test_the_loss_is_the_weighted_error_of_x0_hat(weighting):
    trainer = training(
        replace(OPTIONS, weighting=weighting), config=replace(SHAPE, sigma_data=DATA)
    )
    part = batch(trainer.pictures, trainer.options, None, 0)
    x = part.x0 + part.sigma[:, None, None, None] * part.noise
    error = 0.3
    trainer._parallel = lambda seen, level, words: (_target(part.x0, x, part.sigma) + error).float()
    found = trainer._errors(part)
    torch.testing.assert_close(found, torch.full((8,), error**2), rtol=1e-3, atol=1e-4)
    seen = []
    trainer._parallel = lambda x, level, words: seen.append((x, level)) or x
    trainer._errors(part)
    ((given, level),) = seen
    torch.testing.assert_close(level, part.sigma.log() / 4)
    scale = (part.sigma**2 + DATA**2).sqrt()[:, None, None, None]
    torch.testing.assert_close(given, x / scale)


def test_a_tiny_set_is_learned():
    trainer = training(replace(OPTIONS, learning_rate=5e-3, decay_after=100))
    losses = [trainer.step().loss for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
    x = flats().pixels[2:3].transpose(0, 3, 1, 2) / 127.5 - 1.0
    x0 = torch.from_numpy(x).float()
    noised = x0 + 0.3 * torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = trainer.denoiser(encode(["colour 2"], trainer.config.words))(noised, 1.0, 0.3)
    assert float((found - x0).square().mean()) < 0.9 * float((noised - x0).square().mean())


def test_the_average_follows_the_weights_as_it_is_told():
    trainer = training(replace(OPTIONS, ema=0.5))
    expected = [value.clone() for value in trainer.network.parameters()]
    for step in range(12):
        trainer.step()
        kept = min(0.5, (step + 1) / (step + 10))
        now = trainer.network.parameters()
        expected = [kept * old + (1 - kept) * new for old, new in zip(expected, now, strict=True)]
    for found, value in zip(trainer.average.parameters(), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BFLOAT16, Precision.FLOAT16])
def test_a_training_that_was_stopped_goes_on_to_the_last_bit(precision):
    schedule = build_preset("cosine", T=50)
    sigmas = sigmas_of(schedule.a[1:], schedule.s[1:])
    options = replace(OPTIONS, levels=Levels.SCHEDULE)
    unbroken = training(options, sigmas, precision=precision)
    losses = [unbroken.step().loss for _ in range(8)]
    broken = training(options, sigmas, precision=precision)
    assert [broken.step().loss for _ in range(3)] == losses[:3]
    state = broken.state()
    broken.step()  # the state is a copy: what happens afterwards is not in it
    resumed = Trainer.of_state(state, flats(), CPU, precision)
    assert [resumed.step().loss for _ in range(5)] == losses[3:]
    ours, theirs = resumed.state().tensors, unbroken.state().tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_training_without_captions_goes_on_as_well():
    pictures = PictureSet.of(flats().pixels)
    trainer = Trainer(pictures, SHAPE, OPTIONS, CPU, precision=Precision.FLOAT32)
    trainer.step()
    resumed = Trainer.of_state(trainer.state(), pictures, CPU, Precision.FLOAT32)
    assert resumed.step().loss == trainer.step().loss
    assert all(parameter.grad is None for parameter in resumed.network.parameters())


def test_a_state_with_nothing_learned_goes_on_too():
    state = training().state()
    resumed = Trainer.of_state(state, flats(), CPU, Precision.FLOAT32)
    assert resumed.step().loss == training().step().loss


def test_a_state_that_is_not_whole_or_of_other_words_is_refused():
    trainer = training()
    trainer.step()
    state = trainer.state()
    for lost in ("network.first.weight", "average.first.weight", "adam.mean.first.weight"):
        tensors = {name: value for name, value in state.tensors.items() if name != lost}
        with pytest.raises(EngineError, match="not whole"):
            Trainer.of_state(replace(state, tensors=tensors), flats(), CPU)
    wrong = state.tensors | {"adam.square.first.weight": torch.zeros(3)}
    with pytest.raises(EngineError, match="not whole"):
        Trainer.of_state(replace(state, tensors=wrong), flats(), CPU)
    other = PictureSet.of(flats().pixels, ["something else"] * 6)
    with pytest.raises(EngineError, match="words are not those"):
        Trainer.of_state(state, other, CPU)


def test_pictures_of_another_size_are_refused():
    with pytest.raises(EngineError, match="16 pixels wide, the network is for 8"):
        Trainer(flats(size=16), SHAPE, OPTIONS, CPU)


def test_a_loss_that_is_no_number_ends_it_before_anything_is_spoilt():
    trainer = training()
    trainer.step()
    with torch.no_grad():
        trainer.network.last.bias[0] = float("nan")
    before = trainer.state().tensors
    with pytest.raises(EngineError, match="loss of step 1 is not a number"):
        trainer.step()
    after = trainer.state().tensors
    assert all(torch.equal(after[name], before[name]) for name in after if "last.bias" not in name)
    assert (trainer.step_number, trainer.whole) == (1, True)


@pytest.mark.parametrize("count", [1, 2])
def test_one_picture_or_two_of_one_grey_are_enough(count):
    pictures = PictureSet.of(np.full((count, 8, 8, 3), 77, np.uint8))
    shape = replace(SHAPE, sigma_data=pictures.sigma_data)
    trainer = Trainer(pictures, shape, OPTIONS, CPU, precision=Precision.FLOAT32)
    losses = [trainer.step().loss for _ in range(30)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_the_precision_of_a_cpu_is_one_that_it_multiplies_in():
    assert default_precision(CPU) in (Precision.FLOAT32, Precision.BFLOAT16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trained_sigmas", torch.tensor([1.0, -1.0])),
        ("trained_sigmas", torch.ones(2, 2)),
        ("adam.step", torch.ones(3)),
        ("scaler", torch.ones(3)),
    ],
)
def test_a_record_that_is_none_is_refused(name, value):
    trainer = training()
    trainer.step()
    state = trainer.state()
    with pytest.raises(EngineError, match="not whole"):
        Trainer.of_state(replace(state, tensors=state.tensors | {name: value}), flats(), CPU)


def test_a_long_gradient_is_shortened_and_a_short_one_stays():
    for clip in (1e-3, 1e3):
        trainer = training(replace(OPTIONS, clip=clip))
        part = batch(trainer.pictures, trainer.options, None, 0)
        torch.manual_seed(0)
        _, _, length = trainer._gradient(part)
        found = [p.grad for p in trainer.network.parameters() if p.grad is not None]
        norm = torch.cat([one.flatten() for one in found]).norm()
        assert 1e-3 < length < 1e3
        torch.testing.assert_close(norm.item(), min(length, clip), rtol=1e-4, atol=0.0)


def test_each_of_several_processes_drops_other_channels():
    seeds = []
    for rank in (0, 1):
        trainer = training()
        trainer._share = (rank, 2)
        trainer.step()
        seeds.append(torch.initial_seed())
    assert seeds[1] == seeds[0] + 1


def test_a_state_goes_on_in_its_own_precision():
    trainer = training(precision=Precision.BFLOAT16)
    trainer.step()
    again = Trainer.of_state(trainer.state(), flats(), CPU)
    assert again.precision is Precision.BFLOAT16
    told = Trainer.of_state(trainer.state(), flats(), CPU, Precision.FLOAT32)
    assert told.precision is Precision.FLOAT32


def test_it_begins_with_the_weights_and_the_words_of_another():
    first = training()
    first.step()
    pictures = flats()
    other = PictureSet.of(pictures.pixels, ["colour 0", "new"] + ["colour 5"] * 4)
    assert other.words == ("0", "5", "colour", "new")
    again = Trainer(other, first.average.config, OPTIONS, CPU, precision=Precision.FLOAT32)
    new = again.network.words.weight.detach().clone()
    again.begin_with(first.average)
    mine, theirs = again.network.state_dict(), first.average.state_dict()
    for name in theirs.keys() - {"words.weight"}:
        assert torch.equal(mine[name], theirs[name]), name
        assert torch.equal(again.average.state_dict()[name], theirs[name]), name
    known = {word: place for place, word in enumerate(first.average.config.words, start=1)}
    for place, word in enumerate(other.words, start=1):
        row = theirs["words.weight"][known[word]] if word in known else new[place]
        assert torch.equal(mine["words.weight"][place], row), word
    assert again.step().number == 0
    with pytest.raises(EngineError, match="another shape"):
        training().begin_with(Trainer(flats(), replace(SHAPE, depth=2), OPTIONS, CPU).average)
