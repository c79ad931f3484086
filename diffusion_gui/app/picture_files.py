"""Pictures to files, to the clipboard and out of the window; experiments back out of pictures.

What is rendered or read is in background threads: `exports` for what takes long and can be
cancelled, `_quick` for the clipboard, drags and what is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QObject, QPoint, Qt, QTemporaryDir, QUrl, Signal, Slot
from PySide6.QtGui import QAction, QDrag, QGuiApplication, QPixmap
from PySide6.QtWidgets import QMenu

from diffusion_gui.app.parts import Parts
from diffusion_gui.app.schedule_files import ask_target
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import PICTURES, Experiment, PictureRef
from diffusion_gui.engine.images import Picture, Pixels
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.images.panel import ImagePanel
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.session.library import PictureStore
from diffusion_gui.state.exporting import Exporter

if TYPE_CHECKING:
    from diffusion_gui.session.animation import Motion
    from diffusion_gui.session.forward_export import Part, Scene, Shot, Watch
    from diffusion_gui.session.restore import Restored

EXPORTS = ("exportFrame", "exportStrip", "exportSheet", "exportAnimation", "exportTensors")
_PNG = "PNG picture (*.png)"
_ANIMATIONS = "GIF, plays everywhere (*.gif);;WebP, small (*.webp);;APNG, without loss (*.apng);;MP4 video (*.mp4)"
_THUMBNAIL = 96
"""Longest side in pixels of what hangs at the mouse during a drag."""
_MOST_LOOKED_INTO = 16
"""Of the files that are opened together, how many are looked into for an experiment."""


class PictureFiles(QObject):
    """Exports, copies, drags out and restores; what goes wrong stands in the panel's bar.

    `said(text)` tells what was done.
    """

    said = Signal(str)

    def __init__(self, parts: Parts, panel: ImagePanel, sampling: SamplingPanel) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._sampling = sampling
        self._motion: Motion | None = None
        self._folder: QTemporaryDir | None = None
        self._drags = 0
        self.exports = Exporter("export", self)
        self._quick = Exporter("pictures in and out", self)
        self.exports.progress.connect(panel.show_export)
        for exporter in (self.exports, self._quick):
            exporter.failed.connect(self._on_failed)
        panel.export_cancel.clicked.connect(self.exports.cancel)
        sampling.save_requested.connect(self._save_grid)
        self._bind_drags()

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
            "copyPicture": self._copy,
            "saveGrid": self._save_grid,
        }

    def set_menu(self, actions: Mapping[str, QAction]) -> None:
        """Give the panel's button the commands of the Image menu that are about files."""
        menu = QMenu(self._panel)
        menu.addActions([actions[name] for name in EXPORTS])
        menu.addSeparator()
        menu.addAction(actions["copyPicture"])
        self._panel.set_export_menu(menu)

    def shutdown(self) -> None:
        """End the threads and remove what was dragged out; safe to call twice."""
        self.exports.shutdown()
        self._quick.shutdown()
        if self._folder is not None:
            self._folder.remove()

    # --- what is on show ------------------------------------------------------------------------

    def _scene(self) -> Scene | None:
        """Return what is on show, or say that nothing is."""
        from diffusion_gui.session.format import View
        from diffusion_gui.session.forward_export import Scene

        view, experiment = self._parts.view, self._parts.document.experiment
        preview = self._parts.preview
        if preview.picture is None:
            self._panel.bar.show_lines(["There is no picture to export: open or drop one first"])
            return None
        chosen = {*view.chosen, view.picture}
        subjects = tuple(self._subject(ref) for ref in experiment.pictures if ref.id in chosen)
        sides = dict(self._parts.comparison.sides()) if preview.comparing else {}
        at = View(view.t, view.picture, view.display.shown)
        return Scene(experiment, at, subjects, sides)

    def _subject(self, ref: PictureRef) -> Any:
        from diffusion_gui.session.forward_export import Subject

        on_show = self._parts.preview.picture
        if ref.id == self._parts.view.picture and on_show is not None:
            return Subject(ref, lambda: on_show)
        store = self._parts.store
        return Subject(ref, lambda: store.get(ref.id))

    def _shares(self) -> list[float]:
        """Return where the frames of the strip on show stand, as shares of the way to T."""
        sides = self._parts.comparison.sides() if self._parts.preview.comparing else ()
        first = sides[0][1] if sides else self._parts.document.experiment.schedule
        frames = self._panel.strip.frames
        return [t / first.T for t, _ in frames] or [i / 10 for i in range(11)]

    def _name(self, ending: str, what: str = "") -> str:
        from diffusion_gui.session.forward_export import file_stem

        picture = self._parts.preview.picture
        return f"{file_stem(picture.name if picture else '')}{what}{ending}"

    def _ask(self, title: str, name: str, kinds: str) -> str:
        return ask_target(self._panel, self._parts.settings, title, name, kinds)

    # --- exports --------------------------------------------------------------------------------

    def _start(self, path: str, work: Callable[[Watch], object], note: str = "") -> None:
        """Write `path` in the background, then say so."""
        self._panel.bar.clear()
        self._panel.show_export(0, 1)

        def done(result: object) -> None:
            more = result if isinstance(result, str) else ""
            self.said.emit(f"Saved {Path(path).name}{note}{more}")

        self.exports.start(work, done)

    @Slot()
    def _export_frame(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene = self._scene()
        name = self._name(".png", f"-t{self._parts.view.t}")
        if scene and (path := self._ask("Export the picture at t", name, _PNG)):
            self._start(path, lambda watch: export.save_frame(path, scene, watch))

    @Slot()
    def _export_strip(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene, shares = self._scene(), self._shares()
        if scene and (path := self._ask("Export the film strip", self._name("-strip.png"), _PNG)):
            sides = scene.sides or {"": scene.experiment.schedule}
            times = {side: _times(shares, spec.T) for side, spec in sides.items()}
            self._start(path, lambda watch: export.save_strip(path, scene, times, watch))

    @Slot()
    def _export_sheet(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene, shares = self._scene(), self._shares()
        if scene and (path := self._ask("Export a contact sheet", "contact-sheet.png", _PNG)):
            times = _times(shares, scene.experiment.schedule.T)
            count = len(scene.subjects)

            def write(watch: Watch) -> str:
                cell, kept = export.save_sheet(path, scene, times, watch)
                more = f", {count} pictures" if count > 1 else ""
                more += f" at {cell} px" if cell < scene.experiment.forward.size else ""
                return more + (f"; {count - kept} do not travel in it" if kept < count else "")

            self._start(path, write)

    @Slot()
    def _export_tensors(self) -> None:
        from diffusion_gui.session import forward_export as export

        scene = self._scene()
        name = self._name(".npz", f"-t{self._parts.view.t}")
        if scene and (path := self._ask("Export the tensors at t", name, "NumPy arrays (*.npz)")):
            self._start(path, lambda watch: export.save_tensors(path, scene, watch))

    @Slot()
    def _ask_motion(self) -> None:
        if self._scene() is None:
            return
        from diffusion_gui.panels.images.animation_dialog import AnimationDialog
        from diffusion_gui.session.animation import Motion

        dialog = AnimationDialog(self._parts.view.T, self._motion or Motion(), self._panel)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.wished.connect(self._export_animation)
        dialog.open()

    @Slot(object)
    def _export_animation(self, motion: Motion) -> None:
        from diffusion_gui.session.animation import save_animation

        self._motion = motion
        scene = self._scene()
        if scene and (path := self._ask("Export animation", self._name(".gif"), _ANIMATIONS)):
            self._start(
                path, lambda watch: f", {save_animation(path, scene, motion, watch)} frames"
            )

    @Slot()
    def _save_grid(self) -> None:
        frame, experiment = self._sampling.frame, self._sampling.experiment
        if frame is None or experiment is None:
            self._sampling.bar.show_lines(["There is nothing to save yet: press Run first"])
            return
        path = self._ask("Save grid as PNG", "samples.png", _PNG)
        if not path:
            return
        store, pixels = self._parts.store, frame.x0_hat

        def write(_: Watch) -> str:
            from diffusion_gui.session.export import save_grid

            pictures, left_out = _data_of(store, experiment)
            save_grid(path, pixels, experiment, pictures=pictures)
            return f"; {left_out} pictures of its data do not travel in it" if left_out else ""

        self._start(path, write)

    # --- clipboard and drags --------------------------------------------------------------------

    @Slot()
    def _copy(self) -> None:
        from diffusion_gui.session.forward_export import shot

        if scene := self._scene():
            text = f"Copied {scene.subject.ref.name} at t = {scene.view.t}"
            self._quick.start(lambda _: shot(scene), lambda made: self._to_clipboard(made, text))

    def _to_clipboard(self, made: Shot, text: str) -> None:
        QGuiApplication.clipboard().setMimeData(_mime(made))
        self.said.emit(text)

    def _bind_drags(self) -> None:
        tiles = self._panel.tiles
        tiles.x_0.dragged_out.connect(lambda: self._drag("x_0"))
        tiles.x_t.dragged_out.connect(lambda: self._drag("x_t"))
        tiles.x_t_other.dragged_out.connect(lambda: self._drag("x_t", other=True))
        tiles.signal.dragged_out.connect(lambda: self._drag("signal"))
        tiles.noise.dragged_out.connect(lambda: self._drag("noise"))

    def _drag(self, name: str, other: bool = False) -> None:
        """Make the file of a tile, then let it hang at the mouse if that is still pressed."""
        from diffusion_gui.session.forward_export import Part, shot

        scene, part = self._scene(), Part(name)
        if scene is None:
            return
        if other:
            scene = _other_side(scene)
        path = self._drag_path(scene, part)

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

        self._quick.start(make, lambda made: self._hang(made, path))

    def _drag_path(self, scene: Scene, part: Part) -> Path:
        """Return a new place in the folder of dragged pictures: others may still be read."""
        if self._folder is None:
            self._folder = QTemporaryDir()
        self._drags += 1
        what = "" if part == "x_0" else f"-t{scene.view.t}" + (f"-{part}" if part != "x_t" else "")
        return Path(self._folder.path()) / str(self._drags) / self._name(".png", what)

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

    # --- back in --------------------------------------------------------------------------------

    def take(self, paths: Sequence[str]) -> list[str]:
        """Restore the experiment in the only one of `paths`; return those that are to be opened."""
        from diffusion_gui.session.restore import holds_experiment

        if len(paths) == 1 and holds_experiment(paths[0]):
            self.restore(paths[0])
            return []
        if held := [p for p in paths[:_MOST_LOOKED_INTO] if len(paths) > 1 and holds_experiment(p)]:
            name = Path(held[0]).name
            line = f"{name} holds an experiment; open it alone to restore that"
            self._panel.bar.show_lines([line], info=True)
        return list(paths)

    def restore(self, path: str) -> None:
        """Read the experiment in a PNG in the background and make it the current one.

        A file without a whole one is opened as a picture.
        """
        store, document = self._parts.store, self._parts.document
        trusted = (*self._parts.first_experiment.pictures, *document.experiment.pictures)
        known = {ref.id: ref for ref in trusted}

        def read(_: Watch) -> Restored | str:
            from diffusion_gui.session.restore import read_experiment, renamed

            try:
                found = read_experiment(path, known, lambda picture_id: _loaded(store, picture_id))
            except EngineError as error:
                return f"{error}; opened as a picture instead"
            sources = {ref.id: ref.source for ref in found.experiment.pictures}
            ids = {
                old: store.add(picture, sources.get(old, "")).id
                for old, picture in found.pictures.items()
            }
            return renamed(found, ids)

        self._quick.start(read, lambda found: self._show(path, found))

    def _show(self, path: str, found: Restored | str) -> None:
        if isinstance(found, str):
            self._panel.bar.show_lines([found])
            self._parts.loader.open([path])
            return
        name, document, view = Path(path).name, self._parts.document, self._parts.view
        document.end_gesture()
        document.replace(found.experiment, f"restore {name}")
        if found.view is not None:
            view.set_display(shown=found.view.shown)
            view.set_t(found.view.t)
            if found.view.picture in {ref.id for ref in found.experiment.pictures}:
                view.set_picture(found.view.picture)
        if found.left_out:
            count = f"{found.left_out} picture{'s' * (found.left_out > 1)}"
            line = f"{count} left out: neither in {name} nor loaded; open them to have them again"
            self._panel.bar.show_lines([line], info=True)
        self.said.emit(f"Restored {name}; Ctrl+Z brings back what was here")

    @Slot(str)
    def _on_failed(self, line: str) -> None:
        self._panel.bar.show_lines([line])


def _times(shares: Sequence[float], T: int) -> list[int]:
    """Return times at shares of the way to T, none twice."""
    return sorted({round(share * T) for share in shares})


def _other_side(scene: Scene) -> Scene:
    """Return what is on show under the side that is compared with."""
    own = scene.experiment.schedule
    spec = next((spec for spec in scene.sides.values() if spec != own), own)
    t = round(scene.view.t / own.T * spec.T)
    experiment = replace(scene.experiment, schedule=spec)
    return replace(scene, experiment=experiment, view=replace(scene.view, t=t))


def _mime(made: Shot) -> QMimeData:
    """Return a picture for other programs: as an image, and as the PNG with all that it carries."""
    mime = QMimeData()
    mime.setImageData(to_qimage(made.pixels).copy())
    mime.setData("image/png", made.png)
    return mime


def _loaded(store: PictureStore, picture_id: str) -> Picture | None:
    try:
        return store.get(picture_id)
    except EngineError:
        return None


def _data_of(store: PictureStore, experiment: Experiment) -> tuple[dict[str, Pixels], int]:
    """Return the user's pictures that a run needed, as it took them, and how many are too many."""
    from diffusion_gui.session.png_parts import MOST_PICTURES, portable

    sampling = experiment.sampling
    wanted = [sampling.start.picture] if sampling.start is not None else []
    if sampling.data == PICTURES:
        wanted += [ref.id for ref in experiment.pictures]
    ids = list(dict.fromkeys(wanted))
    squares = {
        key: store.squares((PictureRef(key, ""),), sampling.size)[0] for key in ids[:MOST_PICTURES]
    }
    kept = portable(squares)
    return kept, len(ids) - len(kept)
