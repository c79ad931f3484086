"""What the image panel shows large: the picture on show, noised to the time cursor.

While two schedules are compared, both noise the same picture with the same eps: the other side at
the same share of the way, where its T is another.
The noise depends on the seed, its kind and the size of the picture alone. It is computed in the GUI
thread on request: one multiply-add per value. Of a large picture that is every n-th pixel, and the
whole of it follows from the background (`large_pictures`).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from diffusion_gui.engine.forward import Moment, Process
from diffusion_gui.engine.images import FloatImage, Picture, Pixels
from diffusion_gui.engine.noise_fields import snr_loss_db
from diffusion_gui.engine.schedules import Schedule, build
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.comparison import Comparison, other_letter
from diffusion_gui.state.document import Document
from diffusion_gui.state.large_pictures import LargePictures, Sizes, as_kept, needs_opening
from diffusion_gui.state.tiles import Scene, Tiles, render
from diffusion_gui.state.view_state import ViewState

SECONDS_BETWEEN = 0.05
"""So often a schedule that is being changed is told of while others need the interpreter more."""


class ForwardPreview(QObject):
    """The forward process of the picture on show.

    `picture_changed` when another picture is on show, `tiles_changed` when x_t is another;
    `sides_changed`, before it, when the sides are.
    """

    picture_changed = Signal()
    sides_changed = Signal()
    tiles_changed = Signal()

    def __init__(
        self,
        document: Document,
        view: ViewState,
        store: PictureStore,
        comparison: Comparison,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._document = document
        self._view = view
        self._store = store
        self._comparison = comparison
        self._comparing = True
        self._shown = view.display.shown
        self._sizes: Sizes | None = None
        self._moments: list[tuple[Process, Schedule, int, Moment]] = []
        self._frames: Tiles | None = None
        """The whole of a large picture, as long as nothing has changed since."""
        self._unopened = ""
        """Why the picture is shown as it is kept, or as its thumbnail."""
        self._unrendered = ""
        """Why only every n-th pixel is shown, until something changes."""
        self.gives_way: Callable[[], bool] = lambda: False
        """Whether a live run is being made: in a drag most of the GUI thread's time goes to this
        picture and would be the run's, which shares the interpreter with it."""
        self._told = 0.0
        self._soon = QTimer(self, singleShot=True)
        self._soon.timeout.connect(self._on_change)
        self._large = LargePictures(store, self)
        self._load()
        self._bind()

    def _bind(self) -> None:
        self._large.opened.connect(self._on_opened)
        self._large.failed.connect(self._on_not_opened)
        self._large.not_rendered.connect(self._on_not_rendered)
        self._large.rendered.connect(self._on_rendered)
        self._view.t_changed.connect(self._on_change)
        self._view.picture_changed.connect(self._on_picture)
        self._view.display_changed.connect(self._on_display)
        self._comparison.sides_changed.connect(self._on_sides)
        self._document.schedule_changed.connect(self._on_schedule)
        self._document.seed_changed.connect(self._on_seed)
        self._document.pictures_changed.connect(self._on_pictures)
        self._document.forward_changed.connect(self._on_forward)

    def shutdown(self) -> None:
        """Stop the background threads."""
        self._soon.stop()
        self._large.shutdown()

    @property
    def picture(self) -> Picture | None:
        """The picture on show as it is kept, or None."""
        return self._sizes.kept if self._sizes else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height at which the picture on show is noised; (0, 0) without one."""
        if self._sizes is None:
            return 0, 0
        height, width = self._sizes.full.pixels.shape[:2]
        return width, height

    @property
    def problem(self) -> str:
        """Why the picture is not shown at its working size, or not the whole of it."""
        return self._unopened or self._unrendered

    @property
    def pixels(self) -> Pixels | None:
        """x_0 of the picture on show at its working size, None until it is there."""
        if self._sizes is None or self.opening or self._unopened:
            return None
        return self._sizes.full.pixels

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed when the picture was opened at this size."""
        return self._sizes.notes if self._sizes else ()

    @property
    def opening(self) -> bool:
        """Whether the picture is still being opened, and is shown as it is kept."""
        return self._large.opening

    @property
    def stride(self) -> int:
        """What `Tiles.stride` is now: above 1 while not all of a large picture is shown."""
        return self._sizes.quick.stride if self._sizes and not self._frames else 1

    @property
    def two_sides(self) -> bool:
        """Whether there is another side to compare with."""
        return self._comparison.other is not None

    @property
    def comparing(self) -> bool:
        """Whether both sides are shown: there are two, and that is wished."""
        return self._comparing and self.two_sides

    @property
    def side(self) -> str:
        """The letter of the schedule on show."""
        return self._comparison.side

    @property
    def letter(self) -> str:
        """What tells the schedule on show from the other, "" while there is one only."""
        return self.side if self.two_sides else ""

    @property
    def other_side(self) -> str:
        """The letter of the schedule not on show."""
        return other_letter(self.side)

    def set_comparing(self, comparing: bool) -> None:
        """Show both sides, or the one on show only."""
        if comparing != self._comparing:
            self._comparing = comparing
            self._on_sides()

    @Slot(list)
    def try_again(self, ids: list[str]) -> None:
        """Open the picture on show once more if it could not be and is one of these."""
        if self._unopened and self._view.picture in ids:
            self._on_picture()

    def tiles(self) -> Tiles | None:
        """Return x_0, x_t and its two parts at the time cursor, or None without a picture.

        Of a large picture every n-th pixel; when nothing changes any more the whole is made in the
        background, told by `tiles_changed` and returned from then on.
        """
        if self._frames is not None or self._sizes is None:
            return self._frames
        full, quick, scene = self._sizes.full, self._sizes.quick, self._scene()
        moments = self._moments_of(scene)
        if full is not quick and not self.opening and not self.problem:
            self._large.render_soon(
                lambda poll: render(
                    full, [full.at(*t, poll) for t in scene.times], moments, scene, quick.stride
                )
            )
        return render(quick, moments, moments, scene)

    def moment(self) -> Moment | None:
        """Return the picture on show at the time cursor, or None; its noise is drawn once.

        Of a large picture every n-th pixel, as of `process`.
        """
        return self._moments_of(self._scene())[0] if self._sizes else None

    def other_moment(self) -> Moment | None:
        """Return the picture under the other side, or None while none is compared with."""
        return self._moments_of(self._scene())[1] if self._sizes and self.comparing else None

    def process(self) -> Process | None:
        """Return the forward process of the picture on show at its working size, or None.

        Of a large picture, that of every n-th pixel: what can be worked with in the GUI thread.
        """
        return self._sizes.quick if self._sizes else None

    def values(self) -> FloatImage:
        """Return up to 65,536 values of x_t at the time cursor, in [-1, 1] units, not clipped."""
        moment = self.moment()
        return np.zeros(0, dtype=np.float32) if moment is None else moment.values()

    def snr_db(self) -> float:
        """Return the signal-to-noise ratio at the time cursor in decibel, infinite at t = 0.

        It is that of the picture: lower than the schedule's where there is offset noise.
        """
        return self._document.schedule.snr_db(self._view.t) - snr_loss_db(self.offset)

    @property
    def offset(self) -> float:
        """Strength of the offset noise."""
        return self._document.experiment.forward.offset

    def _scene(self) -> Scene:
        """Return what is to be shown now."""
        schedule, t, spec = self._document.schedule, self._view.t, self._comparison.other
        times = [(schedule, t)]
        if self.comparing and spec is not None:
            other = build(spec)
            times.append((other, round(t / self._view.T * other.T)))
        return Scene(tuple(times), self._view.display.shown, self.other_side)

    def _moments_of(self, scene: Scene) -> list[Moment]:
        """Return the picture at the times of a scene, made anew only where it was not there."""
        assert self._sizes is not None
        process, known = self._sizes.quick, self._moments
        self._moments = [
            next((m for m in known if m[0] is process and m[1] is schedule and m[2] == t), None)
            or (process, schedule, t, process.at(schedule, t))
            for schedule, t in scene.times
        ]
        return [moment for *_, moment in self._moments]

    def _load(self) -> None:
        """Take the picture on show: at its working size, or for now as it is kept."""
        self._large.close()
        self._let_go()
        experiment, shown = self._document.experiment, self._view.picture
        ref = next((ref for ref in experiment.pictures if ref.id == shown), None)
        self._sizes = as_kept(self._store, ref, experiment) if ref else None
        if self._sizes and needs_opening(self._sizes.kept, experiment.forward):
            self._large.open(shown, experiment)

    def _renoise(self) -> None:
        """Take another noise for the picture on show as it is arranged."""
        if self.opening or self._unopened:
            self._load()
        elif self._sizes:
            self._let_go()
            self._sizes = self._sizes.noised(self._document.experiment)

    def _let_go(self) -> None:
        """Forget what was made of the picture so far."""
        self._large.drop()
        self._moments.clear()
        self._frames = None
        self._unopened = self._unrendered = ""

    @Slot()
    def _on_picture(self) -> None:
        self._load()
        self.picture_changed.emit()
        self.tiles_changed.emit()

    @Slot()
    def _on_pictures(self) -> None:
        """Show the first picture when the one on show has left the tray."""
        pictures, shown = self._document.experiment.pictures, self._view.picture
        if shown not in {ref.id for ref in pictures}:
            self._view.set_picture(pictures[0].id if pictures else "")
        elif self._store.peek(shown) is not None:
            self.try_again([shown])

    @Slot()
    def _on_forward(self) -> None:
        if self._sizes and self._sizes.arranged_as(self._document.experiment.forward):
            self._renoise()
        else:
            self._load()
        self.picture_changed.emit()
        self.tiles_changed.emit()

    @Slot()
    def _on_seed(self) -> None:
        self._renoise()
        self.tiles_changed.emit()

    @Slot()
    def _on_sides(self) -> None:
        self.sides_changed.emit()
        self._on_change()

    @Slot()
    def _on_display(self) -> None:
        if self._view.display.shown is not self._shown:
            self._shown = self._view.display.shown
            self._on_change()
        else:
            self.tiles_changed.emit()

    @Slot()
    def _on_schedule(self) -> None:
        left = self._told + SECONDS_BETWEEN - time.monotonic()
        if left <= 0.0 or not self.gives_way():
            self._on_change()
        elif not self._soon.isActive():
            self._soon.start(round(1000.0 * left) + 1)

    @Slot()
    def _on_change(self) -> None:
        """Show every n-th pixel of a large picture while something changes."""
        self._soon.stop()
        self._told = time.monotonic()
        self._large.drop()
        self._frames = None
        self._unrendered = ""
        self.tiles_changed.emit()

    @Slot(object)
    def _on_opened(self, sizes: Sizes) -> None:
        self._let_go()
        self._sizes = sizes
        self.picture_changed.emit()
        self.tiles_changed.emit()

    @Slot(object)
    def _on_rendered(self, frames: Tiles) -> None:
        self._frames = frames
        self.tiles_changed.emit()

    @Slot(str)
    def _on_not_opened(self, problem: str) -> None:
        self._unopened = problem
        self.tiles_changed.emit()

    @Slot(str)
    def _on_not_rendered(self, problem: str) -> None:
        self._unrendered = problem
        self.tiles_changed.emit()
