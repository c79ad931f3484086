"""A trained network in the sampling panel: chosen, told, sampled; what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.denoisers import CLOSED_FORMS, NEURAL, Denoiser
from diffusion_gui.engine.experiment import PICTURES, Guidance, NetworkRef
from diffusion_gui.engine.forecast import Part
from diffusion_gui.engine.networks import About, Network, Told
from diffusion_gui.engine.planning import plan, untrained
from diffusion_gui.engine.schedules import SPACINGS, ScheduleSpec
from diffusion_gui.panels.sampling.drawer import SettingsDrawer
from diffusion_gui.panels.sampling.settings_form import SettingsForm
from diffusion_gui.session.networks import open_file
from diffusion_gui.state.run_view import SamplingPage
from diffusion_gui.state.sampling import RunState

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 60_000
Make = Callable[..., Path]


@pytest.fixture
def form(window: MainWindow, parts: Parts) -> SettingsForm:
    parts.sampling.live = False
    parts.document.replace_sampling("small", steps=3, count=2)
    return window.sampling.form


@dataclass
class _Classes:
    """A network that is told a class: one of words."""

    network: Network

    @property
    def about(self) -> About:
        found = self.network.about
        return replace(found, name="digits", told=Told.CLASS, vocabulary=("blue", "red"), size=28)

    def denoiser(self, device: torch.device, label: str) -> Denoiser:
        return self.network.denoiser(device, label)


def _add(parts: Parts, path: Path) -> NetworkRef:
    ref, network = open_file(path)
    parts.networks.add(ref, network)
    return ref


def _choose(form: SettingsForm, title: str) -> None:
    place = form.model.findText(title)
    assert place >= 0, title
    form.model.setCurrentIndex(place)
    form.model.activated.emit(place)


def _tell(qtbot: QtBot, form: SettingsForm, text: str, enter: bool = True) -> None:
    picker = form.told.caption
    picker.setFocus()
    picker.lineEdit().selectAll()
    qtbot.keyClicks(picker, text)
    if enter:
        qtbot.keyClick(picker, Qt.Key.Key_Return)


def test_a_network_is_chosen_told_a_caption_and_sampled_by_enter(
    form: SettingsForm, window: MainWindow, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    document, controller, panel = parts.document, parts.sampling, window.sampling
    assert form.told.isHidden()
    assert [form.model.itemData(place) for place in range(form.model.count())] == [
        *CLOSED_FORMS, None, NEURAL,
    ]  # fmt: skip
    ref = _add(parts, make_network())
    assert form.model.itemText(form.model.count() - 1) == "tiny", "offered at once"
    _choose(form, "tiny")
    sampling = document.experiment.sampling
    assert (sampling.model, sampling.network, sampling.size) == (NEURAL, ref, 16)
    assert document.history.undo_text == "model"
    assert form.model.currentText() == "tiny"
    assert form.data_size.currentText() == "16 px"
    assert not form.data_size.isEnabled()
    assert form.data_size.toolTip() == "tiny draws pictures of 16 × 16 and no others"
    assert form.told.isVisible()
    assert not form.data.isVisible(), "the caption stands in its place"
    assert form.told.captioned.head.text() == "Caption"
    assert form.told.caption.lineEdit().placeholderText() == "type a caption, e.g. red heart"
    assert not form.told.scale.isEnabled()
    _tell(qtbot, form, "red haert")
    assert panel.bar.text == "Tiny was not taught the word 'haert': is it 'heart'?"
    assert controller.state is RunState.IDLE
    assert document.experiment.sampling.label == ""
    _tell(qtbot, form, "red circle")
    assert panel.bar.text == ""
    assert document.experiment.sampling.label == "red circle"
    qtbot.waitUntil(lambda: controller.state is RunState.DONE, timeout=TIMEOUT)
    assert controller.recorded is not None
    assert controller.recorded.experiment.sampling.label == "red circle"
    assert "untrained" not in panel.caption.text()
    run = controller.recorded
    qtbot.keyClick(form.told.caption, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: controller.recorded is not run, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: controller.state is RunState.DONE, timeout=TIMEOUT)


def test_guidance_is_offered_beside_the_caption_and_goes_with_it(
    form: SettingsForm, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    _add(parts, make_network())
    _choose(form, "tiny")
    document, told = parts.document, form.told
    assert not told.suggest.isVisible()
    _tell(qtbot, form, "red", enter=False)
    told.caption.lineEdit().editingFinished.emit()
    assert document.experiment.sampling.label == "red"
    assert document.experiment.sampling.guidance == Guidance(), "offered, not forced"
    assert told.scale.value() == 1.0
    qtbot.mouseClick(told.suggest, LEFT)
    guidance = document.experiment.sampling.guidance
    assert (guidance.method, dict(guidance.params)["scale"]) == ("cfg", 2.0)
    assert told.scale.value() == 2.0
    assert not told.suggest.isVisible()
    assert parts.forecaster.forecast is not None
    qtbot.waitUntil(lambda: parts.forecaster.text.startswith("NFE 6 "))
    told.scale.setValue(3.5)
    assert dict(document.experiment.sampling.guidance.params)["scale"] == 3.5
    _tell(qtbot, form, "")
    told.caption.lineEdit().clear()
    told.caption.lineEdit().editingFinished.emit()
    assert document.experiment.sampling.label == ""
    assert document.experiment.sampling.guidance.method == ""
    parts.forecaster.refresh()
    assert not parts.forecaster.problems
    document.replace_sampling("away", guidance=Guidance("cfg", (), "gaussian"), data=PICTURES)
    assert form.data.isVisible(), "a closed form knows images"
    assert form.data.isEnabled()
    _choose(form, "Exact")
    assert form.told.isHidden()
    assert form.data.isVisible()
    assert form.data_size.isEnabled()
    assert document.experiment.sampling.network is None


def test_a_network_is_asked_at_levels_that_it_was_trained_at(
    form: SettingsForm, window: MainWindow, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    document, about = parts.document, parts.networks.about(_add(parts, make_network()))
    assert about is not None

    def choose_spacing(key: str) -> None:
        form.spacing.setCurrentIndex(form.spacing.findData(key))
        form.spacing.activated.emit(form.spacing.currentIndex())

    document.replace_sampling("usual", steps=20)
    assert document.experiment.schedule.preset == "cosine"
    assert untrained(document.experiment, about) == "1 untrained (σ > 160)"
    _choose(form, "tiny")
    for key in SPACINGS:
        choose_spacing(key)
        assert untrained(document.experiment, about) == "", key
    choose_spacing("karras")
    levels = plan(document.experiment)
    assert 100.0 < levels.s[0] / levels.a[0] <= 160.0
    findings = window.schedule.doctor._findings
    assert not [finding for finding in findings if finding.kind == "spacing"]
    document.replace_schedule(ScheduleSpec("linear"), "quieter")  # σ at T is 157
    _choose(form, "Exact")
    assert document.experiment.sampling.spacing_params == ()
    _choose(form, "tiny")
    assert document.experiment.sampling.spacing_params == (), "nothing is in the way"
    assert untrained(document.experiment, about) == ""


def test_a_scale_is_sampled_by_enter_and_by_the_offer_and_moves_nothing(
    form: SettingsForm, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    def sampled(scale: float) -> bool:
        run = parts.sampling.recorded
        done = run is not None and parts.sampling.state is RunState.DONE
        return done and ("scale", scale) in run.experiment.sampling.guidance.params

    _add(parts, make_network())
    _choose(form, "tiny")
    QApplication.processEvents()
    high = form.told.sizeHint().height()
    _tell(qtbot, form, "red", enter=False)
    form.told.caption.lineEdit().editingFinished.emit()
    QApplication.processEvents()
    assert form.told.suggest.isVisible()
    assert form.told.sizeHint().height() == high
    assert parts.sampling.recorded is None
    qtbot.mouseClick(form.told.suggest, LEFT)
    qtbot.waitUntil(lambda: sampled(2.0), timeout=TIMEOUT)
    form.told.scale.selectAll()
    qtbot.keyClicks(form.told.scale, "3.5")
    qtbot.keyClick(form.told.scale, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: sampled(3.5), timeout=TIMEOUT)


def test_pictures_of_the_model_before_are_said_to_be_so(
    form: SettingsForm, window: MainWindow, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    _add(parts, make_network())
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    forecast = window.sampling.forecast
    parts.document.replace_sampling("more", steps=4)
    qtbot.waitUntil(lambda: forecast.text().startswith("settings changed: press Run"))
    _choose(form, "tiny")
    qtbot.waitUntil(lambda: forecast.text().startswith("pictures still by Exact: press Run"))
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    assert "pictures" not in forecast.text()
    _choose(form, "Local")
    qtbot.waitUntil(lambda: forecast.text().startswith("pictures still by tiny: press Run"))


def test_a_long_name_is_cut_in_its_middle_and_told_whole(
    form: SettingsForm, qtbot: QtBot, parts: Parts, make_network: Make
) -> None:
    name = "landscapes-of-the-north-in-winter-second-try-step-12000"
    _add(parts, make_network(name))
    title = form.model.itemText(form.model.count() - 1)
    assert title == "landscapes-of-the-no…cond-try-step-12000"
    _choose(form, title)
    shown = form.model.shown_text
    assert shown.startswith("l")
    assert shown.endswith("0")
    assert form.model.toolTip().startswith(f"{name}: trained on dots, 1,234 steps")
    form.model.showPopup()
    view = form.model.view()
    qtbot.waitUntil(view.isVisible, timeout=TIMEOUT)
    assert view.viewport().width() >= view.fontMetrics().horizontalAdvance(title)
    form.model.hidePopup()
    _choose(form, "Exact")
    assert not form.model.toolTip().startswith(name)


def test_networks_of_other_kinds_and_sizes(
    form: SettingsForm, window: MainWindow, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    ref, network = open_file(make_network())
    classes = replace(ref, id="classes", name="digits", source="")
    parts.networks.add(classes, _Classes(network))
    _add(parts, make_network("silent", words=(), seed=1))
    _choose(form, "digits")
    told = form.told
    assert told.captioned.head.text() == "Class"
    assert told.caption.lineEdit().placeholderText() == "type a class, e.g. blue"
    assert [told.caption.itemText(place) for place in range(told.caption.count())] == [
        "", "blue", "red",
    ]  # fmt: skip
    assert form.data_size.currentText() == "28 px"
    _tell(qtbot, form, "heart")
    assert "digits has no class 'heart'" in window.sampling.bar.text.lower()
    parts.document.replace_sampling("wrong", size=32)
    assert form.data_size.isEnabled(), "it may be put right"
    items = form.data_size.model()
    fits = [
        form.data_size.itemText(place)
        for place in range(form.data_size.count())
        if items.flags(items.index(place, 0)) & Qt.ItemFlag.ItemIsEnabled
    ]
    assert fits == ["28 px"]
    form.data_size.setCurrentIndex(form.data_size.findData(28))
    form.data_size.activated.emit(form.data_size.currentIndex())
    assert parts.document.experiment.sampling.size == 28
    _choose(form, "silent")
    assert told.isHidden()
    assert form.data.isVisible()
    assert not form.data.isEnabled()
    assert form.data.toolTip().startswith("A trained network knows no images.")
    parts.document.replace_sampling("strange", network=NetworkRef("no such", "theirs"))
    assert form.model.currentText() == "theirs (not here)"
    _choose(form, "Stack")
    assert form.model.findText("theirs (not here)") >= 0, "it can be gone back to"


def test_the_pages_and_the_drawer_say_what_a_network_is(
    form: SettingsForm, window: MainWindow, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    _add(parts, make_network())
    _choose(form, "tiny")
    _tell(qtbot, form, "red heart")
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    for page, line in (
        (SamplingPage.POSTERIOR, "Neural has no posterior over images: it was trained on images"),
        (SamplingPage.MAP, "A network knows no list of images"),
    ):
        window.sampling.show_page(page)
        made = window.sampling._made[page]
        qtbot.waitUntil(lambda line=line, made=made: made.empty.text().startswith(line))  # type: ignore[misc]
        assert not made.content.isVisible()  # type: ignore[attr-defined]
    qtbot.mouseClick(window.sampling.tools.settings, LEFT)
    drawer = window.sampling.drawer
    assert isinstance(drawer, SettingsDrawer)
    drawer.sections[Part.GUIDANCE].heading.setChecked(True)
    assert drawer.model.text.text().startswith("tiny: trained on dots, 1,234 steps. ")
    assert drawer.model.label_picker.currentText() == "red heart"
    assert drawer.model.count.text() == "knows 4 words"
    assert drawer.sections[Part.MODEL].summary.text() == "tiny of “red heart”"
    assert drawer.against.itemText(0) == "Same model, told nothing"
    precision = drawer.model.params.control("precision")
    precision.setCurrentIndex(1)  # type: ignore[union-attr]
    assert parts.document.experiment.sampling.model_params == (("precision", 1.0),)
    _choose(form, "Exact")
    assert parts.document.experiment.sampling.model_params == ()
    assert drawer.model.count.text().endswith(("images", "1 image"))


def test_words_are_found_one_by_one(
    form: SettingsForm, parts: Parts, qtbot: QtBot, make_network: Make
) -> None:
    _add(parts, make_network())
    _choose(form, "tiny")
    completer = form.told.caption.completer()
    for typed, found in (("hea", ["heart"]), ("red ci", ["red circle"]), ("red xy", [])):
        completer.setCompletionPrefix(typed)
        names = []
        for row in range(completer.completionCount()):
            completer.setCurrentRow(row)
            names.append(completer.currentCompletion())
        assert names == found
    _tell(qtbot, form, "blue", enter=False)
    parts.networks.changed.emit()  # as when a training goes on
    assert form.told.caption.currentText() == "blue", "what is being typed stays"
    QApplication.processEvents()
