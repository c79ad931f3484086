"""How pictures, steps and the animation of a run are exported: asked before the files are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.numerals import size
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.format_combo import FormatCombo
from diffusion_gui.panels.common.number_boxes import IntegerBox, NumberBox
from diffusion_gui.panels.common.widgets import GAP, PADDING, button, label
from diffusion_gui.panels.sampling.look_fields import LookFields
from diffusion_gui.session.animation import MOST_FPS, MOST_FRAMES, check_size, expected_bytes
from diffusion_gui.session.run_export import Look, RunMotion, evenly
from diffusion_gui.session.run_folder import carried_by_each
from diffusion_gui.session.run_folder import expected_bytes as expected_png_bytes

_FEW, _STEPS = 9, 4
"""Pictures of a step, and steps, whose size tells that of all."""

WIDTH = 360
"""In pixels: the title stands whole beside the buttons of the window."""


@dataclass(frozen=True, slots=True)
class PicturesWish:
    """What is exported: `steps` of the run, evenly, or 0 for that on show; as one file or many."""

    look: Look
    steps: int
    numbered: bool


class _RunDialog(QDialog):
    """Whose pictures they are, fields, a line that says what comes of them, and the buttons."""

    wished = Signal(object)

    def __init__(
        self, title: str, whose: str, fields: LookFields, save: QPushButton, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.whose = label(whose)
        self.whose.setObjectName("exportedRunLabel")
        self.whose.setTextFormat(Qt.TextFormat.PlainText)
        self.whose.setWordWrap(True)
        self.setWindowTitle(title)
        self.setMinimumWidth(WIDTH)
        self.fields = fields
        self.summary = label("", "caption")
        self.cancel = button("Cancel", "Close without exporting (Esc)")
        self.cancel.setAutoDefault(False)
        self.cancel.clicked.connect(self.reject)
        self.save = save
        self.save.setObjectName("runExportSaveButton")
        self.save.setDefault(True)
        self.save.clicked.connect(self._accept)
        last = QHBoxLayout()
        last.setSpacing(GAP)
        last.addStretch(1)
        last.addWidget(self.cancel)
        last.addWidget(self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(PADDING, PADDING, PADDING, PADDING)
        column.setSpacing(PADDING)
        column.addWidget(self.whose)
        column.addWidget(fields)
        column.addWidget(self.summary)
        column.addLayout(last)
        fields.changed.connect(self._show)

    def wish(self) -> object:
        """Return what is set."""
        raise NotImplementedError

    @Slot()
    def _accept(self) -> None:
        for box in self.findChildren(IntegerBox):
            box.interpretText()
        self.accept()
        self.wished.emit(self.wish())

    @Slot()
    def _show(self) -> None:
        """Say what comes of it."""


class RunPicturesDialog(_RunDialog):
    """Asks which pictures of which steps; `wished(PicturesWish)` when Save is pressed."""

    def __init__(
        self,
        whose: str,
        frame: Frame,
        recorded: int,
        fields: LookFields,
        parent: QWidget,
        carried: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """`whose` names the run.

        `carried` are the bytes of the settings and of the pictures that go along.
        """
        save = button("Save as…", "Choose a place", "accent")
        super().__init__("Export pictures", whose, fields, save, parent)
        self.setObjectName("runPicturesDialog")
        self._frame, self._recorded, self._carried = frame, recorded, carried
        self.steps = Combo()
        self.steps.setObjectName("exportStepsCombo")
        self.steps.addItem(f"The one on show: step {frame.index}", 0)
        if recorded > 1:
            self.steps.addItem(f"All {recorded} that are recorded", recorded)
            self.steps.addItem("Some of them, evenly", -1)
        self.number = IntegerBox(2, max(recorded, 2))
        self.number.setObjectName("exportStepsSpin")
        self.number.setValue(min(recorded, 8))
        self.number.setKeyboardTracking(True)
        self.way = Combo()
        self.way.setObjectName("exportWayCombo")
        self.way.addItem("One picture", False)
        self.way.addItem("Numbered files in a folder", True)
        fields.add("Steps", self.steps, "Which steps of the run")
        fields.add("How many", self.number, "So many steps, the first and the last among them")
        fields.add(
            "As", self.way,
            "One picture: a grid, or of several steps a sheet with a row for every picture.\n"
            "Files: one for every picture, or of several steps one for every step.",
        )  # fmt: skip
        self.steps.currentIndexChanged.connect(self._show)
        self.number.valueChanged.connect(self._show)
        self.way.currentIndexChanged.connect(self._show)
        self._show()

    def wish(self) -> PicturesWish:
        """Return what is set."""
        steps = self.steps.currentData()
        count = self.number.value() if steps < 0 else steps
        return PicturesWish(self.fields.look, count, self.way.currentData())

    @Slot()
    def _show(self) -> None:
        """Say what comes of it."""
        wish, pictures = self.wish(), self.fields.pictures()
        self.number.setEnabled(self.steps.currentData() < 0)
        parts = pictures * len(wish.look.quantities)
        files = (wish.steps or parts) if wish.numbered else 1
        apart = wish.numbered and not carried_by_each(self._carried[1], files)
        if wish.numbered:
            what = f"{files} file{'s' * (files > 1)}"
        elif wish.steps:
            what = f"A sheet of {parts} rows and {wish.steps} columns"
        else:
            height, width = wish.look.drawn(self._frame).shape[:2]
            what = f"A picture of {width} × {height} px"
        need = self._pixels(wish.look, pictures) * max(wish.steps, 1)
        need += files * self._carried[0] + (1 if apart else files) * self._carried[1]
        more = ", one more the pictures of its data" if apart else ""
        self.summary.setText(f"{what}, about {size(need)}\nEvery PNG carries the settings{more}")

    def _pixels(self, look: Look, pictures: int) -> float:
        """Return about how many bytes a step takes, from a few of its pictures."""
        few = (look.images or tuple(range(pictures)))[:_FEW]
        drawn = replace(look, images=few).drawn(self._frame)
        return expected_png_bytes(drawn) * pictures / len(few)


class RunAnimationDialog(_RunDialog):
    """Asks how the run moves; `wished(RunMotion)` when Save is pressed."""

    def __init__(
        self,
        whose: str,
        frames: Sequence[Frame],
        fields: LookFields,
        motion: RunMotion,
        ending: str,
        parent: QWidget,
    ) -> None:
        """`whose` names the run, `frames` are all its recorded steps.

        `ending` is that of the file's kind which is chosen at first.
        """
        save = button("Save as…", "Choose a place", "accent")
        super().__init__("Export animation", whose, fields, save, parent)
        self.setObjectName("runAnimationDialog")
        self._frames = frames
        self.format = FormatCombo(ending)
        self.format.currentIndexChanged.connect(self._show)
        recorded = len(frames)
        most = min(max(recorded, 2), MOST_FRAMES)
        self.steps = IntegerBox(2, most)
        self.steps.setObjectName("runAnimationStepsSpin")
        self.steps.setValue(min(motion.steps, most))
        self.fps = IntegerBox(1, MOST_FPS)
        self.fps.setObjectName("runAnimationSpeedSpin")
        self.fps.setValue(motion.fps)
        self.hold = NumberBox(0.0, 10.0, 1)
        self.hold.setObjectName("runAnimationHoldSpin")
        self.hold.setValue(motion.hold)
        for spin in (self.steps, self.fps, self.hold):
            spin.setKeyboardTracking(True)  # the summary follows, and Save takes what is typed
            spin.valueChanged.connect(self._show)
        fields.add(
            "Steps", self.steps, f"How many of the {recorded} recorded steps, evenly; both ends too"
        )
        fields.add("Per second", self.fps, "Steps per second, 1/s")
        fields.add("Format", self.format, self.format.toolTip())
        fields.add("Hold last, s", self.hold, "How much longer the last step stays, in seconds")
        self._show()

    def wish(self) -> RunMotion:
        """Return what is set."""
        values = self.steps.value(), self.fps.value(), self.hold.value()
        return RunMotion(*values, self.fields.look)

    @Slot()
    def _show(self) -> None:
        """Say what comes of it."""
        wish, ending = self.wish(), self.format.ending
        height, width = wish.look.drawn(self._frames[-1]).shape[:2]
        count = min(wish.steps, len(self._frames))
        seconds = count / wish.fps + wish.hold
        frames = f"{count} frame{'s' * (count > 1)}"
        try:
            check_size(Path(f"run{ending}"), count, (width, height), "smaller pictures")
            need = f"about {size(count * height * width * self._per_pixel(wish.look, ending))}"
            if ending == ".mp4":  # it keeps what two steps in a row have in common
                need = f"at most {need}"
            possible = True
        except EngineError as error:
            need, possible = str(error), False
        self.save.setEnabled(possible)
        self.summary.setText(f"{frames} of {width} × {height} px, {seconds:.1f} s\n{need}")

    def _per_pixel(self, look: Look, ending: str) -> float:
        """Return about how many bytes a pixel takes, from a few pictures of a few steps."""
        images = (look.images or tuple(range(self.fields.pictures())))[:_FEW]
        some = replace(look, images=images)
        return expected_bytes([some.drawn(one) for one in evenly(self._frames, _STEPS)], ending)
