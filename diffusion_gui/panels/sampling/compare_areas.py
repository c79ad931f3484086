"""What is compared: pictures of several runs as areas with captions, before they are painted."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QImage

from diffusion_gui.engine.numerals import spelled
from diffusion_gui.engine.run_distance import difference, largest_difference, natural_gain
from diffusion_gui.engine.run_words import model_name
from diffusion_gui.engine.trajectory import EPS_SHOWN, Frame
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.sampling.enlarged import NO_NOISE
from diffusion_gui.panels.sampling.runs_delegate import LETTERS
from diffusion_gui.panels.sampling.status import brief
from diffusion_gui.state.run_comparison import CompareMode, RunComparison
from diffusion_gui.state.run_view import Quantity, RunView

PART = "   "
"""Between the parts of a caption."""
MOST_LETTERS = 16
"""Of a run's name in a caption: the letter before it tells which one it is."""
_UNITS = {Quantity.EPS_HAT: EPS_SHOWN}
"""What the ends of the 8-bit values stand for, where that is not 1."""
_SYMBOLS = {Quantity.X_T: "𝑥ₜ", Quantity.X0_HAT: "𝑥̂₀", Quantity.EPS_HAT: "ε̂"}


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A grid on show: what is written above it, its pictures, and those right of the divider."""

    text: str
    images: list[QImage]
    swiped: list[QImage] | None = None
    beside: str = ""
    """What is written above what is right of the divider."""


class CompareAreas:
    """Makes the areas of a comparison: side by side, swiped, in turn, or as differences."""

    def __init__(self, comparison: RunComparison, shown: RunView) -> None:
        self._comparison, self._shown = comparison, shown

    def of(self, turn: int) -> list[Area]:
        """Return the areas of the steps on show; `turn` is the run whose turn it is to flicker."""
        mode, frames = self._comparison.mode, self._comparison.frames
        numbers = range(len(frames))
        if mode is CompareMode.SIDE:
            return [self._plain(q, i) for q in self._shown.quantities for i in numbers]
        if mode is CompareMode.FLICKER:
            return [self._plain(q, turn) for q in self._shown.quantities]
        if mode is CompareMode.SWIPE:
            return [self._swipe(q, i) for q in self._shown.quantities for i in numbers[1:]]
        return [area for q in self._shown.quantities for area in self._differences(q)]

    def _plain(self, quantity: Quantity, number: int) -> Area:
        frame = self._comparison.frames[number]
        return Area(self._told(quantity, number), self._images(frame, quantity))

    def _swipe(self, quantity: Quantity, number: int) -> Area:
        first, other = self._comparison.frames[0], self._comparison.frames[number]
        return Area(
            self._told(quantity, 0),
            self._images(first, quantity),
            self._images(other, quantity),
            self._told(quantity, number),
        )

    def _differences(self, quantity: Quantity) -> list[Area]:
        """Return the difference of each other run to the first, all amplified alike."""
        first, *others = self._comparison.frames
        if first is None:
            return [Area(f"{letter} − {LETTERS[0]}", []) for letter in LETTERS[1 : 1 + len(others)]]
        batch = getattr(first, quantity)
        largest = [
            largest_difference(getattr(other, quantity), batch) if other is not None else 0
            for other in others
        ]
        gain = self._comparison.gain or natural_gain(max(largest, default=0))
        areas, models = [], self._models
        for letter, other, most, model in zip(
            LETTERS[1:], others, largest, models[1:], strict=False
        ):
            name = f"{letter} − {LETTERS[0]} {_SYMBOLS[quantity]}"
            whose = [f"{model} − {models[0]}"] if model else []
            if other is None:
                areas.append(Area(PART.join([name, *whose, "no step"]), []))
                continue
            apart = difference(getattr(other, quantity), batch, gain)
            value = spelled(_UNITS.get(quantity, 1.0) * most / 127.5)
            said = [f"× {spelled(gain)}", f"largest {value}"] if most else ["equal"]
            images = self._chosen([to_qimage(picture) for picture in apart])
            areas.append(Area(PART.join([name, *whose, *said]), images))
        return areas

    @property
    def _models(self) -> list[str]:
        """What the models of the runs are called where they are not all the same."""
        names = [model_name(run.experiment) for run in self._comparison.runs]
        different = len(set(names)) > 1
        return [brief(name, MOST_LETTERS) if different else "" for name in names]

    def _told(self, quantity: Quantity, number: int) -> str:
        run, frame = self._comparison.runs[number], self._comparison.frames[number]
        at = [f"step {frame.index}", f"t = {frame.t}"] if frame is not None else ["no step"]
        if quantity is Quantity.EPS_HAT and frame is not None and frame.sigma == 0.0:
            at = [NO_NOISE]
        title, model = brief(run.title, MOST_LETTERS), self._models[number]
        head = f"{LETTERS[number]} {_SYMBOLS[quantity]} {model}".rstrip()
        return PART.join([head, title, *at])

    def _images(self, frame: Frame | None, quantity: Quantity) -> list[QImage]:
        if frame is None:
            return []
        return self._chosen([to_qimage(picture) for picture in getattr(frame, quantity)])

    def _chosen(self, images: list[QImage]) -> list[QImage]:
        """Return the picture that is looked at alone, or all of them."""
        image = self._shown.image
        alone = self._shown.enlarged and image is not None and image < len(images)
        return [images[image]] if alone and image is not None else images
