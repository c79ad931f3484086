"""The drawer of the sampling settings: every setting by mouse and keys, trouble in its place."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QSlider,
    QWidget,
)  # fmt: skip
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import Guidance
from diffusion_gui.engine.forecast import Part
from diffusion_gui.engine.schedules import grid
from diffusion_gui.panels.common.number_boxes import NumberBox
from diffusion_gui.panels.sampling.drawer import SettingsDrawer
from diffusion_gui.state.run_view import Quantity
from diffusion_gui.state.sampling import RunState

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def drawer(window: MainWindow, parts: Parts, qtbot: QtBot) -> SettingsDrawer:
    parts.sampling.live = False
    assert window.sampling.drawer is None
    qtbot.mouseClick(window.sampling.tools.settings, LEFT)
    assert window.sampling.drawer is not None
    for key, section in window.sampling.drawer.sections.items():
        assert section.heading.isChecked() == (key == Part.MODEL)
        section.heading.setChecked(True)
    return window.sampling.drawer


def _choose(qtbot: QtBot, combo: QComboBox, value: str) -> None:
    combo.setCurrentIndex(combo.findData(value))
    combo.activated.emit(combo.currentIndex())


def _type(qtbot: QtBot, box: NumberBox, text: str) -> None:
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)


def _label(qtbot: QtBot, drawer: SettingsDrawer, text: str) -> None:
    drawer.model.label_picker.setFocus()
    drawer.model.label_picker.lineEdit().selectAll()
    qtbot.keyClicks(drawer.model.label_picker, text)
    qtbot.keyClick(drawer.model.label_picker, Qt.Key.Key_Return)


def test_the_drawer_is_remembered(
    drawer: SettingsDrawer, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    assert drawer.isVisible()
    assert parts.settings.drawer_open
    qtbot.mouseClick(drawer.sections[Part.MODEL].heading, LEFT)
    assert not drawer.sections[Part.MODEL].content.isVisible()
    assert Part.MODEL not in parts.settings.drawer_sections
    assert Part.RESTART in parts.settings.drawer_sections
    again = MainWindow(parts)
    qtbot.addWidget(again)
    assert again.sampling.drawer is not None
    assert not again.sampling.drawer.sections[Part.MODEL].heading.isChecked()
    qtbot.mouseClick(window.sampling.tools.settings, LEFT)
    assert not drawer.isVisible()
    assert not parts.settings.drawer_open


def test_model_parameters_and_labels(drawer: SettingsDrawer, parts: Parts, qtbot: QtBot) -> None:
    document = parts.document
    document.replace_sampling("local", model="local")
    assert "patch by patch" in drawer.model.text.text()
    before = document.history.undo_text
    for place in (20, 50, 100):
        drawer.model.params.slider("freedom").setValue(place)
    assert dict(document.experiment.sampling.model_params)["freedom"] == 0.5
    drawer.model.params.slider("freedom").sliderReleased.emit()
    document.history.undo()
    assert document.history.undo_text == before, "one drag is one step"
    assert drawer.model.params.slider("freedom").value() == 0
    temperature = drawer.model.params.control("temperature")
    assert temperature.accessibleName() == "temperature τ"
    assert any(text.text() == "temperature τ" for text in drawer.model.params.findChildren(QLabel))
    _type(qtbot, temperature, "2")
    assert dict(document.experiment.sampling.model_params)["temperature"] == 2.0
    _label(qtbot, drawer, "heart")
    assert document.experiment.sampling.label == "heart"
    assert drawer.model.count.text().endswith(" images")
    assert int(drawer.model.count.text().split()[0]) > 5
    assert "heart" in drawer.sections[Part.MODEL].summary.text()
    _label(qtbot, drawer, "harts")
    assert document.experiment.sampling.label == "heart", "what no image has changes nothing"
    assert drawer.model.problem.text().startswith(
        "No image has the label 'harts': is it 'hearts', "
    )
    assert drawer.model.label_picker.currentText() == "harts"
    _label(qtbot, drawer, "heart")
    assert not drawer.model.problem.isVisible()
    document.history.undo()
    assert drawer.model.label_picker.currentText() == ""
    assert drawer.model.count.text() == "1,377 images"


def test_another_model_keeps_what_it_shares(
    drawer: SettingsDrawer, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    _type(qtbot, drawer.model.params.control("temperature"), "3")
    model = window.sampling.form.model
    _choose(qtbot, model, "local")
    assert dict(parts.document.experiment.sampling.model_params) == {"temperature": 3.0}
    _choose(qtbot, model, "gaussian")
    assert parts.document.experiment.sampling.model_params == ()


def test_guidance_without_a_label_is_said_in_its_place(
    drawer: SettingsDrawer, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    sampling = lambda: parts.document.experiment.sampling  # noqa: E731
    section = drawer.sections[Part.GUIDANCE]
    _choose(qtbot, drawer.guidance, "cfg")
    qtbot.waitUntil(lambda: section.problem.isVisible())
    assert "needs a label to follow" in section.problem.text()
    run = window.sampling.transport.run
    assert not run.isEnabled()
    assert run.toolTip().startswith(section.problem.text())
    parts.sampling.live = True
    parts.sampling.step()  # it fails, and says so until it is mended
    bar = window.sampling.bar
    qtbot.waitUntil(lambda: bar.text.startswith("Guidance needs a label"), timeout=20_000)
    assert window.sampling.caption.text() == "failed"
    _type(qtbot, drawer.guidance_params.control("scale"), "3")
    assert not parts.sampling.active, "live samples nothing that would be refused"
    assert (bar.text, window.sampling.caption.text()) == ("", "")
    parts.sampling.live = False
    assert window.sampling.forecast.text() == section.problem.text()
    _type(qtbot, drawer.guidance_params.control("scale"), "4")
    assert sampling().guidance == Guidance("cfg", sampling().guidance.params)
    assert dict(sampling().guidance.params)["scale"] == 4.0
    _choose(qtbot, drawer.against, "gaussian")
    qtbot.waitUntil(lambda: not section.problem.isVisible())
    assert run.isEnabled()
    assert "NFE 40 " in window.sampling.forecast.text()
    _choose(qtbot, drawer.guidance, "apg")
    assert dict(sampling().guidance.params)["scale"] == 4.0
    assert "rescale" not in dict(sampling().guidance.params)
    _choose(qtbot, drawer.guidance, "")
    assert sampling().guidance.method == ""
    assert not drawer.guidance_params.isVisible()


def test_sampler_spacing_restart_and_pictures(
    drawer: SettingsDrawer, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    sampling = lambda: parts.document.experiment.sampling  # noqa: E731
    parts.document.replace_sampling("heun", sampler="heun", spacing="karras")
    assert "Order 2, 2 model calls a step" in drawer.sampler_text.text()
    _type(qtbot, drawer.sampler_params.control("churn"), "10")
    assert dict(sampling().params)["churn"] == 10.0
    assert window.sampling.form.params.control("churn").value() == 10.0
    _type(qtbot, drawer.spacing_params.control("rho"), "5")
    assert dict(sampling().spacing_params)["rho"] == 5.0
    drawer.restart.click()
    assert dict(sampling().restart)["rounds"] == 2.0
    _type(qtbot, drawer.restart_params.control("rounds"), "3")
    drawer.restart.click()
    assert sampling().restart == ()
    assert not drawer.restart_params.isVisible()
    drawer.restart.click()
    assert dict(sampling().restart)["rounds"] == 3.0, "nothing is lost"
    _type(qtbot, drawer.count, "5")
    _type(qtbot, drawer.seed, "77")
    assert (sampling().count, parts.document.experiment.seed) == (5, 77)
    assert drawer.sections["pictures"].summary.text() == "5 of 32 px, seed 77"


def test_a_fork_keeps_count_and_size_and_deleting_all_runs_leaves_nothing_on_show(
    drawer: SettingsDrawer, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    panel, shown = window.sampling, parts.run_view
    parts.document.replace_sampling("few", steps=4, count=2)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=20_000)
    run = shown.run
    assert run is not None
    parts.sampling.fork(run, 2)
    shown.set_quantities((Quantity.EPS_HAT,))
    end = panel.batch.grab().toImage()
    shown.set_step(2)
    assert panel.batch._clean is False
    shown.set_step(4)
    assert panel.batch._clean, "at the end it is said that there is no noise"
    assert panel.batch.grab().toImage() == end
    shown.set_quantities((Quantity.X_T, Quantity.X0_HAT))
    panel.told.say("Copied it")
    assert panel.caption.text() == "Copied it"
    panel.told.forget()
    assert panel.caption.text().startswith("done")
    fields = drawer.count, drawer.picture_size, panel.form.count, panel.form.data_size
    assert all(not box.isEnabled() and "fork" in box.toolTip() for box in fields)
    parts.document.replace_sampling("by hand", count=5)
    qtbot.waitUntil(lambda: drawer.sections[Part.PICTURES].problem.isVisible())
    assert "keeps the 2 pictures of 32 px" in drawer.sections[Part.PICTURES].problem.text()
    assert not drawer.sections[Part.SAMPLER].problem.isVisible()
    parts.document.history.undo()
    parts.sampling.unfork()
    assert all(box.isEnabled() for box in fields)
    shown.enlarge(1)
    parts.sampling.runs.delete(run)
    assert (shown.run, shown.frame, shown.enlarged) == (None, None, False)
    assert not panel.batch.images
    assert not panel.tools.export.isEnabled()
    assert not panel.transport.fork.isEnabled()
    assert not panel.transport.timeline.isEnabled()
    assert panel.caption.text() == panel.transport.position.text() == ""
    parts.sampling.runs.put_back(run)
    assert shown.run is run
    assert len(panel.batch.images) == 2


def _wheel(widget: QWidget) -> None:
    """Turn the wheel by a notch, downwards, over the middle of a widget, as the system tells it."""
    window = widget.window()
    at = QPointF(widget.mapTo(window, widget.rect().center()))
    QTest.wheelEvent(window.windowHandle(), at, QPoint(0, -120))
    QApplication.processEvents()


def test_the_wheel_scrolls_the_drawer_and_changes_only_the_field_with_the_focus(
    drawer: SettingsDrawer, window: MainWindow, parts: Parts
) -> None:
    for section in drawer.sections.values():
        section.heading.setChecked(True)
    guidance = Guidance("cfg")
    parts.document.replace_sampling("fields", model="local", sampler="heun", guidance=guidance)
    QApplication.processEvents()
    before, bar = parts.document.experiment, drawer.verticalScrollBar()
    assert bar.maximum() > 0
    kinds = QAbstractSpinBox, QComboBox, QSlider
    inside = [field for kind in kinds for field in drawer.findChildren(kind) if field.isVisible()]
    assert len(inside) > 10
    window.setFocus()
    for field in inside:
        drawer.ensureWidgetVisible(field)
        bar.setValue(min(bar.value(), bar.maximum() - 20))
        at = bar.value()
        _wheel(field)
        assert bar.value() > at, field.objectName()
        assert not field.hasFocus()
    form = window.sampling.form
    for kind in (QAbstractSpinBox, QComboBox):
        for field in form.findChildren(kind):
            _wheel(field)
    assert parts.document.experiment == before
    form.steps.setFocus()
    _wheel(form.steps)
    assert parts.document.experiment.sampling.steps == before.sampling.steps - 1


def test_levels_are_written_as_a_list(
    drawer: SettingsDrawer, window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    sampling = lambda: parts.document.experiment.sampling  # noqa: E731
    form, row = window.sampling.form, drawer.levels
    assert not row.isVisible()
    parts.document.replace_sampling("few", steps=4, spacing="karras")
    times = grid(parts.document.schedule, 4, "karras")
    _choose(qtbot, form.spacing, "sigmas")
    assert row.isVisible()
    assert (sampling().steps, form.steps.isEnabled()) == (4, False)
    same = grid(parts.document.schedule, 4, "sigmas", listed=sampling().levels)
    np.testing.assert_allclose(same, times, rtol=1e-9, err_msg="it begins with what was visited")
    kept = sampling().levels

    def write(text: str) -> None:
        row.field.setFocus()
        row.field.selectAll()
        qtbot.keyClicks(row.field, text)
        qtbot.keyClick(row.field, Qt.Key.Key_Return)

    shown = row.field.text().split(", ")
    write(f"{shown[1]}, {shown[0]}")
    assert sampling().levels == kept[:2], "figures that are not on show stay"
    write("0.1; 0.2 30,0")
    assert sampling().levels == (30.0, 0.2, 0.1)
    assert sampling().steps == 3
    assert row.field.text() == "30, 0.2, 0.1"
    for bad, line in (
        ("0.1, abc", "'abc' is not a number; write some, as in 14.6, 3.9, 0.9"),
        ("1e999", "'1e999' is not a number; write some, as in 14.6, 3.9, 0.9"),
        (" , ", "There is no number; write some, as in 14.6, 3.9, 0.9"),
        ("0", "0 alone leaves nothing to sample; write levels above it"),
        ("1 " * 3, ""),
    ):
        write(bad)
        assert row.problem.text() == line
        assert row.problem.isVisible() == bool(line)
        if line:
            QApplication.processEvents()
            assert not row.problem.visibleRegion().isEmpty(), "it is scrolled to"
    assert sampling().levels == (1.0,)
    write("-3")
    problem = drawer.sections[Part.SPACING].problem
    qtbot.waitUntil(problem.isVisible)
    assert "must be a number above 0" in problem.text()
    write("30, 3")
    qtbot.waitUntil(lambda: not problem.isVisible())
    _choose(qtbot, form.spacing, "times")
    assert len(sampling().levels) == 2
    assert all(1.0 <= level <= 1000.0 for level in sampling().levels)
    _choose(qtbot, form.spacing, "trailing")
    assert (sampling().levels, row.isVisible(), form.steps.isEnabled()) == ((), False, True)
    parts.document.history.undo()
    assert row.isVisible()
    qtbot.mouseClick(window.sampling.transport.run, LEFT)
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=20_000)
    assert [round(frame.t) for frame in parts.run_view.run.trajectory.frames] == [
        *map(round, sampling().levels), 0,
    ]  # fmt: skip
