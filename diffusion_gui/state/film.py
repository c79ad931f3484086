"""The film strip: the picture on show at several t, under each side while two are compared.

It is computed in the GUI thread on request: one multiply-add per value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.forward import Process
from diffusion_gui.engine.images import Pixels, arranged, colour, square
from diffusion_gui.engine.schedules import Schedule, build
from diffusion_gui.engine.schedules.schedule import Array
from diffusion_gui.state.comparison import Comparison, other_letter
from diffusion_gui.state.document import Document
from diffusion_gui.state.forward_preview import ForwardPreview

MOST_SIZES = 4
"""Sizes of which the noise is kept at hand."""


@dataclass(frozen=True, slots=True, eq=False)
class StripRow:
    """The frames (t, x_t) under one schedule of length T; `side` is "" where there is only one."""

    side: str
    T: int
    frames: tuple[tuple[int, Pixels], ...]


class Film(QObject):
    """The frames over t of the picture on show; `changed` when they are others."""

    changed = Signal()

    def __init__(
        self,
        document: Document,
        comparison: Comparison,
        preview: ForwardPreview,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._comparison = comparison
        self._preview = preview
        self._processes: dict[int, Process] = {}
        preview.picture_changed.connect(self._on_noise)
        preview.sides_changed.connect(self.changed)
        document.seed_changed.connect(self._on_noise)
        document.schedule_changed.connect(self.changed)

    def strip(self, count: int, side: int) -> list[StripRow]:
        """Return about `count` frames evenly over 0..T, the central squares, `side` wide.

        One row, or A above B while both are compared, and none without a picture. Rather a few
        frames less than odd times: 0, 100, 200, ... where the T on show, 1000, allows it. Every
        frame is noised at its own size, so that a pixel of it has the SNR of that t.
        """
        if self._preview.picture is None:
            return []
        schedule, process = self._document.schedule, self._at_size(side)
        shares = np.linspace(0.0, 1.0, _frames(schedule.T, count))
        letter = self._comparison.side
        if not self._preview.comparing:
            return [_row("", schedule, process, shares)]
        assert self._comparison.other is not None
        rows = [
            _row(letter, schedule, process, shares),
            _row(other_letter(letter), build(self._comparison.other), process, shares),
        ]
        return sorted(rows, key=lambda row: row.side)

    def _at_size(self, side: int) -> Process:
        """Return the process of the square of the picture, made once per noise and size."""
        if side not in self._processes:
            if len(self._processes) >= MOST_SIZES:  # sizes of a window that was resized
                self._processes.clear()
            experiment, picture = self._document.experiment, self._preview.picture
            assert picture is not None
            forward = experiment.forward
            pixels = arranged(picture, forward.size, forward.fit, colour(forward.background))
            self._processes[side] = Process(square(pixels, side), experiment.seed, forward)
        return self._processes[side]

    @Slot()
    def _on_noise(self) -> None:
        self._processes.clear()
        self.changed.emit()


def _row(side: str, schedule: Schedule, process: Process, shares: Array) -> StripRow:
    """Return the frames at shares of the way from t = 0 to T."""
    times = (shares * schedule.T).round().astype(int).tolist()
    frames = tuple((t, process.at(schedule, t).x_t()) for t in times)
    return StripRow(side, schedule.T, frames)


def _frames(T: int, most: int) -> int:
    """Return a number of frames, at most `most` and not much less, that divides 0..T evenly."""
    most = min(most, T + 1)
    even = (n for n in range(most, int(0.7 * most), -1) if n > 1 and T % (n - 1) == 0)
    return next(even, most)
