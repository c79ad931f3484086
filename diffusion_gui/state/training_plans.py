"""What is to be trained: the plan, the training that it goes on from, the pictures that it needs.

Pictures are read in a thread of their own, from the moment that somebody looks at the plan.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.denoisers.unet_config import parameters
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.densities import levels_of
from diffusion_gui.engine.training.options import CAREFUL_RATE, Levels, TrainOptions
from diffusion_gui.session import training_home
from diffusion_gui.session.model_header import read_header
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.training_home import Files, Resumable
from diffusion_gui.session.training_plan import Plan, Source
from diffusion_gui.session.training_sets import may_mirror
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox, reason
from diffusion_gui.state.networks import Networks
from diffusion_gui.state.training_data import Found, Wanted, read

SMALLER = "choose a smaller size, or fewer pictures"


class TrainingPlans(QObject):
    """`changed` with `plan` or `opened`, `data_changed` with what is known of the pictures.

    While it is `locked`, by a training under way, nothing can be planned.
    """

    changed = Signal()
    data_changed = Signal()

    def __init__(
        self,
        document: Document,
        store: PictureStore,
        networks: Networks,
        home: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document, self._store, self._networks = document, store, networks
        networks.changed.connect(self.changed)
        self.folder = home / training_home.FOLDER
        """Where the user's own trainings lie."""
        self.plan = Plan()
        self.opened: Resumable | None = None
        """The training that the next one goes on from; None: from random weights."""
        self.locked = False
        self.sigmas: NDArray[np.float64] | None = None
        """Levels of the training at hand, where those of a schedule were fixed when it began."""
        self.data: Found | None = None
        self.reading: tuple[int, int] | None = None
        """Pictures read, of how many (0 while they are searched); None while none are."""
        self.problem = ""
        """Why there are no pictures."""
        self._watched = False
        self._asked: Wanted | None = None
        """The pictures that are being read, or were, or could not be."""
        self._flip_chosen = False
        """Whether a person has said if pictures are to be mirrored."""
        self._runner = JobRunner("training pictures", self)
        self._runner.done.connect(self._on_done)
        self._runner.failed.connect(self._on_failed)
        self._counted = Mailbox(100, parent=self)
        self._counted.arrived.connect(self._on_counted)
        document.pictures_changed.connect(self._on_pictures)

    @property
    def parameters(self) -> int:
        """How many numbers the planned network learns."""
        words = self.data.set.pictures.words if self.data is not None else ()
        if self.opened is not None:
            words = self.opened.header.network.words
        return parameters(replace(self.plan.config, words=words))

    @property
    def wanted(self) -> Wanted:
        """Which pictures the plan needs."""
        words = self.opened.header.network.words if self.opened is not None else None
        return Wanted.of(self.plan, self._document.experiment.pictures, words)

    @property
    def models(self) -> list[tuple[str, Path, int]]:
        """Name, file and size in pixels of the networks whose weights a training may begin with."""
        return self._networks.store.own_files()

    def begin_with(self, path: Path) -> None:
        """Plan to begin with the weights of a model, in its shape and with care for them.

        Raises EngineError where the file is none.
        """
        if not self.locked and self.opened is None:
            shape = replace(read_header(path).network, words=())
            options = replace(self.plan.options, learning_rate=CAREFUL_RATE)
            plan = replace(self.plan, size=shape.size, network=shape, weights=str(path))
            self._set(replace(plan, options=options))

    def change_shape(self, **changes: Any) -> None:
        """Plan another `size` or `shape`, from random weights."""
        self.change(**self._from_random_weights(), **changes)

    def _from_random_weights(self) -> dict[str, Any]:
        """Return the changes that leave a model behind, and the care for it."""
        changes: dict[str, Any] = {"network": None, "weights": ""}
        if self.plan.weights:
            rate = TrainOptions().learning_rate
            changes["options"] = replace(self.plan.options, learning_rate=rate)
        return changes

    def change(self, **changes: Any) -> None:
        """Plan something else; other pictures are mirrored or not as suits them."""
        if not self.locked:
            before, plan = self.plan, replace(self.plan, **changes)
            self._flip_chosen |= plan.options.flip != before.options.flip
            self._set(self._suited(plan) if plan.source is not before.source else plan)

    def set_folder(self, folder: str) -> None:
        """Learn from a folder, which is read anew."""
        if not self.locked:
            plan = replace(self.plan, source=Source.FOLDER, folder=folder)
            self._set(self._suited(plan), read_again=True)

    def watch(self) -> None:
        """Read the pictures of the plan from now on, again where that failed: they are wanted."""
        self._watched = True
        self._read_if_other(bool(self.problem))

    def open(self, path: str) -> None:
        """Plan to go on with a training; raises EngineError where the file is none."""
        if self.locked:
            raise EngineError("a training is under way: stop it before another is opened")
        self.go_on_from(training_home.resumable(path))

    def settle(self, files: Files) -> None:
        """Plan to go on with a training that has ended, if anything of it was saved."""
        self.sigmas = None
        with suppress(EngineError):
            self.go_on_from(training_home.resumable(files.training))

    def go_on_from(self, found: Resumable) -> None:
        """Plan to go on with a training."""
        shape = replace(found.header.network, words=())
        self.opened, self.sigmas = found, found.sigmas
        plan = found.plan or self.plan
        self._set(
            replace(plan, size=shape.size, network=shape, options=found.header.training), told=True
        )

    def fix_levels(self) -> None:
        """Stay with the levels of the schedule in the editor: a training over them begins."""
        if self.sigmas is None and self.plan.options.levels is Levels.SCHEDULE:
            self.sigmas = levels_of(self._document.schedule)
            self.changed.emit()

    def newest(self) -> Resumable | None:
        """Return the training of this user that was saved last, if there is one."""
        return training_home.newest(self.folder)

    def begin_anew(self) -> None:
        """Plan a training from random weights again."""
        if not self.locked and self.opened is not None:
            self.opened = self.sigmas = None
            self._set(replace(self.plan, **self._from_random_weights()), told=True)

    def shutdown(self) -> None:
        """End the thread; safe to call twice."""
        self._runner.shutdown()
        self._counted.close()

    def _suited(self, plan: Plan) -> Plan:
        """Return a plan that mirrors what may be, unless a person or an opened training says."""
        if self._flip_chosen or self.opened is not None:
            return plan
        return replace(plan, options=replace(plan.options, flip=may_mirror(plan.source)))

    def _set(self, plan: Plan, told: bool = False, read_again: bool = False) -> None:
        if plan != self.plan or told:
            self.plan = plan
            self.changed.emit()
        self._read_if_other(read_again)

    # --- the pictures -------------------------------------------------------------------------

    @Slot()
    def _on_pictures(self) -> None:
        if self.plan.source is Source.TRAY and not self.locked:
            self._read_if_other()

    def _read_if_other(self, again: bool = False) -> None:
        wanted = self.wanted
        if not self._watched or (wanted == self._asked and not again):
            return
        self._asked = wanted
        self.data, self.problem, self.reading = None, "", (0, 0)
        store, put = self._store, self._counted.put

        def work(job: Job) -> Found:
            def poll(done: int, total: int) -> None:
                job.poll()
                put((wanted, done, total))

            return read(wanted, store, poll)

        self._runner.submit(work)
        self.data_changed.emit()

    @Slot(list)
    def _on_counted(self, counts: list[tuple[Wanted, int, int]]) -> None:
        wanted, done, total = counts[-1]
        if self.reading is not None and wanted == self.wanted:
            self.reading = done, total
            self.data_changed.emit()

    @Slot(object)
    def _on_done(self, found: Found) -> None:
        self.data, self.reading = found, None
        self.data_changed.emit()

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self.reading, self.problem = None, reason(error, SMALLER)
        self.data_changed.emit()
