"""The batches of a training: a pure function of seed and step, shared without a word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.data import PictureSet, batch, shifted, to_batch, vocabulary
from diffusion_gui.engine.training.options import TrainOptions

from .tiny import flats

OPTIONS = TrainOptions(batch=12, flip=True, shift=2)


def _noise(count: int = 5, size: int = 8) -> PictureSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
    return PictureSet.of(pixels, [f"a{number} b" for number in range(count)])


def test_a_batch_is_a_function_of_seed_and_step():
    pictures = _noise()
    first, again = (batch(pictures, OPTIONS, None, 7) for _ in range(2))
    for name in ("x0", "noise", "sigma", "words"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    for other in (batch(pictures, OPTIONS, None, 8),
                  batch(pictures, replace(OPTIONS, seed=1), None, 7)):  # fmt: skip
        assert not torch.equal(first.noise, other.noise)
        assert not torch.equal(first.sigma, other.sigma)


def test_processes_that_share_a_batch_have_every_picture_of_it_once():
    pictures = _noise()
    whole = batch(pictures, OPTIONS, None, 3)
    parts = [batch(pictures, OPTIONS, None, 3, (rank, 3)) for rank in range(3)]
    for name in ("x0", "noise", "sigma", "words"):
        told = torch.stack([getattr(part, name) for part in parts], dim=1).flatten(0, 1)
        assert torch.equal(told, getattr(whole, name))
    with pytest.raises(EngineError, match="does not divide among 5"):
        batch(pictures, OPTIONS, None, 3, (0, 5))


def test_half_of_the_pictures_are_mirrored_if_that_is_wished():
    pictures = _noise(1)
    one = to_batch(pictures.pixels)[0]
    for flip, most in ((False, 0), (True, 400)):
        x0 = batch(pictures, replace(OPTIONS, batch=400, flip=flip, shift=0), None, 0).x0
        mirrored = sum(torch.equal(x, one.flip(2)) for x in x0)
        assert mirrored + sum(torch.equal(x, one) for x in x0) == 400
        assert mirrored == 0 if most == 0 else 150 < mirrored < 250


def test_a_moved_picture_keeps_its_border():
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    moved = shifted(x.expand(3, -1, -1, -1), torch.tensor([[0, 0], [1, 0], [0, -1]]), 1)
    assert torch.equal(moved[0, 0], x[0, 0])
    assert moved[1, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert moved[2, 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]


def test_captions_are_withheld_as_often_as_told():
    options = replace(OPTIONS, batch=4000, withheld=0.3, word_withheld=0.1)
    words = batch(_noise(), options, None, 0).words
    b = 1 + _noise().words.index("b")
    assert float((words == b).any(1).float().mean()) == pytest.approx(0.7 * 0.9, abs=0.03)
    nothing = float((words == 0).all(1).float().mean())
    assert nothing == pytest.approx(0.3 + 0.7 * 0.1 * 0.1, abs=0.03)


def test_sigma_data_is_the_deviation_of_all_pixels():
    pictures = _noise(40)
    values = pictures.pixels / 127.5 - 1.0
    assert pictures.sigma_data == pytest.approx(float(values.std()), rel=1e-9)
    assert flats(1).sigma_data >= 0.05
    grey = PictureSet.of(np.full((2, 8, 8, 3), 128, np.uint8))
    assert grey.sigma_data == 0.05


def test_the_vocabulary_keeps_the_most_frequent_words(monkeypatch):
    monkeypatch.setattr("diffusion_gui.engine.training.data.MOST_WORDS", 2)
    assert vocabulary(["red heart", "red star", "a star"]) == ("red", "star")


@pytest.mark.parametrize(
    ("shape", "captions", "said"),
    [
        ((0, 8, 8, 3), (), "no picture to learn from"),
        ((2, 8, 9, 3), (), r"must be \[N, size, size, 3\]"),
        ((2, 8, 8), (), r"must be \[N, size, size, 3\]"),
        ((2, 8, 8, 3), ("one",), "1 captions for 2 pictures"),
    ],
)
def test_what_is_no_set_of_pictures_is_one_line(shape, captions, said):
    with pytest.raises(EngineError, match=said):
        PictureSet.of(np.zeros(shape, np.uint8), captions)
