"""The trained networks at hand, as the window sees them: `changed` when there is another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.engine.networks import About, Network
from diffusion_gui.session.networks import NetworkStore, Opened, open_file
from diffusion_gui.state.jobs import Job, JobRunner
from diffusion_gui.state.settings import Settings

_log = logging.getLogger(__name__)


class Networks(QObject):
    """The store of the networks that runs may name; the bundled one is always among them.

    With `settings`, the files that were opened are there again at the next start: `recall` reads
    their headers in a thread, their weights are read when a run asks for them.
    """

    changed = Signal()
    added = Signal(object)
    """The `NetworkRef` of a network that was opened, or has been trained."""

    def __init__(self, parent: QObject | None = None, settings: Settings | None = None) -> None:
        super().__init__(parent)
        self.store = NetworkStore()
        self.open: Callable[[str, str, str], Opened] = open_file
        """Opens a path, a name or "", a use or ""; raises EngineError where there is no network."""
        self._settings = settings
        self._recalled: frozenset[str] = frozenset()
        self._runner = JobRunner("networks", self)
        self._runner.done.connect(self._on_recalled)

    def shutdown(self) -> None:
        """End the thread; safe to call twice."""
        self._runner.shutdown()

    @property
    def refs(self) -> list[NetworkRef]:
        """All but the bundled one, the newest last."""
        return self.store.all()

    def about(self, ref: NetworkRef | None) -> About | None:
        """Return what a network says of itself, None if it is not here; None is the bundled one."""
        return self.store.about(ref)

    def add(self, ref: NetworkRef, network: Network) -> None:
        """Take in a network; one of the same content is replaced."""
        self.store.add(ref, network)
        self._remember(ref)
        self.changed.emit()
        self.added.emit(ref)

    def renew(self, old: NetworkRef | None, ref: NetworkRef, network: Network) -> None:
        """Take in a network that is trained further, in the place of its `old` self, if any.

        The old one is no longer listed; runs that name it still find it for a while.
        """
        self.store.renew(old, ref, network)
        self._remember(ref)
        self.changed.emit()
        if old is None:
            self.added.emit(ref)

    def expect(self, path: Path) -> None:
        """Let a file that is still to be written be opened at the next start, however this ends."""
        self._remember(NetworkRef("", "", str(path)))

    def _remember(self, ref: NetworkRef) -> None:
        """Let the file of a network be opened again at the next start."""
        if self._settings is not None and ref.source:
            others = (path for path in self._settings.networks if path != ref.source)
            self._settings.networks = [*others, ref.source]
            uses = self._settings.network_uses | {ref.source: ref.use}
            self._settings.network_uses = uses
            self._settings.sync()

    def recall(self) -> None:
        """Take in the networks that were opened before, in a thread."""
        if self._settings is None or not self._settings.networks:
            return
        uses = self._settings.network_uses
        paths = {path: uses.get(path, "") for path in self._settings.networks}
        self._recalled = frozenset(paths)
        self._runner.submit(lambda job: _opened(paths, self.open, job))

    @Slot(object)
    def _on_recalled(self, found: Sequence[Opened]) -> None:
        """Take in what is still there; what was opened meanwhile stays the newest."""
        newer = [(ref, self.store.find(ref)) for ref in self.refs]
        for ref, network in found:
            self.store.add(ref, network)
        for ref, newest in newer:
            if newest is not None:
                self.store.add(ref, newest)
        if self._settings is not None:
            there = {ref.source for ref in self.refs}
            known = self._settings.networks
            self._settings.networks = [p for p in known if p in there or p not in self._recalled]
        if found:
            self.changed.emit()


def _opened(
    paths: Mapping[str, str], read: Callable[[str, str, str], Opened], job: Job
) -> list[Opened]:
    """Open what is still there; a line in the log says of the others why not."""
    found: list[Opened] = []
    for path, use in paths.items():
        job.poll()
        try:
            found.append(read(path, "", use))
        except EngineError as problem:
            _log.warning("a network that was open before is left out: %s", problem)
    return found
