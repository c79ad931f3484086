"""A checkpoint that was opened, before it is said how it is to be called."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from diffusion_gui.engine.checkpoint_use import TRAINED, Use
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session.checkpoints.tensors import Poll
from diffusion_gui.session.files import digest

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file or folder holds, and the use that it says or that is likely."""

    path: Path
    name: str
    kind: str
    """Of which library's which network, as it is said in a sentence."""
    channels: int
    parameters: int
    use: Use
    load: Callable[[Use, Poll], nn.Module]
    """Return network(x, level) or, with classes, network(x, level, told), on the CPU."""
    files: Callable[[Use], tuple[Path, ...]]
    """What its content is named by."""
    weights: tuple[str, ...] = (TRAINED,)
    """The choices there are, see `checkpoint_use`."""
    has_schedule: bool = False
    """Whether the file says by which schedule it was trained; else `use` has the usual one."""
    says_prediction: bool = False
    says_size: bool = False
    halvings: int = 1
    """The side of its pictures is a multiple of this."""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def check(self, use: Use) -> None:
        """Raise EngineError where the network cannot be called so."""
        use.check(self.channels)
        if use.size % self.halvings:
            raise EngineError(
                f"a picture of {use.size} px cannot be halved as often as this network does;"
                f" choose a multiple of {self.halvings}"
            )
        if use.weights not in self.weights:
            raise EngineError(f"there are no {use.weights} weights; choose {self.weights[0]}")
        if not -1 <= use.no_class < max(len(self.classes), 0):
            raise EngineError(f"there is no class {use.no_class}; choose one, or -1 for the mean")

    def identity(self, use: Use, poll: Poll = lambda: None) -> str:
        """Return what names the network: its content, and how it is called."""
        sha = hashlib.sha256(msgspec.json.encode(use, order="sorted"))
        for file in self.files(use):
            sha.update(digest(file, poll).encode())
        return sha.hexdigest()[:32]
