"""The page of the trajectory map: which quantity runs over it, what is known of the chosen path."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton

from diffusion_gui.engine.planning import uses_data
from diffusion_gui.engine.survey import CERTAIN, Ending, Survey
from diffusion_gui.panels.common.picture import to_qimage
from diffusion_gui.panels.common.plot_head import PlotHead
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.common.widgets import GAP, button
from diffusion_gui.panels.sampling.following_page import FollowingPage
from diffusion_gui.panels.sampling.info_sign import InfoSign
from diffusion_gui.panels.sampling.map_scene import MapScene
from diffusion_gui.panels.sampling.map_view import MapView
from diffusion_gui.state.run_endings import RunEndings
from diffusion_gui.state.run_view import Quantity, RunView

MEANING = (
    "Every picture is a point in a space with one axis for each of its values. This is that space"
    "\nseen along the two directions in which the images of the set differ most, their first two"
    "\nprincipal components: grey are the images, coloured the samples on their way.\n"
    "● the step on show   ◆ from here on a sample keeps to one image   ○ the step of the fork\n"
    "The wheel zooms, a drag pans, a double click shows the whole. Press a path to choose its\n"
    "sample, an image to see it large."
)
START = (
    "<b>No map yet</b><br>While a run is made, the paths of its samples<br>"
    "are drawn over the images of the set"
)
LET_GO = "Its paths were given up for the memory of newer runs: run it again to see them"
ALONE = "A map needs at least two images: one alone has no principal components"
NETWORK = "A network knows no list of images: there is nothing that could be mapped"
_SHOWN = {
    Quantity.X_T: ("𝑥ₜ", "x_t", "Paths of 𝑥ₜ, scaled as in the pictures: from noise to a picture"),
    Quantity.X0_HAT: ("𝑥̂₀", "x0-hat", "Paths of 𝑥̂₀: from the mean of the set to a picture"),
}


class MapPage(FollowingPage):
    """Follows the run on show; a path that is pressed is the chosen picture everywhere."""

    def __init__(self, shown: RunView, endings: RunEndings, theme: Theme) -> None:
        super().__init__("mapPage", shown, START, endings)
        self._settled: tuple[Survey, int, NDArray[np.int64]] | None = None
        self._drawn: tuple[Survey, int] | None = None
        self._build(theme)
        self._pace.due.connect(self._on_due)
        endings.changed.connect(self._show_all)
        self._show_all()

    def _build(self, theme: Theme) -> None:
        self.caption = PlotHead("")
        self.caption.name.hide()
        self.chips: dict[Quantity, QPushButton] = {}
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self.caption, 1)
        for quantity, (text, letters, tooltip) in _SHOWN.items():
            chip = self.chips[quantity] = button(text, tooltip, "chip")
            chip.setObjectName(f"{quantity}PathButton")
            chip.setAccessibleName(f"Paths of {letters}")
            chip.setCheckable(True)
            chip.setChecked(quantity is Quantity.X0_HAT)
            chip.clicked.connect(self._on_chip)
            head.addWidget(chip)
        self.fit = button("Fit", "Show the whole map (0)", "link")
        self.fit.setObjectName("fitMapButton")
        head.addWidget(self.fit)
        head.addWidget(InfoSign(theme, MEANING))
        self.map = MapView(theme)
        self.map.sample_chosen.connect(self._on_sample)
        self.map.zoomed.connect(self._show_fit)
        self.fit.clicked.connect(self.map.fit)
        self.column.addLayout(head)
        self.column.addWidget(self.map, 1)
        self._show_fit()

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What runs over the map; a second one is fainter."""
        return tuple(quantity for quantity, chip in self.chips.items() if chip.isChecked())

    def showEvent(self, event: QShowEvent) -> None:
        """Show what has come meanwhile."""
        super().showEvent(event)
        self._show_all()

    @Slot()
    def _on_chip(self) -> None:
        if not self.quantities:  # the last one stays
            chip = self.sender()
            if isinstance(chip, QPushButton):
                with QSignalBlocker(chip):
                    chip.setChecked(True)
        self._show_all()

    @Slot(int)
    def _on_sample(self, sample: int) -> None:
        self._shown.set_image(None if sample == self._shown.image else sample)

    @Slot()
    def _on_due(self) -> None:
        """Draw the paths where they are others, and move the marks."""
        survey = self._shown.run.survey if self._shown.run else None
        if survey is None or (survey, len(survey)) != self._drawn:
            self._show_all()
        else:
            self._show_step()

    @Slot()
    def _show_all(self) -> None:
        """Draw the paths as far as they have come."""
        run = self._shown.run
        survey = run.survey if run else None
        alone = survey is not None and len(survey.atlas) < 2
        some = survey is not None and not alone and len(survey) > 0
        self.content.setVisible(some)
        self.empty.setVisible(not some)
        gone = run is not None and run.let_go
        without = run is not None and not uses_data(run.experiment.sampling)
        self.empty.setText(LET_GO if gone else ALONE if alone else NETWORK if without else START)
        if run is None or survey is None or not some or not self.isVisible():
            return
        self._drawn = survey, len(survey)
        paths = {Quantity.X_T: survey.x_t, Quantity.X0_HAT: survey.x0_hat}
        scene = MapScene(survey.atlas, tuple(paths[quantity] for quantity in self.quantities))
        scene.settled = self._settled_steps(survey, run.ending)
        scene.fork = run.experiment.fork.step if run.experiment.fork else None
        self.map.show_scene(scene)
        self._show_step()

    @Slot()
    def _show_step(self) -> None:
        """Move the marks, and say what is known of the chosen sample."""
        run, frame, scene = self._shown.run, self._shown.frame, self.map.scene
        if run is None or run.survey is None or frame is None or not self.isVisible():
            return
        if scene is None or scene.atlas is not run.survey.atlas:
            return
        scene.step, scene.chosen = frame.index, self._shown.image
        found = run.survey.newest_belief(frame.index)
        scene.belief = found[1] if found else None
        image = self._shown.image
        known = image is not None and image < len(frame.x0_hat)
        scene.seen = to_qimage(frame.x0_hat[image]) if image is not None and known else None
        self.map.update()
        self.caption.set_value(*self._said(run.survey, run.ending))

    def _settled_steps(self, survey: Survey, ending: Ending | None) -> NDArray[np.int64] | None:
        """Return the step from which on each sample keeps to one image, if that is known."""
        kept = self._settled
        if kept is None or kept[0] is not survey or kept[1] != len(survey):
            self._settled = survey, len(survey), survey.settled()
        if survey.newest_belief(len(survey)) is not None and self._settled is not None:
            return self._settled[2]
        return ending.since if ending else None

    def _said(self, survey: Survey, ending: Ending | None) -> tuple[str, ...]:
        """Return what is known of the chosen sample, at length and shorter and shorter."""
        scene, image = self.map.scene, self._shown.image
        if scene is None:
            return ("",)
        if image is None:
            paths = f"{scene.count} path{'s' * (scene.count != 1)}"
            said = f"{len(survey.atlas):,} images, {paths}"
            return f"{said}: press a path to choose it", said, paths
        who, newest = f"picture {image + 1}", survey.newest_belief(len(survey))
        since = -1 if scene.settled is None else int(scene.settled[image])
        if since < 0:
            if newest is None:
                return (who,)
            return f"{who}: no image has {CERTAIN:.0%} of the posterior yet", f"{who}: open", "open"
        step = f"◆ step {since}"
        if newest is not None:
            belief = newest[1]
            what = f"settled on {belief.atlas.names[int(belief.indices[image, 0])]} at step {since}"
            return f"{who}: {what}", what, f"◆ settled at step {since}", step
        if ending is None or ending.nearest is None:
            return (who,)
        what = f"nearest to {survey.atlas.names[int(ending.nearest[image])]}"
        return f"{who}: {what} from step {since} on", f"{what} from step {since} on", step

    @Slot()
    def _show_fit(self) -> None:
        self.fit.setEnabled(not self.map.plane.fitted)
