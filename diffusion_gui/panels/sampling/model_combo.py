"""The list of models: the closed forms, the bundled network, and every network at hand."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot

from diffusion_gui.engine.denoisers import CLOSED_FORMS, MODELS, NEURAL
from diffusion_gui.engine.experiment import NetworkRef, Sampling
from diffusion_gui.panels.common.combo import ElidedCombo
from diffusion_gui.state.networks import Networks

MISSING = "This installation lacks the bundled network"
AGAIN = "This network is not here: open its file again"
EXPLAINED = "\n".join(row.explanation for row in MODELS.values())
_LEAST = 68
_MOST_LETTERS = 40
"""Of a name in the list; a longer one is cut in its middle, for its end tells it from others."""
_ROOM = 36
"""Pixels of a row in the list besides its text, with the scroll bar."""


class ModelCombo(ElidedCombo):
    """`wished(key, ref)` when a person chooses one; `ref` None for the bundled network.

    What names a model in the list is its key, and of a network in a file its key and id.
    """

    wished = Signal(str, object)

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.setObjectName("modelCombo")
        self.setProperty("role", "close")
        self.setMinimumWidth(_LEAST)
        self.elided = Qt.TextElideMode.ElideMiddle
        self._networks = networks
        self._refs: dict[str, NetworkRef] = {}
        self._shown: Sampling | None = None
        self._fill()
        self.activated.connect(self._on_activated)
        networks.changed.connect(self._fill)

    def show_model(self, sampling: Sampling) -> None:
        """Show what the document's model is; a network that is not at hand is in the list too."""
        self._shown = sampling
        ref = sampling.network
        if sampling.model == NEURAL and ref is not None and _name(ref) not in self._refs:
            self._fill()
            return
        with QSignalBlocker(self):
            name = _name(ref) if sampling.model == NEURAL and ref else sampling.model
            self.setCurrentIndex(self.findData(name))
        called = self.itemData(self.currentIndex(), Qt.ItemDataRole.ToolTipRole)
        self.setToolTip(f"{called}\n\n{EXPLAINED}" if called else EXPLAINED)

    def showPopup(self) -> None:
        """Make the list as wide as its names."""
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + _ROOM)
        super().showPopup()

    @Slot()
    def _fill(self) -> None:
        """List the models anew."""
        listed = self._networks.refs
        refs = listed
        shown = self._shown.network if self._shown and self._shown.model == NEURAL else None
        if shown is not None and shown.id not in {ref.id for ref in refs}:
            refs = [*refs, shown]
        self._refs = {_name(ref): ref for ref in refs}
        with QSignalBlocker(self):
            self.clear()
            for key, row in CLOSED_FORMS.items():
                self._add(row.title, key, row.explanation)
            self.insertSeparator(self.count())
            bundled = self._networks.about(None)
            self._add(MODELS[NEURAL].title, NEURAL, bundled.source if bundled else MISSING)
            if bundled is None:
                self.model().item(self.count() - 1).setEnabled(False)  # type: ignore[attr-defined]
            for name, ref in self._refs.items():
                about = self._networks.about(ref)
                title = _shortened(ref.name)
                if ref not in listed:  # another self of a network in training, or a stranger's
                    title += " (earlier)" if about else " (not here)"
                self._add(title, name, f"{ref.name}: {about.source if about else AGAIN}")
        if self._shown is not None:
            self.show_model(self._shown)

    def _add(self, title: str, name: str, tooltip: str) -> None:
        self.addItem(title, name)
        self.setItemData(self.count() - 1, tooltip, Qt.ItemDataRole.ToolTipRole)

    @Slot()
    def _on_activated(self) -> None:
        name = self.currentData()
        ref = self._refs.get(name)
        self.wished.emit(NEURAL if ref is not None else name, ref)


def _shortened(name: str) -> str:
    """Return a name, or its beginning and its end."""
    half = _MOST_LETTERS // 2
    return name if len(name) <= _MOST_LETTERS else f"{name[:half]}…{name[1 - half :]}"


def _name(ref: NetworkRef) -> str:
    return f"{NEURAL} {ref.id}"
