"""The U-Net: its shapes, its size, and that it listens to what it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from diffusion_gui.engine.denoisers.neural import neural
from diffusion_gui.engine.denoisers.unet import Attention, UNet, encode
from diffusion_gui.engine.denoisers.unet_config import UNetConfig, parameters
from diffusion_gui.engine.errors import EngineError

from .tiny import CPU, SHAPE, lively

WORDED = replace(SHAPE, words=("blue", "heart", "red"))


@pytest.mark.parametrize(
    "config",
    [
        SHAPE,
        WORDED,
        replace(SHAPE, depth=2),
        UNetConfig(size=32, fold=2, widths=(16, 32, 48), embedding=32, words=("a", "b")),
        UNetConfig(size=64, fold=4, widths=(16, 32), embedding=16),
        UNetConfig(size=64, fold=2, widths=(16, 16, 16, 16), depth=1, embedding=16),
        replace(SHAPE, fold=1),
        replace(SHAPE, widths=(32,)),
    ],
)
def test_a_picture_comes_out_as_large_as_it_went_in_of_as_many_parameters_as_counted(config):
    network = lively(config)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters(config)
    x = torch.randn(2, 3, config.size, config.size)
    with torch.no_grad():
        found = network(x, torch.tensor([0.1, -0.5]))
    assert found.shape == x.shape
    assert bool(torch.isfinite(found).all())


def test_the_usual_network_has_the_size_it_shall_have():
    assert 3e6 <= parameters(UNetConfig()) <= 12e6
    assert 3e6 <= parameters(UNetConfig(size=64, fold=4)) <= 12e6


def test_it_begins_with_zeros_and_with_features_of_variance_one():
    torch.manual_seed(0)
    network = UNet(UNetConfig(widths=(32, 48, 64), embedding=64)).eval()
    seen = []
    network.norm.register_forward_pre_hook(lambda _, given: seen.append(float(given[0].var())))
    with torch.no_grad():
        assert not network(torch.randn(8, 3, 32, 32), torch.zeros(8)).any()
    assert 0.1 < seen[0] < 3.0


def test_an_untrained_network_shrinks_the_picture_as_a_wiener_filter_would():
    denoise = neural(UNet(SHAPE), CPU)
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(denoise(x, 1.0, 0.5), x * 0.5, rtol=1e-6, atol=1e-6)


def test_words_and_levels_change_what_it_says():
    network = lively(WORDED)
    x = torch.randn(1, 3, 8, 8)

    def said(level: float, *captions: str) -> torch.Tensor:
        words = encode(captions, WORDED.words) if captions else None
        with torch.no_grad():
            return network(x, torch.tensor([level]), words)

    plain = said(0.2)
    assert float((said(0.2, "red heart") - plain).abs().max()) > 1e-3
    assert float((said(0.2, "red heart") - said(0.2, "blue heart")).abs().max()) > 1e-3
    assert float((said(0.5) - plain).abs().max()) > 1e-3
    torch.testing.assert_close(said(0.2, "heart red"), said(0.2, "red heart"))
    torch.testing.assert_close(said(0.2, "of a kind unheard"), plain)


def test_attention_is_that_of_the_library():
    torch.manual_seed(1)
    attention = Attention(64)
    attention.out = torch.nn.Identity()
    x = torch.randn(2, 64, 4, 6)
    qkv = attention.qkv(attention.norm(x)).flatten(2).unflatten(1, (3, 2, 32))
    q, k, v = qkv.transpose(-1, -2).unbind(1)
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(-1, -2)
    torch.testing.assert_close(attention(x) - x, mixed.reshape(x.shape), rtol=1e-5, atol=1e-6)


def test_captions_become_places_in_the_vocabulary_filled_up_with_zeros():
    places = encode(["Red heart", "heart!", "nothing known", ""], WORDED.words)
    assert places.tolist() == [[3, 2], [2, 0], [0, 0], [0, 0]]
    assert encode([], WORDED.words).shape[0] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widths": ()}, "widths"),
        ({"widths": (16, 20)}, "multiples of 16"),
        ({"widths": (0,)}, "multiples of 16"),
        ({"size": 10}, "multiple of 4"),
        ({"size": 2}, "2 x 2"),
        ({"fold": 0}, "cannot be halved"),
        ({"depth": 0}, "depth"),
        ({"embedding": 15}, "even embedding"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": float("nan")}, "dropout"),
        ({"sigma_data": 0.0}, "sigma_data"),
        ({"sigma_data": float("inf")}, "sigma_data"),
        ({"widths": (1 << 20, 1 << 20)}, "parameters"),
        ({"widths": (16,) * 10**6}, "1 to 8, got 1000000"),
        ({"depth": 10**9}, "depth"),
    ],
)
def test_a_shape_that_no_network_can_have_is_one_line(change, said):
    with pytest.raises(EngineError, match=said):
        replace(SHAPE, **change).check()
