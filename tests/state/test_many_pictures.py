"""Large folders, files that go while they are opened, and pictures as a data set."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import PICTURES, Fit, Start
from diffusion_gui.engine.image_files import find_images
from diffusion_gui.engine.images import Picture, read_picture, square
from diffusion_gui.session.format import decode, encode
from diffusion_gui.state import pictures
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000


def folder_of(folder: Path, count: int, side: int = 8) -> Path:
    """Make pictures of one colour each, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        colour = (number % 256, number // 256, 7)
        Image.new("RGB", (side, side), colour).save(folder / f"{number:05d}.png")
    return folder


def finish(qtbot: QtBot, parts: Parts) -> None:
    qtbot.waitUntil(lambda: not parts.loader.busy, timeout=TIMEOUT)


def opened(parts: Parts) -> int:
    """Return how many pictures stand before the three photographs."""
    return len(parts.document.experiment.pictures) - 3


class _Watch:
    """What the loader says."""

    def __init__(self, parts: Parts) -> None:
        self.progress: list[tuple[int, int]] = []
        self.problems: list[list[str]] = []
        parts.loader.progress.connect(lambda done, total: self.progress.append((done, total)))
        parts.loader.problems_found.connect(self.problems.append)


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every entry of a folder, and every file, take a millisecond more."""

    def find(paths: list[str], most: int, poll: Callable[[int], None]) -> object:
        def slowly(found: int) -> None:
            time.sleep(0.001)
            poll(found)

        return find_images(paths, most, slowly)

    def read(path: Path, max_side: int) -> Picture:
        time.sleep(0.001)
        return read_picture(path, max_side)

    monkeypatch.setattr(pictures, "find_images", find)
    monkeypatch.setattr(pictures, "read_picture", read)


# --- many ------------------------------------------------------------------------------------


def test_thousands_stream_in_with_progress_as_one_undo_step(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    watch = _Watch(parts)
    before = parts.document.experiment
    parts.loader.open([str(folder_of(tmp_path / "many", 2500))])
    qtbot.waitUntil(lambda: 0 < opened(parts) < 2500, timeout=TIMEOUT)
    finish(qtbot, parts)
    names = [ref.name for ref in parts.document.experiment.pictures[:2500]]
    assert names == [f"{number:05d}.png" for number in range(2500)]
    assert opened(parts) == 2500
    reading = [done for done, total in watch.progress if total == 2500]
    assert reading
    assert reading == sorted(reading)
    assert watch.progress[-1] == (0, 0)
    assert watch.problems == []
    assert parts.document.history.undo_text == "open 2,500 pictures"
    parts.document.history.undo()
    assert parts.document.experiment == before


@pytest.mark.usefixtures("slow_disk")
def test_the_progress_is_said_and_cancel_stops_it(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    panel = window.images
    parts.loader.open([str(folder_of(tmp_path / "many", 600))])
    qtbot.waitUntil(lambda: panel.tools.cancel.isVisible() and opened(parts) > 0, timeout=TIMEOUT)
    assert panel.tools.progress.isVisible()
    assert re.fullmatch(r"opening [\d,]+ of 600", panel.tools.progress.text())
    qtbot.mouseClick(panel.tools.cancel, Qt.MouseButton.LeftButton)
    assert not panel.tools.progress.isVisible()
    finish(qtbot, parts)
    assert 0 < opened(parts) < 600
    parts.document.history.undo()
    assert opened(parts) == 0


@pytest.mark.usefixtures("slow_disk")
def test_cancel_at_the_first_pictures_opens_nothing_more(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    parts.document.pictures_changed.connect(parts.loader.cancel)
    parts.loader.open([str(folder_of(tmp_path / "many", 600))])
    qtbot.waitUntil(lambda: opened(parts) > 0, timeout=TIMEOUT)
    finish(qtbot, parts)
    reached = opened(parts)
    qtbot.wait(150)
    assert opened(parts) == reached < 600


@pytest.mark.usefixtures("slow_disk")
def test_cancel_while_files_are_counted_opens_none(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    watch, panel = _Watch(parts), window.images
    parts.loader.open([str(folder_of(tmp_path / "many", 1200))])
    qtbot.waitUntil(panel.tools.cancel.isVisible, timeout=TIMEOUT)
    assert panel.tools.progress.text().startswith("found ")
    qtbot.waitUntil(lambda: len(watch.progress) > 1, timeout=TIMEOUT)
    (done, total), (later, _) = watch.progress[:2]
    assert total == 0
    assert 256 <= done < later < 1200
    qtbot.mouseClick(panel.tools.cancel, Qt.MouseButton.LeftButton)
    finish(qtbot, parts)
    assert opened(parts) == 0
    assert parts.document.history.count == 0
    assert not panel.tools.progress.isVisible()


@pytest.mark.usefixtures("slow_disk")
def test_undo_while_a_folder_opens_takes_it_out_and_stops(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    before = parts.document.experiment
    parts.loader.open([str(folder_of(tmp_path / "many", 600))])
    qtbot.waitUntil(lambda: opened(parts) > 0, timeout=TIMEOUT)
    parts.document.history.undo()
    finish(qtbot, parts)
    assert parts.document.experiment == before


@pytest.mark.usefixtures("slow_disk")
def test_edits_while_a_folder_opens_keep_it_one_step_below_them(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    before = parts.document.experiment
    parts.loader.open([str(folder_of(tmp_path / "many", 600))])
    qtbot.waitUntil(lambda: opened(parts) > 1, timeout=TIMEOUT)
    parts.document.replace_sampling("fewer", steps=7)
    parts.document.end_gesture()
    gone = parts.document.experiment.pictures[0]
    parts.pictures.remove([gone.id])
    finish(qtbot, parts)
    history = parts.document.history
    assert history.count == 3
    assert opened(parts) == 599
    assert gone not in parts.document.experiment.pictures
    history.undo()
    assert opened(parts) == 600
    assert parts.document.experiment.pictures[0] == gone
    history.undo()
    assert parts.document.experiment.sampling == before.sampling
    assert opened(parts) == 600
    assert [ref.name for ref in parts.document.experiment.pictures[:600]] == [
        f"{number:05d}.png" for number in range(600)
    ]
    history.undo()
    assert parts.document.experiment == before


def test_the_same_file_twice_in_a_drop_is_one_picture(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "many", 40)
    for number in range(0, 40, 2):
        shutil.copy(folder / f"{number:05d}.png", folder / f"{number:05d} copy.png")
    parts.loader.open([str(folder)])
    finish(qtbot, parts)
    assert opened(parts) == 40
    parts.loader.open([str(folder / "00039.png"), str(folder / "00003.png")])
    finish(qtbot, parts)
    assert opened(parts) == 40
    names = [ref.name for ref in parts.document.experiment.pictures[:3]]
    assert names[:2] == ["00039.png", "00003.png"]
    assert len({ref.id for ref in parts.document.experiment.pictures}) == 43


@pytest.mark.usefixtures("slow_disk")
def test_closing_the_window_while_a_folder_opens_is_clean(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    parts.loader.open([str(folder_of(tmp_path / "many", 600))])
    qtbot.waitUntil(lambda: opened(parts) > 0, timeout=TIMEOUT)
    window.close()
    parts.shutdown()
    reached = opened(parts)
    qtbot.wait(150)
    assert opened(parts) == reached < 600


# --- what goes wrong meanwhile ---------------------------------------------------------------


@pytest.mark.usefixtures("slow_disk")
def test_a_folder_that_loses_files_while_it_opens(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    watch = _Watch(parts)
    folder = folder_of(tmp_path / "many", 600)
    parts.loader.open([str(folder)])
    qtbot.waitUntil(lambda: opened(parts) > 0, timeout=TIMEOUT)
    shutil.rmtree(folder)
    finish(qtbot, parts)
    qtbot.waitUntil(lambda: bool(watch.problems))
    (lines,) = watch.problems
    assert 0 < len(lines) == 600 - opened(parts)
    assert all(line.endswith(".png: the file is no longer there") for line in lines)


def test_a_picture_whose_file_has_gone_is_shown_small_with_the_reason(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "few", 2, side=200)
    parts.store._budget = 0
    parts.loader.open([str(folder)])
    finish(qtbot, parts)
    first, second, *_ = parts.document.experiment.pictures
    shutil.rmtree(folder)
    parts.view.set_picture(second.id)
    parts.store.get("photo-chelsea")
    parts.view.set_picture(first.id)
    qtbot.waitUntil(lambda: bool(parts.preview.problem), timeout=TIMEOUT)
    assert parts.preview.problem.startswith("00000.png: the file is no longer there")
    tiles = parts.preview.tiles()
    assert tiles is not None
    assert tiles.x_0.pixels.shape == (64, 64, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems allow text names only")
def test_a_name_that_is_no_text_goes_through_the_whole_program(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9 \xff.png")
    with path.open("wb") as file:
        Image.new("RGB", (30, 20), (1, 2, 3)).save(file, "PNG")
    parts.store._budget = 0
    parts.loader.open([str(path)])
    finish(qtbot, parts)
    ref = parts.document.experiment.pictures[0]
    assert ref.name == "caf\ufffd \ufffd.png"
    assert ref.name in window.images.caption.text()
    parts.store.get("photo-chelsea")
    assert parts.store.peek(ref.id) is None
    assert parts.store.get(ref.id).pixels.shape == (20, 30, 3)
    assert decode(encode(parts.document.experiment)).pictures[0].name == ref.name


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_pipes_loops_and_damage_are_named_and_the_rest_opens(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "mixed", 3)
    os.mkfifo(folder / "a pipe.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "round").symlink_to(folder, target_is_directory=True)
    whole = (folder / "00000.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:50])
    watch = _Watch(parts)
    parts.loader.open([str(folder)])
    finish(qtbot, parts)
    qtbot.waitUntil(lambda: bool(watch.problems))
    (lines,) = watch.problems
    assert sorted(line.split(":")[0] for line in lines) == [
        "a pipe.png",
        "cut.png",
        "loop.png",
        "round",
    ]
    assert opened(parts) == 3


# --- a data set ------------------------------------------------------------------------------


def _sample(qtbot: QtBot, parts: Parts) -> np.ndarray:
    parts.sampling.run()
    ends = (RunState.DONE, RunState.FAILED)
    qtbot.waitUntil(lambda: parts.sampling.state in ends, timeout=TIMEOUT)
    assert parts.sampling.state is RunState.DONE, parts.sampling.message
    assert parts.sampling.trajectory is not None
    return parts.sampling.trajectory.frames[-1].x0_hat


def test_class_folders_are_labels_of_the_data_set(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    def make(name: str, colour: tuple[int, int, int]) -> None:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), colour).save(path)

    make("cats/1.png", (250, 10, 10))
    make("dogs/1.png", (10, 10, 250))
    parts.sampling.live = False
    parts.loader.open([str(tmp_path / "set")])
    finish(qtbot, parts)
    data = window.sampling.form.data
    data.setFocus()
    data.setCurrentIndex(data.findData(PICTURES))
    data.activated.emit(data.currentIndex())
    assert parts.document.experiment.sampling.data == PICTURES
    for label, colour in (("cats", (250, 10, 10)), ("dogs", (10, 10, 250))):
        parts.document.replace_sampling("class", label=label, count=2, steps=5)
        result = _sample(qtbot, parts)
        assert np.abs(result.astype(int) - colour).max() <= 1


def _keep_first(parts: Parts) -> None:
    experiment = parts.document.experiment
    parts.document.replace(replace(experiment, pictures=experiment.pictures[:1]), "only this")


def _only(qtbot: QtBot, parts: Parts, path: Path) -> None:
    """Let one picture be the whole tray and the data."""
    parts.sampling.live = False
    parts.loader.open([str(path)])
    finish(qtbot, parts)
    _keep_first(parts)
    parts.document.replace_sampling("data", data=PICTURES, count=1, steps=4)


def test_padding_and_background_reach_the_data_set(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (64, 32), (0, 0, 200)).save(path)
    _only(qtbot, parts, path)
    assert np.abs(_sample(qtbot, parts)[0].astype(int) - (0, 0, 200)).max() <= 1
    assert not parts.sampling.outdated
    parts.document.replace_forward("pad", fit=Fit.PAD, background="#00ff00")
    assert parts.sampling.outdated
    result = _sample(qtbot, parts)[0].astype(int)
    assert np.abs(result[8:24] - (0, 0, 200)).max() <= 1
    assert np.abs(result[:8] - (0, 255, 0)).max() <= 1
    assert np.abs(result[24:] - (0, 255, 0)).max() <= 1
    parts.document.replace_forward("size", size=256)
    assert not parts.sampling.outdated


def test_the_start_is_padded_as_the_image_panel_shows_it(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (64, 32), (0, 0, 200)).save(path)
    _only(qtbot, parts, path)
    shown = parts.document.experiment.pictures[0].id
    parts.document.replace_forward("pad", fit=Fit.PAD, background="#00ff00")
    parts.document.replace_sampling("here", start=Start(shown, 20))
    result = _sample(qtbot, parts)[0].astype(int)
    assert np.abs(result[:8] - (0, 255, 0)).max() <= 1
    assert np.abs(result[8:24] - (0, 0, 200)).max() <= 1


def test_the_background_does_not_concern_the_emoji(parts: Parts, qtbot: QtBot) -> None:
    parts.sampling.live = False
    _sample(qtbot, parts)
    parts.document.replace_forward("pad", fit=Fit.PAD, background="#00ff00")
    assert not parts.sampling.outdated


def test_a_data_set_whose_files_have_changed_says_so_and_goes_on_after(
    parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40), (9, 9, 9)).save(path)
    parts.store._budget = 0
    _only(qtbot, parts, path)
    parts.store.get("photo-chelsea")
    Image.new("RGB", (40, 40), (90, 9, 9)).save(path)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.FAILED, timeout=TIMEOUT)
    wanted = "a.png: the file has changed since it was opened; open it again"
    assert parts.sampling.message == wanted
    parts.loader.open([str(path)])
    finish(qtbot, parts)
    _keep_first(parts)
    expected = square(read_picture(path).pixels, 32).astype(int)
    assert np.abs(_sample(qtbot, parts)[0] - expected).max() <= 1
