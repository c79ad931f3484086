"""The pictures of the tray, edited as a set: taken out, moved, brought back.

Every edit is one undoable step of the document. Bundled pictures are decoded in a thread first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.experiment import PictureRef
from diffusion_gui.session.library import PHOTOS
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.document import Document
from diffusion_gui.state.jobs import Job, JobRunner
from diffusion_gui.state.view_state import Look, ViewState

Refs = tuple[PictureRef, ...]


class PictureSet(QObject):
    """Edits the document's pictures and keeps what is chosen among them.

    When the picture on show leaves, its next neighbour is shown. Undo and redo of an edit bring
    back what was on show and chosen before it, or after it.
    `problems_found(lines)` says why bundled pictures could not be brought back.
    """

    problems_found = Signal(list)

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
        self._before = document.experiment.pictures
        self._moves = 0
        self._runner = JobRunner("bundled pictures", self)
        self._runner.done.connect(self._on_fetched)
        self._runner.failed.connect(self._on_failed)
        document.pictures_changed.connect(self._on_pictures)
        document.history.leaving.connect(self._remember)

    @property
    def pictures(self) -> Refs:
        """The pictures in the order of the tray."""
        return self._document.experiment.pictures

    @property
    def busy(self) -> bool:
        """True while bundled pictures are being brought back."""
        return self._runner.busy

    def remove(self, ids: Collection[str]) -> None:
        """Take pictures out of the tray."""
        if gone := self._those(ids):
            among = set(gone)
            kept = [ref for ref in self.pictures if ref not in among]
            self._replace(kept, f"remove {_named(gone)}")

    def keep_only(self, ids: Collection[str]) -> None:
        """Take all other pictures out of the tray; nothing happens if none of `ids` is there."""
        if kept := self._those(ids):
            self._replace(kept, f"remove all but {_named(kept)}")

    def clear(self) -> None:
        """Take all pictures out of the tray."""
        self._replace((), "clear the tray")

    def move(self, ids: Collection[str], place: int) -> None:
        """Move pictures together to the gap before the picture now at `place`, 0..N."""
        if moved := self._those(ids):
            among = set(moved)
            front = [ref for ref in self.pictures[: max(place, 0)] if ref not in among]
            back = [ref for ref in self.pictures[max(place, 0) :] if ref not in among]
            self._replace([*front, *moved, *back], f"move {_named(moved)}")

    def shift(self, ids: Collection[str], right: bool) -> None:
        """Move pictures by one place; what has reached the end stays there.

        Shifts that follow one another are one undo step until `end_shift`.
        """
        if moved := self._those(ids):
            pictures = _shifted(self.pictures, set(ids), right)
            self._replace(pictures, f"move {_named(moved)}", f"move-pictures#{self._moves}")

    def end_shift(self) -> None:
        """Close the current shift: the next one is a new undo step."""
        self._moves += 1

    def restore_photos(self) -> None:
        """Bring the bundled photographs that are not there back to the front and show the first."""
        self._fetch(
            lambda: tuple(self._store.defer_photo(name) for name in PHOTOS),
            "restore the photographs",
        )

    def use_emoji(self) -> None:
        """Bring the bundled emoji that are not there to the front and show the first."""
        self._fetch(self._store.defer_emoji, "use the bundled emoji")

    def shutdown(self) -> None:
        """Stop the background thread."""
        self._runner.shutdown()

    def _those(self, ids: Collection[str]) -> list[PictureRef]:
        """Return the pictures of `ids` in the order of the tray."""
        wanted = set(ids)
        return [ref for ref in self.pictures if ref.id in wanted]

    def _replace(self, pictures: Sequence[PictureRef], text: str, merge_key: str = "") -> None:
        experiment = replace(self._document.experiment, pictures=tuple(pictures))
        self._document.replace(experiment, text, merge_key)

    def _fetch(self, defer: Callable[[], Refs], text: str) -> None:
        """Decode the first of the pictures in the thread: what comes after is quick."""

        def work(_job: Job) -> tuple[Refs, str]:
            refs = defer()
            self._store.get(refs[0].id)
            return refs, text

        self._runner.submit(work, supersede=False)

    @Slot(object)
    def _on_fetched(self, fetched: tuple[Refs, str]) -> None:
        refs, text = fetched
        known = {ref.id for ref in self.pictures}
        missing = tuple(ref for ref in refs if ref.id not in known)
        self._replace((*missing, *self.pictures), text)
        self._view.choose([refs[0].id])

    @Slot(object)
    def _on_failed(self, error: Exception) -> None:
        self.problems_found.emit(
            [f"the bundled pictures could not be opened: {error}; install the program again"]
        )

    @Slot()
    def _remember(self) -> None:
        self._document.history.remember(self._view.look)

    @Slot()
    def _on_pictures(self) -> None:
        """Let what is chosen be what is left of it, and show a neighbour of what has left."""
        before, self._before = self._before, self.pictures
        known = {ref.id for ref in self.pictures}
        look = self._document.history.look
        if not isinstance(look, Look) or look.picture not in known:
            look = self._view.look
        chosen = [picture for picture in look.chosen if picture in known]
        shown = look.picture
        if shown not in known:
            shown = chosen[0] if chosen else _neighbour(before, shown, self.pictures)
        self._view.choose(chosen or ([shown] if shown else []), shown)


def _neighbour(before: Refs, gone: str, after: Refs) -> str:
    """Return the picture of `after` that came next after `gone`, else the last before it, or ""."""
    ids, known = [ref.id for ref in before], [ref.id for ref in after]
    place = ids.index(gone) if gone in ids else 0
    order, left = (*ids[place:], *reversed(ids[:place]), *known), set(known)
    return next((picture for picture in order if picture in left), "")


def _shifted(pictures: Refs, ids: Collection[str], right: bool) -> list[PictureRef]:
    """Return the pictures, those of `ids` one place on unless others of them block the way."""
    result = list(pictures)
    gaps = range(len(result) - 1)
    for left in reversed(gaps) if right else gaps:
        one, two = result[left], result[left + 1]
        if (one if right else two).id in ids and (two if right else one).id not in ids:
            result[left], result[left + 1] = two, one
    return result


def _named(refs: Sequence[PictureRef]) -> str:
    """Return the name of one picture, or the number of several, e.g. "1,377 pictures"."""
    return refs[0].name if len(refs) == 1 else f"{len(refs):,} pictures"
