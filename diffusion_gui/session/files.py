"""Writing files so that they appear whole or not at all. Standard library only."""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from diffusion_gui.engine.errors import EngineError

AnyPath = str | os.PathLike[str]
_BLOCK = 1024**2
_PART = re.compile(r"\.[0-9a-f]{16}\.part")
_LEFT_SECONDS = 3600.0
"""Nobody writes a file any more that was not touched for so long."""


def check_target(path: AnyPath, endings: Collection[str] = ()) -> Path:
    """Return `path` if a file can be made there, so that a long job fails before it starts.

    Raises EngineError when its ending is not one of `endings` (lower case, with the dot; any if
    empty), when its folder does not exist, or when a folder has its name.
    """
    target = Path(path)
    if endings and target.suffix.lower() not in endings:
        known = " or ".join(endings)
        if not target.suffix:
            raise EngineError(f"{target}: the name has no ending; use {known}")
        raise EngineError(f"{target}: the ending {target.suffix!r} is not known here; use {known}")
    if target.is_dir():
        raise EngineError(f"{target}: this is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise EngineError(
            f"{target}: there is no folder {str(target.parent)!r}; make it first, or choose another"
        )
    return target


def free_bytes(folder: AnyPath) -> float:
    """Return how many bytes the disk of a folder has room for, infinity where it does not tell."""
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return math.inf


def check_free(path: Path, need: int) -> None:
    """Raise EngineError where the disk of a file has no room for `need` bytes."""
    free = free_bytes(path.parent)
    if need > free:
        raise EngineError(
            f"{path}: {need / 1024**2:.0f} MiB are needed and {free / 1024**2:.0f} MiB are free"
            " there; make room, or choose another place"
        )


def check_room(path: AnyPath, need: int) -> None:
    """Raise EngineError where a file of `need` bytes cannot be made; an empty one is tried."""
    target = check_target(path)
    check_free(target, need)
    trial = _part_of(target)
    try:
        trial.touch(exist_ok=False)
        trial.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"{path}: cannot be written ({reason}); choose another place") from None


def atomic_write(
    path: AnyPath, write: Callable[[BinaryIO], object], poll: Callable[[], None] = lambda: None
) -> None:
    """Let `write` fill a new file beside `path` and then give it the name `path`.

    `poll` is called when the new file is whole, and may still raise to end it all.
    Whatever ends `write` early (an error, Ctrl-C), an older file stays as it was and nothing is
    left beside it. Links are followed. Raises EngineError with one line where the file system
    refuses.
    """
    target = Path(os.path.realpath(check_target(path)))
    part = _part_of(target)
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        poll()
        part.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"{path}: cannot be written ({reason}); choose another place") from None
    finally:
        part.unlink(missing_ok=True)


def sweep(folder: AnyPath) -> None:
    """Remove what programs that were killed have left of files they wrote, an hour ago or more."""
    try:
        parts = [file for file in Path(folder).iterdir() if _PART.fullmatch(file.name)]
    except OSError:
        return
    for file in parts:
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > _LEFT_SECONDS:
                file.unlink()


def _part_of(target: Path) -> Path:
    return target.with_name(f".{secrets.token_hex(8)}.part")


def digest(path: AnyPath, poll: Callable[[], None] = lambda: None) -> str:
    """Return what names the content of a file: 32 digits of its SHA-256."""
    sha = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                poll()
                sha.update(block)
    except OSError as problem:
        raise EngineError(f"{path}: cannot be read ({problem.strerror or problem})") from None
    return sha.hexdigest()[:32]


class WatchedFile:
    """A file to be written that calls `poll` before every write: it may raise to end the job."""

    def __init__(self, file: BinaryIO, poll: Callable[[], None]) -> None:
        self._file = file
        self._poll = poll
        self.seek, self.tell, self.flush = file.seek, file.tell, file.flush
        self.read = file.read
        """Only by having it does NumPy know a file."""

    def write(self, data: bytes) -> int:
        """Write `data`; returns how many bytes that were."""
        self._poll()
        return self._file.write(data)
