"""diffusers' `UNet2DModel` called as our networks are. Imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class CalledUNet(nn.Module):
    """network(x [B, C, H, W], level [B], classes [B] or none) -> [B, C, H, W].

    Where the network knows classes and is told none, the class that means none stands for it, or
    the mean of all their vectors, which is one class more here.
    """

    def __init__(self, network: Any, no_class: int = -1):
        super().__init__()
        self.network = network
        self.indexed = network.config.time_embedding_type == "learned"
        self.told: int | None = None
        table = network.class_embedding
        if isinstance(table, nn.Embedding):
            count = table.num_embeddings
            with torch.no_grad():
                rows = torch.cat((table.weight, table.weight.mean(dim=0, keepdim=True)))
            network.class_embedding = nn.Embedding.from_pretrained(rows, freeze=True)
            self.told = no_class if 0 <= no_class < count else count

    def forward(self, x: Tensor, level: Tensor, classes: Tensor | None = None) -> Tensor:
        """Return the prediction."""
        if self.indexed:
            level = level.round().long()
        if classes is None and self.told is not None:
            classes = torch.full((len(x),), self.told, dtype=torch.long, device=x.device)
        found: Tensor = self.network(x, level, class_labels=classes, return_dict=False)[0]
        return found
