"""The trained networks at hand, as the window sees them: `changed` when there is another."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.engine.networks import About, Network
from diffusion_gui.session.networks import NetworkStore


class Networks(QObject):
    """The store of the networks that runs may name; the bundled one is always among them."""

    changed = Signal()
    added = Signal(object)
    """The `NetworkRef` of a network that was opened, or has been trained."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.store = NetworkStore()

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
        self.changed.emit()
        self.added.emit(ref)

    def renew(self, old: NetworkRef | None, ref: NetworkRef, network: Network) -> None:
        """Take in a network that is trained further, in the place of its `old` self, if any.

        The old one is no longer listed; runs that name it still find it for a while.
        """
        self.store.renew(old, ref, network)
        self.changed.emit()
        if old is None:
            self.added.emit(ref)
