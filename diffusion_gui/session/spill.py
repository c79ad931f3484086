"""Pixels that are in no file of the user's, in temporary files. Knows no Qt."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Picture


class Spill:
    """A folder of its own, made when it is first needed and removed at the end of the program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remove: Callable[[], object] = lambda: None
        self._folder: Path | None = None

    def write(self, picture: Picture) -> Callable[[], Picture]:
        """Write the pixels as they are; return what reads them back.

        Raises OSError, and leaves no file, where there is no room. What reads raises EngineError
        if the file is not there any more.
        """
        arrays: dict[str, Any] = {"pixels": picture.pixels}
        if picture.alpha is not None:
            arrays["alpha"] = picture.alpha
        with tempfile.NamedTemporaryFile(dir=self._made(), suffix=".npz", delete=False) as file:
            path = Path(file.name)
            try:
                np.savez(file, **arrays)
                file.flush()
            except OSError:
                path.unlink(missing_ok=True)
                raise
        name, notes = picture.name, picture.notes
        return lambda: _read(path, name, notes)

    def close(self) -> None:
        """Remove the folder; safe to call twice."""
        with self._lock:
            self._folder = None
            self._remove()

    def _made(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="diffusion-gui-"))
                self._remove = weakref.finalize(self, shutil.rmtree, self._folder, True)
            return self._folder


def _read(path: Path, name: str, notes: tuple[str, ...]) -> Picture:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Picture(name, arrays["pixels"], notes, arrays.get("alpha"))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise EngineError(
            f"{name}: its temporary file cannot be read ({error}); paste it again"
        ) from None
