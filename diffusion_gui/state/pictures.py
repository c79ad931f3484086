"""Opening pictures in the background and putting them into the document.

The worker reads files, makes thumbnails and fills the store; the GUI thread only takes in
references, all that came since the last time as one change. So a folder of 10,000 costs it a few
milliseconds at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, PictureRef
from diffusion_gui.engine.forward import LARGE
from diffusion_gui.engine.image_files import find_images
from diffusion_gui.engine.images import Picture, read_picture
from diffusion_gui.session.picture_store import PictureStore, side_for
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox
from diffusion_gui.state.view_state import ViewState

Refs = tuple[PictureRef, ...]

MOST = 100_000
"""Files opened in one go."""
FAST_MS, SLOW_MS = 60, 250
"""Time between two changes of the tray. Every one of them costs all who look at the whole set, so
a batch becomes slower when `_LARGE` of its pictures are in."""
_LARGE = 1000
_COUNTED = 256
"""Files found between two words about it."""


@dataclass(frozen=True, slots=True)
class _News:
    """From the worker: a picture, or what was wrong, or how far it is, or the end of a batch."""

    batch: int
    ref: PictureRef | None = None
    problem: str = ""
    done: int = 0
    total: int = 0
    end: bool = False


@dataclass(slots=True)
class _Batch:
    """A drop that is being opened: which of it is in the tray, and where its next picture goes."""

    number: int
    job: Job | None = None
    ids: set[str] = field(default_factory=set)
    place: int = 0
    tray: Refs | None = None
    """The tray for which `place` and `tray_ids` hold: as it was written last."""
    tray_ids: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    opened: int = 0


class PictureLoader(QObject):
    """Opens files, folders and pasted pictures and puts them first in the tray.

    `problems_found(lines)` carries, at the end of a batch, one line for every path that could not
    be opened. `progress(done, total)` runs while a batch is open: (found, 0) while its files are
    counted, then (opened, total); (0, 0) when none is. `opened(ids)` after pictures were opened,
    be they new in the tray or not.
    """

    problems_found = Signal(list)
    progress = Signal(int, int)
    opened = Signal(list)

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
        self._number = 0
        self._tried = 0
        self._open: dict[int, _Batch] = {}
        self._runner = JobRunner("pictures", self)
        self._runner.failed.connect(self._on_failed)
        self._keeper = JobRunner("pasted pictures", self)  # a paste waits for no folder
        self._keeper.failed.connect(self._on_failed)
        self._mailbox = Mailbox(interval_ms=FAST_MS, newest_only=False, parent=self)
        self._mailbox.arrived.connect(self._on_news)

    @property
    def tried(self) -> int:
        """How many were to be opened in the batch whose problems were told last."""
        return self._tried

    @property
    def busy(self) -> bool:
        """True while files are being opened."""
        return self._runner.busy or self._keeper.busy or bool(self._open)

    def open(self, paths: Sequence[str]) -> None:
        """Open files and folders in the background, in the order given."""
        batch, names = self._begin(), list(paths)
        number = batch.number
        batch.job = self._runner.submit(lambda job: self._read(job, number, names), supersede=False)

    def add(self, picture: Picture, source: str) -> None:
        """Put an already decoded picture (from the clipboard) into the tray and show it.

        A large one takes a while; so does any for which the store has to make room.
        """
        batch = self._begin()
        height, width = picture.pixels.shape[:2]
        if height * width <= LARGE and self._store.has_room(picture):
            self._take_in(batch, [_News(batch.number, self._store.add(picture, source), end=True)])
            return

        def keep(_: Job) -> None:
            ref = self._store.add(picture, source)
            self._mailbox.put(_News(batch.number, ref, done=1, total=1, end=True))

        batch.job = self._keeper.submit(keep, supersede=False)

    def cancel(self) -> None:
        """Stop opening; what is in the tray stays."""
        self._open.clear()
        self._runner.cancel()
        self._keeper.cancel()
        self.progress.emit(0, 0)

    def shutdown(self) -> None:
        """Stop the background thread."""
        self.cancel()
        self._runner.shutdown()
        self._keeper.shutdown()
        self._mailbox.close()

    def _begin(self) -> _Batch:
        self._number += 1
        batch = self._open[self._number] = _Batch(self._number)
        return batch

    # --- in the worker ------------------------------------------------------------------------

    def _read(self, job: Job, batch: int, paths: list[str]) -> None:
        """Report every file as soon as it is read."""
        put = self._mailbox.put
        told = 0

        def poll(found: int) -> None:
            nonlocal told
            job.poll()
            if found >= told + _COUNTED:
                told = found
                put(_News(batch, done=found))

        files, problems = find_images(paths, MOST, poll)
        for problem in problems:
            put(_News(batch, problem=problem, total=len(files)))
        side = side_for(len(files))
        for done, file in enumerate(files, start=1):
            job.poll()
            ref, problem = self._read_one(file, side)
            put(_News(batch, ref, problem, done, len(files)))
        put(_News(batch, end=True))

    def _read_one(self, file: Path, side: int) -> tuple[PictureRef | None, str]:
        try:
            picture = read_picture(file, side)
        except EngineError as error:
            return None, str(error)
        return self._store.add(picture, str(file.absolute()), side), ""

    # --- in the GUI thread --------------------------------------------------------------------

    @Slot(list)
    def _on_news(self, news: list[_News]) -> None:
        """Take in what was read since the last time, all of it as one change."""
        for number, group in groupby(news, key=lambda item: item.batch):
            if number in self._open:  # else it was cancelled
                self._take_in(self._open[number], list(group))

    def _take_in(self, batch: _Batch, news: list[_News]) -> None:
        refs = [n.ref for n in news if n.ref is not None]
        batch.opened += len(refs)
        batch.problems.extend(n.problem for n in news if n.problem)
        if refs and not self._follow(batch):
            assert batch.job is not None
            batch.job.cancel()
            self._close(batch)
            return
        self._insert(batch, refs)
        self._mailbox.set_interval(SLOW_MS if len(batch.ids) >= _LARGE else FAST_MS)
        if news[-1].end:
            self._close(batch)
        elif batch.number in self._open:  # who heard of the pictures may have cancelled
            self.progress.emit(news[-1].done, news[-1].total)

    def _close(self, batch: _Batch) -> None:
        if self._open.pop(batch.number, None) is None:
            return
        self.progress.emit(0, 0)
        if self._store.problem:
            batch.problems.append(self._store.problem)
            self._store.problem = ""
        if batch.problems:
            self._tried = batch.opened + len(batch.problems)
            self.problems_found.emit(batch.problems)

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self.cancel()
        self.problems_found.emit([f"opening stopped: {error}"])

    def _follow(self, batch: _Batch) -> bool:
        """Find a batch's place anew if somebody else has changed the tray; return whether to go on.

        Where nothing of it is left in the tray, as after Undo or Clear, no more of it is wanted.
        """
        tray = self._document.experiment.pictures
        if tray is not batch.tray:
            batch.tray, batch.tray_ids = tray, {ref.id for ref in tray}
            batch.place = _end_of(batch.ids, tray)
        return batch.place > 0 or not batch.ids

    def _insert(self, batch: _Batch, refs: list[PictureRef]) -> None:
        """Put pictures into the tray, a batch in its own order, and show the batch's first.

        Steps made meanwhile get them too, but for those without any of the batch (Clear, say).
        """
        new: dict[str, PictureRef] = {}
        for ref in refs:
            if ref.id not in batch.ids:
                new.setdefault(ref.id, ref)
        if not new:
            return
        before = batch.tray
        assert before is not None  # `_follow` comes first
        tray, place = _inserted(before, batch.place, new, batch.tray_ids)
        first, batch.place, batch.tray = not batch.ids, place, tray
        known = frozenset(batch.ids)

        def change(experiment: Experiment) -> Experiment:
            if experiment.pictures is before:
                return replace(experiment, pictures=tray)
            at = _end_of(known, experiment.pictures)  # of a step made while the batch was opened
            if not at:
                return experiment
            return replace(experiment, pictures=_inserted(experiment.pictures, at, new)[0])

        batch.ids.update(new)
        batch.tray_ids.update(new)
        opened = next(iter(new.values()))
        text = opened.name if len(batch.ids) == 1 else f"{len(batch.ids):,} pictures"
        key = f"open#{batch.number}"
        if first or not self._document.history.amend(key, f"open {text}", change):
            self._document.replace(change(self._document.experiment), f"open {text}", key)
        if first:
            self._view.set_picture(opened.id)
        self.opened.emit(list(new))


def _inserted(
    tray: Refs, place: int, new: Mapping[str, PictureRef], ids: Collection[str] | None = None
) -> tuple[Refs, int]:
    """Return the tray with `new` at `place`, taken out elsewhere, and the place after them.

    `ids`, if given, are those of the tray: where none is among `new`, nothing is searched.
    """
    before, after = tray[:place], tray[place:]
    if ids is None or not new.keys().isdisjoint(ids):
        before = tuple(ref for ref in before if ref.id not in new)
        after = tuple(ref for ref in after if ref.id not in new)
    return (*before, *new.values(), *after), len(before) + len(new)


def _end_of(ids: Collection[str], tray: Refs) -> int:
    """Return the place after the last picture of `ids`, 0 if none is there."""
    return max((i for i, ref in enumerate(tray, start=1) if ref.id in ids), default=0)
