"""Trained networks by drop, dialog and command line: the form, what is refused, what is kept."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot
from safetensors.torch import save_file

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.checkpoint_use import AVERAGED, TRAINED, PixelRange
from diffusion_gui.engine.predictions import Prediction
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.sampling.checkpoint_dialog import CheckpointDialog
from diffusion_gui.session.checkpoints import CheckpointNetwork
from diffusion_gui.session.networks import NetworkStore
from diffusion_gui.session.python_run import run_source
from diffusion_gui.state.networks import Networks
from diffusion_gui.state.sampling import RunState

MODEL = Path(__file__).parents[1] / "session" / "checkpoints" / "model-1.pt"
TIMEOUT = 60_000


@pytest.fixture(autouse=True)
def _no_runs(parts: Parts) -> None:
    parts.sampling.live = False


def _drop(window: MainWindow, *paths: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(200, 300), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    window.dropEvent(event)


def _form(window: MainWindow, qtbot: QtBot) -> CheckpointDialog:
    """Return the form that is open, when its network has been asked."""
    qtbot.waitUntil(lambda: window.findChild(CheckpointDialog) is not None, timeout=TIMEOUT)
    form = window.findChild(CheckpointDialog)
    assert form is not None
    qtbot.waitUntil(lambda: window.network_files.opening.ready, timeout=TIMEOUT)
    return form


def _choose(form: CheckpointDialog, name: str, value: object) -> None:
    """Choose an entry of a field by its value, as a person does."""
    combo = getattr(form, name)
    place = next(n for n in range(combo.count()) if combo.itemData(n) == value)
    combo.setCurrentIndex(place)
    combo.activated.emit(place)


def test_a_dropped_checkpoint_is_asked_shown_corrected_and_chosen(
    window: MainWindow, parts: Parts, qtbot: QtBot
) -> None:
    opening, before = window.network_files.opening, parts.document.experiment
    _drop(window, MODEL)
    form = _form(window, qtbot)
    assert "denoising-diffusion-pytorch" in form.what.text()
    assert form.name.text() == "model-1"
    assert form.answer.verdict.text().startswith("Predicts v: no, ")  # its weights are random
    assert form.open_button.text() == "Open anyway"
    assert form.preview.clean[0].pixels is not None
    assert form.preview.clean[0].pixels.shape == (32, 32, 3)
    assert form.fields["Weights"].isVisible()
    assert not form.fields["Without a class"].isVisible()

    asked, shown = opening.sanity, form.preview.clean[0].pixels.copy()
    _choose(form, "prediction", Prediction.EPSILON)  # the same pass tells of every kind
    assert opening.sanity is asked
    assert form.answer.verdict.text().startswith("Predicts noise: ")
    assert (form.preview.clean[0].pixels != shown).any()
    _choose(form, "pixels", PixelRange.UNIT)
    assert opening.sanity is asked
    _choose(form, "weights", TRAINED)
    assert not form.open_button.isEnabled()
    form.size_box.setValue(16)
    qtbot.waitUntil(lambda: opening.ready, timeout=TIMEOUT)
    assert opening.sanity is not asked
    assert opening.use.prediction is Prediction.EPSILON  # what was chosen is kept
    assert form.preview.clean[0].pixels.shape == (16, 16, 3)
    form.size_box.setValue(17)  # its pictures are halved once
    qtbot.waitUntil(lambda: bool(opening.problem), timeout=TIMEOUT)
    assert "multiple of 2" in form.problem.text()
    assert form.problem.isVisible()
    assert not form.open_button.isEnabled()
    form.size_box.setValue(16)
    qtbot.waitUntil(lambda: opening.ready, timeout=TIMEOUT)
    assert not form.problem.isVisible()

    form.open_button.click()
    qtbot.waitUntil(lambda: parts.document.experiment != before, timeout=TIMEOUT)
    experiment = parts.document.experiment
    ref, sampling = experiment.sampling.network, experiment.sampling
    assert ref is not None
    assert parts.networks.refs == [ref]
    assert (sampling.model, sampling.size, ref.name) == ("neural", 16, "model-1")
    assert experiment.schedule.T == 100  # its own
    network = parts.networks.store.find(ref)
    assert isinstance(network, CheckpointNetwork)
    assert network.use.prediction is Prediction.EPSILON
    assert network.use.weights == TRAINED
    assert json.loads(ref.use) == {
        "prediction": "epsilon", "pixels": "0..1", "weights": "trained", "size": 16
    }  # fmt: skip
    qtbot.waitUntil(lambda: window.findChild(CheckpointDialog) is None, timeout=TIMEOUT)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    frames = next(iter(parts.sampling.runs)).trajectory.frames
    assert frames[-1].x0_hat.shape == (16, 16, 16, 3)
    parts.document.history.undo()
    assert parts.document.experiment == before

    again = Networks(settings=parts.settings)  # at the next start it is there as it was corrected
    again.recall()
    qtbot.waitUntil(lambda: bool(again.refs), timeout=TIMEOUT)
    again.shutdown()
    assert again.refs == [ref]
    script = run_source(experiment, parts.store)
    line = next(one for one in script.splitlines() if "open_model" in one)
    assert str(MODEL) in script
    assert "networks.open_model(" in line
    assert NetworkStore().open_model(ref.source, ref.name, ref.use) == ref


def test_its_schedule_may_be_left_out_of_the_editor_and_another_be_said(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    content = torch.load(MODEL, weights_only=True)["model"]
    plain = {key[6:]: value for key, value in content.items() if key.startswith("model.")}
    file = tmp_path / "plain.safetensors"
    save_file(plain, file)
    window.open([str(file)])  # as from the command line
    form, opening = _form(window, qtbot), window.network_files.opening
    assert "no schedule" in form.notes.text()
    assert not form.with_schedule.isChecked()
    before = parts.document.experiment.schedule
    _choose(form, "schedule", ScheduleSpec("flow"))
    assert opening.use.prediction is Prediction.FLOW  # a flow's network predicts no v
    qtbot.waitUntil(lambda: opening.ready, timeout=TIMEOUT)
    _choose(form, "schedule", ScheduleSpec("linear"))
    qtbot.waitUntil(lambda: opening.ready, timeout=TIMEOUT)
    assert opening.use.prediction in (Prediction.FLOW, Prediction.EPSILON)
    form.open_button.click()
    qtbot.waitUntil(lambda: parts.document.experiment.sampling.network is not None, timeout=TIMEOUT)
    assert parts.document.experiment.schedule == before
    assert parts.networks.about(parts.document.experiment.sampling.network) is not None


class Code:
    """A pickle that would make a folder where it is loaded as code."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return os.mkdir, ("ran-as-code",)


def test_what_is_no_network_is_said_in_the_panel_and_changes_nothing(
    window: MainWindow,
    parts: Parts,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before, bar = parts.document.experiment, window.sampling.bar
    torch.save({"a": torch.zeros(400_000), "b": Code()}, tmp_path / "code.pt")
    sparse = tmp_path / "sparse.ckpt"
    with sparse.open("wb") as file:
        file.truncate(100 * 1024**3)
    text = tmp_path / "text"
    text.mkdir()
    (text / "config.json").write_text('{"model_type": "gpt2"}')
    content = torch.load(MODEL, weights_only=True)
    content["ema"]["ema_model.model.init_conv.bias"][0] = math.nan
    torch.save(content, tmp_path / "nan.pt")
    for name, said in (
        ("code.pt", "not a file of weights alone"),
        ("sparse.ckpt", "100 GiB"),
        ("text", "transformers model (gpt2)"),
    ):
        _drop(window, tmp_path / name)
        qtbot.waitUntil(lambda: bar.isVisible() and not window.network_files.busy, timeout=TIMEOUT)
        assert said in bar.text
        assert window.findChild(CheckpointDialog) is None
        bar.clear()
    assert not (tmp_path / "ran-as-code").exists()
    _drop(window, tmp_path / "nan.pt")  # its names are right; its numbers are read later
    qtbot.waitUntil(lambda: bool(window.network_files.opening.problem), timeout=TIMEOUT)
    form = window.findChild(CheckpointDialog)
    assert form is not None
    assert "not numbers" in form.problem.text()
    assert not form.open_button.isEnabled()
    _choose(form, "weights", TRAINED)  # the others are whole
    qtbot.waitUntil(lambda: window.network_files.opening.ready, timeout=TIMEOUT)
    form.reject()
    qtbot.waitUntil(lambda: not window.network_files.busy, timeout=TIMEOUT)
    assert parts.document.experiment == before
    assert parts.networks.refs == []


def test_every_file_of_weights_that_is_refused_is_answered_by_the_networks_reader(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    before, bar = parts.document.experiment, window.sampling.bar
    torch.save({"a": torch.zeros(3), "b": Code()}, tmp_path / "code.pth")
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.ckpt")
    for name in ("broken.safetensors", "broken.pt", "weights.bin", "model.pkl"):
        (tmp_path / name).write_bytes(b"no weights")
    for name, said in (
        ("code.pth", "not a file of weights alone"),
        ("other.ckpt", "those of no network known here (first: layer.weight)"),
        ("broken.safetensors", "no safetensors file"),
        ("broken.pt", "not a file of weights alone"),
        ("weights.bin", "not a file of weights alone"),
        ("model.pkl", "a checkpoint is a folder or one of .safetensors"),
    ):
        window.process.show_training()
        _drop(window, tmp_path / name)
        qtbot.waitUntil(lambda: bar.isVisible() and not window.network_files.busy, timeout=TIMEOUT)
        assert said in bar.text
        assert bar.text.count("\n") == 0
        bar.clear()
        assert not window.schedule.bar.isVisible()
        assert not window.images.bar.isVisible()
    torch.save({"betas": torch.full((9,), 2.0)}, tmp_path / "betas.pt")
    _drop(window, tmp_path / "betas.pt")  # a schedule, and a wrong one
    qtbot.waitUntil(lambda: window.schedule.bar.isVisible(), timeout=TIMEOUT)
    assert "betas.pt" in window.schedule.bar.text
    assert not bar.isVisible()
    assert parts.document.experiment == before
    assert parts.networks.refs == []


def test_dialogs_open_and_closing_the_form_forgets(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(MODEL), ""))
    window.actions_by_name["openNetwork"].trigger()
    form = _form(window, qtbot)
    assert window.network_files.opening.use.weights == AVERAGED
    _choose(form, "weights", TRAINED)
    form.cancel.click()  # while it is being asked
    qtbot.waitUntil(lambda: not window.network_files.busy, timeout=TIMEOUT)
    assert window.network_files.opening.checkpoint is None
    assert parts.networks.refs == []
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(MODEL.parent))
    window.actions_by_name["openNetworkFolder"].trigger()
    bar = window.sampling.bar
    qtbot.waitUntil(lambda: bar.isVisible() and not window.network_files.busy, timeout=TIMEOUT)
    assert "no network in it" in bar.text
