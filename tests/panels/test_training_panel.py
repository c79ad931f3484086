"""The training panel: drop a folder, train, look, sample from the result, close in the middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.training.options import Levels, TrainOptions, Weighting
from diffusion_gui.panels.training.panel import TrainingPanel
from diffusion_gui.session import training_home
from diffusion_gui.session.model_files import read_model
from diffusion_gui.session.networks import open_file
from diffusion_gui.session.training_plan import Source
from diffusion_gui.state.run_state import RunState
from diffusion_gui.state.training import TrainState

LEFT = Qt.MouseButton.LeftButton
COPY, NONE = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
TIMEOUT = 120_000


def _tiny(parts: Parts, **changes: object) -> None:
    parts.training.plans.change(
        network=UNetConfig(32, 8, (16,), 1, 16),
        options=TrainOptions(batch=4, warmup=1),
        minutes=None,
        **changes,
    )


def _shown(window: MainWindow, qtbot: QtBot) -> TrainingPanel:
    tab = window.sampling.findChild(type(window.sampling.tools.settings), "trainingTab")
    qtbot.mouseClick(tab, LEFT)
    assert window.process.currentWidget() is window.process.training
    assert not window.sampling.isVisible()
    return window.process.training


def _drop(panel: TrainingPanel, path: Path) -> bool:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    enter = QDragEnterEvent(QPointF(9, 9).toPoint(), COPY, mime, LEFT, NONE)
    panel.dragEnterEvent(enter)
    if enter.isAccepted():
        panel.dropEvent(QDropEvent(QPointF(9, 9), COPY, mime, LEFT, NONE))
    return enter.isAccepted()


def _data(panel: TrainingPanel) -> str:
    label = panel.findChild(QLabel, "trainingDataLabel")
    assert label is not None
    return label.text()


def _ended(qtbot: QtBot, parts: Parts) -> None:
    qtbot.waitUntil(lambda: not parts.training.active, timeout=TIMEOUT)


def test_drop_a_folder_train_and_sample_from_the_result(
    window: MainWindow,
    parts: Parts,
    make_image: Callable[..., Path],
    tmp_path: Path,
    qtbot: QtBot,
) -> None:
    panel = _shown(window, qtbot)
    assert not panel.sample.isEnabled()
    for name in ("cats/1.png", "cats/2.png", "dogs/1.png"):
        make_image(f"pets/{name}")
    (tmp_path / "pets" / "dogs" / "broken.png").write_bytes(b"no picture")
    assert not _drop(panel, tmp_path / "pets" / "cats" / "1.png")  # pictures are the tray's
    assert _drop(panel, tmp_path / "pets")
    qtbot.waitUntil(lambda: "3 pictures" in _data(panel), timeout=TIMEOUT)
    assert "2 captions" in _data(panel)
    assert "1 left out" in _data(panel)
    assert "broken.png" in panel.bar.text
    assert panel.form.data.currentText() == "pets"
    _tiny(parts, steps=5)
    qtbot.mouseClick(panel.transport.start, LEFT)
    _ended(qtbot, parts)
    assert parts.training.state is TrainState.DONE
    assert "step 5" in panel.numbers.text()
    assert panel.charts.loss.smooth.xData is not None
    assert len(panel.charts.loss.smooth.xData) == 5
    assert panel.samples.shown is parts.training.samples[-1]
    panel.transport.slider.setValue(0)
    assert panel.samples.shown is parts.training.samples[0]
    assert "step 1 " in panel.transport.position.text()
    parts.document.replace_sampling("few", steps=3, count=2)
    qtbot.mouseClick(panel.sample, LEFT)
    assert window.process.currentWidget() is window.sampling
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    assert not parts.training.waiting
    sampling = parts.sampling.recorded.experiment.sampling  # type: ignore[union-attr]
    assert (sampling.model, sampling.network) == ("neural", parts.training.ref)
    assert parts.sampling.recorded.result.shape == (2, 3, 32, 32)  # type: ignore[union-attr]


def test_the_keys_are_not_handed_to_a_button_when_the_panel_is_entered(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    window.activateWindow()
    window.sampling.form.steps.setFocus()
    qtbot.waitUntil(window.sampling.form.steps.hasFocus, timeout=TIMEOUT)
    panel = _shown(window, qtbot)
    assert QApplication.focusWidget() is None
    window.process.show_sampling()
    tab = window.sampling.findChild(QPushButton, "trainingTab")
    assert tab is not None
    tab.setFocus()
    qtbot.waitUntil(tab.hasFocus, timeout=TIMEOUT)
    qtbot.keyClick(tab, Qt.Key.Key_Space)
    assert window.process.currentWidget() is panel
    assert QApplication.focusWidget() is panel.findChild(QPushButton, "trainingTab")


def test_a_folder_that_holds_a_network_or_a_schedule_is_opened_as_one(
    window: MainWindow, parts: Parts, tmp_path: Path, qtbot: QtBot
) -> None:
    panel, plan = _shown(window, qtbot), parts.training.plans.plan
    parts.sampling.live = False
    text = tmp_path / "text"
    text.mkdir()
    (text / "config.json").write_text('{"model_type": "gpt2"}')
    assert _drop(panel, text)
    assert window.process.currentWidget() is window.sampling
    bar = window.sampling.bar
    qtbot.waitUntil(lambda: bar.isVisible() and not window.network_files.busy, timeout=TIMEOUT)
    assert "transformers model (gpt2)" in bar.text
    window.process.show_training()
    schedule = tmp_path / "schedule"
    schedule.mkdir()
    config = '{"_class_name": "DDPMScheduler", "num_train_timesteps": 77}'
    (schedule / "scheduler_config.json").write_text(config)
    assert _drop(panel, schedule)
    qtbot.waitUntil(lambda: parts.document.schedule.T == 77, timeout=TIMEOUT)
    assert window.process.currentWidget() is panel
    assert parts.training.plans.plan == plan
    assert not panel.bar.isVisible()


def test_a_model_is_saved_elsewhere_and_its_training_opened_there(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panel = _shown(window, qtbot)
    assert not panel.save.isEnabled()
    _tiny(parts, steps=2)
    qtbot.mouseClick(panel.transport.start, LEFT)
    _ended(qtbot, parts)
    target = tmp_path / "mine.safetensors"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    opened = tmp_path / "mine.training.safetensors"
    for answer, content in (("Keep", b"of another"), ("Replace", None)):
        opened.write_bytes(b"of another")
        qtbot.mouseClick(panel.save, LEFT)
        [box] = window.findChildren(QMessageBox, "replaceQuestion")
        assert box.text() == "Replace mine.training.safetensors?"
        [wish] = [button for button in box.buttons() if button.text() == answer]
        qtbot.mouseClick(wish, LEFT)
        qtbot.waitUntil(lambda: not window.process.files.copies.busy, timeout=TIMEOUT)
        qtbot.waitUntil(lambda: not window.findChildren(QMessageBox, "replaceQuestion"))
        assert target.is_file() is (content is None)
        assert (opened.read_bytes() == content) is (content is not None)
    files = parts.training.files
    assert files is not None
    assert target.read_bytes() == files.model.read_bytes()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(files.model), ""))
    qtbot.mouseClick(panel.save, LEFT)
    assert "lies there already" in panel.bar.text
    nowhere = str(tmp_path / "none" / "a.safetensors")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (nowhere, ""))
    qtbot.mouseClick(panel.save, LEFT)
    qtbot.waitUntil(lambda: "there is no folder" in panel.bar.text, timeout=TIMEOUT)
    qtbot.mouseClick(panel.transport.new, LEFT)
    assert parts.training.plans.opened is None
    assert panel.transport.start.text() == "Train"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(opened), ""))
    qtbot.mouseClick(panel.open, LEFT)
    assert panel.transport.start.text() == "Resume"
    assert not panel.form.shape.isEnabled()
    parts.training.plans.change(steps=4, minutes=None)
    qtbot.mouseClick(panel.transport.start, LEFT)
    _ended(qtbot, parts)
    assert parts.training.state is TrainState.DONE
    assert (
        training_home.resumable(opened).header.step == 4
    )  # it goes on in the file that was opened
    wrong = tmp_path / "wrong.training.safetensors"
    wrong.write_bytes(b"")
    assert _drop(panel, wrong)
    assert "wrong.training.safetensors" in panel.bar.text
    assert panel.transport.start.text() == "Resume"


def test_the_form_and_the_drawer_are_the_plan(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panel, plans = _shown(window, qtbot), parts.training.plans
    form = panel.form
    panel.settings.click()
    assert panel.drawer is not None
    before = plans.parameters
    for combo, wanted in (
        (form.data_size, "64"),
        (form.shape, "large"),
        (form.levels, Levels.SCHEDULE),
        (form.unit, "steps"),
        (form.data, "tray"),
    ):
        combo.setCurrentIndex(combo.findData(wanted))
        combo.activated.emit(combo.currentIndex())
    form.batch.setValue(8)
    form.rate.setValue(1e-3)
    form.amount.setValue(77)
    parts.view.set_t(round(0.9 * parts.view.T))
    before_t = panel.charts.levels.cursor.value()
    parts.view.set_t(round(0.5 * parts.view.T))
    assert panel.charts.levels.cursor.value() < before_t
    flat = panel.charts.levels.density.yData.copy()
    rows = panel.drawer.rows
    rows.control("weighting").setCurrentIndex(1)
    rows.control("ema").setValue(0.99)
    rows.control("flip").setCurrentIndex(1)
    plan, options = plans.plan, plans.plan.options
    assert (plan.size, plan.shape, plan.steps, plan.minutes) == (64, "large", 77, None)
    assert plan.source is Source.TRAY
    assert (options.batch, options.learning_rate, options.ema) == (8, 1e-3, 0.99)
    assert (options.weighting, options.levels) == (Weighting.MIN_SNR, Levels.SCHEDULE)
    assert options.flip
    assert plans.parameters > before
    parts.document.replace_schedule(
        parts.document.experiment.schedule.__class__(preset="linear"), "another"
    )
    assert panel.charts.levels.density.yData.tolist() != flat.tolist()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    form.data.setCurrentIndex(form.data.findData("choose"))
    form.data.activated.emit(form.data.currentIndex())
    assert plans.plan.folder == str(tmp_path)
    qtbot.waitUntil(lambda: bool(plans.problem), timeout=TIMEOUT)
    assert "no images in this folder" in _data(panel)


def test_closing_in_the_middle_saves_and_the_next_start_offers_to_go_on(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    panel = _shown(window, qtbot)
    _tiny(parts)
    qtbot.mouseClick(panel.transport.start, LEFT)
    qtbot.waitUntil(lambda: parts.training.state is TrainState.RUNNING, timeout=TIMEOUT)
    assert not panel.form.isEnabled()
    qtbot.mouseClick(panel.transport.pause, LEFT)
    assert parts.training.state is TrainState.PAUSED
    window.leave()
    found = training_home.newest(parts.training.plans.folder)
    assert found is not None
    assert found.header.step >= 1
    panel.transport.offer_newest()  # as the first sight of the panel does after a restart
    assert f"step {found.header.step}" in panel.transport.newest.text()
    assert panel.transport.newest.property("role") == "accent"
    assert panel.transport.start.property("role") == ""


def test_the_head_says_when_a_training_was_saved(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    panel = _shown(window, qtbot)
    _tiny(parts)
    qtbot.mouseClick(panel.transport.start, LEFT)
    qtbot.waitUntil(lambda: panel.caption.text() == "not saved yet", timeout=TIMEOUT)
    qtbot.mouseClick(panel.transport.pause, LEFT)
    qtbot.waitUntil(lambda: panel.caption.text() == "paused, saved", timeout=TIMEOUT)
    qtbot.mouseClick(panel.transport.start, LEFT)
    qtbot.waitUntil(lambda: panel.caption.text().startswith("saved less than"), timeout=TIMEOUT)
    qtbot.mouseClick(panel.transport.stop, LEFT)
    _ended(qtbot, parts)
    assert panel.caption.text() == "stopped and saved"


def test_a_training_goes_on_from_a_network_that_has_learned_already(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_network: Callable[..., Path]
) -> None:
    panel, plans = _shown(window, qtbot), parts.training.plans
    path = make_network()
    parts.networks.add(*open_file(path))
    shape = panel.form.shape

    def choose(text: str) -> None:
        shape.setCurrentIndex(shape.findText(text, Qt.MatchFlag.MatchContains))
        shape.activated.emit(shape.currentIndex())

    assert shape.findText("Emoji network, trained, 32 px") > 0
    choose(path.stem)
    assert (plans.plan.weights, plans.plan.size) == (str(path), 16)
    assert shape.currentText() == f"{path.stem}, trained, 16 px"
    assert plans.plan.options.learning_rate == 1e-4
    options = TrainOptions(batch=4, learning_rate=1e-9)
    plans.change(options=options, steps=1, minutes=None)
    qtbot.mouseClick(panel.transport.start, LEFT)
    _ended(qtbot, parts)
    files = parts.training.files
    assert files is not None
    ours, theirs = read_model(files.model)[0].state_dict(), read_model(path)[0].state_dict()
    for name in ours.keys() - {"words.weight"}:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0.0, atol=1e-6)
    qtbot.mouseClick(panel.transport.new, LEFT)
    assert plans.plan.weights == ""
    assert plans.plan.options.learning_rate == TrainOptions().learning_rate
    choose(path.stem)
    choose("Medium")
    assert plans.plan.options.learning_rate == TrainOptions().learning_rate
    assert (plans.plan.weights, plans.plan.network, plans.plan.shape) == ("", None, "medium")
    path.unlink()
    choose(path.stem)
    assert f"{path}: cannot be read" in panel.bar.text
    assert shape.currentText().startswith("Medium")
