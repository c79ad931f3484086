"""Many files in one folder, all of them or none. Standard library only."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.session.files import AnyPath, WatchedFile


def check_folder(folder: AnyPath, names: Sequence[str]) -> Path:
    """Return `folder` if files called `names` can be made in it.

    Raises EngineError where it is no folder, and where one of the files is there already.
    """
    place = Path(folder)
    if not place.is_dir():
        raise EngineError(f"{place}: there is no such folder; make it first, or choose another")
    there = next((name for name in names if (place / name).exists()), None)
    if there is not None:
        raise EngineError(f"{place}: {there} is there already; choose another folder")
    return place


def numbers(of: Sequence[int], most: int) -> list[str]:
    """Return numbers as they stand in file names: as long as `most` is, two digits at least."""
    digits = max(2, len(str(most)))
    return [f"{number:0{digits}}" for number in of]


def write_all(
    folder: AnyPath,
    names: Sequence[str],
    write: Callable[[int, BinaryIO], object],
    poll: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Let `write(index, file)` fill a file for each of `names` in `folder`.

    Whatever ends it early, none of them is left. `poll` may raise to end it. Raises EngineError
    with one line where the file system refuses.
    """
    place = check_folder(folder, names)
    parts = place / f".{secrets.token_hex(8)}.part"
    named: list[Path] = []
    try:
        parts.mkdir()
        for index, name in enumerate(names):
            poll()
            progress(index, len(names))
            with (parts / name).open("xb") as file:
                write(index, cast(BinaryIO, WatchedFile(file, poll)))
        poll()
        for name in names:
            (parts / name).rename(place / name)
            named.append(place / name)
    except BaseException as error:
        for path in named:
            path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        reason = error.strerror or str(error)
        raise EngineError(
            f"{place}: cannot be written to ({reason}); choose another folder"
        ) from None
    finally:
        shutil.rmtree(parts, ignore_errors=True)
