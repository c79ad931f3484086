"""The files of the sampling panel: exports of the run on show. Read next: `run_copies.py`.

All is rendered and written in a background thread; a trajectory, whose floats are not kept, by the
thread of the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QMenu

from diffusion_gui.app.parts import Parts
from diffusion_gui.app.run_copies import COPIES, RunCopies, on_show
from diffusion_gui.app.schedule_files import ask_target
from diffusion_gui.engine.run_words import core
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.format_combo import ANIMATIONS, file_kinds
from diffusion_gui.panels.sampling.export_row import ExportRow
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state.exporting import Exporter
from diffusion_gui.state.float_export import FloatExport
from diffusion_gui.state.run import Run

if TYPE_CHECKING:
    from diffusion_gui.panels.sampling.export_dialogs import PicturesWish
    from diffusion_gui.panels.sampling.look_fields import LookFields
    from diffusion_gui.session.run_export import RunMotion
    from diffusion_gui.session.run_inputs import Carriage
    from diffusion_gui.session.watch import Watch

FILES = ("saveGrid", "exportRunPictures", "exportRunAnimation", "exportTrajectory", "exportNumbers")
_FLOATS = "NumPy arrays (*.npz);;safetensors (*.safetensors)"


class RunFiles(QObject):
    """Exports the run on show; what goes wrong stands in the panel's bar.

    `said(text)` tells what was done.
    """

    said = Signal(str)

    def __init__(self, parts: Parts, panel: SamplingPanel) -> None:
        super().__init__(panel)
        self._parts = parts
        self._panel = panel
        self._motion: RunMotion | None = None
        self._ending = ".gif"
        """Of the last animation."""
        self.exports = Exporter("runs out", self)
        self.copies = RunCopies(parts, panel)
        self.copies.said.connect(self.said)
        self.floats = FloatExport(parts.sampling, self)
        self.row = ExportRow(panel.forecast)
        panel.line.insertWidget(panel.line.indexOf(panel.forecast), self.row, 1)
        self.row.cancelled.connect(self.exports.cancel)
        self.row.cancelled.connect(self.floats.cancel)
        for source in (self.exports, self.floats):
            source.progress.connect(self.row.show_export)
            source.failed.connect(self._on_failed)
        self.floats.saved.connect(
            lambda path, steps: self.said.emit(f"Saved {Path(path).name}, {steps} steps")
        )

    @property
    def busy(self) -> bool:
        """True while something is being written."""
        return self.exports.busy or self.copies.busy or self.floats.busy

    def handlers(self) -> dict[str, Callable[[], object]]:
        """Return what the commands do, by the names of `app/actions.py`."""
        return {
            "saveGrid": self._save_grid,
            "exportRunPictures": self._ask_pictures,
            "exportRunAnimation": self._ask_motion,
            "exportTrajectory": self._export_trajectory,
            "exportNumbers": self._export_numbers,
            **self.copies.handlers(),
        }

    def set_menu(self, actions: Mapping[str, QAction]) -> None:
        """Give the panel's Export button its commands."""
        menu = QMenu(self._panel)
        menu.addActions([actions[name] for name in FILES])
        menu.addSeparator()
        menu.addActions([actions[name] for name in COPIES])
        self._panel.tools.set_export_menu(menu)

    def shutdown(self) -> None:
        """End the threads; safe to call twice."""
        self.exports.shutdown()
        self.copies.shutdown()
        self.floats.shutdown()

    # --- what is on show ------------------------------------------------------------------------

    def _on_show(self) -> tuple[Run, Frame] | None:
        """Return the run and the step on show, or say that there is none."""
        return on_show(self._parts, self._panel)

    def _carried(self, run: Run, watch: Watch) -> Carriage:
        from diffusion_gui.session.run_inputs import carriage

        return carriage(run.experiment, self._parts.store, watch.poll)

    def _fields(self, frame: Frame) -> LookFields:
        from diffusion_gui.panels.sampling.look_fields import LookFields

        view = self._parts.run_view
        return LookFields(view.quantities, len(frame.x_t), view.image, frame.x_t.shape[2])

    def _ask(self, title: str, name: str, kinds: str) -> str:
        """Ask for a file to write; "" if none was chosen."""
        return ask_target(self._panel, self._parts.settings, title, name, kinds)

    def _start(self, name: str, work: Callable[[Watch], str]) -> None:
        """Write in the background, then say so; `work` returns what more there is to say."""
        self._panel.bar.clear()
        self.row.show_export(0, 1)
        self.exports.start(work, lambda more: self.said.emit(f"Saved {name}{more}"))

    # --- exports --------------------------------------------------------------------------------

    @Slot()
    def _save_grid(self) -> None:
        """Save the result: what the settings in the file draw, whichever step is on show.

        Of a run that has not come to its end that is the newest step, and the file's name says so.
        """
        if (found := self._on_show()) is None:
            return
        run, last = found[0], found[0].trajectory.last
        assert last is not None
        total = run.trajectory.num_steps
        if last.index == total:
            title, name = f"Save the result of {run.title} as PNG", f"{_stem(run)}.png"
        else:
            title = f"Save x_t at step {last.index} of {total} of {run.title} as PNG"
            name = f"{_stem(run)}-x_t-step-{last.index}.png"
        path = self._ask(title, name, _PNG_KIND)
        if not path:
            return

        def write(watch: Watch) -> str:
            from diffusion_gui.session.export import save_grid
            from diffusion_gui.session.run_export import view_of

            kept = self._carried(run, watch)
            at = view_of(last, kept)
            save_grid(path, last.x_t, kept.experiment, None, kept.pictures, watch.poll, at)
            what = "" if last.index == total else f", x_t at step {last.index} of {total}"
            return what + _left_out(kept)

        self._start(Path(path).name, write)

    @Slot()
    def _ask_pictures(self) -> None:
        if (found := self._on_show()) is None:
            return
        from diffusion_gui.panels.sampling.export_dialogs import RunPicturesDialog
        from diffusion_gui.session.run_inputs import carried_bytes

        run, frame = found
        recorded = len(run.trajectory.frames)
        carried = carried_bytes(run.experiment)
        fields = self._fields(frame)
        dialog = RunPicturesDialog(_whose(run), frame, recorded, fields, self._panel, carried)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.wished.connect(lambda wish: self._export_pictures(run, frame, wish))
        dialog.open()

    def _export_pictures(self, run: Run, frame: Frame, wish: PicturesWish) -> None:
        from diffusion_gui.session import run_export as export

        stem = _stem(run)
        frames = export.evenly(run.trajectory.frames, wish.steps) if wish.steps else [frame]
        if wish.numbered:
            place = self._folder()
        else:
            step = "" if frame.index == run.trajectory.num_steps else f"-step-{frame.index}"
            name = f"{stem}-steps.png" if wish.steps else f"{stem}{step}.png"
            place = self._ask(f"Export pictures of {run.title}", name, _PNG_KIND)
        if not place:
            return

        def write(watch: Watch) -> str:
            kept = self._carried(run, watch)
            if wish.numbered and wish.steps:
                made = export.save_steps(place, stem, frames, wish.look, kept, watch)
            elif wish.numbered:
                made = export.save_images(place, stem, frame, wish.look, kept, watch)
            elif wish.steps:
                export.save_sheet(place, frames, wish.look, kept, watch)
                return f", {len(frames)} steps{_left_out(kept)}"
            else:
                export.save_step(place, frame, wish.look, kept, watch)
                return _left_out(kept)
            several = f", {made.files} file{'s' * (made.files > 1)}"
            return f"{several}{_apart(kept, made.keeper)}{_left_out(kept)}"

        self._start(Path(place).name, write)

    def _folder(self) -> str:
        settings = self._parts.settings
        folder = QFileDialog.getExistingDirectory(
            self._panel, "Choose a folder for the numbered files", settings.folder
        )
        if folder:
            settings.folder = folder
        return folder

    @Slot()
    def _ask_motion(self) -> None:
        if (found := self._on_show()) is None:
            return
        from diffusion_gui.panels.sampling.export_dialogs import RunAnimationDialog
        from diffusion_gui.session.run_export import RunMotion

        run, frame = found
        frames, motion = run.trajectory.frames, self._motion or RunMotion()
        parts = frames, self._fields(frame), motion, self._ending, self._panel
        dialog = RunAnimationDialog(_whose(run), *parts)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.wished.connect(lambda wish: self._export_animation(run, wish, dialog.format.ending))
        dialog.open()

    def _export_animation(self, run: Run, motion: RunMotion, ending: str) -> None:
        from diffusion_gui.session.run_export import save_run_animation

        self._motion, self._ending = motion, ending
        frames = run.trajectory.frames
        path = self._ask(
            f"Export the animation of {run.title}",
            f"{_stem(run)}{self._ending}",
            file_kinds(self._ending),
        )
        if not path:
            return
        if Path(path).suffix.lower() in ANIMATIONS:
            self._ending = Path(path).suffix.lower()

        def write(watch: Watch) -> str:
            kept = self._carried(run, watch)
            return f", {save_run_animation(path, frames, motion, kept, watch)} frames"

        self._start(Path(path).name, write)

    @Slot()
    def _export_trajectory(self) -> None:
        if (found := self._on_show()) is None:
            return
        run, _ = found
        if self._parts.sampling.active:
            line = "The floats are made by running it again: let the run end, or stop it, first"
            self._panel.bar.show_lines([line])
        elif path := self._ask(
            f"Export the trajectory of {run.title}", f"{_stem(run)}-floats.npz", _FLOATS
        ):
            self._panel.bar.clear()
            self.floats.start(run, path)

    @Slot()
    def _export_numbers(self) -> None:
        if (found := self._on_show()) is None:
            return
        run, frames = found[0], found[0].trajectory.frames
        title = f"Export the numbers of {run.title}"
        path = self._ask(title, f"{_stem(run)}.csv", "Table (*.csv)")
        if not path:
            return

        def write(watch: Watch) -> str:
            from diffusion_gui.session.run_export import save_numbers

            save_numbers(path, frames, run.calls, watch)
            return f", {len(frames)} steps"

        self._start(Path(path).name, write)

    @Slot(str)
    def _on_failed(self, line: str) -> None:
        self._panel.bar.show_lines([line])


_PNG_KIND = "PNG picture (*.png)"


def _stem(run: Run) -> str:
    """Return what the names of a run's files begin with: its own name, else "run-" and number."""
    from diffusion_gui.session.forward_export import file_stem

    return file_stem(run.name) if run.name else f"run-{run.number}"


def _whose(run: Run) -> str:
    """Return which run it is, for the dialogs."""
    return f"{run.title}: {core(run.experiment)}"


def _apart(kept: Carriage, keeper: str) -> str:
    """Say where the pictures are that would have been too many for every file."""
    return f"; {keeper} alone carries its {len(kept.pictures):,} pictures" if keeper else ""


def _left_out(kept: Carriage) -> str:
    left_out = kept.left_out
    return f"; {left_out} pictures of its data do not travel in it" if left_out else ""
