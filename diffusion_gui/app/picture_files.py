"""The files of the image panel: exports, and what belongs to them.

All is rendered and read in background threads: `exports` for what takes long and can be cancelled,
another for the clipboard, drags (`picture_drags.py`) and what is opened (`restoring.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from diffusion_gui.app.parts import Parts
from diffusion_gui.app.picture_drags import PictureDrags
from diffusion_gui.app.restoring import Restorer
from diffusion_gui.app.scenes import file_name, scene_on_show, side_suffix
from diffusion_gui.app.schedule_files import ask_target
from diffusion_gui.panels.common.format_combo import ANIMATIONS, file_kinds
from diffusion_gui.panels.images.panel import ImagePanel
from diffusion_gui.state.exporting import Exporter

if TYPE_CHECKING:
    from diffusion_gui.session.animation import Motion
    from diffusion_gui.session.forward_export import Scene
    from diffusion_gui.session.watch import Watch

EXPORTS = ("exportFrame", "exportStrip", "exportSheet", "exportAnimation", "exportTensors")
_PNG = "PNG picture (*.png)"


class PictureFiles(QObject):
    """Exports what is on show; what goes wrong stands in the panel's bar.

    `said(text)` tells what was done.
    """

    said = Signal(str)

    def __init__(self, parts: Parts, panel: ImagePanel) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._motion: Motion | None = None
        self._ending = ".gif"
        """Of the last animation."""
        self.exports = Exporter("export", self)
        self._quick = Exporter("pictures in and out", self)
        self.exports.progress.connect(panel.tools.show_export)
        for exporter in (self.exports, self._quick):
            exporter.failed.connect(self._on_failed)
        panel.tools.export_cancel.clicked.connect(self.exports.cancel)
        self.drags = PictureDrags(parts, panel, self._quick)
        self.restorer = Restorer(parts, panel, self._quick)
        for speaker in (self.drags, self.restorer):
            speaker.said.connect(self.said)

    @property
    def busy(self) -> bool:
        """True while something is being written or read."""
        return self.exports.busy or self._quick.busy

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the commands do, by the names of `app/actions.py`."""
        return {
            "exportFrame": self._export_frame,
            "exportStrip": self._export_strip,
            "exportSheet": self._export_sheet,
            "exportAnimation": self._ask_motion,
            "exportTensors": self._export_tensors,
            "copyPicture": self.drags.copy,
        }

    def set_menu(self, actions: Mapping[str, QAction]) -> None:
        """Give the panel's Export button the commands that are about files."""
        menu = QMenu(self._panel)
        menu.addActions([actions[name] for name in EXPORTS])
        menu.addSeparator()
        menu.addAction(actions["copyPicture"])
        self._panel.tools.set_export_menu(menu)

    def shutdown(self) -> None:
        """End the threads and remove what was dragged out; safe to call twice."""
        self.exports.shutdown()
        self._quick.shutdown()
        self.drags.remove_files()

    # --- what is on show ------------------------------------------------------------------------

    def _scene(self) -> Scene | None:
        """Return what is on show, or say that nothing is."""
        scene = scene_on_show(self._parts)
        if scene is None:
            self._panel.bar.show_lines(["There is no picture to export: open or drop one first"])
        return scene

    def _times(self, side: str = "") -> Sequence[int]:
        """Return where the frames of the strip on show stand."""
        return self._parts.film.times(side, self._panel.strip.layout_of_rows.most)

    def _ask(self, title: str, name: str, kinds: str) -> str:
        return ask_target(self._panel, self._parts.settings, title, name, kinds)

    # --- exports --------------------------------------------------------------------------------

    def _start(self, path: str, work: Callable[[Watch], object], note: str = "") -> None:
        """Write `path` in the background, then say so."""
        self._panel.bar.clear()
        self._panel.tools.show_export(0, 1)

        def done(result: object) -> None:
            more = result if isinstance(result, str) else ""
            self.said.emit(f"Saved {Path(path).name}{note}{more}")

        self.exports.start(work, done)

    @Slot()
    def _export_frame(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene = self._scene()
        name = file_name(self._parts, ".png", f"-t{self._parts.view.t}{side_suffix(self._parts)}")
        if scene and (path := self._ask("Export the picture at t", name, _PNG)):
            self._start(path, lambda watch: export.save_frame(path, scene, watch))

    @Slot()
    def _export_strip(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene = self._scene()
        if scene and (
            path := self._ask("Export the film strip", file_name(self._parts, "-strip.png"), _PNG)
        ):
            sides = scene.sides or {"": scene.experiment.schedule}
            times = {side: self._times(side) for side in sides}
            self._start(path, lambda watch: export.save_strip(path, scene, times, watch))

    @Slot()
    def _export_sheet(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene = self._scene()
        name = f"contact-sheet{side_suffix(self._parts)}.png"
        if scene and (path := self._ask("Export a contact sheet", name, _PNG)):
            times = self._times()
            count = len(scene.subjects)

            def write(watch: Watch) -> str:
                cell, kept = export.save_sheet(path, scene, times, watch)
                more = f", {count} pictures" if count > 1 else ""
                more += f" at {cell} px" if cell else ""
                return more + (f"; {count - kept} do not travel in it" if kept < count else "")

            self._start(path, write)

    @Slot()
    def _export_tensors(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene = self._scene()
        name = file_name(self._parts, ".npz", f"-t{self._parts.view.t}{side_suffix(self._parts)}")
        if scene and (path := self._ask("Export the tensors at t", name, "NumPy arrays (*.npz)")):
            self._start(path, lambda watch: export.save_tensors(path, scene, watch))

    @Slot()
    def _ask_motion(self) -> None:
        if self._scene() is None:
            return
        from diffusion_gui.panels.images.animation_dialog import AnimationDialog
        from diffusion_gui.session.animation import Motion

        dialog = AnimationDialog(
            self._parts.view.T, self._motion or Motion(), self._ending, self._panel
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.wished.connect(lambda wish: self._export_animation(wish, dialog.format.ending))
        dialog.open()

    def _export_animation(self, motion: Motion, ending: str) -> None:
        from diffusion_gui.session.animation import save_animation

        self._motion, self._ending = motion, ending
        scene = self._scene()
        name = file_name(self._parts, self._ending, side_suffix(self._parts))
        if scene and (path := self._ask("Export animation", name, file_kinds(self._ending))):
            if Path(path).suffix.lower() in ANIMATIONS:
                self._ending = Path(path).suffix.lower()
            self._start(
                path, lambda watch: f", {save_animation(path, scene, motion, watch)} frames"
            )

    @Slot(str)
    def _on_failed(self, line: str) -> None:
        self._panel.bar.show_lines([line])
