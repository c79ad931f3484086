"""Inpainting by the model's own posterior: against Bayes' rule in float64, and its promises."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from diffusion_gui.engine import images, masks, recorder, reverse
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Inpaint, Sampling
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.inpainting import EXACT
from diffusion_gui.engine.models import conditioned
from diffusion_gui.engine.params import pack
from diffusion_gui.engine.planning import model_calls
from diffusion_gui.session import format as session_format

SIZE, COUNT, GROUPS = 16, 24, 8
CPU = torch.device("cpu")


def left_half() -> masks.Mask:
    mask = np.zeros((masks.MASK_SIDE, masks.MASK_SIDE), bool)
    mask[:, : masks.MASK_SIDE // 2] = True
    return mask


@pytest.fixture(scope="module")
def data() -> Pixels:
    """Return pictures of which every GROUPS-th has the same left half."""
    found = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
    found[:, :, : SIZE // 2] = found[np.arange(COUNT) % GROUPS, :, : SIZE // 2]
    return found


def experiment(sigma: float = 0.1, **sampling: Any) -> Experiment:
    inpaint = Inpaint("p", masks.encode(left_half()), pack({"sigma": sigma}), EXACT)
    told = {"steps": 12, "count": 48, "size": SIZE, "inpaint": inpaint, **sampling}
    return Experiment(sampling=Sampling(**told))


def inputs(data: Pixels, picture: int = 3) -> reverse.Inputs:
    return reverse.Inputs(data, inpaint=data[picture])


def test_the_model_is_bayes_rule_on_the_set(data: Pixels) -> None:
    told = experiment(sigma=0.3)
    built = reverse.build_model(told, inputs(data), CPU, lambda: None)
    picture = data[3] // 2 + 40  # none of the set
    known = conditioned(told, built, picture).main
    x = torch.randn(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    a, s = 0.4, 0.9
    wide = images.to_float(data).astype(np.float64).transpose(0, 3, 1, 2)
    mask = masks.at_size(left_half(), SIZE)
    y = images.to_float(picture).astype(np.float64).transpose(2, 0, 1)
    away = ((x.numpy()[:, None] - a * wide) ** 2).sum((2, 3, 4)) / (2 * s * s)
    away = away + ((y - wide)[:, :, mask] ** 2).sum((1, 2)) / (2 * 0.3**2)
    weights = np.exp(away.min(1, keepdims=True) - away)
    weights /= weights.sum(1, keepdims=True)
    expected = np.einsum("bn,nchw->bchw", weights, wide)
    assert_close(known(x, a, s).double(), torch.from_numpy(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "unipc"])
def test_samples_are_the_images_with_that_half_each_as_often(data: Pixels, sampler: str) -> None:
    *_, last = reverse.run(experiment(sampler=sampler), inputs(data))
    found = Counter()
    for one in recorder.to_pixels(last.x_t):
        far = np.abs(one.astype(int) - data.astype(int)).mean((1, 2, 3))
        assert far.min() < 1.0
        found[int(far.argmin())] += 1
    assert set(found) == {3, 3 + GROUPS, 3 + 2 * GROUPS}
    assert min(found.values()) >= 8  # of 48, a third each


@pytest.mark.parametrize("model", ["exact", "local"])
def test_known_pixels_are_kept_to_the_last_bit(data: Pixels, model: str) -> None:
    picture = np.random.default_rng(9).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    given = reverse.Inputs(data, inpaint=picture)
    *_, last = reverse.run(experiment(model=model, count=3), given)
    mask = masks.at_size(left_half(), SIZE)
    expected = np.broadcast_to(images.to_float(picture)[mask], (3, mask.sum(), 3))
    np.testing.assert_array_equal(last.x_t.permute(0, 2, 3, 1).numpy()[:, mask], expected)
    assert torch.equal(last.x_t, last.x0_hat)
    assert not np.array_equal(recorder.to_pixels(last.x_t)[0], picture)


def test_it_costs_one_pass_and_goes_with_restart(data: Pixels) -> None:
    assert model_calls(experiment()) == 12
    again = experiment(restart=pack({"low": 0.5, "high": 5.0, "rounds": 1.0}), count=2)
    assert len(list(reverse.run(again, inputs(data)))) == len(reverse.calls_by_step(again))


def test_a_model_without_a_posterior_is_refused(data: Pixels) -> None:
    with pytest.raises(EngineError, match="exact conditioning needs the model Exact or Local"):
        next(reverse.run(experiment(model="gaussian"), inputs(data)))


def test_it_is_written_and_read_and_an_unknown_method_refused() -> None:
    told = experiment()
    text = session_format.encode(told)
    assert session_format.decode(text) == told
    with pytest.raises(EngineError, match=r"inpaint\.method: 'magic' is not known; choose one of"):
        session_format.decode(text.replace('"method": "exact"', '"method": "magic"'))
    with pytest.raises(EngineError, match=r"inpaint\.params: RePaint has no parameter 'sigma'"):
        session_format.decode(text.replace('"method": "exact"', '"method": "repaint"'))
