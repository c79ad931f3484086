"""The side of the samples: one of the sizes of a closed form, or that of the network."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker

from diffusion_gui.engine.denoisers import LEARNED
from diffusion_gui.engine.experiment import DATA_SIZES, EMOJI, LARGEST_EMOJI, Experiment
from diffusion_gui.engine.networks import About
from diffusion_gui.panels.common.combo import ElidedCombo

SIZE = "Side of the model's square images, in pixels"
KEPT = "A fork keeps the pictures of its run: take the fork away to set this"


class SizeCombo(ElidedCombo):
    """Shows what cannot be chosen too, and says why."""

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setMinimumWidth(width)
        for size in DATA_SIZES:
            self.addItem(f"{size} px", size)

    def show_size(self, experiment: Experiment, network: About | None) -> None:
        """Show an experiment's size; `network` is the one it asks, if it is at hand.

        A size that is not the network's may be put right.
        """
        sampling = experiment.sampling
        own = network.size if network is not None and sampling.model in LEARNED else 0
        with QSignalBlocker(self):
            while self.count() > len(DATA_SIZES):
                self.removeItem(self.count() - 1)
            for size in sorted({sampling.size, own} - {0, *DATA_SIZES}):
                self.addItem(f"{size} px", size)
            self.setCurrentIndex(self.findData(sampling.size))
        for place in range(self.count()):
            size = self.itemData(place)
            fits = size == own if own else sampling.data != EMOJI or size <= LARGEST_EMOJI
            self.model().item(place).setEnabled(fits)  # type: ignore[attr-defined]
        self.setEnabled(experiment.fork is None and sampling.size != own)
        self.setToolTip(self._why(experiment, network, own))

    def _why(self, experiment: Experiment, network: About | None, own: int) -> str:
        if experiment.fork is not None:
            return KEPT
        if own and network is not None:
            return f"{network.name} draws pictures of {own} × {own} and no others"
        return SIZE
