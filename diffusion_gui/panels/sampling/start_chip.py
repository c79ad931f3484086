"""What the reverse process starts from: said in the panel's head, chosen in a menu below it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QMenu

from diffusion_gui.panels.common.widgets import Chip
from diffusion_gui.state.document import Document
from diffusion_gui.state.starts import Starts
from diffusion_gui.state.view_state import ViewState

MOST_LETTERS = 18
"""Of a picture's name that the chip shows."""


def name_of(document: Document, picture: str, most: int = MOST_LETTERS) -> str:
    """Return a picture's name in the tray, shortened to so many letters."""
    names = {ref.id: ref.name for ref in document.experiment.pictures}
    name = names.get(picture, "a removed picture")
    return name if len(name) <= most else f"{name[: most - 1]}…"


class StartChip(Chip):
    """Shows what `starts` says and has a menu to change it.

    `mask_wished` when a mask is to be painted, `trip_wished` when a round trip is to be made.
    """

    mask_wished = Signal()
    trip_wished = Signal()

    def __init__(self, document: Document, view: ViewState, starts: Starts) -> None:
        super().__init__()
        self._document = document
        self._view = view
        self._starts = starts
        self.setObjectName("startChip")
        self.setProperty("role", "choice")
        self.setToolTip(
            "What the reverse process starts from: pure noise, the picture on show noised to t,\n"
            "or its inversion; and what of a picture it keeps"
        )
        self._build_menu()
        for changed in (
            document.sampling_changed, document.pictures_changed, document.schedule_changed
        ):  # fmt: skip
            changed.connect(self._show_start)
        self._show_start()

    def _build_menu(self) -> None:
        menu = QMenu(self)
        self.noise = menu.addAction("", self._starts.from_noise)
        self.here = menu.addAction("", self._starts.from_here)
        self.inversion = menu.addAction("", self._starts.inverted)
        menu.addSeparator()
        self.masked = menu.addAction("", self.mask_wished.emit)
        menu.addSeparator()
        self.trip = menu.addAction("Round trip: picture, noise, picture…", self.trip_wished.emit)
        for action, name, checkable in (
            (self.noise, "startFromNoise", True),
            (self.here, "startFromHere", True),
            (self.inversion, "startFromInversion", True),
            (self.masked, "startFromMask", True),
            (self.trip, "roundTripRow", False),
        ):
            action.setObjectName(name)
            action.setCheckable(checkable)
            action.triggered.connect(self._show_start)  # a check mark says what is, not was wished
        menu.aboutToShow.connect(self._name_rows)
        self.setMenu(menu)

    @Slot()
    def _show_start(self) -> None:
        start, inpaint = self._starts.start, self._starts.inpaint
        if start is None:  # short: there are many chips, and the row below says more
            text = said = "from noise"
        else:
            text = "from inversion" if start.inverted else "from picture"
            name = name_of(self._document, start.picture)
            said = f"from {name}{' inverted' if start.inverted else ''} at t = {start.t}"
        mask = " · mask" if inpaint is not None else ""
        self.setText(text + mask)
        self.setAccessibleName(said + mask)
        self.noise.setChecked(start is None)
        self.here.setChecked(start is not None and not start.inverted)
        self.inversion.setChecked(start is not None and start.inverted)
        self.masked.setChecked(inpaint is not None)

    @Slot()
    def _name_rows(self) -> None:
        """Write into the menu what the rows would start from now."""
        picture, t = self._view.picture, self._view.t
        self.noise.setText(f"Pure noise at t = {self._document.schedule.T}")
        what = name_of(self._document, picture) if picture else "The picture on show"
        self.here.setText(f"{what}, noised to t = {t}: denoise from here\tCtrl+D")
        self.inversion.setText(f"{what}, inverted up to t = {t}")
        masked = self._starts.masked_picture
        of = name_of(self._document, masked) if masked else "the picture on show"
        self.masked.setText(f"Keep a part of {of}: paint a mask…\tCtrl+M")
        for action in (self.here, self.inversion, self.trip):
            action.setEnabled(bool(picture))
        self.masked.setEnabled(bool(masked))
