"""Exports of runs through the window: dialogs, files, the clipboard, and back out of a PNG."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot
from safetensors.numpy import load_file

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.app.run_copies import COPIES
from diffusion_gui.app.run_files import FILES
from diffusion_gui.engine.experiment import EMOJI, PICTURES, Fit, Inpaint, Start
from diffusion_gui.engine.images import contact_sheet
from diffusion_gui.engine.masks import MASK_SIDE, encode
from diffusion_gui.engine.run_words import core
from diffusion_gui.panels.common.dropping import PNG
from diffusion_gui.panels.sampling.export_dialogs import RunAnimationDialog, RunPicturesDialog
from diffusion_gui.session import animation, run_folder
from diffusion_gui.session.export import METADATA_KEY
from diffusion_gui.session.format import decode
from diffusion_gui.state.run_checks import Check
from diffusion_gui.state.run_view import Quantity
from diffusion_gui.state.sampling import RunState

from .test_picture_files import ROOT, TIMEOUT, _drop, save_as, second

__all__ = ["save_as", "second"]
KEPT = encode(np.arange(MASK_SIDE)[None].repeat(MASK_SIDE, axis=0) < MASK_SIDE // 2)


@pytest.fixture(autouse=True)
def _few_and_small(parts: Parts) -> None:
    parts.sampling.live = False
    parts.document.replace_sampling("few", model="gaussian", steps=4, count=3, size=16)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder that the folder dialog answers."""
    place = tmp_path / "numbered"
    place.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(place))
    return place


def _run(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)


def _trigger(window: MainWindow, qtbot: QtBot, name: str) -> None:
    window.actions_by_name[name].trigger()
    _done(window, qtbot)


def _done(window: MainWindow, qtbot: QtBot) -> None:
    busy = (window.run_files, window.picture_files, window._parts.loader)
    qtbot.waitUntil(lambda: not any(one.busy for one in busy), timeout=TIMEOUT)


def _said(window: MainWindow) -> str:
    return window.sampling.caption.text()


def _open(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def _dialog(window: MainWindow, name: str, kind: type) -> RunPicturesDialog | RunAnimationDialog:
    window.actions_by_name[name].trigger()
    found = window.sampling.findChild(kind)
    assert found is not None
    return found


def _choose(combo, data: object) -> None:
    combo.setCurrentIndex(next(i for i in range(combo.count()) if combo.itemData(i) == data))


def test_without_a_run_there_is_nothing_to_export(window: MainWindow) -> None:
    for name in (*FILES, *COPIES):
        window.sampling.bar.clear()
        window.actions_by_name[name].trigger()
        assert window.sampling.bar.text == "There is nothing to export yet: press Run first"
    assert [action.objectName() for action in window.sampling.tools.export.menu().actions()] == [
        *FILES, "", *COPIES,
    ]  # fmt: skip


def test_pictures_and_steps_are_what_the_dialog_says(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path], folder: Path
) -> None:
    _run(parts, qtbot)
    frames = parts.run_view.run.trajectory.frames
    parts.run_view.set_step(2)
    parts.run_view.set_quantities([Quantity.X_T])

    dialog = _dialog(window, "exportRunPictures", RunPicturesDialog)
    assert dialog.fields.look.quantities == ("x_t",)
    _choose(dialog.fields.scale, 2)
    told = re.fullmatch(
        "A picture of 70 × 70 px, about ([0-9.]+) kB\nEvery PNG carries the settings",
        dialog.summary.text(),
    )
    assert told is not None
    path = save_as("grid.png")
    dialog.save.click()
    _done(window, qtbot)
    assert_array_equal(_open(path), contact_sheet(frames[2].x_t, 2, scale=2))
    assert float(told[1]) == pytest.approx(path.stat().st_size / 1000, abs=1.6)

    parts.run_view.set_image(1)
    dialog = _dialog(window, "exportRunPictures", RunPicturesDialog)
    assert dialog.fields.look.images == (1,)
    _choose(dialog.fields.scale, 1)
    _choose(dialog.steps, 5)
    dialog.way.setCurrentIndex(1)
    assert dialog.summary.text().startswith("5 files, about ")
    dialog.save.click()
    _done(window, qtbot)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"run-1-step-{i:02}.png" for i in range(5)]
    for name, frame in zip(names, frames, strict=True):
        assert_array_equal(_open(folder / name), frame.x_t[1])
    assert _said(window) == "Saved numbered, 5 files"

    dialog = _dialog(window, "exportRunPictures", RunPicturesDialog)
    _choose(dialog.fields.images, ())
    _choose(dialog.fields.scale, 1)
    dialog.way.setCurrentIndex(1)
    dialog.fields.quantities[Quantity.X0_HAT].click()
    dialog.fields.quantities[Quantity.X_T].click()
    dialog.fields.quantities[Quantity.X0_HAT].click()  # the last one stays
    assert dialog.fields.look.quantities == ("x0_hat",)
    dialog.save.click()
    _done(window, qtbot)
    for index in range(3):
        pixels = _open(folder / f"run-1-{index + 1:02}.png")
        assert_array_equal(pixels, frames[2].x0_hat[index])

    dialog = _dialog(window, "exportRunPictures", RunPicturesDialog)
    _choose(dialog.steps, -1)
    dialog.number.setValue(3)
    path = save_as("sheet.png")
    dialog.save.click()
    _done(window, qtbot)
    assert _said(window) == "Saved sheet.png, 3 steps"
    with Image.open(path) as image:
        assert decode(image.text[METADATA_KEY]).sampling == parts.document.experiment.sampling


def test_a_large_set_of_pictures_goes_along_once_in_a_folder(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path], folder: Path,
    monkeypatch: pytest.MonkeyPatch, second: Callable[[], tuple[MainWindow, Parts]],
) -> None:  # fmt: skip
    window.open([str(make_image(f"cats/{i}.png", size=30 + i)) for i in range(4)])
    _done(window, qtbot)
    parts.document.replace_sampling("own", model="exact", data=PICTURES)
    _run(parts, qtbot)
    monkeypatch.setattr(run_folder, "MOST_CARRIED", 1000)
    dialog = _dialog(window, "exportRunPictures", RunPicturesDialog)
    dialog.way.setCurrentIndex(1)
    assert "Every PNG carries the settings, one more the pictures of" in dialog.summary.text()
    dialog.save.click()
    _done(window, qtbot)
    count = len(parts.document.experiment.pictures)
    assert _said(window) == (
        f"Saved numbered, 7 files; run-1-run.png alone carries its {count} pictures"
    )
    other, fresh = second()
    _drop(other, folder / "run-1-run.png")
    _done(other, qtbot)
    assert other.images.bar.text == ""
    _run(fresh, qtbot)
    assert_array_equal(fresh.run_view.run.result, parts.run_view.run.result)


def test_an_animation_numbers_and_floats_of_a_run(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _run(parts, qtbot)
    run = parts.run_view.run
    dialog = _dialog(window, "exportRunAnimation", RunAnimationDialog)
    _choose(dialog.fields.scale, 1)
    dialog.fps.setValue(5)
    dialog.hold.setValue(2.0)
    assert dialog.whose.text() == f"{run.title}: {core(run.experiment)}"
    told = re.fullmatch("5 frames of 88 × 38 px, 3.0 s\nabout (.*) kB", dialog.summary.text())
    assert told is not None
    _choose(dialog.format, ".apng")
    assert dialog.summary.text() != told[0], "each kind has its own size"
    with monkeypatch.context() as patch:
        patch.setattr(animation, "_MOST_PIXELS", 1000)
        dialog.fps.setValue(6)
        assert "take fewer frames, smaller pictures" in dialog.summary.text()
        assert not dialog.save.isEnabled()
    dialog.fps.setValue(5)
    assert dialog.save.isEnabled()
    path = save_as("run.apng")
    dialog.save.click()
    _done(window, qtbot)
    assert _said(window) == "Saved run.apng, 5 frames"
    with Image.open(path) as film:
        assert film.n_frames == 5
        film.seek(4)
        shown = np.array(film.convert("RGB"))
    assert_array_equal(shown[:, 50:], contact_sheet(run.trajectory.last.x0_hat, 2))

    path = save_as("steps.csv")
    _trigger(window, qtbot, "exportNumbers")
    with path.open(newline="") as file:
        assert [row["nfe"] for row in csv.DictReader(file)] == [str(c) for c in run.calls]

    path = save_as("floats.npz")
    told: list[tuple[int, int]] = []
    window.run_files.floats.progress.connect(lambda *news: told.append(news))
    _trigger(window, qtbot, "exportTrajectory")
    with np.load(path) as file:
        assert file["x_t"].shape == (5, 3, 3, 16, 16)
        assert_array_equal(file["x_t"][-1], run.result)
    assert _said(window) == "Saved floats.npz, 5 steps"
    assert told[0] == (0, 5)
    assert told[-1] == (0, 0)
    assert not window.sampling.findChild(type(window.run_files.row)).isVisible()
    assert parts.sampling.state is RunState.DONE


def test_floats_wait_for_the_run_and_make_room_for_the_next(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path], tmp_path: Path
) -> None:
    parts.document.replace_sampling("long", steps=400, count=16)
    path = save_as("floats.safetensors")
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.run_view.frame is not None, timeout=TIMEOUT)
    window.actions_by_name["exportTrajectory"].trigger()
    assert "let the run end, or stop it, first" in window.sampling.bar.text
    parts.sampling.stop()
    _trigger(window, qtbot, "exportTrajectory")
    steps = load_file(path)["t"].size  # what there is of it
    assert 0 < steps <= parts.run_view.run.trajectory.last.index + 1 < 401
    assert _said(window) == f"Saved floats.safetensors, {steps} steps"
    path.unlink()

    _run(parts, qtbot)
    window.actions_by_name["exportTrajectory"].trigger()
    assert window.run_files.busy
    window.run_files.row.cancel.click()
    assert not window.run_files.busy
    window.actions_by_name["exportTrajectory"].trigger()
    parts.run_checks.ask(Check.VERIFY, parts.run_view.run)
    assert not window.run_files.busy
    assert "as something else was asked" in window.sampling.bar.text
    window.actions_by_name["exportTrajectory"].trigger()
    assert "given up" in parts.run_checks.message
    parts.sampling.run()
    assert not window.run_files.busy
    assert "as a run began" in window.sampling.bar.text
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    assert [file.name for file in tmp_path.iterdir() if "floats" in file.name] == []
    assert not list(tmp_path.glob("*.part"))


def test_a_window_that_closes_leaves_no_file(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path], tmp_path: Path
) -> None:
    parts.document.replace_sampling("long", steps=300, count=32)
    _run(parts, qtbot)
    save_as("floats.npz")
    window.actions_by_name["exportTrajectory"].trigger()
    qtbot.waitUntil(lambda: bool(list(tmp_path.glob(".*.part"))), timeout=TIMEOUT)
    window.close()
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".npz", ".part")]


def test_a_bad_place_is_one_line_in_the_panel(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path]
) -> None:
    _run(parts, qtbot)
    for name, file in (("exportTrajectory", "gone/t.npz"), ("exportNumbers", "gone/n.csv")):
        save_as(file)
        _trigger(window, qtbot, name)
        assert "there is no folder" in window.sampling.bar.text
        assert "\n" not in window.sampling.bar.text


def test_the_grids_are_copied_and_scripts_run(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    parts.document.replace_sampling("heun", sampler="heun")
    _run(parts, qtbot)
    frame = parts.run_view.frame
    _trigger(window, qtbot, "copyGrid")
    mime = QGuiApplication.clipboard().mimeData()
    (tmp_path / "copied.png").write_bytes(bytes(mime.data(PNG).data()))
    copied = _open(tmp_path / "copied.png")
    grid = contact_sheet(frame.x_t, 2, scale=8)
    assert_array_equal(copied[:, : grid.shape[1]], grid)
    assert not mime.imageData().isNull()

    _trigger(window, qtbot, "copyRunPython")
    text = QGuiApplication.clipboard().text()
    assert _said(window).startswith("Copied Run ")
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
    )  # fmt: skip
    expected = contact_sheet(parts.run_view.run.trajectory.last.x_t, 2, scale=8)
    assert_array_equal(_open(tmp_path / "samples.png"), expected)

    _trigger(window, qtbot, "copyRunDiffusers")
    assert "loses all precision above sigma" in window.sampling.bar.text  # Heun on the cosine
    parts.document.replace_sampling("ddim", sampler="ddim")
    _run(parts, qtbot)
    _trigger(window, qtbot, "copyRunDiffusers")
    assert "from diffusers import DDIMScheduler" in QGuiApplication.clipboard().text()


def test_a_fork_of_a_painted_run_comes_back_out_of_a_single_picture(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path], folder: Path,
    second: Callable[[], tuple[MainWindow, Parts]],
) -> None:  # fmt: skip
    window.open([str(make_image(f"cats/{i}.png", size=30 + i)) for i in range(3)])
    _done(window, qtbot)
    ids = [ref.id for ref in parts.document.experiment.pictures]
    forward = replace(parts.document.experiment.forward, fit=Fit.PAD, background="#305070")
    parts.document.replace(replace(parts.document.experiment, forward=forward), "pad")
    parts.document.replace_sampling(
        "painted", model="exact", data=PICTURES, inpaint=Inpaint(ids[0], KEPT)
    )
    _run(parts, qtbot)
    parts.sampling.fork(parts.run_view.run, 2)
    start = Start(ids[1], 300)
    parts.document.replace_sampling(
        "other", data=EMOJI, inpaint=None, sampler="euler_ancestral", start=start
    )
    _run(parts, qtbot)
    expected = parts.run_view.run.result
    parts.sampling.runs.rename(parts.run_view.run, "my fork")
    dialog = _dialog(window, "exportRunPictures", RunPicturesDialog)
    dialog.way.setCurrentIndex(1)
    dialog.save.click()
    _done(window, qtbot)

    other, fresh = second()
    _drop(other, folder / "my_fork-02-x0_hat.png")
    _done(other, qtbot)
    assert other.images.bar.text == ""
    assert fresh.document.experiment.fork is not None
    _run(fresh, qtbot)
    assert_array_equal(fresh.run_view.run.result, expected)
