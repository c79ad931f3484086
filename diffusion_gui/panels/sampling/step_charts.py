"""Small curves over the steps of a run: the noise level, and how much x0_hat still changes."""

from __future__ import annotations

import math
import time

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.panels.common.plot import MiniChart
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import label
from diffusion_gui.state.run_view import RunView

MOST_POINTS = 500
SECONDS_BETWEEN = 0.2
"""While a long run grows, the curves are drawn again this often; the marker moves at once."""


class StepCharts(QWidget):
    """Two charts with a marker at the step on show; built with the first run, not before."""

    def __init__(self, shown: RunView, theme: Theme) -> None:
        super().__init__()
        self._shown = shown
        self._theme = theme
        self._charts: tuple[MiniChart, ...] = ()
        self._drawn: Trajectory | None = None
        self._drawn_at = 0.0
        self.setMinimumWidth(180)
        shown.run_changed.connect(self._show_run)
        shown.grown.connect(self._show_run)
        shown.step_changed.connect(self._show_step)
        self._show_run()
        self._show_step()

    @Slot()
    def _show_run(self) -> None:
        """Draw the curves of the frames recorded so far; the axis spans the whole run."""
        if self._shown.run is None:
            return
        trajectory = self._shown.run.trajectory
        now = time.monotonic()
        recent = trajectory is self._drawn and now - self._drawn_at < SECONDS_BETWEEN
        if recent and len(trajectory) > MOST_POINTS and not trajectory.finished:
            return
        self._drawn, self._drawn_at = trajectory, now
        if not self._charts:
            self._build()
        frames = trajectory.frames
        self._draw(frames[:: -(-len(frames) // MOST_POINTS)], trajectory.num_steps)

    @Slot()
    def _show_step(self) -> None:
        """Move the markers."""
        if self._shown.frame is not None:
            for chart in self._charts:
                chart.set_step(self._shown.frame.index)

    def _draw(self, frames: tuple[Frame, ...], num_steps: int) -> None:
        steps = [frame.index for frame in frames]
        noise = [
            math.log10(frame.sigma) if 0.0 < frame.sigma < math.inf else math.nan
            for frame in frames
        ]
        self._charts[0].set_values(steps, noise, num_steps)
        self._charts[1].set_values(steps[1:], [frame.change for frame in frames[1:]], num_steps)

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self._charts = (MiniChart(self._theme, "sigma"), MiniChart(self._theme, "beta"))
        captions = ("log₁₀ σ at each step", "change of 𝑥̂₀ per step (rms)")
        for caption, chart in zip(captions, self._charts, strict=True):
            column.addWidget(label(caption, "caption"))
            column.addWidget(chart, 1)
