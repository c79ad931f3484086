"""A checkpoint with its use as a network that runs may name; read when it is first asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from diffusion_gui.engine.checkpoint_use import Clock, Use, pixel_scale
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.engine.networks import About, Told
from diffusion_gui.session.checkpoints.checkpoint import Checkpoint
from diffusion_gui.session.checkpoints.tensors import Poll
from diffusion_gui.session.checkpoints.use_text import difference

if TYPE_CHECKING:
    import torch
    from torch import nn

    from diffusion_gui.engine.denoisers.base import Denoiser


_ROUNDING = 1e-6
"""By so much a level may lie outside by rounding: the ends of its own schedule are inside."""


@dataclass(eq=False)
class CheckpointNetwork:
    """A network from another program's file, called as its `use` says."""

    checkpoint: Checkpoint
    use: Use
    _loaded: nn.Module | None = field(default=None, repr=False)
    _id: str = field(default="", repr=False)
    """What its content was named by when a run could first name it."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def about(self) -> About:
        """What the file and its use say."""
        found, use = self.checkpoint, self.use
        low, high = Clock(use).sigmas
        factor = pixel_scale(use, found.channels)
        averaged = f", {use.weights} weights" if len(found.weights) > 1 else ""
        return About(
            found.name,
            use.size,
            Told.CLASS if found.classes else Told.NOTHING,
            found.classes,
            parameters=found.parameters,
            sigma_min=low * factor * (1.0 - _ROUNDING),
            sigma_max=high * factor * (1.0 + _ROUNDING),
            source=f"{found.kind}{averaged}",
        )

    def loaded(self, poll: Poll = lambda: None) -> nn.Module:
        """Return the network itself; raises EngineError where its file has become another."""
        with self._lock:
            if self._loaded is None:
                loaded = self.checkpoint.load(self.use, poll)
                if self._id and self.checkpoint.identity(self.use, poll) != self._id:
                    raise EngineError(
                        f"{self.checkpoint.path}: the file is another by now; open it again"
                    )
                self._loaded = loaded
            return self._loaded

    def denoiser(self, device: torch.device, label: str) -> Denoiser:
        """Return D on a device, told the class `label`, or none."""
        import torch

        from diffusion_gui.engine.denoisers.checkpoint import checkpoint

        told = None
        if label:
            told = torch.tensor([self.checkpoint.classes.index(label)])
        return checkpoint(self.loaded(), self.use, self.checkpoint.channels, device, told)

    def free(self) -> None:
        """Let the weights go; they are read again when they are asked for."""
        with self._lock:
            self._loaded = None

    def ref(self, poll: Poll = lambda: None) -> NetworkRef:
        """Return what runs name it by."""
        found = self.checkpoint
        use = difference(self.use, found.use)
        self._id = found.identity(self.use, poll)
        return NetworkRef(self._id, found.name, str(found.path), use)
