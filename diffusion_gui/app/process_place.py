"""The place that the sampling and the training panel share: one of them is on show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QStackedWidget

from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.common.place_tabs import PlaceTabs
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state.run_view import SamplingPage

if TYPE_CHECKING:
    from diffusion_gui.panels.training.panel import TrainingPanel

SAMPLING, TRAINING = 0, 1
_TITLES = "Sampling", "Training"
_TOOLTIPS = (
    "The reverse process: draw pictures from noise",
    "Learning: let a network learn to reverse the noise, from your pictures",
)


class ProcessPlace(QStackedWidget):
    """The training panel is built when it is first asked for.

    `paths_dropped` with what was dropped there and is to be opened as if dropped elsewhere;
    `said(text)` tells what was done.
    """

    paths_dropped = Signal(list)
    said = Signal(str)

    def __init__(self, parts: Parts, sampling: SamplingPanel) -> None:
        super().__init__()
        self._parts = parts
        self.sampling = sampling
        self._training: TrainingPanel | None = None
        self._titles: dict[int, PlaceTabs] = {}
        self.addWidget(sampling)
        sampling.set_title(self._tabs(SAMPLING))

    def sizeHint(self) -> QSize:
        """Ask for what the sampling panel does, so that nothing moves when the other is shown."""
        return self.sampling.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Ask for as little as the sampling panel does."""
        return self.sampling.minimumSizeHint()

    @property
    def training(self) -> TrainingPanel:
        """The training panel."""
        if self._training is None:
            from diffusion_gui.app.training_files import TrainingFiles
            from diffusion_gui.panels.training.panel import TrainingPanel

            parts = self._parts
            panel = self._training = TrainingPanel(
                parts.training, parts.document, parts.view, parts.theme
            )
            panel.set_title(self._tabs(TRAINING))
            panel.others_dropped.connect(self.paths_dropped)
            self.addWidget(panel)
            self.files = TrainingFiles(parts, panel)
            self.files.sampled.connect(self.show_sampling)
            self.files.said.connect(self.said)
        return self._training

    def shutdown(self) -> None:
        """End the background thread."""
        if self._training is not None:
            self.files.shutdown()

    @Slot(int)
    def show_place(self, place: int) -> None:
        """Show one of the panels; the keys follow the tab that has them, else they are no one's."""
        panel = self.training if place == TRAINING else self.sampling
        focused, before = QApplication.focusWidget(), self.currentWidget()
        if focused is not None and before is not None and before.isAncestorOf(focused):
            if focused in self._titles[self.currentIndex()].buttons:
                self.setCurrentWidget(panel)
                self._titles[place].buttons[place].setFocus(Qt.FocusReason.OtherFocusReason)
                return
            focused.clearFocus()  # else Qt hands them to the first button of the other panel
        self.setCurrentWidget(panel)

    @Slot()
    def show_sampling(self) -> None:
        """Show the sampling panel."""
        self.show_place(SAMPLING)

    def show_runs(self) -> None:
        """Show the list of runs."""
        self.show_sampling()
        self.sampling.show_page(SamplingPage.RUNS)

    @Slot()
    def show_training(self) -> None:
        """Show the training panel."""
        self.show_place(TRAINING)

    def _tabs(self, place: int) -> PlaceTabs:
        tabs = self._titles[place] = PlaceTabs(_TITLES, _TOOLTIPS, place)
        tabs.wished.connect(self.show_place)
        return tabs
