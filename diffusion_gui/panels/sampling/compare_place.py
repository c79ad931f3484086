"""The place of the comparison in the panel; what stands in it is built when runs are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.state.run_comparison import RunComparison
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.sampling import SamplingController

if TYPE_CHECKING:
    from diffusion_gui.panels.sampling.compare_view import CompareView


class ComparePlace(QWidget):
    """Stands where the pictures are while runs are compared; built when the first ones are."""

    def __init__(
        self,
        pictures: QWidget,
        controller: SamplingController,
        comparison: RunComparison,
        shown: RunView,
        theme: Theme,
    ) -> None:
        super().__init__()
        self._pictures = pictures
        self._parts = controller, comparison, shown, theme
        self._comparison = comparison
        self.view: CompareView | None = None
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        comparison.changed.connect(self._show)
        self._show()

    @Slot()
    def _show(self) -> None:
        if self._comparison.on and self.view is None:
            from diffusion_gui.panels.sampling.compare_view import CompareView

            self.view = CompareView(*self._parts)
            self._row.addWidget(self.view)
        self._pictures.setVisible(not self._comparison.on)
        self.setVisible(self._comparison.on)
