"""Pictures to other programs: by the clipboard, and dragged out of the window.

Read next: `drag_out.py`, which makes the files and hangs them at the mouse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication

from diffusion_gui.app.drag_out import DragOut, mime_of
from diffusion_gui.app.parts import Parts
from diffusion_gui.app.scenes import file_name, other_side, scene_on_show
from diffusion_gui.panels.images.panel import ImagePanel
from diffusion_gui.state.exporting import Exporter

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Shot


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
        self._out = DragOut(panel, exporter, "picture", Qt.TransformationMode.SmoothTransformation)
        tiles = panel.tiles
        tiles.x_0.dragged_out.connect(lambda: self._drag("x_0"))
        tiles.x_t.dragged_out.connect(lambda: self._drag("x_t"))
        tiles.x_t_other.dragged_out.connect(lambda: self._drag("x_t", other=True))
        tiles.signal.dragged_out.connect(lambda: self._drag("signal"))
        tiles.noise.dragged_out.connect(lambda: self._drag("noise"))

    def remove_files(self) -> None:
        """Remove what was dragged out; safe to call twice."""
        self._out.remove_files()

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
        QGuiApplication.clipboard().setMimeData(mime_of(made))
        self.said.emit(text)

    def _drag(self, name: str, other: bool = False) -> None:
        """Make the file of a tile, then let it hang at the mouse."""
        from diffusion_gui.session.forward_export import Part, shot

        scene, part = scene_on_show(self._parts), Part(name)
        if scene is None:
            return
        if other:
            scene = other_side(scene)
        t = scene.view.t
        what = "" if part == "x_0" else f"-t{t}" + (f"-{part}" if part != "x_t" else "")
        self._out.begin(file_name(self._parts, ".png", what), lambda _: shot(scene, part))
