"""The place of the pictures in the panel: the grids, or one picture of them enlarged."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLayout, QSizePolicy, QWidget

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.batch_view import BatchView
from diffusion_gui.panels.sampling.enlarged import EnlargedView
from diffusion_gui.state.run_view import RunView
from diffusion_gui.state.view_state import ViewState


class PictureStage(QWidget):
    """Holds both, of which one is on show; as wide at most as that one is."""

    def __init__(self, shown: RunView, view: ViewState, theme: Theme) -> None:
        super().__init__()
        self.batch = BatchView(theme)
        self.enlarged = EnlargedView(shown, view, self.batch, theme)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSizeConstraint(QLayout.SizeConstraint.SetMinAndMaxSize)
        row.addWidget(self.batch)
        row.addWidget(self.enlarged)
