"""What stands at the right of the image panel's head: progress, pages, options, export."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QProgressBar, QPushButton

from diffusion_gui.panels.common.head_row import HeadRow
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import button
from diffusion_gui.state.view_state import Page, ViewState

_PAGES = {
    Page.TILES: ("Tiles", "The picture at t: 𝑥₀, 𝑥ₜ, its signal and its noise part"),
    Page.CHAIN: ("Chain", "𝑥ₜ by the Markov chain, step by step, beside one jump from 𝑥₀"),
    Page.MEASURES: ("Measures", "How far 𝑥ₜ is from 𝑥₀ and from noise, at t and over t"),
}
"""The pages in the order of their chips: title and tooltip."""


class HeadTools(HeadRow):
    """The chips follow the view; what is not always there comes and goes at the left."""

    def __init__(self, view: ViewState, theme: Theme) -> None:
        super().__init__()
        self._view = view
        self._theme = theme
        self._build_progress()
        self._build_chips()
        self._build_buttons()
        view.display_changed.connect(self._show_page)
        theme.changed.connect(self._tint)
        self.show_opening(0, 0)
        self.show_export(0, 0)
        self._show_page()
        self._tint()

    def _build_progress(self) -> None:
        self.progress = QProgressBar()
        self.progress.setObjectName("openingProgress")
        self.progress.setAccessibleName("Opening pictures")
        self.progress.setFixedWidth(176)
        self.cancel = button("Cancel", "Stop opening; what is open stays", "link")
        self.cancel.setObjectName("cancelOpeningButton")
        self.export_progress = QProgressBar()
        self.export_progress.setObjectName("exportProgress")
        self.export_progress.setAccessibleName("Progress of the export")
        self.export_progress.setFixedWidth(120)
        self.export_progress.setFormat("exporting %p %")
        self.export_cancel = button("Cancel", "Stop the export; no file is left behind", "link")
        self.export_cancel.setObjectName("cancelExportButton")
        self.export_cancel.setAccessibleName("Cancel the export")
        for widget in (self.progress, self.cancel, self.export_progress, self.export_cancel):
            self._row.addWidget(widget)

    def _build_chips(self) -> None:
        self.compare = self._chip(
            "Compare", "compareButton", "Show the same picture and the same noise under A and B"
        )
        self.compare.setAccessibleName("Compare A and B")
        self.compare.setChecked(True)
        self.compare.hide()
        self.estimate = self._chip(
            "𝑥̂₀",
            "estimateButton",
            "Show what the sampling panel's model makes of 𝑥ₜ: its 𝑥̂₀ of one call at this t",
        )
        self.estimate.setAccessibleName("Show x0-hat of one model call")
        self.estimate.toggled.connect(lambda on: self._view.set_display(estimate=on))
        self.chips: dict[Page, QPushButton] = {}
        for page, (title, tooltip) in _PAGES.items():
            chip = self._chip(title, f"{page}PageButton", tooltip)
            chip.clicked.connect(lambda _=False, page=page: self._view.set_display(page=page))
            self.chips[page] = chip

    def _build_buttons(self) -> None:
        self.options = button(
            "", "Options: working size, background, noise, display range, film strip", "tool"
        )
        self.options.setObjectName("imageOptionsButton")
        self.options.setAccessibleName("Options")
        self._row.addWidget(self.options)
        about = "Save, animate or copy what is on show; tiles can be dragged out"
        self._add_export("imageExportButton", about)

    def set_picture_there(self, there: bool) -> None:
        """Without a picture there is nothing to work out and nothing to export."""
        for control in (
            self.estimate, self.chips[Page.CHAIN], self.chips[Page.MEASURES], self.export
        ):  # fmt: skip
            control.setEnabled(there)

    @Slot(int, int)
    def show_export(self, done: int, total: int) -> None:
        """Show how far an export is; (0, 0) while there is none."""
        self.export_progress.setVisible(total > 0)
        self.export_cancel.setVisible(total > 0)
        self.export_progress.setRange(0, max(total, 1))
        self.export_progress.setValue(done)

    @Slot(int, int)
    def show_opening(self, done: int, total: int) -> None:
        """Show how many pictures are open, or with a `total` of 0 found so far."""
        busy = done < total > 1 or done > total
        self.progress.setFormat(f"opening {done:,} of {total:,}" if total else f"found {done:,}")
        self.progress.setVisible(busy)
        self.cancel.setVisible(busy)
        self.progress.setMaximum(max(total, 1))
        self.progress.setValue(done if total else 0)

    @Slot()
    def _show_page(self) -> None:
        display = self._view.display
        self.estimate.setVisible(display.page is Page.TILES)
        self.estimate.setChecked(display.estimate)
        for page, chip in self.chips.items():
            chip.setChecked(page is display.page)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        set_icon(self.options, "sliders-horizontal", tokens.text, tokens.disabled)
        set_icon(self.export, "download", tokens.text, tokens.disabled)
