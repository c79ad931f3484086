"""The window of round trips: picture, its noise, what came back, the difference, and the error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from diffusion_gui.engine.inversion import INVERSION_PARAMS
from diffusion_gui.engine.trajectory import EPS_SHOWN
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.picture import PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, PADDING, ElidedLabel, button, label
from diffusion_gui.panels.common.zoom import Zoom
from diffusion_gui.panels.sampling.start_chip import name_of
from diffusion_gui.state.document import Document
from diffusion_gui.state.starts import Starts
from diffusion_gui.state.view_state import ViewState

if TYPE_CHECKING:
    from diffusion_gui.engine.trips import Trip

SIDE = 132
"""Of the pictures."""
LITTLE_NOISE = 0.5
"""Of normal noise the deviation is 1: below this it is said why the noise is nearly grey."""
LITTLE = (
    "The noise is nearly grey: a model of few pictures knows only the directions in which these"
    " differ."
)
MUCH_NOISE = 2.0
MUCH = "That is no normal noise: to the model the picture lies far from all of its images."
MOST_ROWS = 3
_EIGHT_BITS = 1.0 / 255.0
"""Half a level of 8 bits, in units of [-1, 1]."""


def in_words(rms: float, psnr: float) -> str:
    """Return what an error means."""
    if rms < _EIGHT_BITS:
        return "the same picture, to 8 bits"
    for least, words in (
        (40.0, "no eye tells them apart"),
        (30.0, "nearly the same: look at the difference"),
        (20.0, "like it, but not the same"),
    ):
        if psnr >= least:
            return words
    return "another picture: the model cannot represent it, or the steps are too few"


class TripsDialog(QDialog):
    """Makes the trips of the pictures chosen in the tray, and shows them as they come."""

    def __init__(
        self, document: Document, view: ViewState, starts: Starts, theme: Theme, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setObjectName("tripsDialog")
        self.setWindowTitle("Round trip: picture, noise, picture")
        self._document = document
        self._view = view
        self._trips = starts.trips
        self._theme = theme
        self._zoom = Zoom(self)
        self.rows: list[tuple[PictureView, ...]] = []
        self._fit()
        column = QVBoxLayout(self)
        column.setContentsMargins(PADDING, PADDING, PADDING, PADDING)
        column.setSpacing(GAP)
        column.addLayout(self._build_head())
        column.addWidget(self._build_table(), 1)
        self.made = ElidedLabel("caption")
        column.addWidget(self.made)
        self.go.clicked.connect(self._go)
        self.cancel.clicked.connect(self._trips.cancel)
        self._trips.changed.connect(self._show)
        view.chosen_changed.connect(self._show)
        document.changed.connect(self._show)
        self._show()

    def _build_head(self) -> QHBoxLayout:
        most = INVERSION_PARAMS[0]
        self.iterations = IntegerBox(round(most.minimum), round(most.maximum))
        self.iterations.setObjectName("tripIterationsSpin")
        self.iterations.setAccessibleName("Corrections per step")
        self.iterations.setToolTip(most.tooltip)
        self.iterations.setValue(round(most.default))
        self.iterations.setFixedWidth(64)
        self.go = button("", "Take the pictures chosen in the tray up to noise and back", "accent")
        self.go.setObjectName("makeTripButton")
        self.go.setDefault(True)
        self.progress = QProgressBar()
        self.progress.setObjectName("tripProgress")
        self.progress.setAccessibleName("Progress of the round trips")
        self.progress.setFormat("%v of %m model calls")
        self.cancel = button("Cancel", "Stop; the trips made so far are kept", "link")
        self.cancel.setObjectName("cancelTripButton")
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(label("corrections per step", "caption"))
        row.addWidget(self.iterations)
        row.addWidget(self.go)
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        row.addStretch(0)
        return row

    def _build_table(self) -> QWidget:
        table = QWidget()
        self._grid = QGridLayout(table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GAP)
        self._grid.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.empty = label(
            "DDIM takes each picture up to its noise with the model, the schedule, the steps and"
            " the spacing\nthat are set, and draws it again from there. What does not come back,"
            " the model cannot represent,\nor the steps are too few: corrections make each step"
            " up the exact inverse of the step down.",
            "caption",
        )
        self._grid.addWidget(self.empty, 0, 0, 1, 4)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setWidget(table)
        return area

    def _fit(self) -> None:
        """Be as high as the trips need, up to three of them: the others are scrolled to."""
        rows = min(max(len(self.rows), 1), MOST_ROWS)
        self.resize(4 * SIDE + 100, 84 + rows * (SIDE + 74))

    @Slot()
    def _go(self) -> None:
        self._clear()
        self._trips.make(self._view.chosen, self.iterations.value())

    def _clear(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None and widget is not self.empty:
                widget.hide()
                widget.deleteLater()
        self.rows = []

    @Slot()
    def _show(self) -> None:
        trips, count = self._trips, len(self._view.chosen)
        self.go.setText("Make the round trip" if count < 2 else f"Make {count} round trips")
        self.go.setVisible(not trips.busy)
        self.progress.setVisible(trips.busy)
        self.cancel.setVisible(trips.busy)
        self.progress.setMaximum(max(trips.progress[1], 1))
        self.progress.setValue(trips.progress[0])
        if len(self.rows) > len(trips.trips):
            self._clear()
        for told, trip in trips.trips[len(self.rows) :]:
            self._add(name_of(self._document, told.picture), trip)
        self.empty.setVisible(not self.rows and not trips.busy)
        self.made.setText(trips.message or self._outdated())

    def _outdated(self) -> str:
        """Say where the settings have moved on from those of the trips."""
        if not self._trips.trips:
            return ""
        told, _ = self._trips.trips[-1]
        now = self._document.experiment
        same = (told.experiment.sampling, told.experiment.schedule) == (now.sampling, now.schedule)
        return "" if same else "the settings have changed since"

    def _add(self, name: str, trip: Trip) -> None:
        place = 2 * len(self.rows)
        row = []
        for column, (caption, tooltip, pixels) in enumerate(
            (
                (name, f"{name}, as the model takes it", trip.picture),
                (
                    f"its noise, std {trip.deviation:.2f}",
                    f"𝑥_T at the first level, from −{EPS_SHOWN:g} to {EPS_SHOWN:g}.\nNormal noise"
                    " has the deviation 1; that of a model of few pictures has less, for it knows"
                    "\nonly the directions in which these differ",
                    trip.noise,
                ),
                ("what came back", "Drawn from that noise by DDIM at η = 0", trip.result),
                ("difference × 8", "What came back minus the picture; grey is 0", trip.difference),
            )
        ):
            view = PictureView(self._theme, caption, tooltip, self._zoom, f"trip{column}")
            view.setFixedSize(SIDE, SIDE + 18)
            view.set_pixels(pixels)
            self._grid.addWidget(view, place, column)
            row.append(view)
        self._grid.setRowStretch(place + 1, 0)
        self._grid.setRowStretch(place + 2, 1)  # what room is left is below
        words = f"rms {trip.rms:.3g}   PSNR {trip.psnr:.1f} dB   {in_words(trip.rms, trip.psnr)}"
        if trip.deviation < LITTLE_NOISE:
            words += f"\n{LITTLE}"
        elif trip.deviation > MUCH_NOISE:
            words += f"\n{MUCH}"
        said = label(words)
        said.setObjectName("tripWords")
        self._grid.addWidget(said, place + 1, 0, 1, 4)
        self.rows.append(tuple(row))
        self._fit()
