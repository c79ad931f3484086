"""Opening a trained network in the background: read, asked about known noise, shown, taken in.

Networks of this program's own say all that is needed and are taken in at once. Of others it is
proposed how they are to be called; a person looks at what comes of it, corrects it and accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine import images
from diffusion_gui.engine.checkpoint_use import Use
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NetworkRef, PictureRef
from diffusion_gui.engine.images import Pixels
from diffusion_gui.engine.networks import Network
from diffusion_gui.engine.torch_loading import import_torch
from diffusion_gui.session import library
from diffusion_gui.session.networks import open_file
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.run_inputs import squares
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox, reason
from diffusion_gui.state.networks import Networks

if TYPE_CHECKING:
    from diffusion_gui.engine.sanity import Sanity
    from diffusion_gui.session.checkpoints import Checkpoint, CheckpointNetwork

_EMOJI_STRIDE = 171
"""Every so many emoji one is asked about: some of each kind, 8 of 1,377."""


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A file was read; a network of the program's own is ready."""

    path: str
    checkpoint: Checkpoint | None
    own: tuple[NetworkRef, Network] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Examined:
    network: CheckpointNetwork
    sanity: Sanity


@dataclass(frozen=True, slots=True, eq=False)
class _Named:
    ref: NetworkRef
    network: CheckpointNetwork


class CheckpointOpening(QObject):
    """One network at a time. `changed` when anything that is shown did.

    `read` when a checkpoint was, which is then examined and waits for `accept`; `taken(ref)` when a
    network is at hand; `refused(line)` where it is none.
    """

    changed = Signal()
    read = Signal()
    taken = Signal(object)
    refused = Signal(str)

    def __init__(
        self,
        document: Document,
        store: PictureStore,
        networks: Networks,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document, self._store, self._networks = document, store, networks
        self._runner = JobRunner("checkpoints", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)
        self._runner.ended.connect(self.changed)
        self._mailbox = Mailbox(parent=self)
        self._mailbox.arrived.connect(self._on_news)
        self._loaded: CheckpointNetwork | None = None
        self._chosen = False
        self._reading = ""
        self.checkpoint: Checkpoint | None = None
        self.use = Use()
        """How it is to be called: proposed, until a person chooses."""
        self.sanity: Sanity | None = None
        """What came of asking it; None while it is asked for the first time."""
        self.progress = (0, 0)
        """Passes made, and of how many; (0, 0) before they begin."""
        self.problem = ""
        """Why it cannot be called as `use` says, in one line."""

    @property
    def busy(self) -> bool:
        """True while a file is read or its network asked."""
        return self._runner.busy

    @property
    def ready(self) -> bool:
        """True when what is shown belongs to `use`, and it can be taken in."""
        return self.sanity is not None and not self.busy and not self.problem

    def open(self, path: str) -> None:
        """Read what lies at a path; what was being opened before is forgotten."""
        self.close()
        self._reading = path

        def work(job: Job) -> _Read:
            import_torch()
            from diffusion_gui.session.checkpoints import is_own, open_checkpoint

            if is_own(path):
                from diffusion_gui.session.model_files import read_model

                read_model(path)  # says now what is wrong with its weights
                job.poll()
                return _Read(path, None, open_file(path))
            found = open_checkpoint(path)
            found.check(found.use)
            return _Read(path, found)

        self._runner.submit(work)
        self.changed.emit()

    def set_use(self, use: Use) -> None:
        """Call it otherwise; asks it again where the answers at hand do not tell."""
        if self.checkpoint is None or use == self.use:
            return
        before, self.use, self._chosen = self.use, use, True
        self.problem = ""
        free = {name: getattr(before, name) for name in ("prediction", "pixels", "clip")}
        same = replace(use, **free) == before
        if self.sanity is None or not same:
            self._examine()
        self.changed.emit()

    def accept(self) -> None:
        """Take the network in as it is shown."""
        found, loaded, use = self.checkpoint, self._loaded, self.use
        if found is None or loaded is None or not self.ready:
            return

        def work(job: Job) -> _Named:
            from diffusion_gui.session.checkpoints import CheckpointNetwork

            network = CheckpointNetwork(found, use, loaded.loaded())
            return _Named(network.ref(job.poll), network)

        self._runner.submit(work)
        self.changed.emit()

    @Slot()
    def close(self) -> None:
        """Forget what is being opened."""
        self._runner.cancel()
        self._mailbox.close()
        self.checkpoint, self.sanity, self._loaded = None, None, None
        self.problem, self._chosen, self.progress = "", False, (0, 0)

    def shutdown(self) -> None:
        """End the thread; safe to call twice."""
        self._runner.shutdown()
        self._mailbox.close()

    def _examine(self) -> None:
        found, use, before = self.checkpoint, self.use, self._loaded
        assert found is not None
        pictures, store = self._document.experiment.pictures, self._store
        self.progress = (0, 0)

        def work(job: Job) -> _Examined:
            import_torch()
            from diffusion_gui.engine.sanity import examine, how_many, passes
            from diffusion_gui.session.checkpoints import CheckpointNetwork

            found.check(use)
            network = CheckpointNetwork(found, use)
            if before is not None and _same_weights(before.use, use):
                network = CheckpointNetwork(found, use, before.loaded())
            asked = self._pictures(store, pictures, how_many(use.size), use.size, job)
            sanity = examine(
                network.loaded(job.poll),
                use,
                found.channels,
                asked,
                poll=job.poll,
                done=lambda made: self._mailbox.put((job, made, passes())),
            )
            return _Examined(network, sanity)

        self._runner.submit(work)

    def _pictures(
        self, store: PictureStore, tray: Sequence[PictureRef], count: int, size: int, job: Job
    ) -> Pixels:
        """Return what it is asked about: the first pictures of the tray, the rest emoji."""
        own = tuple(tray[: max(count // 4, 1)])
        found = [squares(store, self._document.experiment, (ref,), job.poll)[0] for ref in own]
        found = [images.square(one, size) for one in found]
        emoji = library.emoji(min(size, 64))[::_EMOJI_STRIDE]
        found += [images.square(one, size) for one in emoji]
        order = [0, len(own), *range(1, len(own)), *range(len(own) + 1, len(found))]
        return np.stack([found[place] for place in order[:count]])

    @Slot(object)
    def _on_done(self, answer: object) -> None:
        if isinstance(answer, _Read) and answer.own is not None:
            self._networks.add(*answer.own)
            self.taken.emit(answer.own[0])
        elif isinstance(answer, _Read) and answer.checkpoint is not None:
            self.checkpoint, self.use = answer.checkpoint, answer.checkpoint.use
            self._examine()
            self.read.emit()
        elif isinstance(answer, _Examined):
            self._loaded, self.sanity = answer.network, answer.sanity
            if not self._chosen:
                self.use = answer.sanity.proposal()
        elif isinstance(answer, _Named):
            self._networks.add(answer.ref, answer.network)
            self.close()
            self.taken.emit(answer.ref)
        self.changed.emit()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        line = reason(error, "the network is too large for this machine")
        if not isinstance(error, EngineError | MemoryError | OSError) and not line.startswith(
            "not"
        ):
            line = f"{self._reading}: this network cannot be asked ({line})"
        if self.checkpoint is None:
            self.refused.emit(line)
        else:
            self.problem = line
        self.changed.emit()

    @Slot(object)
    def _on_news(self, news: list[tuple[Job, int, int]]) -> None:
        job, made, total = news[-1]
        if job is self._runner.job:
            self.progress = made, total
            self.changed.emit()


def _same_weights(one: Use, other: Use) -> bool:
    return (one.weights, one.no_class) == (other.weights, other.no_class)
