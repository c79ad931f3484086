"""Experiments back out of exported PNGs, into the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Forward
from diffusion_gui.engine.images import Picture
from diffusion_gui.panels.images.panel import ImagePanel
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.exporting import Exporter
from diffusion_gui.state.view_state import Look

if TYPE_CHECKING:
    from diffusion_gui.session.restore import Restored
    from diffusion_gui.session.watch import Watch

_KEY = "restore#"
"""What the keys of such steps in the history begin with."""
_MOST_LOOKED_INTO = 16
"""Of the files that are opened together, how many are looked into for an experiment."""


class Restorer(QObject):
    """Makes the experiment in a PNG the current one, as one undoable step.

    What is looked at goes with the step: its undo brings back t, the pictures and how they are
    shown, its redo those that came with the file, or what became of them.

    `said(text)` tells what was done; what goes wrong stands in the panel's bar. Files are read by
    `exporter`.
    """

    said = Signal(str)

    def __init__(self, parts: Parts, panel: ImagePanel, exporter: Exporter) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._exporter = exporter
        self._count = 0
        parts.document.changed.connect(self._look_again)

    def take(self, paths: Sequence[str]) -> list[str]:
        """Restore the experiment in the only one of `paths`; return those that are to be opened."""
        from diffusion_gui.session.restore import holds_experiment

        if len(paths) == 1 and holds_experiment(paths[0]):
            self.restore(paths[0])
            return []
        if held := [p for p in paths[:_MOST_LOOKED_INTO] if len(paths) > 1 and holds_experiment(p)]:
            name = Path(held[0]).name
            line = f"{name} holds an experiment; open it alone to restore that"
            self._panel.bar.show_lines([line], info=True)
        return list(paths)

    def take_copied(self, png: bytes, picture: Picture) -> bool:
        """Restore the experiment in a PNG from the clipboard; return whether it says it holds one.

        Where it is not whole, `picture` is added instead.
        """
        from diffusion_gui.session.restore import CLIPBOARD, holds_experiment

        if not holds_experiment(png):
            return False
        loader = self._parts.loader
        self._restore(png, CLIPBOARD, lambda: loader.add(picture, "clipboard"))
        return True

    def restore(self, path: str) -> None:
        """Read the experiment in a PNG in the background and make it the current one.

        A file without a whole one is opened as a picture.
        """
        self._restore(path, Path(path).name, lambda: self._parts.loader.open([path]))

    def _restore(self, source: str | bytes, name: str, instead: Callable[[], object]) -> None:
        """Restore from a file or bytes called `name`, or say why not and do something `instead`."""
        store, document = self._parts.store, self._parts.document
        networks = self._parts.networks.store
        trusted = (*self._parts.first_experiment.pictures, *document.experiment.pictures)

        def read(_: Watch) -> Restored | str:
            from diffusion_gui.session.restore import read_experiment, renamed

            known = {ref.id: ref for ref in (*store.defer_bundled(), *trusted)}
            try:
                found = read_experiment(source, known, partial(_loaded, store), networks.trusted)
            except EngineError as error:
                return f"{error}; opened as a picture instead"
            sources = {ref.id: ref.source for ref in found.experiment.pictures}
            ids = {
                old: store.add(picture, sources.get(old, "")).id
                for old, picture in found.pictures.items()
            }
            return renamed(found, ids)

        def show(found: Restored | str) -> None:
            if isinstance(found, str):
                self._panel.bar.show_lines([found])
                instead()
            else:
                self._show(name, found)

        self._exporter.start(read, show)

    def _show(self, name: str, found: Restored) -> None:
        document, view = self._parts.document, self._parts.view
        document.end_gesture()
        self._count += 1
        undo = "; Ctrl+Z undoes it" if found.experiment != document.experiment else ""
        gone = len({*document.experiment.pictures} - {*found.experiment.pictures})
        left = f"; {gone:,} picture{'s' * (gone > 1)} left the tray" if gone else ""
        document.replace(found.experiment, f"restore {name}", f"{_KEY}{self._count}")
        if found.view is not None:
            view.set_display(shown=found.view.shown)
            view.set_t(found.view.t)
            if found.view.picture in {ref.id for ref in found.experiment.pictures}:
                view.set_picture(found.view.picture)
        if found.left_out:
            count = f"{found.left_out} picture{'s' * (found.left_out > 1)}"
            line = f"{count} left out: neither in {name} nor loaded; open them to have them again"
            self._panel.bar.show_lines([line], info=True)
        self.said.emit(f"Restored {name}{left}{undo}")

    @Slot()
    def _look_again(self) -> None:
        """After undo or redo of such a step, go back to what was looked at there."""
        history, view = self._parts.document.history, self._parts.view
        look = history.look
        if isinstance(look, Look) and history.passed.startswith(_KEY):
            view.set_display(shown=look.shown)
            view.set_t(look.t)
            if {look.picture, *look.chosen} <= {r.id for r in self._parts.pictures.pictures}:
                view.choose(look.chosen, look.picture)


def _loaded(store: PictureStore, picture_id: str, forward: Forward) -> Picture | None:
    try:
        return store.source(picture_id, forward)
    except EngineError:
        return None
