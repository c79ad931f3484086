"""The submenu that pins a named schedule beside the current one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QMenu

from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document

Named = tuple[str, ScheduleSpec]


class PinMenu(QObject):
    """Fills a menu whenever it opens: the built-in presets at the current T, then `own()`."""

    def __init__(
        self,
        document: Document,
        comparison: Comparison,
        menu: QMenu,
        own: Callable[[], Iterable[Named]] = tuple,
    ) -> None:
        super().__init__(menu)
        self._document = document
        self._comparison = comparison
        self._menu = menu
        self.own = own
        """The user's own presets, asked for when the menu opens."""
        menu.aboutToShow.connect(self._fill)

    @Slot()
    def _fill(self) -> None:
        self._menu.clear()
        T = self._document.experiment.schedule.T
        self._offer((row.title, ScheduleSpec(key, T)) for key, row in PRESETS.items())
        if own := tuple(self.own()):
            self._menu.addSeparator()
            self._offer(own)

    def _offer(self, named: Iterable[Named]) -> None:
        pinned = {pin.spec for pin in self._comparison.pins}
        for name, spec in named:
            action = self._menu.addAction(name.replace("&", "&&"))
            action.setEnabled(spec not in pinned)
            action.triggered.connect(lambda _=False, n=name, s=spec: self._comparison.pin(s, n))
