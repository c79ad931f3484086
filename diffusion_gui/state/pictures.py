"""Opening pictures in the background and putting them into the document."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.images import MAX_SIDE, Picture, find_images, read_picture
from diffusion_gui.session.library import PictureStore
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner
from diffusion_gui.state.view_state import ViewState

MANY = 32
"""Above this many files in one go each is kept smaller, so that memory stays bounded."""
SMALL_SIDE = 256
MOST = 2000


@dataclass(frozen=True, slots=True)
class _Opened:
    """One file of a batch: the picture, or what was wrong with it."""

    batch: int
    picture: Picture | None
    source: str
    problem: str
    done: int
    total: int


class PictureLoader(QObject):
    """Opens files, folders and pasted pictures; each one that opens is put first in the tray.

    `problems_found(lines)` carries one line for every file that could not be opened;
    `progress(done, total)` runs while a batch is open, `done == total` at its end.
    """

    problems_found = Signal(list)
    progress = Signal(int, int)
    _opened = Signal(object)

    def __init__(
        self,
        document: Document,
        view: ViewState,
        store: PictureStore,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._store = store
        self._batches = itertools.count(1)
        self._runner = JobRunner("pictures", self)
        self._runner.failed.connect(self._on_failed)
        self._opened.connect(self._on_opened)
        self._problems: list[str] = []
        self._place: dict[int, int] = {}

    @property
    def busy(self) -> bool:
        """True while files are being opened."""
        return self._runner.busy

    def open(self, paths: Sequence[str]) -> None:
        """Open files and folders in the background, in the order given."""
        batch = next(self._batches)
        names = list(paths)
        self._runner.submit(lambda job: self._read(job, batch, names), supersede=False)

    def add(self, picture: Picture, source: str) -> None:
        """Put an already decoded picture (from the clipboard) into the tray and show it."""
        self._insert(self._store.add(picture, source), next(self._batches))

    def remove(self, picture_id: str) -> None:
        """Take a picture out of the tray; its neighbour is shown."""
        pictures = self._document.experiment.pictures
        index = next((i for i, ref in enumerate(pictures) if ref.id == picture_id), None)
        if index is None:
            return
        rest = (*pictures[:index], *pictures[index + 1 :])
        experiment = replace(self._document.experiment, pictures=rest)
        self._document.replace(experiment, f"remove {pictures[index].name}")

    def cancel(self) -> None:
        """Stop opening; what is open stays."""
        self._runner.cancel()
        self.progress.emit(0, 0)

    def shutdown(self) -> None:
        """Stop the background thread."""
        self._runner.shutdown()

    def _read(self, job: Job, batch: int, paths: list[str]) -> None:
        """Runs in the worker: report every file as soon as it is read."""
        files, problems = find_images(paths)
        if len(files) > MOST:
            problems.append(f"only the first {MOST} of {len(files)} files were opened")
            files = files[:MOST]
        side = MAX_SIDE if len(files) <= MANY else SMALL_SIDE
        for problem in problems:
            self._opened.emit(_Opened(batch, None, "", problem, 0, len(files)))
        for done, file in enumerate(files, start=1):
            job.poll()
            picture, problem = None, ""
            try:
                picture = read_picture(file, side)
            except EngineError as error:
                problem = str(error)
            self._opened.emit(_Opened(batch, picture, str(file), problem, done, len(files)))
        if not files:
            self._opened.emit(_Opened(batch, None, "", "", 0, 0))

    @Slot(object)
    def _on_opened(self, opened: _Opened) -> None:
        if opened.problem:
            self._problems.append(opened.problem)
        if opened.picture is not None:
            self._insert(self._store.add(opened.picture, opened.source), opened.batch)
        self.progress.emit(opened.done, opened.total)
        if opened.done == opened.total and self._problems:
            self.problems_found.emit(self._problems)
            self._problems = []

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self.problems_found.emit([f"opening stopped: {error}"])
        self.progress.emit(0, 0)

    def _insert(self, ref: PictureRef, batch: int) -> None:
        """Put a picture into the tray, a batch in its own order, and show the batch's first."""
        pictures = tuple(p for p in self._document.experiment.pictures if p.id != ref.id)
        place = self._place.get(batch, 0)
        self._place[batch] = place + 1
        experiment = replace(
            self._document.experiment, pictures=(*pictures[:place], ref, *pictures[place:])
        )
        self._document.replace(experiment, f"open {ref.name}", merge_key=f"open-{batch}")
        if place == 0:
            self._view.set_picture(ref.id)
