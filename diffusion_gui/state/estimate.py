"""What the model makes of the x_t on show: x0_hat of one call, kept up with t and all settings."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.state.document import Document
from diffusion_gui.state.sampling import Estimate, SamplingController
from diffusion_gui.state.view_state import ViewState


class Estimator(QObject):
    """Asks the sampling controller's thread while `Display.estimate` is wished; latest wins.

    `changed` when `newest` or `message` is another. While a run is active the answer waits.
    """

    changed = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        controller: SamplingController,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._controller = controller
        self._closed = False
        self._asked: tuple[object, ...] | None = None
        self.newest: Estimate | None = None
        self.message = ""
        self.reason = ""
        """`message` at more length."""
        self._soon = QTimer(self, singleShot=True, interval=0)  # one question for many changes
        self._soon.timeout.connect(self._ask)
        controller.estimated.connect(self._on_estimated)
        controller.state_changed.connect(self._on_change)
        document.changed.connect(self._on_change)
        view.t_changed.connect(self._on_change)
        view.picture_changed.connect(self._on_change)
        view.display_changed.connect(self._on_change)

    def shutdown(self) -> None:
        """Ask nothing more; safe to call twice."""
        self._closed = True
        self._soon.stop()

    @Slot()
    def _on_change(self) -> None:
        if self._view.display.estimate and not self._closed:
            self._soon.start()

    @Slot()
    def _ask(self) -> None:
        view = self._view
        wanted = (self._document.experiment, view.picture, view.t, self._controller.device)
        if self._controller.active and not self._answers(wanted):
            self._asked = None  # a run takes the place of a question
        if not view.display.estimate or wanted == self._asked:
            return
        if not view.picture or view.t < 1:
            self._asked = wanted
            clean = "nothing to estimate: 𝑥ₜ is the clean picture, there is no noise at t = 0"
            self._say(*(("no noise at t = 0", clean) if view.picture else ("no picture",)))
        elif self._controller.estimate(view.picture, view.t):
            self._asked = wanted
        else:
            self.message = self.reason = "waits for the run"
            self.changed.emit()

    def _answers(self, wanted: tuple[object, ...]) -> bool:
        newest = self.newest
        return newest is not None and (newest.experiment, newest.picture, newest.t) == wanted[:3]

    def _say(self, message: str, reason: str = "") -> None:
        self.newest, self.message, self.reason = None, message, reason or message
        self.changed.emit()

    @Slot(object)
    def _on_estimated(self, estimate: Estimate) -> None:
        if estimate.problem:
            self._say(estimate.problem)
            return
        self.newest, self.message = estimate, ""
        self.changed.emit()
