"""The windows that belong to the start of a run: built when first wished, then kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Slot
from PySide6.QtWidgets import QDialog, QWidget

from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.state.document import Document
from diffusion_gui.state.starts import Starts
from diffusion_gui.state.view_state import ViewState

if TYPE_CHECKING:
    from diffusion_gui.panels.sampling.mask_painter import MaskPainter
    from diffusion_gui.panels.sampling.trips_dialog import TripsDialog

MARGIN = 48
"""From the corner of the main window, in pixels: its menus stay free."""


class StartWindows(QObject):
    """Opens them beside the main window, which stays usable."""

    def __init__(
        self, document: Document, view: ViewState, starts: Starts, theme: Theme, owner: QWidget
    ) -> None:
        super().__init__(owner)
        self._parts = (document, view, starts, theme)
        self._owner = owner
        self.painter: MaskPainter | None = None
        self.trips: TripsDialog | None = None

    @Slot()
    def paint_mask(self) -> None:
        """Show the window in which a mask is painted."""
        if self.painter is None:
            from diffusion_gui.panels.sampling.mask_painter import MaskPainter

            self.painter = MaskPainter(*self._parts, self._owner)
            self._aside(self.painter)
        _present(self.painter)

    @Slot()
    def make_trips(self) -> None:
        """Show the window of round trips."""
        if self.trips is None:
            from diffusion_gui.panels.sampling.trips_dialog import TripsDialog

            self.trips = TripsDialog(*self._parts, self._owner)
            self._aside(self.trips)
        _present(self.trips)

    def _aside(self, window: QDialog) -> None:
        """Place a window over the left of the main one: the pictures it changes stay in sight."""
        corner = self._owner.window().geometry().topLeft()
        window.move(corner + QPoint(MARGIN, MARGIN))


def _present(window: QDialog) -> None:
    window.show()
    window.raise_()
    window.activateWindow()
