"""Lights up, on the curves, the sampler's step that the sampling panel shows."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QObject, QTimer, Slot

from diffusion_gui.panels.schedule.plots import PlotStack
from diffusion_gui.state.document import Document
from diffusion_gui.state.few_cores import paced
from diffusion_gui.state.run_view import RunView

BETWEEN_MS = round(paced(usual=100, few=500))
"""While a run is followed the curves are painted again this often for it, in milliseconds."""
NEAR = 0.5
"""Levels may lie between whole t, which a recorded step counts in."""


class LitStep(QObject):
    """Keeps the lit mark where the run on show stands, if the document's sampler goes there."""

    def __init__(self, document: Document, shown: RunView, plots: PlotStack) -> None:
        super().__init__(plots)
        self._document = document
        self._shown = shown
        self._plots = plots
        self._soon = QTimer(self, singleShot=True, interval=BETWEEN_MS)
        self._soon.timeout.connect(self.show_step)
        shown.step_changed.connect(self._on_step)
        shown.led.connect(self.show_step)
        document.schedule_changed.connect(self.show_step)
        document.sampling_changed.connect(self.show_step)
        plots.installEventFilter(self)
        self.show_step()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave nothing to do later for a window that has been closed."""
        if event.type() is QEvent.Type.Hide:
            self._soon.stop()
        return super().eventFilter(watched, event)

    @Slot()
    def _on_step(self) -> None:
        run = self._shown.run
        if self._shown.lags:
            return  # it moves with the time cursor: one repaint of the curves for both
        if run is None or run.trajectory.finished or not self._shown.following:
            self.show_step()
        elif not self._soon.isActive() and self._plots.isVisible():
            self._soon.start()

    @Slot()
    def show_step(self) -> None:
        """Light up the mark of the step on show; none where the settings have no such level."""
        run, frame, steps = self._shown.run, self._shown.frame, self._plots.steps
        lit = None
        if run is not None and frame is not None and len(steps):
            t = frame.t * self._document.schedule.T / run.experiment.schedule.T
            nearest = float(steps[np.argmin(np.abs(steps - t))])
            lit = nearest if abs(nearest - t) <= NEAR else None
        self._plots.show_lit(lit)
