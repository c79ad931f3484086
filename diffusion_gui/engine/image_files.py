"""Finding and opening image files: regular files only, nothing that waits, one line for the rest.

Imports no Pillow: what is in a file is read in `images.py`.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from diffusion_gui.engine.errors import EngineError

SUFFIXES = frozenset(
    "." + ending
    for ending in (
        *("png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "ico", "tga", "jp2", "j2k", "avif"),
    )
)
Poll = Callable[[int], None]
"""Called with the number of files found so far; it may raise to end the search."""


def printable(name: str) -> str:
    """Return a file name as one line of text: what no font can show becomes U+FFFD.

    Names may hold line breaks, and bytes that are no text in the file system's encoding.
    """
    hidden = ("Cc", "Cs", "Zl", "Zp")
    return "".join("\ufffd" if unicodedata.category(c) in hidden else c for c in name)


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading; raises EngineError for a folder, a pipe, a device or a socket.

    It never waits: a pipe would, for somebody to write into it.
    """
    name = printable(path.name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb", opener=_open_at_once)
    except (FileNotFoundError, NotADirectoryError):
        raise EngineError(f"{name}: the file is no longer there") from None
    except PermissionError:
        raise EngineError(f"{name}: no permission to read the file") from None
    except OSError as error:
        raise EngineError(f"{name[:80]}: cannot be opened ({_reason(error)})") from None
    except ValueError:  # a null character
        raise EngineError(f"{name}: no file can have this name") from None
    if stat.S_ISDIR(mode):
        raise EngineError(f"{name}: this is a folder, not an image")
    raise EngineError(f"{name}: this is a {_kind(mode)}, not an image file")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "its links run in a circle"
    return error.strerror or str(error)


def find_images(
    paths: Iterable[str | os.PathLike[str]],
    most: int | None = None,
    poll: Poll = lambda found: None,
) -> tuple[list[Path], list[str]]:
    """Expand files and folders (searched to the bottom) into image files, in order.

    Files named directly are kept whatever their ending; in folders the ending decides, and what is
    hidden (its name begins with a dot) stays out. A link to a folder is followed where it is named
    directly, not inside a folder: it may lead anywhere, even back. Returns the files, at most
    `most`, and one line for every path that cannot be used. `poll` is called at every entry of a
    folder.
    """
    files: list[Path] = []
    problems: list[str] = []
    for given in map(Path, paths):
        if most is not None and len(files) >= most:
            break
        before = len(files), len(problems)
        try:
            if not given.is_dir():
                given.stat()
                files.append(given)
                continue
            for file in _images_below(given, problems, lambda more: poll(len(files) + more)):
                files.append(file)
                if most is not None and len(files) >= most:
                    break
            if before == (len(files), len(problems)):
                problems.append(f"{printable(given.name)}: no images in this folder")
        except (OSError, ValueError) as error:
            problems.append(_problem(given, error, "there is no such file"))
    if most is not None and len(files) >= most:
        problems.append(f"only the first {most:,} files were opened; drop the others by themselves")
    return files, problems


def _images_below(folder: Path, problems: list[str], poll: Poll) -> Iterator[Path]:
    """Yield the image files in `folder` and below, sorted within each folder.

    What turns out not to be a file is named when it is opened. Folders that cannot be read and
    links to folders are added to `problems`.
    """
    waiting = [folder]
    while waiting:
        where = waiting.pop()
        images: list[str] = []
        folders: list[str] = []
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    _sort_in(entry, images, folders, problems)
                    poll(len(images))
        except OSError as error:
            problems.append(_problem(where, error))
        yield from (where / name for name in sorted(images))
        waiting.extend(where / name for name in sorted(folders, reverse=True))


def _sort_in(
    entry: os.DirEntry[str], images: list[str], folders: list[str], problems: list[str]
) -> None:
    """Put what a folder holds to the images, the folders, the problems, or nowhere."""
    name = entry.name
    if name.startswith("."):
        return
    if entry.is_dir(follow_symlinks=False):
        folders.append(name)
    elif _leads_to_folder(entry):
        above = Path(entry.path).parent.resolve().is_relative_to(Path(entry.path).resolve())
        mend = " above it, left out" if above else "; drop that folder itself"
        problems.append(f"{printable(name)}: a link to a folder{mend}")
    elif name[name.rfind(".") :].lower() in SUFFIXES:
        images.append(name)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:  # links in a circle
        return False


def _problem(path: Path, error: Exception, gone: str = "the file is no longer there") -> str:
    name = printable(path.name)[:80]
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{name}: {gone}"
    if isinstance(error, PermissionError):
        return f"{name}: no permission to open the folder"
    if isinstance(error, OSError):
        return f"{name}: cannot be opened ({_reason(error)})"
    return f"{name}: no file can have this name"
