"""The pages beside the pictures: curves, posterior and map, driven by mouse and keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PICTURES
from diffusion_gui.panels.common.theme import Theme
from diffusion_gui.panels.sampling.belief_list import percent
from diffusion_gui.panels.sampling.map_geometry import MapGeometry, line_through, thumbnail_side
from diffusion_gui.panels.sampling.map_page import ALONE, MapPage
from diffusion_gui.panels.sampling.posterior_page import PosteriorPage
from diffusion_gui.panels.sampling.sample_colours import sample_colour
from diffusion_gui.panels.sampling.step_charts import StepCharts
from diffusion_gui.session.networks import open_file
from diffusion_gui.state.run_view import Quantity, SamplingPage
from diffusion_gui.state.sampling import Run, RunState
from diffusion_gui.state.step_series import StepNumber

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 60_000


@pytest.fixture
def run(window: MainWindow, parts: Parts, qtbot: QtBot) -> Callable[..., Run]:
    """Return a function that makes a run of 6 steps in the window and returns it."""
    parts.sampling.live = False

    def make(**changes: object) -> Run:
        few = {"steps": 6, "count": 3, "size": 16}
        parts.document.replace_sampling("few", **(few | changes))
        parts.sampling.run()
        qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
        assert parts.sampling.recorded is not None
        return parts.sampling.recorded

    return make


def page(window: MainWindow, parts: Parts, name: SamplingPage) -> QWidget:
    """Show a page of the panel and return it."""
    parts.run_view.set_page(name)
    return window.sampling._made[name]


def test_curves_are_read_dragged_and_chosen(
    window: MainWindow, parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    curves = page(window, parts, SamplingPage.CURVES)
    assert isinstance(curves, StepCharts)
    assert curves.empty.isVisible()
    done = run()
    assert not curves.empty.isVisible()
    qtbot.waitUntil(lambda: done.ending is not None, timeout=TIMEOUT)
    plot = curves.cards[StepNumber.CHANGE].plot
    assert plot.curve.getData()[0].tolist() == [1, 2, 3, 4, 5, 6]
    assert len(curves.cards[StepNumber.DISTANCE].plot.curve.getData()[0]) == 7
    parts.run_view.set_step(2)
    assert {card.plot.marker.value() for card in curves.cards.values()} == {2}
    frame = done.trajectory.at_step(2)
    head = curves.cards[StepNumber.CHANGE].head
    assert float(head.value) == pytest.approx(frame.change, rel=0.01)
    place = plot.mapFromScene(plot.getViewBox().mapViewToScene(QPointF(4.1, 0.0)))
    place.setY(plot.height() // 2)
    qtbot.mouseMove(plot.viewport(), place)
    qtbot.waitUntil(lambda: curves._hovered == 4)
    assert curves.caption.text().startswith("step 4")
    assert curves.cards[StepNumber.SIGMA].plot.hover.isVisible(), "charts are linked"
    frame = done.trajectory.at_step(4)
    assert float(head.value) == pytest.approx(frame.change, rel=0.01)
    qtbot.mousePress(plot.viewport(), LEFT, pos=place)
    assert parts.run_view.step == 4
    qtbot.waitUntil(lambda: parts.view.t == frame.t)
    QApplication.sendEvent(plot.viewport(), QEvent(QEvent.Type.Leave))
    parts.run_view.set_image(1)
    window.resize(2200, 1200)  # room for both numbers
    drawn = curves.cards[StepNumber.CHANGE].plot.image.getData()[1]
    np.testing.assert_allclose(drawn, [one.changes[1] for one in done.trajectory.frames[1:]])
    qtbot.waitUntil(lambda: "2: " in curves.cards[StepNumber.ENTROPY].head.value)
    longer = run(steps=9)
    parts.run_view.show(done)
    parts.run_comparison.compare([done, longer])
    assert len(plot.others[1].getData()[0]) == 9
    assert plot.num_steps == 9
    assert "dashed: B   " in curves.caption.text()
    third = run(steps=4)
    parts.run_comparison.compare([done, longer, third])
    assert [_count(curve) for curve in plot.others] == [6, 9, 0, 0]
    assert "dashed: A, B   " in curves.caption.text()
    parts.run_view.show(done)
    qtbot.waitUntil(lambda: [_count(curve) for curve in plot.others] == [0, 9, 4, 0])
    assert len({curve.opts["pen"].color().name() for curve in plot.others[1:]}) == 3
    parts.run_comparison.end()
    assert plot.num_steps == 6
    assert [_count(curve) for curve in plot.others] == [0, 0, 0, 0]
    head = curves.cards[StepNumber.DISTANCE].head
    assert head.name.text() == "𝑥̂₀ to the result (rms)"
    parts.document.replace_sampling("long", steps=1000)
    parts.sampling.run()
    qtbot.waitUntil(lambda: head.name.text().startswith("𝑥̂₀ to the result, when"), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: parts.run_view.step > 3, timeout=TIMEOUT)
    parts.sampling.stop()
    stopped = parts.run_view.run
    qtbot.waitUntil(lambda: stopped.ending is not None, timeout=TIMEOUT)
    newest = stopped.trajectory.last.index
    assert head.name.text() == f"𝑥̂₀ to step {newest}, the last (rms)"
    curves.choices[StepNumber.TIME].trigger()
    curves.choices[StepNumber.SIGMA].trigger()
    assert curves.cards[StepNumber.TIME].isVisible()
    assert not curves.cards[StepNumber.SIGMA].isVisible()
    assert StepNumber.TIME in parts.settings.step_charts
    assert StepNumber.SIGMA not in parts.settings.step_charts


def test_a_network_s_run_has_its_distances_and_says_why_it_has_no_entropy(
    window: MainWindow, parts: Parts, run: Callable[..., Run], qtbot: QtBot,
    make_network: Callable[..., Path],
) -> None:  # fmt: skip
    curves = page(window, parts, SamplingPage.CURVES)
    assert isinstance(curves, StepCharts)
    network = open_file(make_network(), "", "")
    parts.networks.add(*network)
    learned = run(model="neural", network=network[0], size=16)
    distance, entropy = (
        curves.cards[number].plot for number in (StepNumber.DISTANCE, StepNumber.ENTROPY)
    )
    qtbot.waitUntil(lambda: _count(distance.curve) == 7, timeout=TIMEOUT)
    assert learned.survey is None
    assert distance.curve.getData()[1][-1] == 0.0
    assert not distance.message.isVisible()
    assert entropy.message.isVisible()
    assert not entropy.marker.isVisible()
    assert entropy.message.text().startswith("Neural has none: only the Exact model")
    exact = run(model="exact", network=None)
    qtbot.waitUntil(lambda: _count(entropy.curve) > 0, timeout=TIMEOUT)
    assert not entropy.message.isVisible()
    assert entropy.marker.isVisible()
    parts.run_view.show(learned)
    qtbot.waitUntil(entropy.message.isVisible, timeout=TIMEOUT)
    parts.run_comparison.compare([learned, exact])  # the curve of the other one is there
    qtbot.waitUntil(lambda: not entropy.message.isVisible(), timeout=TIMEOUT)


def test_the_posterior_of_the_chosen_picture_at_the_step_on_show(
    window: MainWindow, parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    posterior = page(window, parts, SamplingPage.POSTERIOR)
    assert isinstance(posterior, PosteriorPage)
    assert posterior.empty.isVisible()
    assert "Run the Exact model" in posterior.empty.text()
    done = run()
    assert posterior.content.isVisible()
    assert "last estimate: step 5" in posterior.caption.text(), "at s = 0 there is none"
    parts.run_view.set_step(1)
    qtbot.mouseClick(posterior.arrows[1], LEFT)
    assert parts.run_view.image == 1
    belief = done.survey.belief(1)
    first, *others, rest = posterior.list.rows
    assert first == (belief.indices[1, 0], belief.atlas.names[first[0]], belief.weights[1, 0])
    assert sum(weight for *_, weight in (first, *others, rest)) == pytest.approx(1.0, abs=1e-5)
    resolved = belief.most_bits - belief.bits[1]
    assert posterior.resolved.text() == f"bits resolved: {resolved:.2f} / 10.43"
    assert f"{belief.effective_number[1]:.3g}" in posterior.left.text()
    assert "over 1,377 images" in posterior.caption.text()
    colour = sample_colour(parts.theme, 1).rgb()
    shown = posterior.list.grab().toImage()
    bars = [shown.pixelColor(32, y).rgb() for y in range(shown.height())]
    assert colour in bars
    run(label="heart", model_params=(("temperature", 2.0),))
    assert "labelled heart, τ = 2" in posterior.caption.text()
    for model, why in (("gaussian", "mean and covariance"), ("local", "patches")):
        run(model=model, label="", model_params=())
        assert posterior.empty.isVisible()
        assert why in posterior.empty.text()
    done.let_go, done.survey = True, None
    parts.run_view.show(done)
    assert "given up for the memory of newer runs: run it again" in posterior.empty.text()
    map_page = page(window, parts, SamplingPage.MAP)
    assert map_page.empty.isVisible()
    assert "given up for the memory of newer runs: run it again" in map_page.empty.text()
    assert [percent(w) for w in (1.0, 0.5, 0.0123, 5e-5, 0.0)] == [
        "100 %", "50.0 %", "1.23 %", "< 0.01 %", "0 %",
    ]  # fmt: skip


def test_the_map_shows_paths_and_images_and_lets_both_be_pressed(
    window: MainWindow, parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    page_ = page(window, parts, SamplingPage.MAP)
    assert isinstance(page_, MapPage)
    assert page_.empty.isVisible()
    done = run()
    survey, view = done.survey, page_.map
    assert view.isVisible()
    assert view.scene.settled.tolist() == survey.settled().tolist()
    np.testing.assert_array_equal(view.scene.paths[0], survey.x0_hat)
    qtbot.mouseClick(page_.chips[Quantity.X_T], LEFT)
    assert len(view.scene.paths) == 2
    qtbot.mouseClick(page_.chips[Quantity.X0_HAT], LEFT)
    qtbot.mouseClick(page_.chips[Quantity.X_T], LEFT)
    assert page_.quantities == (Quantity.X_T,), "the last one stays"

    ends = view.plane.to_screen(survey.x_t[3])
    alone = max(
        range(3), key=lambda i: min(np.hypot(*(ends[i] - ends[j])) for j in {0, 1, 2} - {i})
    )
    view.image_at = lambda at: None  # of 1,377 images one is always near
    qtbot.mouseClick(view, LEFT, pos=QPointF(*ends[alone]).toPoint())
    assert parts.run_view.image == alone
    del view.image_at
    parts.run_view.set_step(6)
    since = survey.settled()[alone]
    name = survey.atlas.names[survey.belief(5).indices[alone, 0]]
    what = f"settled on {name} at step {since}"
    ways = (f"picture {alone + 1}: {what}", what, f"◆ settled at step {since}", f"◆ step {since}")
    assert page_.caption.value in ways
    page_.caption.resize(600, page_.caption.height())
    assert page_.caption.value == ways[0]
    page_.caption.resize(60, page_.caption.height())
    assert page_.caption.value == ways[-1]
    seen = view.grab().toImage()
    assert sample_colour(parts.theme, alone).rgb() in {
        seen.pixelColor(x, y).rgb() for x in range(seen.width()) for y in range(seen.height())
    }

    places = view.plane.to_screen(survey.atlas.plane.points)
    far = int(np.hypot(*(places - ends.mean(axis=0)).T).argmax())
    there = QPointF(*places[far])
    qtbot.mouseMove(view, there.toPoint())
    qtbot.waitUntil(lambda: view.hovered == view.image_at(QPointF(there.toPoint())))
    qtbot.mouseClick(view, LEFT, pos=there.toPoint())
    assert view.large == view.hovered is not None
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.large is None
    assert parts.run_view.image == alone, "Esc puts the image away and nothing else"


def test_the_map_is_zoomed_and_panned_and_fitted(
    window: MainWindow, parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    page_ = page(window, parts, SamplingPage.MAP)
    run(data=PICTURES)
    view, geometry = page_.map, page_.map.plane
    assert not page_.fit.isEnabled()
    assert thumbnail_side(geometry.room, 3) > 0
    at = QPointF(120.0, 90.0)
    under = geometry.to_plane(at)
    wheel = QWheelEvent(
        at, view.mapToGlobal(at), QPoint(), QPoint(0, 360), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    scale = geometry.scale
    QApplication.sendEvent(view, wheel)
    assert geometry.scale == pytest.approx(2.0 * scale)
    np.testing.assert_allclose(geometry.to_plane(at), under, atol=1e-9)
    assert page_.fit.isEnabled()
    qtbot.mousePress(view, LEFT, pos=QPoint(100, 100))
    qtbot.mouseMove(view, QPoint(140, 120))
    qtbot.mouseRelease(view, LEFT, pos=QPoint(140, 120))
    np.testing.assert_allclose(geometry.to_plane(at + QPointF(40, 20)), under, atol=1e-9)
    assert parts.run_view.image is None, "a drag chooses nothing"
    for key in (Qt.Key.Key_Plus, Qt.Key.Key_Left, Qt.Key.Key_Minus):
        before = geometry.key
        qtbot.keyClick(view, key)
        assert geometry.key != before
    qtbot.mouseClick(page_.fit, LEFT)
    assert geometry.fitted
    assert geometry.scale == pytest.approx(scale)
    parts.document.replace_sampling("none but one", data=PICTURES)
    parts.pictures.keep_only([parts.document.experiment.pictures[0].id])
    run(data=PICTURES)
    assert page_.empty.text() == ALONE


def test_a_gaussian_run_names_the_nearest_image_when_it_has_ended(
    window: MainWindow, parts: Parts, run: Callable[..., Run], qtbot: QtBot
) -> None:
    page_ = page(window, parts, SamplingPage.MAP)
    done = run(model="gaussian")
    parts.run_view.set_image(0)
    qtbot.waitUntil(lambda: done.ending is not None, timeout=TIMEOUT)
    ending = done.ending
    name = done.survey.atlas.names[ending.nearest[0]]
    text = f"picture 1: nearest to {name} from step {ending.since[0]} on"
    qtbot.waitUntil(lambda: page_.caption._texts[0] == text)
    assert page_.map.scene.settled is ending.since
    parts.sampling.fork(done, 2)
    run(model="gaussian")
    assert page_.map.scene.fork == 2


def test_lines_leave_out_what_no_pixel_shows() -> None:
    geometry = MapGeometry()
    walk = np.cumsum(np.full((1000, 2), 0.01), axis=0)
    assert line_through(walk).elementCount() < 40
    assert line_through(np.full((5, 2), np.nan)).isEmpty()
    assert line_through(np.zeros((5, 2))).isEmpty()
    geometry.set_extent(np.zeros((1, 2)))
    assert np.isfinite(geometry.to_screen(np.zeros((1, 2)))).all()


def test_colours_of_samples_differ_and_follow_the_theme(theme: Theme) -> None:
    colours = [sample_colour(theme, index).rgb() for index in range(64)]
    assert len(set(colours)) == 64
    theme.set_wish("dark")
    assert sample_colour(theme, 0).lightnessF() > 0.6
    theme.set_wish("light")


@pytest.fixture
def theme(parts: Parts) -> Theme:
    return parts.theme


def _count(curve: object) -> int:
    """Return how many points a curve has."""
    x = curve.getData()[0]
    return 0 if x is None else len(x)
