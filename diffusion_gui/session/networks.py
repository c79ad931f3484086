"""The trained networks at hand: the bundled one, those trained here, and files that were opened.

Imports torch only when a network is loaded. A reference that came in a session leads to a network
that is at hand by the content of its file; a path in a stranger's session is never opened.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NetworkRef
from diffusion_gui.engine.networks import About, Network
from diffusion_gui.session import library
from diffusion_gui.session.files import AnyPath, digest
from diffusion_gui.session.model_header import Header, read_header
from diffusion_gui.session.resources import resource
from diffusion_gui.session.trained import TrainedNetwork, about

if TYPE_CHECKING:
    import torch

    from diffusion_gui.engine.denoisers.base import Denoiser
    from diffusion_gui.engine.denoisers.unet import UNet

BUNDLED = "emoji-32.safetensors"
MOST_OLD = 4
"""So many earlier selves of networks in training are kept for runs that name them."""
MOST_LOADED = 2
"""So many networks are kept in memory; the one that was not asked for longest goes."""


@dataclass(eq=False)
class UNetFile:
    """A network of the program's own in a file, read when it is first asked for."""

    path: Path
    header: Header
    name: str
    suggestions: tuple[str, ...] = ()
    id: str = ""
    """What its content is named by, where that was found out."""
    _loaded: UNet | None = field(default=None, repr=False)

    @property
    def about(self) -> About:
        """What the file's header says."""
        of = self.header
        return about(of.network, self.name, of.name, of.step, self.suggestions)

    def denoiser(self, device: torch.device, label: str) -> Denoiser:
        """Return D on a device, told the words of `label`."""
        from diffusion_gui.engine.denoisers.neural import neural
        from diffusion_gui.engine.denoisers.unet import encode

        words = encode([label], self.header.network.words) if label else None
        return neural(self._network(), device, words=words)

    def both(self, device: torch.device, label: str) -> Denoiser:
        """Return D told the words of `label` and D told nothing, in one call: [B, 2 C, H, W]."""
        from diffusion_gui.engine.denoisers.neural import Both
        from diffusion_gui.engine.denoisers.unet import encode

        return Both(self._network(), device, encode([label], self.header.network.words))

    def _network(self) -> UNet:
        from diffusion_gui.session.model_files import read_model

        loaded = self._loaded  # which `free` may take away from under us
        if loaded is None:
            loaded, header = read_model(self.path)
            if header != self.header or (self.id and digest(self.path) != self.id):
                raise EngineError(f"{self.path}: the file is another by now; open it again")
            self._loaded = loaded
        return loaded

    def free(self) -> None:
        """Let the weights go; they are read again when they are asked for."""
        self._loaded = None


class NetworkStore:
    """The networks that runs may name, by the content of their files; asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._networks: dict[str, tuple[NetworkRef, Network]] = {}
        self._old: OrderedDict[str, Network] = OrderedDict()
        """Earlier selves of networks in training, the one that was not asked for longest first."""
        self._bundled: UNetFile | None = None
        self._recent: list[Network] = []

    def find(self, ref: NetworkRef | None) -> Network | None:
        """Return the network of a reference to be used, the bundled one for None.

        None if it is not here. Those that were not asked for longest let their weights go.
        """
        network = self._found(ref)
        if network is not None:
            self._note_use(network)
        return network

    def about(self, ref: NetworkRef | None) -> About | None:
        """Return what the network of a reference says of itself, None if it is not here."""
        network = self._found(ref)
        return network.about if network is not None else None

    def trusted(self, ref: NetworkRef) -> NetworkRef:
        """Return the reference of a network that is at hand for one of a stranger's.

        One that is not at hand keeps its name, and leads nowhere.
        """
        with self._lock:
            found = self._networks.get(ref.id)
        return found[0] if found else NetworkRef(ref.id, ref.name)

    def _found(self, ref: NetworkRef | None) -> Network | None:
        if ref is None:
            return self._find_bundled()
        with self._lock:
            if ref.id in self._old:
                self._old.move_to_end(ref.id)
                return self._old[ref.id]
            found = self._networks.get(ref.id)
        return found[1] if found else None

    def _note_use(self, network: Network) -> None:
        with self._lock:
            self._recent = [network, *(one for one in self._recent if one is not network)]
            self._recent, idle = self._recent[:MOST_LOADED], self._recent[MOST_LOADED:]
        for one in idle:
            if (free := getattr(one, "free", None)) is not None:
                free()

    def all(self) -> list[NetworkRef]:
        """Return the references of all that were added, the newest last."""
        with self._lock:
            return [ref for ref, _ in self._networks.values()]

    def own_files(self) -> list[tuple[str, Path, int]]:
        """Return name, file and size in pixels of the program's own networks, the bundled first."""
        found: list[tuple[str, Path, int]] = []
        if (bundled := self._find_bundled()) is not None:
            found.append((bundled.name, bundled.path, bundled.about.size))
        with self._lock:
            networks = list(self._networks.values())
        for ref, network in networks:
            if ref.source and isinstance(network, UNetFile | TrainedNetwork):
                found.append((ref.name, Path(ref.source), network.about.size))
        return found

    def add(self, ref: NetworkRef, network: Network) -> NetworkRef:
        """Take a network in; one of the same content is replaced."""
        with self._lock:
            self._networks.pop(ref.id, None)
            self._networks[ref.id] = ref, network
        return ref

    def renew(self, old: NetworkRef | None, ref: NetworkRef, network: Network) -> None:
        """Take in a network in the place of its `old` self, which is listed no more."""
        with self._lock:
            gone = self._networks.pop(old.id, None) if old is not None else None
            if gone is not None:
                self._old[gone[0].id] = gone[1]
            while len(self._old) > MOST_OLD:
                self._old.popitem(last=False)
            self._old.pop(ref.id, None)
        self.add(ref, network)

    def open_model(self, path: AnyPath, name: str = "", use: str = "") -> NetworkRef:
        """Take in the network of a file or folder, see `open_file`."""
        return self.add(*open_file(path, name, use))

    def _find_bundled(self) -> UNetFile | None:
        with self._lock:
            if self._bundled is None:
                try:
                    path = resource("models", BUNDLED)
                    header = read_header(path)
                except (EngineError, OSError):
                    return None
                self._bundled = UNetFile(path, header, "Emoji network", library.captions())
            return self._bundled


Opened = tuple[NetworkRef, Network]


def open_file(path: AnyPath, name: str = "", use: str = "") -> Opened:
    """Return the network in a file of the program's own, or in another's file or folder.

    That is called as it says, but for what `use` corrects. Raises EngineError with one line where
    it is no network.
    """
    from diffusion_gui.session.checkpoints import is_own, open_network

    file = Path(path).absolute()
    if not is_own(file):
        return open_network(file, name, use)
    header = read_header(file)
    called = name or file.name.removesuffix(".safetensors").removesuffix(".training")
    name_of_content = digest(file)
    network = UNetFile(file, header, called, id=name_of_content)
    return NetworkRef(name_of_content, called, str(file)), network
