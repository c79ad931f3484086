"""The label of each image that a model learns from, kept for the pictures it was asked for last."""

from __future__ import annotations

from diffusion_gui.engine.experiment import EMOJI, Experiment
from diffusion_gui.session import library


class DataLabels:
    """Of a hundred thousand pictures they take a while, and are asked for with every edit."""

    def __init__(self) -> None:
        self._of: tuple[object, tuple[str, ...]] = ((), ())

    def of(self, experiment: Experiment) -> tuple[str, ...]:
        """Return the captions of the emoji, or the class folders of the pictures in the tray."""
        if experiment.sampling.data == EMOJI:
            return library.captions()
        pictures = experiment.pictures
        if self._of[0] is not pictures:
            self._of = pictures, library.labels(pictures)
        return self._of[1]
