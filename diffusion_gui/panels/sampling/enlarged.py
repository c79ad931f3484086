"""One picture of the batch in place of the grids: its quantities side by side under one zoom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QPoint, Qt, Signal, SignalInstance, Slot
from PySide6.QtGui import (
    QContextMenuEvent,
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSizePolicy, QVBoxLayout, QWidget

from diffusion_gui.engine.schedules import Family, build
from diffusion_gui.engine.trajectory import EPS_SHOWN
from diffusion_gui.panels.common.picture import CAPTION, PictureView
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, ElidedLabel, button, claims_escape, label
from diffusion_gui.panels.common.zoom import Zoom
from diffusion_gui.panels.sampling.batch_view import NAMES, WIDEST, BatchView
from diffusion_gui.state.run_view import Quantity, RunView
from diffusion_gui.state.view_state import Scaling, ViewState

_SHORT = {Quantity.X_T: "𝑥ₜ", Quantity.X0_HAT: "𝑥̂₀", Quantity.EPS_HAT: "ε̂"}
_HEAD = 20
NO_NOISE = "no noise left: σ = 0"
"""Written on ε̂ at the clean end, which is plain grey."""
_SCALINGS = {
    Scaling.AUTO: ("Auto", "smooth where it shrinks, pixels where it is enlarged"),
    Scaling.NEAREST: ("Nearest", "every pixel as it is"),
    Scaling.SMOOTH: ("Smooth", "interpolated, averaged where it shrinks"),
}
_LEVEL = 2.0 / 255.0
_HOW = (
    "\nWheel or + and −: zoom. Drag: pan, or take the picture out of the window. 0: whole."
    "\nPoint at a pixel, or Alt + arrows: its values R G B."
    "\nArrows: next picture. Esc or a double click: all pictures."
)


class EnlargedPicture(PictureView):
    """A picture that a double click leaves; `left` then, `copied` when a copy is wished."""

    left = Signal()
    copied = Signal()
    _clicked = False

    def showEvent(self, event: QShowEvent) -> None:
        """Begin anew: a double click on the grid has its second half here."""
        super().showEvent(event)
        self._clicked = False

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember that the picture itself was clicked."""
        self._clicked = True
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Go back to the whole batch."""
        if self._clicked:
            self.left.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer the copy and the way back."""
        menu = QMenu(self)
        menu.addAction("Copy picture\tCtrl+C", self.copied.emit)
        menu.addAction("All pictures\tEsc", self.left.emit)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())


class EnlargedView(QWidget):
    """Stands in place of `batch` while a picture is enlarged, and follows the step on show.

    `dragged_out` and `copied` as those of the batch.
    """

    dragged_out = Signal(object, int)
    copied = Signal(object, int)

    def __init__(self, shown: RunView, view: ViewState, batch: BatchView, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("enlargedView")
        self._shown = shown
        self._view = view
        self._batch = batch
        self.zoom = Zoom(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 48)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(self._build_head())
        column.addLayout(self._build_pictures(theme), 1)
        batch.chosen.connect(shown.set_image)
        batch.enlarged.connect(shown.enlarge)
        shown.shown_changed.connect(self._show)
        shown.step_changed.connect(self._show_frame)
        view.display_changed.connect(self._show_scaling)
        self.zoom.pointed.connect(self._read)
        self._show_scaling()
        self._show()

    def _build_head(self) -> QHBoxLayout:
        self.back = button("All pictures", "Back to the whole batch (Esc)", "chip")
        self.back.setObjectName("allPicturesButton")
        self.back.clicked.connect(self._shown.show_all)
        self.before = button("‹", "The picture before (Left)", "chip")
        self.before.setObjectName("pictureBeforeButton")
        self.before.setAccessibleName("The picture before")
        self.before.clicked.connect(lambda: self._go(-1))
        self.after = button("›", "The picture after (Right)", "chip")
        self.after.setObjectName("pictureAfterButton")
        self.after.setAccessibleName("The picture after")
        self.after.clicked.connect(lambda: self._go(1))
        self.position = label("", "caption")
        self.reading = ElidedLabel("caption")
        self._build_scaling()
        row = QHBoxLayout()
        row.setSpacing(GAP // 2)
        for widget in (self.back, self.before, self.position, self.after):
            row.addWidget(widget)
        row.addSpacing(GAP)
        row.addWidget(self.reading, 1)
        row.addWidget(self.scaling)
        return row

    def _build_scaling(self) -> None:
        about = "\n".join(f"{text}: {how}" for text, how in _SCALINGS.values())
        self.scaling = button(
            "", f"How pictures are scaled, here and in the image panel.\n{about}", "choice"
        )
        self.scaling.setObjectName("enlargedScalingButton")
        self.scaling.setAccessibleName("Scaling")
        menu = QMenu(self.scaling)
        for scaling, (text, how) in _SCALINGS.items():
            row = menu.addAction(f"{text}: {how}")
            row.setObjectName(f"{scaling}Scaling")
            row.triggered.connect(lambda _=False, s=scaling: self._view.set_display(scaling=s))
        self.scaling.setMenu(menu)

    def _build_pictures(self, theme: Theme) -> QHBoxLayout:
        self.pictures: dict[Quantity, EnlargedPicture] = {}
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for quantity, name in NAMES.items():
            picture = EnlargedPicture(theme, name, name + _HOW, self.zoom, f"{quantity}Enlarged")
            picture.left.connect(self._shown.show_all)
            picture.dragged_out.connect(lambda q=quantity: self._emit(self.dragged_out, q))
            picture.copied.connect(lambda q=quantity: self._emit(self.copied, q))
            picture.setMinimumSize(60, 60 + CAPTION)
            row.addWidget(picture, 1)
            self.pictures[quantity] = picture
        return row

    def _emit(self, signal: SignalInstance, quantity: Quantity) -> None:
        if self._shown.image is not None:
            signal.emit(quantity, self._shown.image)

    # --- what is on show ------------------------------------------------------------------------

    @Slot()
    def _show(self) -> None:
        """Change places with the batch, if that is wished; show the chosen quantities."""
        enlarged, entering = self._shown.enlarged, self.isHidden()
        focused = self.isAncestorOf(self.focusWidget()) if self.focusWidget() else False
        self._batch.set_image(self._shown.image)
        self.setVisible(enlarged)
        self._batch.setVisible(not enlarged)
        for quantity, picture in self.pictures.items():
            picture.setVisible(quantity in self._shown.quantities)
        if enlarged:
            self._limit_width()
            self._show_frame()
            if entering:
                self.zoom.reset()
                self.pictures[self._shown.quantities[0]].setFocus()
        elif not entering and (focused or self.window().focusWidget() is None):
            self._batch.setFocus()

    @Slot()
    def _show_frame(self) -> None:
        frame, image = self._shown.frame, self._shown.image
        if not self._shown.enlarged or frame is None or image is None or image >= len(frame.x_t):
            return
        for quantity in self._shown.quantities:
            gone = quantity is Quantity.EPS_HAT and frame.sigma == 0.0
            self.pictures[quantity].set_pixels(
                getattr(frame, quantity)[image], NO_NOISE if gone else ""
            )
        self.position.setText(f"{image + 1} of {len(frame.x_t)}")
        self.before.setEnabled(image > 0)
        self.after.setEnabled(image + 1 < len(frame.x_t))
        self._read()

    @Slot()
    def _show_scaling(self) -> None:
        scaling = self._view.display.scaling
        self.scaling.setText(_SCALINGS[scaling][0])
        for picture in self.pictures.values():
            picture.set_scaling(scaling)

    @Slot()
    def _read(self) -> None:
        """Let the captions say the values of the marked pixel, and the head where they are from."""
        pictures = [self.pictures[quantity] for quantity in self._shown.quantities]
        pixel = pictures[0].pixel() if self.isVisible() else None
        if pixel is None or any(one.pixels is None for one in pictures):
            for one in self.pictures.values():
                one.set_reading("")
            self.reading.setText("")
            return
        values = {q: self._values(q, pixel) for q in self._shown.quantities}
        for quantity, text in _readings(values, self.pictures).items():
            self.pictures[quantity].set_reading(text)
        self.reading.setText(f"RGB at ({pixel.x()}, {pixel.y()}), {self._from_bits()}")

    def _values(self, quantity: Quantity, pixel: QPoint) -> Sequence[int]:
        pixels = self.pictures[quantity].pixels
        assert pixels is not None
        return [int(value) for value in pixels[pixel.y(), pixel.x()]]

    def _from_bits(self) -> str:
        """Return how good the values are: they come from the recorded 8-bit pictures."""
        half = [f"± {_LEVEL / 2:.3f}"] if set(self._shown.quantities) != {Quantity.EPS_HAT} else []
        if Quantity.EPS_HAT in self._shown.quantities:
            half.append(f"ε̂ ± {EPS_SHOWN * _LEVEL / 2:.3f}")
        text = f"from 8 bits: {', '.join(half)}"
        run = self._shown.run
        if run is not None and build(run.experiment.schedule).family is not Family.VP:
            text += "; 𝑥ₜ / √(a² + s²)"
        return text

    # --- mouse and keys ---------------------------------------------------------------------

    def _go(self, way: int) -> None:
        frame, image = self._shown.frame, self._shown.image
        if frame is not None and image is not None and 0 <= image + way < len(frame.x_t):
            self._shown.enlarge(image + way)

    def event(self, event: QEvent) -> bool:
        """Take Esc and Ctrl+C before the window's commands do."""
        if self._shown.enlarged and claims_escape(event):
            return True
        if (
            isinstance(event, QKeyEvent)
            and event.type() is QEvent.Type.ShortcutOverride
            and event.matches(QKeySequence.StandardKey.Copy)
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go back with Esc, to other pictures with the arrows, copy with Ctrl+C."""
        ways = {
            Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1,
        }  # fmt: skip
        way = ways.get(Qt.Key(event.key()))
        if event.matches(QKeySequence.StandardKey.Copy):
            self._emit(self.copied, self._quantity_with_focus())
        elif event.key() == Qt.Key.Key_Escape:
            self._shown.show_all()
        elif way is not None and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self._go(way)
        else:
            super().keyPressEvent(event)

    def _quantity_with_focus(self) -> Quantity:
        focused = [q for q in self._shown.quantities if self.pictures[q].hasFocus()]
        return (*focused, self._shown.quantities[0])[0]

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave to what stands beside it the room that the pictures cannot use."""
        super().resizeEvent(event)
        self._limit_width()

    def _limit_width(self) -> None:
        if self._shown.page is None:
            self.setMaximumWidth(WIDEST)
            return
        side = self.height() - _HEAD - 4 - CAPTION
        count = len(self._shown.quantities)
        self.setMaximumWidth(max(count * side + (count - 1) * GAP, 420))

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up."""
        super().showEvent(event)
        self._show_frame()

    def hideEvent(self, event: QHideEvent) -> None:
        """Point at nothing."""
        super().hideEvent(event)
        self.zoom.point(None)


def value_text(value: int, quantity: Quantity, digits: int = 2) -> str:
    """Return what an 8-bit value of a frame stands for; what may lie beyond the ends is said so."""
    most = EPS_SHOWN if quantity is Quantity.EPS_HAT else 1.0
    if value in (0, 255):
        return f"≥{most:+.{digits}f}" if value else f"≤−{most:.{digits}f}"
    number = round(most * (value * _LEVEL - 1.0), digits) + 0.0
    return f"{number:+.{digits}f}".replace("-", "−")


def _readings(
    values: Mapping[Quantity, Sequence[int]], pictures: Mapping[Quantity, EnlargedPicture]
) -> dict[Quantity, str]:
    """Return what to write above the pictures: as much as there is room for above all of them."""
    texts: dict[Quantity, str] = {}
    for digits, named in ((3, True), (2, True), (2, False)):
        texts = {
            q: (f"{_SHORT[q]}  " if named else "")
            + " ".join(value_text(value, q, digits) for value in rgb)
            for q, rgb in values.items()
        }
        if all(pictures[q].fits(text) for q, text in texts.items()):
            break
    return texts
