"""A picture as other programs take it: from the clipboard, or as a file that hangs at the mouse.

A drag needs a file: it is made in a background thread, in a folder that goes with the program, and
the drag begins when it is there, if the button is still pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QPoint, Qt, QTemporaryDir, QUrl
from PySide6.QtGui import QDrag, QGuiApplication, QPixmap

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.panels.common.dropping import PNG
from diffusion_gui.panels.common.panel_frame import Panel
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.state.exporting import Exporter

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Shot
    from diffusion_gui.session.watch import Watch

_THUMBNAIL = 96
"""Longest side in pixels of what hangs at the mouse during a drag."""


class DragOut:
    """Makes the files with `exporter` and drags them out of `panel`; problems go to its bar."""

    def __init__(
        self, panel: Panel, exporter: Exporter, what: str, scaling: Qt.TransformationMode
    ) -> None:
        """Take what can be exported instead where there is no folder, in a word, and how what
        hangs at the mouse is scaled.
        """
        self._panel = panel
        self._exporter = exporter
        self._what = what
        self._scaling = scaling
        self._folder: QTemporaryDir | None = None
        self._count = 0

    def remove_files(self) -> None:
        """Remove what was dragged out; safe to call twice."""
        if self._folder is not None:
            self._folder.remove()

    def begin(self, name: str, render: Callable[[Watch], Shot]) -> None:
        """Make a file of this name, then let it hang at the mouse."""
        folder = self._place()
        if folder is None:
            line = f"There is no folder for temporary files to drag out of; export the {self._what}"
            self._panel.bar.show_lines([line])
            return
        path = folder / name

        def make(watch: Watch) -> Shot:
            made = render(watch)
            try:
                path.parent.mkdir()
                path.write_bytes(made.png)
            except OSError as error:
                raise EngineError(
                    f"{path.name}: cannot be dragged out ({error.strerror or error}); export it"
                ) from None
            return made

        self._exporter.start(make, lambda made: self._hang(mime_of(made), path))

    def _place(self) -> Path | None:
        """Return a new folder's path: earlier files may still be read by another program.

        None where no folder can be made: `path()` would be empty, the folder the program is in.
        """
        if self._folder is None or not self._folder.isValid():
            self._folder = QTemporaryDir()
        if not self._folder.isValid():
            return None
        self._count += 1
        return Path(self._folder.path()) / str(self._count)

    def _hang(self, mime: QMimeData, path: Path) -> None:
        if not QGuiApplication.mouseButtons() & Qt.MouseButton.LeftButton:
            return
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        drag = QDrag(self._panel)
        drag.setMimeData(mime)
        whole = QPixmap.fromImage(mime.imageData())
        keep = Qt.AspectRatioMode.KeepAspectRatio
        thumbnail = whole.scaled(_THUMBNAIL, _THUMBNAIL, keep, self._scaling)
        drag.setPixmap(thumbnail)
        drag.setHotSpot(QPoint(thumbnail.width() // 2, thumbnail.height() // 2))
        drag.exec(Qt.DropAction.CopyAction)


def mime_of(made: Shot) -> QMimeData:
    """Return a picture for other programs: as an image, and as the PNG with all that it carries."""
    mime = QMimeData()
    mime.setImageData(to_qimage(made.pixels).copy())
    mime.setData(PNG, made.png)
    return mime
