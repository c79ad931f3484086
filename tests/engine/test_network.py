"""A network is called in another layout and in other numbers, and says the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from diffusion_gui.engine.denoisers.network import Precision, prepared
from diffusion_gui.engine.denoisers.parametrisation import Form, FromPrediction, Prediction

CPU = torch.device("cpu")


class Small(nn.Module):
    """Two convolutions and the level; notes what it was given and what its products came out as."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.products: list[torch.dtype] = []
        self.last_layout = False

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        hidden = self.first(x)
        self.products.append(hidden.dtype)
        self.last_layout = hidden.is_contiguous(memory_format=torch.channels_last)
        return self.second(self.drop(hidden.relu())) * torch.cos(level)[:, None, None, None]


@pytest.mark.parametrize(
    ("precision", "error"), [(Precision.FLOAT32, 1e-6), (Precision.BFLOAT16, 3e-2)]
)
def test_layout_and_precision_change_rounding_only(precision: Precision, error: float) -> None:
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    level = torch.linspace(0.0, 1.0, 4)
    plain = Small().eval()
    with torch.no_grad():
        wanted = plain(x, level)
    network = Small()
    found = prepared(network, CPU, precision)(x, level)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    assert not found.requires_grad
    assert network.products == [getattr(torch, precision)]
    assert network.last_layout
    torch.testing.assert_close(found, wanted, rtol=error, atol=error)


def test_a_prepared_network_is_a_denoiser_like_any_other() -> None:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    one, other = (
        FromPrediction(network, Prediction.EPSILON, Form.VP)(x, 0.8, 0.6)
        for network in (Small().eval(), prepared(Small(), CPU))
    )
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
