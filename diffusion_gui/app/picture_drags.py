"""Pictures to other programs: by the clipboard, and dragged out of the window.

A drag needs a file: it is made in a background thread, in a folder that goes with the program, and
the drag begins when it is there, if the button is still pressed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, QPoint, Qt, QTemporaryDir, QUrl, Signal, Slot
from PySide6.QtGui import QDrag, QGuiApplication, QPixmap

from diffusion_gui.app.parts import Parts
from diffusion_gui.app.scenes import file_name, other_side, scene_on_show
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.panels.common.dropping import PNG
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.images.panel import ImagePanel
from diffusion_gui.state.exporting import Exporter

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Part, Scene, Shot, Watch

_THUMBNAIL = 96
"""Longest side in pixels of what hangs at the mouse during a drag."""


class PictureDrags(QObject):
    """Copies what is on show, and lets the tiles be dragged out. `said(text)` tells what was done.

    Jobs are done by `exporter`.
    """

    said = Signal(str)

    def __init__(self, parts: Parts, panel: ImagePanel, exporter: Exporter) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._exporter = exporter
        self._folder: QTemporaryDir | None = None
        self._count = 0
        tiles = panel.tiles
        tiles.x_0.dragged_out.connect(lambda: self._drag("x_0"))
        tiles.x_t.dragged_out.connect(lambda: self._drag("x_t"))
        tiles.x_t_other.dragged_out.connect(lambda: self._drag("x_t", other=True))
        tiles.signal.dragged_out.connect(lambda: self._drag("signal"))
        tiles.noise.dragged_out.connect(lambda: self._drag("noise"))

    def remove_files(self) -> None:
        """Remove what was dragged out; safe to call twice."""
        if self._folder is not None:
            self._folder.remove()

    @Slot()
    def copy(self) -> None:
        """Put the picture at t on the clipboard."""
        from diffusion_gui.session.forward_export import shot

        scene = scene_on_show(self._parts)
        if scene is None:
            self._panel.bar.show_lines(["There is no picture to export: open or drop one first"])
            return
        text = f"Copied {scene.subject.ref.name} at t = {scene.view.t}"
        self._exporter.start(lambda _: shot(scene), lambda made: self._to_clipboard(made, text))

    def _to_clipboard(self, made: Shot, text: str) -> None:
        QGuiApplication.clipboard().setMimeData(_mime(made))
        self.said.emit(text)

    def _drag(self, name: str, other: bool = False) -> None:
        """Make the file of a tile, then let it hang at the mouse."""
        from diffusion_gui.session.forward_export import Part, shot

        scene, part = scene_on_show(self._parts), Part(name)
        if scene is None:
            return
        if other:
            scene = other_side(scene)
        path = self._place(scene, part)
        if path is None:
            line = "There is no folder for temporary files to drag out of; export the picture"
            self._panel.bar.show_lines([line])
            return

        def make(_: Watch) -> Shot:
            made = shot(scene, part)
            try:
                path.parent.mkdir()
                path.write_bytes(made.png)
            except OSError as error:
                raise EngineError(
                    f"{path.name}: cannot be dragged out ({error.strerror or error}); export it"
                ) from None
            return made

        self._exporter.start(make, lambda made: self._hang(made, path))

    def _place(self, scene: Scene, part: Part) -> Path | None:
        """Return a new place for a file: others may still be read by another program.

        None where no folder can be made: `path()` would be empty, the folder the program is in.
        """
        if self._folder is None or not self._folder.isValid():
            self._folder = QTemporaryDir()
        if not self._folder.isValid():
            return None
        self._count += 1
        what = "" if part == "x_0" else f"-t{scene.view.t}" + (f"-{part}" if part != "x_t" else "")
        return Path(self._folder.path()) / str(self._count) / file_name(self._parts, ".png", what)

    def _hang(self, made: Shot, path: Path) -> None:
        if not QGuiApplication.mouseButtons() & Qt.MouseButton.LeftButton:
            return
        mime = _mime(made)
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        drag = QDrag(self._panel)
        drag.setMimeData(mime)
        thumbnail = QPixmap.fromImage(mime.imageData()).scaled(
            _THUMBNAIL, _THUMBNAIL,
            Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation,
        )  # fmt: skip
        drag.setPixmap(thumbnail)
        drag.setHotSpot(QPoint(thumbnail.width() // 2, thumbnail.height() // 2))
        drag.exec(Qt.DropAction.CopyAction)


def _mime(made: Shot) -> QMimeData:
    """Return a picture for other programs: as an image, and as the PNG with all that it carries."""
    mime = QMimeData()
    mime.setImageData(to_qimage(made.pixels).copy())
    mime.setData(PNG, made.png)
    return mime
