"""Opening pictures in the background and putting them into the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.engine.images import MAX_SIDE, Picture, find_images, read_picture
from diffusion_gui.session.library import PictureStore
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox
from diffusion_gui.state.view_state import ViewState

MANY = 32
"""Above this many files in one go each is kept smaller, so that memory stays bounded."""
SMALL_SIDE = 256
MOST = 2000


@dataclass(frozen=True, slots=True)
class _News:
    """From the worker: a picture, or what was wrong, or (neither) the end of a batch."""

    batch: int
    picture: Picture | None = None
    source: str = ""
    problem: str = ""
    done: int = 0
    total: int = 0

    @property
    def is_end(self) -> bool:
        return self.picture is None and not self.problem


class PictureLoader(QObject):
    """Opens files, folders and pasted pictures and puts them first in the tray.

    `problems_found(lines)` carries, at the end of a batch, one line for every path that could not
    be opened; `progress(done, total)` runs while a batch is open, (0, 0) when none is.
    """

    problems_found = Signal(list)
    progress = Signal(int, int)

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
        self._batch = 0
        self._cancelled_to = 0
        self._places: dict[int, int] = {}
        self._problems: dict[int, list[str]] = {}
        self._runner = JobRunner("pictures", self)
        self._runner.failed.connect(self._on_failed)
        self._mailbox = Mailbox(interval_ms=60, newest_only=False, parent=self)
        self._mailbox.arrived.connect(self._on_news)

    @property
    def busy(self) -> bool:
        """True while files are being opened."""
        return self._runner.busy or bool(self._places)

    def open(self, paths: Sequence[str]) -> None:
        """Open files and folders in the background, in the order given."""
        self._batch += 1
        self._places[self._batch] = 0
        batch, names = self._batch, list(paths)
        self._runner.submit(lambda job: self._read(job, batch, names), supersede=False)

    def add(self, picture: Picture, source: str) -> None:
        """Put an already decoded picture (from the clipboard) into the tray and show it."""
        self._batch += 1
        self._insert([self._store.add(picture, source)], 0, self._batch)

    def cancel(self) -> None:
        """Stop opening; what is in the tray stays."""
        self._cancelled_to = self._batch
        self._places.clear()
        self._problems.clear()
        self._runner.cancel()
        self.progress.emit(0, 0)

    def shutdown(self) -> None:
        """Stop the background thread."""
        self.cancel()
        self._runner.shutdown()
        self._mailbox.close()

    def _read(self, job: Job, batch: int, paths: list[str]) -> None:
        """Runs in the worker: report every file as soon as it is read."""
        put = self._mailbox.put
        files, problems = find_images(paths, MOST, job.poll)
        side = MAX_SIDE if len(files) <= MANY else SMALL_SIDE
        for problem in problems:
            put(_News(batch, problem=problem))
        for done, file in enumerate(files, start=1):
            job.poll()
            try:
                picture = read_picture(file, side)
            except EngineError as error:
                put(_News(batch, problem=str(error), done=done, total=len(files)))
            else:
                put(_News(batch, picture, str(file), done=done, total=len(files)))
        put(_News(batch))

    @Slot(list)
    def _on_news(self, news: list[_News]) -> None:
        """Take in what was read since the last time, all of it as one change."""
        for batch, group in groupby(news, key=lambda item: item.batch):
            if batch > self._cancelled_to:
                self._take_in(batch, list(group))

    def _take_in(self, batch: int, news: list[_News]) -> None:
        refs = [self._store.add(n.picture, n.source) for n in news if n.picture is not None]
        if refs:
            self._insert(refs, self._places[batch], batch)
            self._places[batch] += len(refs)
        self._problems.setdefault(batch, []).extend(n.problem for n in news if n.problem)
        if not news[-1].is_end:
            self.progress.emit(news[-1].done, news[-1].total)
            return
        del self._places[batch]
        self.progress.emit(0, 0)
        if problems := self._problems.pop(batch):
            self.problems_found.emit(problems)

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self.cancel()
        self.problems_found.emit([f"opening stopped: {error}"])

    def _insert(self, refs: list[PictureRef], place: int, batch: int) -> None:
        """Put pictures into the tray, a batch in its own order, and show the batch's first."""
        refs = list(dict.fromkeys(refs))
        new = {ref.id for ref in refs}
        kept = [ref for ref in self._document.experiment.pictures if ref.id not in new]
        experiment = replace(
            self._document.experiment, pictures=(*kept[:place], *refs, *kept[place:])
        )
        text = f"open {refs[0].name}"
        self._document.replace(experiment, text, merge_key=f"open-{batch}")
        if place == 0:
            self._view.set_picture(refs[0].id)
