"""What of a run is exported: its quantities, its pictures, their size. A part of two dialogs."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QWidget

from diffusion_gui.panels.common.combo import Combo
from diffusion_gui.panels.common.widgets import GAP, PADDING, label
from diffusion_gui.session.run_export import Look
from diffusion_gui.state.run_view import Quantity

FIELD = 210
"""Width in pixels of the fields of the dialogs."""
_NAMES = {Quantity.X_T: "𝑥ₜ", Quantity.X0_HAT: "𝑥̂₀", Quantity.EPS_HAT: "ε̂"}
_LETTERS = {Quantity.X_T: "x_t", Quantity.X0_HAT: "x0-hat", Quantity.EPS_HAT: "epsilon-hat"}
_SCALES = (1, 2, 3, 4, 6, 8, 12, 16)
_MOST_SIDE = 512


class LookFields(QWidget):
    """Rows of a grid with labels on the left; `changed` when one of them was set."""

    changed = Signal()

    def __init__(self, quantities: Iterable[str], count: int, image: int | None, side: int) -> None:
        """`count` pictures of `side` pixels; `image` is the chosen one, if any."""
        super().__init__()
        self._count, self._image, self._side = count, image, side
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setHorizontalSpacing(PADDING)
        self.grid.setVerticalSpacing(GAP)
        self.grid.setColumnMinimumWidth(1, FIELD)
        self._build_quantities(set(quantities))
        self.images = Combo()
        self.images.setObjectName("exportImagesCombo")
        if image is not None:
            self.images.addItem(f"The chosen one, number {image + 1}", (image,))
        self.images.addItem(f"All {count}" if count > 1 else "The only one", ())
        self.scale = Combo()
        self.scale.setObjectName("exportScaleCombo")
        for scale in _SCALES:
            if scale == 1 or scale * side <= _MOST_SIDE:
                self.scale.addItem(f"{scale * side} px, every pixel {scale} × {scale}", scale)
        usual = max(0, self.scale.findData(max((s for s in _SCALES if s * side <= 128), default=1)))
        self.scale.setCurrentIndex(usual)
        self.add("Pictures", self.images, "Which pictures of the batch")
        self.add(
            "Size", self.scale, "Side of a picture: its pixels are enlarged, no others are made"
        )
        for combo in (self.images, self.scale):
            combo.currentIndexChanged.connect(self.changed)

    def _build_quantities(self, wanted: set[str]) -> None:
        self.quantities: dict[Quantity, QCheckBox] = {}
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * PADDING)
        for quantity, name in _NAMES.items():
            box = self.quantities[quantity] = QCheckBox(name)
            box.setObjectName(f"export_{quantity}")
            box.setAccessibleName(_LETTERS[quantity])
            box.setChecked(quantity in wanted)
            box.toggled.connect(self._on_quantity)
            row.addWidget(box)
        row.addStretch(1)
        self.add("Show", holder, "What of every step; several stand side by side")

    def add(self, title: str, widget: QWidget, tooltip: str) -> None:
        """Add a row."""
        row = self.grid.rowCount()
        self.grid.addWidget(label(title, "caption"), row, 0)
        self.grid.addWidget(widget, row, 1)
        widget.setToolTip(tooltip)
        if not widget.accessibleName():
            widget.setAccessibleName(title)

    @property
    def look(self) -> Look:
        """What is set."""
        chosen = tuple(str(q) for q, box in self.quantities.items() if box.isChecked())
        images = tuple(self.images.currentData())
        return Look(chosen, images, self.scale.currentData() * self._side)

    def pictures(self) -> int:
        """Return how many pictures of a step are chosen."""
        return len(self.look.images) or self._count

    @Slot(bool)
    def _on_quantity(self, on: bool) -> None:
        """One of them stays."""
        if not any(box.isChecked() for box in self.quantities.values()):
            sender = self.sender()
            if isinstance(sender, QCheckBox):
                sender.setChecked(True)
            return
        self.changed.emit()
