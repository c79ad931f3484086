"""What the reverse process starts from: said in the panel's head, chosen in a menu below it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QMenu, QPushButton

from diffusion_gui.engine.experiment import Start
from diffusion_gui.state.document import Document
from diffusion_gui.state.sampling import SamplingController
from diffusion_gui.state.view_state import ViewState

MOST_LETTERS = 24
"""Of a picture's name that the chip shows."""


class StartChip(QPushButton):
    """Shows and changes `document.experiment.sampling.start`; `refused` says what is missing."""

    refused = Signal(str)

    def __init__(self, document: Document, view: ViewState, controller: SamplingController) -> None:
        super().__init__()
        self._document = document
        self._view = view
        self._controller = controller
        self.setObjectName("startChip")
        self.setProperty("role", "choice")
        self.setToolTip(
            "What the reverse process starts from: pure noise, or the picture on show,\n"
            "noised to this t at the model's size, each sample with its own noise"
        )
        menu = QMenu(self)
        self.noise = menu.addAction("", self.from_noise)
        self.here = menu.addAction("", self.from_here)
        for action, name in ((self.noise, "startFromNoise"), (self.here, "startFromHere")):
            action.setObjectName(name)
            action.setCheckable(True)
        menu.aboutToShow.connect(self._name_rows)
        self.setMenu(menu)
        document.sampling_changed.connect(self._show_start)
        document.pictures_changed.connect(self._show_start)
        document.schedule_changed.connect(self._show_start)
        self._show_start()

    @Slot()
    def from_here(self) -> None:
        """Start from the picture and the t that the image panel shows."""
        self._show_start()
        if not self._view.picture or self._view.t < 1:
            self.refused.emit("Move t above 0 and choose a picture to denoise from")
            return
        start = Start(self._view.picture, self._view.t)
        self._document.replace_sampling(f"denoise from t = {start.t}", start=start)
        self._controller.run_unless_begun()

    @Slot()
    def from_noise(self) -> None:
        """Start from pure noise."""
        self._document.replace_sampling("start from pure noise", start=None)
        self._show_start()

    @Slot()
    def _show_start(self) -> None:
        start = self._document.experiment.sampling.start
        if start is None:
            self.setText("from noise")
        else:
            self.setText(f"from {self._name(start.picture)} at t = {start.t}")
        self.noise.setChecked(start is None)
        self.here.setChecked(start is not None)

    @Slot()
    def _name_rows(self) -> None:
        """Write into the menu what the rows would start from now."""
        picture, t = self._view.picture, self._view.t
        self.noise.setText(f"Pure noise at t = {self._document.schedule.T}")
        what = self._name(picture) if picture else "The picture on show"
        self.here.setText(f"{what}, noised to t = {t}: denoise from here\tCtrl+D")
        self.here.setEnabled(bool(picture))

    def _name(self, picture: str) -> str:
        names = {ref.id: ref.name for ref in self._document.experiment.pictures}
        name = names.get(picture, "a removed picture")
        return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
