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
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.dropping import PNG
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state.exporting import Exporter
from diffusion_gui.state.run_view import Quantity

if TYPE_CHECKING:
    from diffusion_gui.session.forward_export import Shot, Watch

_THUMBNAIL = 96
"""Side in pixels of what hangs at the mouse during a drag."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """One picture of a step: what is written of it, and under which name."""

    frame: Frame
    experiment: Experiment
    quantity: Quantity
    image: int

    @property
    def name(self) -> str:
        """The name of its file."""
        what = "" if self.quantity is Quantity.X0_HAT else f"-{self.quantity}"
        return f"sample-{self.image + 1}-step{self.frame.index}{what}.png"


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

        def done(made: Shot) -> None:
            QGuiApplication.clipboard().setMimeData(_mime(made))
            self.said.emit(f"Copied picture {image + 1}")

        self._exporter.start(self._render(sample), done)

    def _sample(self, quantity: Quantity, image: int) -> _Sample | None:
        frame, experiment = self._panel.frame, self._panel.experiment
        if frame is None or experiment is None or image >= len(frame.x_t):
            return None
        return _Sample(frame, experiment, quantity, image)

    def _render(self, sample: _Sample) -> Callable[[Watch], Shot]:
        """Return what makes the picture, pixel by pixel with its settings, in the thread."""
        store = self._parts.store

        def make(watch: Watch) -> Shot:
            from diffusion_gui.session.run_export import Look, shot
            from diffusion_gui.session.run_inputs import carriage

            look = Look((sample.quantity,), (sample.image,), cell=sample.frame.x_t.shape[2])
            return shot(sample.frame, look, carriage(sample.experiment, store, watch.poll))

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
        path, render = folder / sample.name, self._render(sample)

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

        self._exporter.start(make, lambda made: self._hang(_mime(made), path))

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


def _mime(made: Shot) -> QMimeData:
    """Return a picture for other programs: as an image, and as the PNG with all that it carries."""
    mime = QMimeData()
    mime.setImageData(to_qimage(made.pixels).copy())
    mime.setData(PNG, made.png)
    return mime
