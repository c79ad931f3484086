"""Schedules by drop, dialog, paste and from the menu: in, out, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PySide6.QtCore import QMimeData, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QStatusBar
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec, build, build_preset, control_points, curve
from diffusion_gui.engine.schedules.build import with_points
from diffusion_gui.session.export import SCHEDULE_WRITERS, save_schedule


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


def _opened(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not window.schedule_files.busy)


def _drawn() -> ScheduleSpec:
    spec = ScheduleSpec("linear", 120)
    return with_points(spec, curve.move(control_points(spec), 3, 0.4, 0.7, 120))


def test_what_is_saved_and_dropped_again_is_what_was_on_show(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ending in SCHEDULE_WRITERS:
        parts.document.replace_schedule(_drawn(), "draw")
        shown = parts.document.schedule
        path = tmp_path / f"schedule{ending}"
        answer = (str(path), "")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, a=answer: a)
        window.actions_by_name["saveSchedule"].trigger()
        parts.document.replace_schedule(ScheduleSpec("cosine", 50), "preset")
        _drop(window, path)
        _opened(window, qtbot)
        assert_allclose(parts.document.schedule.alpha_bar, shown.alpha_bar, rtol=0, atol=1e-9)
        assert_allclose(parts.document.schedule.beta, shown.beta, rtol=0, atol=1e-9)
        assert parts.document.history.undo_text == f"open schedule{ending}"


def test_what_was_done_is_said_in_the_toolbar_for_a_while_and_moves_nothing(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolbar, said = window.toolbar, window.toolbar.caption

    def places() -> list[QRect]:
        return [w.geometry() for w in (toolbar, window.schedule, toolbar.seed, toolbar.play)]

    QApplication.processEvents()
    before = places()
    path = tmp_path / "s.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    window.actions_by_name["saveSchedule"].trigger()
    assert said.text() == said.accessibleName() == "Saved s.csv"
    _drop(window, path)
    _opened(window, qtbot)
    assert said.text() == "Opened s.csv, T = 1,000"
    window.actions_by_name["copySigmas"].trigger()
    assert said.text() == "Copied the schedule as a list of σ"
    window.actions_by_name["paste"].trigger()
    assert said.text() == "Pasted a schedule, T = 1,000"
    toolbar.say("a long line " * 40)
    QApplication.processEvents()
    assert places() == before
    assert window.findChild(QStatusBar) is None
    toolbar.forget_after(1)
    qtbot.waitUntil(lambda: said.text() == said.accessibleName() == "")


def test_the_plot_is_saved_as_svg(
    window: MainWindow, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PySide6.QtCore import QByteArray
    from PySide6.QtSvg import QSvgRenderer

    path = tmp_path / "plot.svg"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    window.actions_by_name["saveSchedule"].trigger()
    text = path.read_text(encoding="utf-8")
    assert QSvgRenderer(QByteArray(text.encode())).isValid()
    assert text.count("<polyline") == 2
    assert "Cosine schedule, T = 1000" in text


def test_a_diffusers_folder_is_a_schedule_and_other_folders_are_pictures(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    config = {"_class_name": "DDPMScheduler", "num_train_timesteps": 77, "beta_schedule": "linear"}
    folder = tmp_path / "model" / "scheduler"
    folder.mkdir(parents=True)
    (folder / "scheduler_config.json").write_text(json.dumps(config), encoding="utf-8")
    _drop(window, tmp_path / "model")
    _opened(window, qtbot)
    assert parts.document.experiment.schedule.T == 77
    assert not parts.loader.busy


def test_schedules_and_pictures_dropped_together_go_each_its_way(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path, make_image
) -> None:
    save_schedule(build_preset("linear", 60), tmp_path / "a.csv")
    save_schedule(build_preset("linear", 61), tmp_path / "b.csv")
    before = len(parts.document.experiment.pictures)
    _drop(window, tmp_path / "a.csv", make_image("x.png"), tmp_path / "b.csv")
    _opened(window, qtbot)
    qtbot.waitUntil(lambda: len(parts.document.experiment.pictures) == before + 1)
    assert parts.document.experiment.schedule.T == 60
    assert window.schedule.bar.text == "one schedule at a time: b.csv left out"


def _border(window: MainWindow) -> str:
    bar = window.schedule.bar
    return bar.grab().toImage().pixelColor(bar.width() // 2, 0).name().upper()


def test_a_note_is_no_warning_and_goes_with_the_schedule_it_is_about(
    window: MainWindow, parts: Parts
) -> None:
    bar, tokens = window.schedule.bar, parts.theme.tokens
    numbers = " ".join(str(number) for number in np.linspace(0.001, 0.02, 30).tolist())
    window.schedule_files.paste(numbers)
    assert bar.text.startswith("read as betas")
    assert _border(window) == tokens.hairline
    parts.document.history.undo()
    assert bar.text == ""
    parts.document.history.redo()
    assert bar.text == ""
    window.schedule_files.paste("no schedule")
    assert bar.text
    assert _border(window) == tokens.warning
    parts.document.replace_schedule(ScheduleSpec("sqrt"), "another")
    assert bar.text == ""


def test_what_is_copied_and_pasted_is_the_same(window: MainWindow, parts: Parts) -> None:
    for action in ("copyConfig", "copyNumpy", "copySigmas", "copyTable"):
        QGuiApplication.clipboard().clear()
        parts.document.replace_schedule(_drawn(), "draw")
        shown = parts.document.schedule
        window.actions_by_name[action].trigger()
        parts.document.replace_schedule(ScheduleSpec("cosine", 50), "preset")
        window.actions_by_name["paste"].trigger()
        assert parts.document.schedule.T == 120
        assert_allclose(parts.document.schedule.alpha_bar, shown.alpha_bar, rtol=0, atol=1e-9)


def test_source_is_copied(window: MainWindow) -> None:
    for action, words in (
        ("copyDiffusers", "DDPMScheduler"),
        ("copyKDiffusion", "sigmas"),
        ("copyNumpy", "numpy"),
    ):
        QGuiApplication.clipboard().clear()
        window.actions_by_name[action].trigger()
        assert words in QGuiApplication.clipboard().text()


def test_the_plot_is_copied_as_a_picture(window: MainWindow) -> None:
    window.actions_by_name["copyPlot"].trigger()
    image = QGuiApplication.clipboard().image()
    assert (image.width(), image.height()) == (1280, 840)


def test_numbers_and_configs_are_pasted(window: MainWindow, parts: Parts) -> None:
    for text, T in (
        ("14.6, 6.4, 3.8, 1.2, 0.3, 0.03, 0", 6),
        ("[0.9, 0.5, 0.1]", 3),
        ("0.001\n0.002\n0.003\n0.5", 4),
        ('{"_class_name": "DDIMScheduler", "num_train_timesteps": 9}', 9),
    ):
        QGuiApplication.clipboard().setText(text)
        window.actions_by_name["paste"].trigger()
        assert parts.document.schedule.T == T


class _Danger:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("/tmp/diffusion-gui-was-here"),))


BAD = {
    "text.csv": "t,beta\n1,0.1\n2,none\n",
    "nan.csv": "t,beta\n1,0.1\n2,nan\n",
    "rising.csv": "t,alpha_bar\n1,0.5\n2,0.6\n",
    "empty.csv": "t,beta\n",
    "one.csv": "t,beta\n1,0.1\n",
    "list.json": "[1, 2, 3]",
    "conflict.json": '{\n<<<<<<< HEAD\n"a": 1\n=======\n',
    "string.json": '{"_class_name": "DDPMScheduler", "beta_start": "small"}',
    "long.json": '{"_class_name": "DDPMScheduler", "num_train_timesteps": 1000000000}',
    "words.txt": "one two three",
}


def test_bad_files_are_refused_in_one_line_and_the_schedule_stays(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    for name in (*BAD, "danger.pt", "short.safetensors", "none.npy"):
        path = tmp_path / name
        if name in BAD:
            path.write_text(BAD[name], encoding="utf-8")
        elif name == "danger.pt":
            path.write_bytes(pickle.dumps({"betas": _Danger()}))
        elif name == "short.safetensors":
            path.write_bytes((10**9).to_bytes(8, "little") + b"{")
        else:
            np.save(path, np.array([0.1, np.nan]))
        before = parts.document.experiment
        _drop(window, path)
        _opened(window, qtbot)
        weights = path.suffix in (".pt", ".safetensors")  # that are those of no network either
        bar = window.sampling.bar if weights else window.schedule.bar
        qtbot.waitUntil(lambda place=str(path), bar=bar: place in bar.text)
        said = bar.text
        assert str(path) in said
        assert "\n" not in said
        assert parts.document.experiment == before
        assert not Path("/tmp/diffusion-gui-was-here").exists()


@pytest.mark.parametrize("text", ["hello", "1, 2, x", "", "0.5, 0.2, 0.3, 7, -1"])
def test_bad_pastes_are_refused_in_one_line(window: MainWindow, parts: Parts, text: str) -> None:
    before = parts.document.experiment
    QGuiApplication.clipboard().setText(text)
    window.actions_by_name["paste"].trigger()
    said = window.schedule.bar.text + window.images.bar.text
    assert "clipboard" in said
    assert "\n" not in said
    assert parts.document.experiment == before


def test_closing_while_a_file_is_read_is_safe(window: MainWindow, tmp_path: Path) -> None:
    save_schedule(build(ScheduleSpec("linear", 10_000)), tmp_path / "long.csv")
    window.schedule_files.open(str(tmp_path / "long.csv"))
    window.close()
    assert not window.schedule_files.busy or not window.isVisible()
