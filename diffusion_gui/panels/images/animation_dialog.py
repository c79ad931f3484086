"""How an animation over t runs: asked before its file is."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.format_combo import FormatCombo
from diffusion_gui.panels.common.number_boxes import IntegerBox
from diffusion_gui.panels.common.widgets import GAP, PADDING, button, label
from diffusion_gui.session.animation import MOST_FPS, MOST_FRAMES, Motion

WIDTH = 320
"""In pixels: the title stands whole beside the buttons of the window."""


class AnimationDialog(QDialog):
    """Asks for number of frames, speed and direction; `wished(motion)` when Save is pressed."""

    wished = Signal(object)

    def __init__(self, T: int, motion: Motion, ending: str, parent: QWidget) -> None:
        """`ending` is that of the file's kind which is chosen at first."""
        super().__init__(parent)
        self.setObjectName("animationDialog")
        self.setWindowTitle("Export animation")
        self.setMinimumWidth(WIDTH)
        self.format = FormatCombo(ending)
        self._T = T
        self.frames = IntegerBox(2, MOST_FRAMES)
        self.frames.setObjectName("animationFramesSpin")
        self.frames.setValue(motion.frames)
        self.fps = IntegerBox(1, MOST_FPS)
        self.fps.setObjectName("animationSpeedSpin")
        self.fps.setValue(motion.fps)
        self.way = Combo()
        self.way.setObjectName("animationWayCombo")
        self.way.addItem("Forth and back, a loop", True)
        self.way.addItem("Forth: t from 0 to T", False)
        self.way.setCurrentIndex(0 if motion.back else 1)
        self.summary = label("", "caption")
        for spin in (self.frames, self.fps):
            spin.setKeyboardTracking(True)  # the summary follows, and Save takes what is typed
        self._build()
        self.frames.valueChanged.connect(self._show)
        self.fps.valueChanged.connect(self._show)
        self.way.currentIndexChanged.connect(self._show)
        self._show()

    @property
    def motion(self) -> Motion:
        """What is set."""
        return Motion(self.frames.value(), self.fps.value(), self.way.currentData())

    def _build(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(PADDING)
        grid.setVerticalSpacing(GAP)
        rows: tuple[tuple[str, QWidget, str], ...] = (
            ("Frames", self.frames, "How many frames from t = 0 to T, evenly in t; at most T + 1"),
            ("Per second", self.fps, "Frames per second, 1/s"),
            ("Direction", self.way, "Whether t runs back to 0 again: then it loops without a jump"),
            ("Format", self.format, self.format.toolTip()),
        )
        for row, (title, widget, tooltip) in enumerate(rows):
            grid.addWidget(label(title, "caption"), row, 0)
            grid.addWidget(widget, row, 1)
            widget.setAccessibleName(title)
            widget.setToolTip(tooltip)
            widget.setMinimumWidth(190)
        self.cancel = button("Cancel", "Close without exporting (Esc)")
        self.cancel.setAutoDefault(False)
        self.cancel.clicked.connect(self.reject)
        self.save = button("Save as…", "Choose a place", "accent")
        self.save.setObjectName("animationSaveButton")
        self.save.setDefault(True)
        self.save.clicked.connect(self._accept)
        last = QHBoxLayout()
        last.setSpacing(GAP)
        last.addWidget(self.summary, 1)
        last.addWidget(self.cancel)
        last.addWidget(self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(PADDING, PADDING, PADDING, PADDING)
        column.setSpacing(PADDING)
        column.addLayout(grid)
        column.addLayout(last)

    @Slot()
    def _accept(self) -> None:
        self.frames.interpretText()
        self.fps.interpretText()
        self.accept()
        self.wished.emit(self.motion)

    @Slot()
    def _show(self) -> None:
        """Say what comes of it."""
        count = len(self.motion.times(self._T))
        self.summary.setText(f"{count} frames, {count / self.fps.value():.1f} s")
