"""Samples to other programs: by the clipboard, and dragged out of the sampling panel.

As the image panel's tiles (`picture_drags.py`): the file is made in a background thread, and the
drag begins when it is there, if the button is still pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, QPoint, Qt, QTemporaryDir, QUrl, Signal
from PySide6.QtGui import QDrag, QGuiApplication, QPixmap

from diffusion_gui.app.parts import Parts
from diffusion_gui.app.picture_files import data_of
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.images import Pixels
from diffusion_gui.panels.common.dropping import PNG
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state.exporting import Exporter
from diffusion_gui.state.run_view import Quantity

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Watch

_THUMBNAIL = 96
"""Side in pixels of what hangs at the mouse during a drag."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One picture of a step: what is written of it, and under which name."""

    pixels: Pixels
    experiment: Experiment
    stem: str


class SampleDrags(QObject):
    """Copies a sample, or lets it be dragged out. `said(text)` tells what was done."""

    said = Signal(str)

    def __init__(self, parts: Parts, panel: SamplingPanel) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._exporter = Exporter("samples out", self)
        self._exporter.failed.connect(lambda line: panel.bar.show_lines([line]))
        self._folder: QTemporaryDir | None = None
        self._count = 0
        for view in (panel.batch, panel.enlarged):
            view.copied.connect(self.copy)
            view.dragged_out.connect(self._drag)

    def shutdown(self) -> None:
        """End the thread and remove what was dragged out; safe to call twice."""
        self._exporter.shutdown()
        if self._folder is not None:
            self._folder.remove()

    def copy(self, quantity: Quantity, image: int) -> None:
        """Put a picture of the step on show on the clipboard."""
        sample = self._sample(quantity, image)
        if sample is None:
            return

        def done(png: bytes) -> None:
            QGuiApplication.clipboard().setMimeData(_mime(sample.pixels, png))
            self.said.emit(f"Copied picture {image + 1}")

        self._exporter.start(self._png(sample), done)

    def _sample(self, quantity: Quantity, image: int) -> _Sample | None:
        frame, experiment = self._panel.frame, self._panel.experiment
        if frame is None or experiment is None or image >= len(frame.x_t):
            return None
        what = "" if quantity is Quantity.X0_HAT else f"-{quantity}"
        stem = f"sample-{image + 1}-step{frame.index}{what}"
        return _Sample(getattr(frame, quantity)[image], experiment, stem)

    def _png(self, sample: _Sample) -> Callable[[Watch], bytes]:
        """Return what makes the PNG, which carries the settings, in the thread."""
        store = self._parts.store

        def make(watch: Watch) -> bytes:
            from diffusion_gui.session.export import METADATA_KEY, png_bytes
            from diffusion_gui.session.format import encode
            from diffusion_gui.session.shared import shared

            pictures, _ = data_of(store, sample.experiment, watch.poll)
            text = {METADATA_KEY: encode(shared(sample.experiment, pictures))}
            return png_bytes(sample.pixels, text, pictures)

        return make

    def _drag(self, quantity: Quantity, image: int) -> None:
        """Make the file of a picture, then let it hang at the mouse."""
        sample, folder = self._sample(quantity, image), self._place()
        if sample is None:
            return
        if folder is None:
            line = "There is no folder for temporary files to drag out of; export the grid"
            self._panel.bar.show_lines([line])
            return
        path, render = folder / f"{sample.stem}.png", self._png(sample)

        def make(watch: Watch) -> bytes:
            png = render(watch)
            try:
                path.parent.mkdir()
                path.write_bytes(png)
            except OSError as error:
                raise EngineError(
                    f"{path.name}: cannot be dragged out ({error.strerror or error}); export it"
                ) from None
            return png

        self._exporter.start(make, lambda png: self._hang(_mime(sample.pixels, png), path))

    def _place(self) -> Path | None:
        """Return a new folder's path: earlier files may still be read by another program."""
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
        thumbnail = QPixmap.fromImage(mime.imageData()).scaled(
            _THUMBNAIL, _THUMBNAIL,
            Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation,
        )  # fmt: skip
        drag.setPixmap(thumbnail)
        drag.setHotSpot(QPoint(thumbnail.width() // 2, thumbnail.height() // 2))
        drag.exec(Qt.DropAction.CopyAction)


def _mime(pixels: Pixels, png: bytes) -> QMimeData:
    """Return a picture for other programs: as an image, and as the PNG with all that it carries."""
    mime = QMimeData()
    mime.setImageData(to_qimage(pixels.copy()).copy())
    mime.setData(PNG, png)
    return mime
