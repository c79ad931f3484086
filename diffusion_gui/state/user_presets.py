"""The user's own presets and recent schedules, observable; the file is read when first needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec

if TYPE_CHECKING:
    from diffusion_gui.session.user_presets import Shelf

FILE_NAME = "presets.json"
SETTLE_MS = 2500
"""How long a schedule must stay as it is to count as a recent one."""


class UserPresets(QObject):
    """Named schedules of this user, and the last ones that stayed on show for a while.

    `changed()` when either list changed, `failed(line)` when the file cannot be read or written;
    what is in memory stays usable then. Names are as `save` returns them. The file and what
    decodes it are loaded by `load` or by the first question, never before the first paint.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(
        self, folder: Path, parent: QObject | None = None, settle_ms: int = SETTLE_MS
    ) -> None:
        super().__init__(parent)
        self._path = folder / FILE_NAME
        self._shelf: Shelf | None = None
        self._stamp: tuple[int, int] | None = None
        self._writable = True
        self._watched: ScheduleSpec | None = None
        self._settled = QTimer(self, singleShot=True, interval=settle_ms)
        self._settled.timeout.connect(self._on_settled)

    def load(self) -> None:
        """Read the file, unless that has been done."""
        if self._shelf is None:
            self._read()
            self.changed.emit()

    def names(self) -> tuple[str, ...]:
        """Return the names of the presets in alphabetical order."""
        return tuple(sorted(self._loaded().presets, key=str.casefold))

    def get(self, name: str) -> ScheduleSpec:
        """Return a preset; raises EngineError if there is none of that name."""
        presets = self._loaded().presets
        if name not in presets:
            raise EngineError(f"There is no preset “{name}” any more")
        return presets[name]

    def name_of(self, spec: ScheduleSpec) -> str:
        """Return the name of the preset that is `spec`, "" if none is or nothing is loaded yet."""
        presets = self._shelf.presets if self._shelf else {}
        return next((name for name, known in presets.items() if known == spec), "")

    def recent(self) -> tuple[ScheduleSpec, ...]:
        """Return the recent schedules, newest first."""
        return self._loaded().recent

    def recent_titles(self) -> tuple[str, ...]:
        """Return a short name for each of `recent`, all different."""
        from diffusion_gui.session.user_presets import titles

        return titles(self.recent())

    def title(self, spec: ScheduleSpec) -> str:
        """Return a short name for a schedule, which a person may keep for it."""
        from diffusion_gui.session.user_presets import title

        return title(spec)

    def save(self, name: str, spec: ScheduleSpec) -> str:
        """Keep `spec` as the preset `name`, in place of one of that name; return the name.

        Raises EngineError, and changes nothing, for an empty or too long name.
        """
        name = self.check_name(name)
        shelf = self._current()
        self._keep({**shelf.presets, name: spec}, _without(shelf.recent, spec))
        return name

    def rename(self, old: str, new: str) -> str:
        """Give a preset another name, which it returns.

        Raises EngineError, and changes nothing, if the name is no good or in use.
        """
        new = self.check_name(new)
        shelf = self._current()
        if new != old and new in shelf.presets:
            raise EngineError(f"“{new}” exists: choose another name")
        self.get(old)
        renamed = {new if name == old else name: spec for name, spec in shelf.presets.items()}
        self._keep(renamed, shelf.recent)
        return new

    def remove(self, name: str) -> None:
        """Drop a preset; its schedule stays among the recent ones."""
        shelf = self._current()
        spec = self.get(name)
        left = {known: kept for known, kept in shelf.presets.items() if known != name}
        self._keep(left, (spec, *_without(shelf.recent, spec)))

    def check_name(self, name: str) -> str:
        """Return `name` as it would be kept; raises EngineError if it cannot be one."""
        from diffusion_gui.session.user_presets import check_name

        return check_name(name)

    def watch(self, spec: ScheduleSpec) -> None:
        """Note that `spec` is on show now; if it stays so for a while it becomes a recent one."""
        self._watched = spec
        self._settled.start()

    def shutdown(self) -> None:
        """Stop the clock; safe to call twice."""
        self._settled.stop()

    def _on_settled(self) -> None:
        """Put the schedule on show first among the recent ones, unless a list has it anyway."""
        spec = self._watched
        if spec is None:
            return
        shelf = self._current()
        plain = spec.preset and self.title(spec) == PRESETS[spec.preset].title
        if not plain and spec not in shelf.presets.values() and spec not in shelf.recent[:1]:
            self._keep(shelf.presets, (spec, *_without(shelf.recent, spec)), quietly=True)

    def _loaded(self) -> Shelf:
        self.load()
        assert self._shelf is not None
        return self._shelf

    def _current(self) -> Shelf:
        """Return what is on the file now: a second window of the program may have saved too."""
        shelf = self._loaded()
        if self._seen() not in (self._stamp, None):
            self._read()
        return self._shelf or shelf

    def _keep(
        self,
        presets: Mapping[str, ScheduleSpec],
        recent: tuple[ScheduleSpec, ...],
        quietly: bool = False,
    ) -> None:
        """Make these the lists, in memory and on file."""
        from diffusion_gui.session import user_presets as files

        self._shelf = files.Shelf(presets, recent[: files.MOST_RECENT])
        if self._writable:
            try:
                files.write(self._path, self._shelf)
            except EngineError as error:
                if not quietly:
                    self.failed.emit(f"Your presets: {error}")
            self._stamp = self._seen()
        self.changed.emit()

    def _read(self) -> None:
        from diffusion_gui.session import user_presets as files

        reading = files.read(self._path)
        self._shelf, self._writable = reading.shelf, reading.replaceable
        self._stamp = self._seen()
        if reading.fault:
            if self._writable and self._shelf != files.Shelf():
                self._keep(self._shelf.presets, self._shelf.recent)
            self.failed.emit(reading.fault)

    def _seen(self) -> tuple[int, int] | None:
        """Return what tells this version of the file from another, None if there is none."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size


def _without(specs: Iterable[ScheduleSpec], spec: ScheduleSpec) -> tuple[ScheduleSpec, ...]:
    return tuple(other for other in specs if other != spec)
