"""What stands at the right of the sampling panel's head: live, grids, pages, settings, export."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QCheckBox, QMenu, QPushButton

from diffusion_gui.engine.trajectory import EPS_SHOWN
from diffusion_gui.panels.common.head_row import HeadRow
from diffusion_gui.panels.common.icons import set_icon
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import Chip, button
from diffusion_gui.state.run_view import Quantity, RunView, SamplingPage

BETWEEN_GROUPS = 4
"""Pixels more between the chips of the grids and those of the pages."""
_QUANTITIES = {
    Quantity.X_T: ("𝑥ₜ", "x_t", "Show 𝑥ₜ: where the reverse process stands"),
    Quantity.X0_HAT: ("𝑥̂₀", "x0-hat", "Show 𝑥̂₀: the clean picture the model sees from there"),
    Quantity.EPS_HAT: (
        "ε̂", "epsilon-hat",
        f"Show ε̂ = (𝑥ₜ − a 𝑥̂₀) / s: the noise the model sees there,\nfrom −{EPS_SHOWN:g} (black)"
        f" to {EPS_SHOWN:g} (white)",
    ),
}  # fmt: skip
"""The grids in the order of their chips: text, the same in letters, tooltip."""
_PAGES = {
    SamplingPage.CURVES: ("Curves", "Noise level, change of 𝑥̂₀ and more at every step of the run"),
    SamplingPage.POSTERIOR: ("Posterior", "Which images of the set a sample may still become"),
    SamplingPage.MAP: ("Map", "The data set and the paths of the samples, seen from above"),
    SamplingPage.RUNS: ("Runs", "Every run so far: look at it again, name, compare, check it"),
}
"""The pages beside the pictures in the order of their chips: title and tooltip."""


class PageMenu(Chip):
    """The pages as one drop-down, where the head is too narrow for a chip each.

    `wished` with a page, or with None to leave the pictures all the room.
    """

    wished = Signal(object)
    NONE = "No page"

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("pageMenuButton")
        self.setProperty("role", "choice")
        self.setToolTip("What stands beside the pictures")
        self.setAccessibleName("Page beside the pictures")
        menu = QMenu(self)
        self.rows: dict[SamplingPage | None, QAction] = {}
        for page, title in ((None, self.NONE), *((p, t) for p, (t, _) in _PAGES.items())):
            row = self.rows[page] = menu.addAction(title)
            row.setObjectName(f"{page or 'no'}PageRow")
            row.setCheckable(True)
            row.triggered.connect(lambda _on, page=page: self.wished.emit(page))
        self.setMenu(menu)

    def show_page(self, page: SamplingPage | None) -> None:
        """Say which page is on show."""
        self.setText(_PAGES[page][0] if page else self.NONE)
        for one, row in self.rows.items():
            row.setChecked(one is page)

    def sizeHint(self) -> QSize:
        """Keep the width whichever page is on show."""
        hint, metrics = super().sizeHint(), self.fontMetrics()
        titles = (self.NONE, *(title for title, _ in _PAGES.values()))
        widest = max(map(metrics.horizontalAdvance, titles))
        return hint + QSize(widest - metrics.horizontalAdvance(self.text()), 0)


class HeadTools(HeadRow):
    """The chips follow the view of the run; `settings` and `export` are for the panel to fill.

    `page_wished` with the page that was asked for, or None.
    """

    live_changed = Signal(bool)
    page_wished = Signal(object)

    def __init__(self, shown: RunView, live: bool, theme: Theme) -> None:
        super().__init__()
        self._shown = shown
        self._theme = theme
        self._covered = False
        self._build_live(live)
        self._build_chips()
        self._build_buttons()
        shown.shown_changed.connect(self._show_chips)
        theme.changed.connect(self._tint)
        self._show_chips()
        self._tint()

    def _build_live(self, live: bool) -> None:
        self.live = QCheckBox("Live")
        self.live.setObjectName("liveCheck")
        self.live.setToolTip(
            "Sample again when the schedule or a setting changes, while a run takes less than\n"
            "a second; a longer one is offered. Of a model not timed yet the first steps tell.\n"
            "The next change replaces the run, unless you pin, name or note it."
        )
        self.live.setChecked(live)
        self.live.toggled.connect(self.live_changed)
        self._row.addWidget(self.live)

    def _build_chips(self) -> None:
        self.grids: dict[Quantity, QPushButton] = {}
        for quantity, (text, letters, tooltip) in _QUANTITIES.items():
            chip = self.grids[quantity] = self._chip(text, f"{quantity}GridButton", tooltip)
            chip.setAccessibleName(f"Show {letters}")
            chip.clicked.connect(self._on_grids)
        self._row.addSpacing(BETWEEN_GROUPS)
        self.pages: dict[SamplingPage, QPushButton] = {}
        for page, (title, about) in _PAGES.items():
            tooltip = f"{about}.\nPress again to leave the pictures all the room."
            chip = self.pages[page] = self._chip(title, f"{page}PageButton", tooltip)
            chip.clicked.connect(lambda on, page=page: self.page_wished.emit(page if on else None))
        self.page_menu = PageMenu()
        self.page_menu.wished.connect(self.page_wished)
        self.page_menu.hide()
        self._row.addWidget(self.page_menu)

    def _build_buttons(self) -> None:
        self.settings = button(
            "", "Settings: model, label, guidance, sampler, spacing, restart, pictures", "tool"
        )
        self.settings.setObjectName("samplingSettingsButton")
        self.settings.setAccessibleName("Settings")
        self.settings.setCheckable(True)
        self._row.addWidget(self.settings)
        self._add_export("samplingExportButton", "Save what the run has made")

    def minimumSizeHint(self) -> QSize:
        """Give up none of the width that is asked for."""
        return self.sizeHint()

    @property
    def narrow(self) -> bool:
        """Whether the pages are one drop-down."""
        return not self.page_menu.isHidden()

    def needed(self, narrow: bool) -> int:
        """Return the width that is needed with the pages as one drop-down, or as chips."""
        pages = [self.page_menu] if narrow else list(self.pages.values())
        parts = (self.live, *self.grids.values(), *pages, self.settings, self.export)
        gaps = self._row.spacing() * len(parts) + BETWEEN_GROUPS
        return sum(part.sizeHint().width() for part in parts) + gaps

    def fit(self, room: int) -> None:
        """Take the widest form that fits into so many pixels."""
        narrow = self.needed(narrow=False) > room
        if narrow != self.narrow:
            for chip in self.pages.values():
                chip.setVisible(not narrow)
            self.page_menu.setVisible(narrow)

    @Slot(bool)
    def set_page_covered(self, covered: bool) -> None:
        """Say whether something stands in the place of the page."""
        self._covered = covered
        self._show_chips()

    @Slot()
    def _on_grids(self) -> None:
        self._shown.set_quantities(q for q, chip in self.grids.items() if chip.isChecked())
        self._show_chips()  # the last one stays

    @Slot()
    def _show_chips(self) -> None:
        for quantity, chip in self.grids.items():
            with QSignalBlocker(chip):
                chip.setChecked(quantity in self._shown.quantities)
        shown = None if self._covered else self._shown.page
        for page, chip in self.pages.items():
            with QSignalBlocker(chip):
                chip.setChecked(page is shown)
        self.page_menu.show_page(shown)

    @Slot()
    def _tint(self) -> None:
        tokens = self._theme.tokens
        set_icon(self.settings, "sliders-horizontal", tokens.text, tokens.disabled, tokens.accent)
        set_icon(self.export, "download", tokens.text, tokens.disabled)
