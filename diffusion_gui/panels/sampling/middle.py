"""The middle of the sampling panel: settings drawer, pictures or comparison, and a page.

Where there is no room for all of them, the one that was asked for last stays.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from diffusion_gui.panels.common.widgets import GAP
from diffusion_gui.state.run_comparison import RunComparison

BETWEEN = 2 * GAP
STAGE_LEAST = 300
"""Width that the pictures keep when a page stands beside both them and the drawer."""
COMPARE_LEAST = 620
"""Width below which a comparison takes the page's place, unless the page is asked for."""
LEAST = QSize(320, 72)


class Middle(QWidget):
    """Takes what stands in it; `page_covered` tells whether the page had to give way.

    `drawer_refused` when the drawer has to, for the page was asked for later.
    """

    page_covered = Signal(bool)
    drawer_refused = Signal()

    def __init__(self, stage: QWidget, compare: QWidget, comparison: RunComparison) -> None:
        super().__init__()
        self._comparison = comparison
        self._comparing = comparison.on
        self._drawer: QWidget | None = None
        self._drawer_open = self._covered = self._insists = False
        self._page: QWidget | None = None
        self.pages = QStackedWidget()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(BETWEEN)
        self._row.addWidget(stage, 4)
        self._row.addWidget(compare, 4)
        self._row.addWidget(self.pages, 1)
        comparison.changed.connect(self._on_comparison)

    def set_drawer(self, drawer: QWidget, is_open: bool) -> None:
        """Open or close the drawer; the page gives way to it where it has to."""
        if self._drawer is not drawer:
            self._drawer = drawer
            self._row.insertWidget(0, drawer)
        self._drawer_open = is_open
        self._insists = False
        drawer.setVisible(is_open)
        self._arrange()

    def show_page(self, page: QWidget | None) -> None:
        """Show a page, or none."""
        self._page = page
        if page is not None:
            if self.pages.indexOf(page) < 0:
                self.pages.addWidget(page)
            self.pages.setCurrentWidget(page)
        self._arrange()

    def insist_on_page(self) -> None:
        """Let the page have its place: it was asked for."""
        self._insists = True
        self._arrange()
        if self._covered and self._drawer_open:
            self.drawer_refused.emit()
            self._insists = True
            self._arrange()

    def minimumSizeHint(self) -> QSize:
        """Never push the panel's edges: what comes and goes in it shares the room there is."""
        return LEAST

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the page come and go with the room."""
        super().resizeEvent(event)
        self._arrange()

    @Slot()
    def _on_comparison(self) -> None:
        if self._comparison.on != self._comparing:
            self._comparing = self._comparison.on
            self._insists = False
            self._arrange()

    def _has_room(self) -> bool:
        """Return whether the page fits beside the rest."""
        if self._page is None or not self.isVisible():
            return True  # not laid out yet
        room = self.width() - self._page.minimumWidth() - BETWEEN
        if self._drawer is not None and self._drawer_open:
            room -= self._drawer.minimumWidth() + BETWEEN
            return room >= (COMPARE_LEAST if self._comparing else STAGE_LEAST)
        return self._insists or not self._comparing or room >= COMPARE_LEAST

    def showEvent(self, event: object) -> None:
        """Find out what there is room for."""
        self._arrange()

    def _arrange(self) -> None:
        covered = not self._has_room()
        self.pages.setVisible(self._page is not None and not covered)
        if covered != self._covered:
            self._covered = covered
            self.page_covered.emit(covered)
