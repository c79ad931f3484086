"""What a training shows of itself: samples and their nearest pictures, densities, forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_gui.engine.denoisers.unet_config import UNetConfig, parameters
from diffusion_gui.engine.schedules import build_preset
from diffusion_gui.engine.training import progress_samples
from diffusion_gui.engine.training.copies import COUNT, ProgressSamples
from diffusion_gui.engine.training.data import PictureSet
from diffusion_gui.engine.training.densities import density, levels_of
from diffusion_gui.engine.training.noise_levels import draw, even, sigmas_of
from diffusion_gui.engine.training.options import Levels, TrainOptions, Weighting
from diffusion_gui.engine.training.params import PARAMS, values_of, with_values
from diffusion_gui.engine.training.shapes import SHAPES, SIZES
from diffusion_gui.engine.training.trainer import Trainer


def _pictures(count: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def test_the_nearest_picture_is_found_mirrored_where_it_was_seen_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress_samples, "_CHUNK", 3)
    pixels = _pictures(10)
    pictures = PictureSet.of(pixels)
    near = np.clip(pixels[4].astype(int) + 2, 0, 255).astype(np.uint8)
    samples = np.stack([pixels[7], near, pixels[2][:, ::-1]])
    for mirrored in (False, True):
        found, distances = progress_samples.nearest(samples, pictures, mirrored)
        all_pictures = np.concatenate([pixels, pixels[:, :, ::-1]]) if mirrored else pixels
        gaps = (samples[:, None] / 127.5 - all_pictures[None] / 127.5).reshape(3, -1, 192)
        rms = np.sqrt((gaps**2).mean(2))
        if mirrored:
            rms = np.minimum(rms[:, :10], rms[:, 10:])
        np.testing.assert_allclose(distances, np.sort(rms, axis=1)[:, :2], atol=2e-3)
        np.testing.assert_array_equal(found[:2], pixels[[7, 4]])
        shown = ProgressSamples(1, 0.0, ("",) * 3, samples, found, distances)
        assert shown.copies == (3 if mirrored else 2)
    np.testing.assert_array_equal(found[2], samples[2])
    np.testing.assert_array_equal(pictures.pixels, pixels)


def test_one_picture_has_no_next() -> None:
    pixels = _pictures(1)
    found, distances = progress_samples.nearest(pixels, PictureSet.of(pixels), False)
    assert distances.tolist() == [[0.0, np.inf]]
    assert ProgressSamples(1, 0.0, ("",), pixels, found, distances).ratios.tolist() == [0.0]


def test_samples_depend_on_weights_and_captions_alone() -> None:
    names = [f"{colour} {shape}" for colour in ("red", "blue") for shape in ("ring", "dot", "bar")]
    pictures = PictureSet.of(_pictures(6), names)
    captions = progress_samples.captions_for(pictures)
    assert len(captions) == COUNT
    assert set(captions) == set(names)
    config = UNetConfig(8, 1, (16,), 1, 16)
    trainer = Trainer(pictures, config, TrainOptions(batch=4, warmup=1), torch.device("cpu"))
    first = progress_samples.draw(trainer, captions, seed=3)
    torch.manual_seed(9)
    np.testing.assert_array_equal(progress_samples.draw(trainer, captions, seed=3), first)
    for _ in range(3):
        trainer.step()
    later = progress_samples.draw(trainer, captions, seed=3)
    assert later.shape == (COUNT, 8, 8, 3)
    assert np.any(later != first)
    assert progress_samples.captions_for(PictureSet.of(_pictures(2))) == ("",) * COUNT


@pytest.mark.parametrize("levels", list(Levels))
def test_the_density_is_that_of_the_levels_that_are_drawn(levels: Levels) -> None:
    schedule = build_preset("cosine", T=1000)
    options = TrainOptions(levels=levels)
    shown = density(options, levels_of(schedule))
    step = shown.at[1] - shown.at[0]
    assert shown.values.sum() * step == pytest.approx(1.0, abs=0.03)
    generator = torch.Generator().manual_seed(0)
    u = even(torch.rand(20000, generator=generator), generator)
    drawn = draw(options, sigmas_of(schedule.a[1:], schedule.s[1:]), u).log().numpy()
    share = np.cumsum(shown.values) * step
    for place in (-3.0, -1.0, 0.0, 1.0, 2.0):
        expected = float(np.interp(place, shown.at + step / 2, share))
        assert np.mean(drawn <= place) == pytest.approx(expected, abs=0.03)


def test_the_rows_of_the_form_are_the_options() -> None:
    for options in (
        TrainOptions(),
        TrainOptions(weighting=Weighting.EPSILON, flip=True, shift=3, ema=0.5, seed=7, warmup=9),
    ):
        values = values_of(options)
        assert {name for name, _ in values} == {row.name for row in PARAMS}
        assert with_values(TrainOptions(), values) == options
        for row in PARAMS:
            assert row.minimum <= dict(values)[row.name] <= row.maximum
            for end in (row.minimum, row.maximum):
                with_values(options, ((row.name, end),)).check()


def test_every_shape_fits_every_size_and_larger_ones_learn_more() -> None:
    for size in SIZES:
        counts = []
        for shape in SHAPES.values():
            config = shape.config(size)
            config.check()
            counts.append(parameters(replace(config, words=("a",))))
        assert counts == sorted(set(counts))
        assert counts[0] > 5e5
        assert counts[-1] < 5e7
