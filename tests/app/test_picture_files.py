"""Export, copy, drag out and restore through the window: the pixels that were there come back."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDrag, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts, build_parts
from diffusion_gui.engine.experiment import PICTURES, Fit, NoiseKind, Start
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.panels.images.animation_dialog import AnimationDialog
from diffusion_gui.session.export import METADATA_KEY, save_png, save_schedule
from diffusion_gui.session.format import decode
from diffusion_gui.session.watch import Watch
from diffusion_gui.state.sampling import RunState
from diffusion_gui.state.settings import Settings

TIMEOUT = 20_000
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_runs(parts: Parts) -> None:
    parts.sampling.live = False


@pytest.fixture
def save_as(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that sets what the file dialog answers, and returns that path."""

    def choose(name: str) -> Path:
        path = tmp_path / name
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
        return path

    return choose


@pytest.fixture
def second(
    qapp: QApplication, tmp_path: Path, qtbot: QtBot
) -> Callable[[], tuple[MainWindow, Parts]]:
    """Return a function that starts the program once more, with nothing but what is bundled."""
    started: list[tuple[MainWindow, Parts]] = []

    def start() -> tuple[MainWindow, Parts]:
        from PySide6.QtCore import QSettings

        store = QSettings(str(tmp_path / f"{len(started)}.ini"), QSettings.Format.IniFormat)
        parts = build_parts(qapp, Settings(store), theme="light", device="cpu")
        parts.sampling.live = False
        window = MainWindow(parts)
        qtbot.addWidget(window)
        window.show()
        started.append((window, parts))
        return window, parts

    yield start
    for window, parts in started:
        window.close()
        window.deleteLater()
        for owned in (
            parts.estimator, parts.forecaster, parts.run_view, parts.sampling, parts.loader,
            parts.film, parts.measures, parts.chain,
            parts.pictures, parts.preview, parts.comparison, parts.editor, parts.presets,
            parts.player, parts.view, parts.document, parts.theme,
        ):  # fmt: skip
            owned.deleteLater()


def _done(window: MainWindow, qtbot: QtBot) -> None:
    files, runs, loader = window.picture_files, window.run_files, window._parts.loader
    busy = (files, runs, loader)
    qtbot.waitUntil(lambda: not any(one.busy for one in busy), timeout=TIMEOUT)


def _drop(window: MainWindow, *paths: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    window.dropEvent(
        QDropEvent(
            QPointF(300, 300), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )  # fmt: skip


def _x_t(parts: Parts) -> np.ndarray:
    tiles = parts.preview.tiles()
    assert tiles is not None
    return tiles.x_t.pixels


def _own_picture(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path]
) -> Path:
    """Open a picture of one's own and change everything that its pixels depend on."""
    path = make_image("mine 猫.png", size=150)
    window.open([str(path)])
    _done(window, qtbot)
    parts.document.replace_schedule(ScheduleSpec("sigmoid", 300), "schedule")
    parts.document.replace_forward(
        "forward", size=64, fit=Fit.PAD, noise=NoiseKind.PATH, offset=0.1, background="#000000"
    )
    parts.document.replace(replace(parts.document.experiment, seed=77), "seed")
    parts.document.replace_sampling("sampler", steps=7, count=3)
    parts.view.set_t(123)
    return path


# --- out and in again -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exportFrame", "exportStrip", "exportSheet"])
def test_an_exported_png_dropped_on_a_fresh_start_brings_everything_back(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path],
    save_as: Callable[[str], Path], second: Callable[[], tuple[MainWindow, Parts]], name: str,
) -> None:  # fmt: skip
    source = _own_picture(window, parts, qtbot, make_image)
    parts.view.set_display(shown=Shown.SYMMETRIC)
    before = _x_t(parts)
    path = save_as("out.png")
    window.actions_by_name[name].trigger()
    _done(window, qtbot)
    assert window.toolbar.caption.text().startswith("Saved out.png")
    if name == "exportFrame":
        assert_array_equal(np.array(Image.open(path)), before)
    source.unlink()

    other, fresh = second()
    first = fresh.document.experiment
    _drop(other, path)
    _done(other, qtbot)
    saved, found = parts.document.experiment, fresh.document.experiment
    for part in ("schedule", "forward", "seed", "sampling"):
        assert getattr(found, part) == getattr(saved, part)
    assert [ref.name for ref in found.pictures] == [ref.name for ref in saved.pictures]
    assert fresh.view.t == 123
    assert fresh.view.display.shown is Shown.SYMMETRIC
    assert fresh.preview.picture is not None
    assert fresh.preview.picture.name == source.name
    assert _x_t(fresh).tobytes() == before.tobytes()
    assert other.toolbar.caption.text() == "Restored out.png; Ctrl+Z undoes it"
    assert other.images.bar.text == ""
    other.actions_by_name["undo"].trigger()
    assert fresh.document.experiment == first
    assert not fresh.document.history.undo_text


def test_the_command_line_makes_the_same_pixels_and_gets_them_into_the_window(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path],
    save_as: Callable[[str], Path], tmp_path: Path,
) -> None:  # fmt: skip
    source = make_image("mine.png", size=150)
    options = [
        "--size",
        "64",
        "--schedule",
        "linear",
        "--seed",
        "8",
        "--noise",
        "fresh",
        "--fit",
        "crop",
    ]
    command = [sys.executable, "-W", "error", "-m", "diffusion_gui.cli", "noise", str(source)]
    times = ",".join(str(t) for t, _ in window.images.strip.frames)
    assert times.startswith("0,")
    subprocess.run(
        [*command, "-o", "cli.png", *options, "--t", times],
        check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
    )  # fmt: skip
    _drop(window, tmp_path / "cli.png")
    _done(window, qtbot)
    assert parts.document.experiment.forward.noise is NoiseKind.FRESH
    assert parts.preview.picture is not None
    assert parts.preview.picture.name == "mine.png"
    path = save_as("window.png")
    window.actions_by_name["exportStrip"].trigger()
    _done(window, qtbot)
    ours, theirs = Image.open(path), Image.open(tmp_path / "cli.png")
    assert_array_equal(np.array(ours), np.array(theirs))


def test_restoring_where_everything_is_loaded_changes_no_picture(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path],
    save_as: Callable[[str], Path],
) -> None:  # fmt: skip
    _own_picture(window, parts, qtbot, make_image)
    before, pixels = parts.document.experiment, _x_t(parts)
    path = save_as("out.png")
    window.actions_by_name["exportFrame"].trigger()
    _done(window, qtbot)
    parts.document.replace(parts.first_experiment, "start over")
    parts.view.set_t(5)
    window.open([str(path)])
    _done(window, qtbot)
    ids = [ref.id for ref in parts.document.experiment.pictures]
    assert [ref.name for ref in parts.document.experiment.pictures] == [
        ref.name for ref in before.pictures
    ]
    assert set(ids[1:]) == {ref.id for ref in parts.first_experiment.pictures}
    assert _x_t(parts).tobytes() == pixels.tobytes()


def test_pictures_that_are_nowhere_are_said_in_one_line(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path],
    save_as: Callable[[str], Path], second: Callable[[], tuple[MainWindow, Parts]],
) -> None:  # fmt: skip
    window.open([str(make_image(f"{i}.png")) for i in range(3)])
    _done(window, qtbot)
    parts.document.replace_sampling("data", data=PICTURES)  # so that all of them are needed
    path = save_as("out.png")
    window.actions_by_name["exportFrame"].trigger()
    _done(window, qtbot)
    other, fresh = second()
    other.open([str(path)])
    _done(other, qtbot)
    line = "2 pictures left out: neither in out.png nor loaded; open them to have them again"
    assert other.images.bar.text == line
    names = [ref.name for ref in fresh.document.experiment.pictures]
    assert names == ["0.png", *(ref.name for ref in parts.first_experiment.pictures)]


def test_a_grid_brings_its_data_back(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path],
    save_as: Callable[[str], Path], second: Callable[[], tuple[MainWindow, Parts]],
) -> None:  # fmt: skip
    window.open([str(make_image(f"{i}.png")) for i in range(3)])
    _done(window, qtbot)
    start = Start(parts.view.picture, 400)
    parts.document.replace_sampling("few", data=PICTURES, steps=3, count=2, size=16, start=start)

    def grid(main: MainWindow, owned: Parts, name: str) -> Path:
        owned.sampling.run()
        qtbot.waitUntil(lambda: owned.sampling.state is RunState.DONE, timeout=TIMEOUT)
        path = save_as(name)
        main.actions_by_name["saveGrid"].trigger()
        _done(main, qtbot)
        return path

    path = grid(window, parts, "grid.png")
    other, fresh = second()
    _drop(other, path)
    _done(other, qtbot)
    assert other.images.bar.text == ""
    again = grid(other, fresh, "again.png")
    assert_array_equal(np.array(Image.open(path)), np.array(Image.open(again)))
    assert decode(Image.open(again).text[METADATA_KEY]).sampling.data == PICTURES


@pytest.mark.parametrize("text", ["{", '{"format": "diffusion-gui/9"}'])
def test_a_damaged_experiment_is_said_and_opens_as_a_picture(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path, text: str
) -> None:
    save_png(tmp_path / "d.png", np.full((20, 20, 3), 90, np.uint8), {METADATA_KEY: text})
    before = parts.document.experiment
    _drop(window, tmp_path / "d.png")
    _done(window, qtbot)
    line = window.images.bar.text
    assert line.startswith("d.png: ")
    assert line.endswith("; opened as a picture instead")
    assert "\n" not in line
    assert parts.document.experiment.pictures[0].name == "d.png"
    assert parts.document.experiment.schedule == before.schedule


def test_a_schedule_png_is_still_a_schedule_and_several_files_are_pictures(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path, make_image: Callable[..., Path],
    save_as: Callable[[str], Path],
) -> None:  # fmt: skip
    spec = ScheduleSpec("linear", 120)
    save_schedule(parts.document.schedule, tmp_path / "s.png", spec)
    _drop(window, tmp_path / "s.png")
    qtbot.waitUntil(lambda: not window.schedule_files.busy)
    assert parts.document.experiment.schedule == spec
    path = save_as("out.png")
    window.actions_by_name["exportFrame"].trigger()
    _done(window, qtbot)
    parts.document.replace_schedule(ScheduleSpec("cosine", 50), "preset")
    _drop(window, path, make_image("a.png"))
    _done(window, qtbot)
    assert window.images.bar.text == "out.png holds an experiment; open it alone to restore that"
    assert [ref.name for ref in parts.document.experiment.pictures[:2]] == ["out.png", "a.png"]
    assert parts.document.experiment.schedule == ScheduleSpec("cosine", 50)


def test_a_fresh_process_restores_from_its_command_line(
    window: MainWindow, parts: Parts, qtbot: QtBot, make_image: Callable[..., Path],
    save_as: Callable[[str], Path], tmp_path: Path,
) -> None:  # fmt: skip
    source = _own_picture(window, parts, qtbot, make_image)
    path = save_as("out.png")
    window.actions_by_name["exportStrip"].trigger()
    _done(window, qtbot)
    source.unlink()
    script = (
        "import sys\n"
        "from PySide6.QtCore import QSettings\n"
        "from PySide6.QtWidgets import QApplication\n"
        "from diffusion_gui.app.main_window import MainWindow\n"
        "from diffusion_gui.app.parts import build_parts\n"
        "from diffusion_gui.state.settings import Settings\n"
        "app = QApplication([])\n"
        "ini = QSettings(sys.argv[2], QSettings.Format.IniFormat)\n"
        "parts = build_parts(app, Settings(ini), device='cpu')\n"
        "window = MainWindow(parts)\n"
        "window.open([sys.argv[1]])\n"
        "while window.picture_files.busy: app.processEvents()\n"
        "pixels = parts.preview.tiles().x_t.pixels\n"
        "window.close()\n"
        "sys.stdout.buffer.write(pixels.tobytes())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path), str(tmp_path / "fresh.ini")],
        env=os.environ | {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout == _x_t(parts).tobytes()


# --- animations and tensors -----------------------------------------------------------------------


def test_the_dialog_says_how_long_it_gets_and_what_is_set_is_written(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path]
) -> None:
    parts.document.replace_forward("small", size=32)
    path = save_as("a.gif")
    window.actions_by_name["exportAnimation"].trigger()
    dialog = window.findChild(AnimationDialog)
    assert dialog.summary.text() == "78 frames, 3.9 s"
    dialog.frames.selectAll()
    qtbot.keyClicks(dialog.frames, "6")
    dialog.fps.selectAll()
    qtbot.keyClicks(dialog.fps, "10")
    qtbot.keyClick(dialog.way, Qt.Key.Key_Down)
    assert dialog.summary.text() == "6 frames, 0.6 s"
    qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    _done(window, qtbot)
    assert window.toolbar.caption.text() == "Saved a.gif, 6 frames"
    with Image.open(path) as image:
        assert image.n_frames == 6
        assert image.info["duration"] == 100
    window.actions_by_name["exportAnimation"].trigger()
    again = [d for d in window.findChildren(AnimationDialog) if d.isVisible()]
    assert again[0].frames.value() == 6
    qtbot.keyClick(again[0], Qt.Key.Key_Escape)
    assert not again[0].isVisible()


def test_tensors_are_exported_from_the_menu_of_the_button(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path]
) -> None:
    path = save_as("t.npz")
    entries = window.images.tools.export.menu().actions()
    next(a for a in entries if a.objectName() == "exportTensors").trigger()
    _done(window, qtbot)
    with np.load(path) as file:
        eps = gaussian(parts.document.experiment.seed, 0, START, file["eps"].shape)
        assert_array_equal(file["eps"], eps)
        assert file["t"] == parts.view.t


# --- progress, cancel, what goes wrong ------------------------------------------------------------


def _slow(window: MainWindow, save_as: Callable[[str], Path], name: str = "a.gif") -> Path:
    """Begin an export that takes long."""
    window._parts.document.replace_forward("large", size=0)
    path = save_as(name)
    window.actions_by_name["exportAnimation"].trigger()
    dialog = window.findChild(AnimationDialog)
    dialog.frames.setValue(600)
    dialog.save.click()
    return path


def test_an_export_shows_how_far_it_is_and_cancel_leaves_nothing(
    window: MainWindow, qtbot: QtBot, save_as: Callable[[str], Path]
) -> None:
    assert not window.images.tools.export_cancel.isVisible()
    path = _slow(window, save_as)
    qtbot.waitUntil(lambda: window.images.tools.export_progress.value() > 0, timeout=TIMEOUT)
    assert window.images.tools.export_progress.maximum() == 1198
    qtbot.mouseClick(window.images.tools.export_cancel, Qt.MouseButton.LeftButton)
    _done(window, qtbot)
    assert not window.images.tools.export_progress.isVisible()
    assert not window.images.tools.export_cancel.isVisible()
    assert not [f for f in path.parent.iterdir() if f.suffix in (".gif", ".part")]


def test_the_window_closes_in_the_middle_of_an_export(
    window: MainWindow, qtbot: QtBot, save_as: Callable[[str], Path]
) -> None:
    path = _slow(window, save_as)
    qtbot.waitUntil(lambda: window.images.tools.export_progress.value() > 0, timeout=TIMEOUT)
    window.close()
    assert not window.picture_files.exports._runner._thread.isRunning()
    assert not [f for f in path.parent.iterdir() if f.suffix in (".gif", ".part")]


def test_the_clipboard_does_not_wait_for_a_long_export(
    window: MainWindow, qtbot: QtBot, save_as: Callable[[str], Path]
) -> None:
    _slow(window, save_as)
    window.actions_by_name["copyPicture"].trigger()
    qtbot.waitUntil(lambda: "Copied" in window.toolbar.caption.text(), timeout=TIMEOUT)
    assert window.picture_files.exports.busy
    window.picture_files.exports.cancel()
    _done(window, qtbot)


def test_a_full_disk_is_said_and_nothing_else_is_lost(
    window: MainWindow, parts: Parts, qtbot: QtBot, save_as: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before, path = parts.document.experiment, save_as("f.png")
    monkeypatch.setattr(os, "fsync", full)
    window.actions_by_name["exportFrame"].trigger()
    _done(window, qtbot)
    assert window.images.bar.text == (
        f"{path}: cannot be written (No space left on device); choose another place"
    )
    assert parts.document.experiment == before
    assert not [f for f in path.parent.iterdir() if f.suffix in (".png", ".part")]
    monkeypatch.undo()


def test_a_target_that_is_read_only_or_gone_is_said(
    window: MainWindow, qtbot: QtBot, save_as: Callable[[str], Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "gone").mkdir()
    path = save_as("gone/f.png")
    shutil.rmtree(tmp_path / "gone")
    window.actions_by_name["exportFrame"].trigger()
    _done(window, qtbot)
    assert window.images.bar.text.startswith(f"{path}: there is no folder")
    path = save_as("f.png")
    real = Path.open

    def refuse(self: Path, mode: str = "r", *args: object, **kwargs: object):
        if mode == "xb":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    window.actions_by_name["exportFrame"].trigger()
    _done(window, qtbot)
    assert "cannot be written (Permission denied)" in window.images.bar.text
    assert not path.exists()


def test_without_a_picture_there_is_nothing_to_export(
    window: MainWindow, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.document.replace(replace(parts.document.experiment, pictures=()), "clear")
    asked: list[object] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: asked.append(a) or ("", ""))
    for name in ("exportFrame", "exportStrip", "exportSheet", "exportTensors", "exportAnimation",
                 "copyPicture"):  # fmt: skip
        window.images.bar.clear()
        window.actions_by_name[name].trigger()
        assert window.images.bar.text.startswith("There is no picture to export")
    assert asked == []


def test_an_unexpected_error_goes_the_crash_road(window: MainWindow, qtbot: QtBot) -> None:
    def broken(_: Watch) -> None:
        raise ZeroDivisionError

    with qtbot.capture_exceptions() as caught:
        window.picture_files.exports.start(broken, print)
        _done(window, qtbot)
    assert [kind for kind, *_ in caught] == [ZeroDivisionError]


# --- clipboard and drags --------------------------------------------------------------------------


def test_the_clipboard_has_the_picture_and_the_png_with_its_experiment(
    window: MainWindow, parts: Parts, qtbot: QtBot, tmp_path: Path
) -> None:
    window.actions_by_name["copyPicture"].trigger()
    qtbot.waitUntil(lambda: "Copied chelsea.png at t = 412" in window.toolbar.caption.text())
    mime = QGuiApplication.clipboard().mimeData()
    image = mime.imageData().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    x_t = _x_t(parts)
    assert_array_equal(rows[:, : 3 * image.width()].reshape(x_t.shape), x_t)
    (tmp_path / "pasted.png").write_bytes(bytes(mime.data("image/png").data()))
    with Image.open(tmp_path / "pasted.png") as pasted:
        assert_array_equal(np.array(pasted), x_t)
        assert decode(pasted.text[METADATA_KEY]) == parts.document.experiment


class Drags:
    """Stands in for the nested loop of a drag: keeps what hung at the mouse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mimes: list[QMimeData] = []
        self.thumbnails: list[tuple[int, int]] = []
        kept = self

        def take(drag: QDrag, actions: Qt.DropAction) -> Qt.DropAction:
            assert actions is Qt.DropAction.CopyAction
            kept.mimes.append(drag.mimeData())
            kept.thumbnails.append((drag.pixmap().width(), drag.pixmap().height()))
            kept.files = [url.toLocalFile() for url in drag.mimeData().urls()]
            return Qt.DropAction.CopyAction

        monkeypatch.setattr(QDrag, "exec", take)
        self.files: list[str] = []


def _drag(qtbot: QtBot, view, release: bool = False) -> None:
    begin = view.picture_rect().center()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=begin)
    for way in (4, 12, 30):
        qtbot.mouseMove(view, begin + QPoint(way, 0))
    if release:
        qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=begin + QPoint(30, 0))


def test_a_tile_is_dragged_out_as_a_file_that_restores(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch,
    second: Callable[[], tuple[MainWindow, Parts]],
) -> None:  # fmt: skip
    drags = Drags(monkeypatch)
    parts.view.set_t(300)
    tiles = parts.preview.tiles()
    names = {}
    for view, tile in (
        (window.images.tiles.x_0, tiles.x_0),
        (window.images.tiles.x_t, tiles.x_t),
        (window.images.tiles.signal, tiles.signal),
        (window.images.tiles.noise, tiles.noise),
    ):
        count = len(drags.mimes)
        _drag(qtbot, view)
        qtbot.waitUntil(lambda count=count: len(drags.mimes) > count, timeout=TIMEOUT)
        qtbot.mouseRelease(view, Qt.MouseButton.LeftButton)
        (file,) = drags.files
        names[view] = Path(file)
        assert_array_equal(np.array(Image.open(file)), tile.pixels)
        assert max(drags.thumbnails[-1]) == 96
    assert [path.name for path in names.values()] == [
        "chelsea.png", "chelsea-t300.png", "chelsea-t300-signal.png", "chelsea-t300-noise.png",
    ]  # fmt: skip
    other, fresh = second()
    _drop(other, names[window.images.tiles.x_t])
    _done(other, qtbot)
    assert fresh.view.t == 300
    assert_array_equal(_x_t(fresh), tiles.x_t.pixels)
    window.close()
    assert not any(path.exists() for path in names.values())


def test_a_drag_that_is_let_go_before_its_file_is_made_does_not_begin(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    drags = Drags(monkeypatch)
    _drag(qtbot, window.images.tiles.x_t, release=True)
    _done(window, qtbot)
    assert drags.mimes == []


def test_without_a_temporary_folder_one_line_says_so_and_nothing_is_written(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drags, files = Drags(monkeypatch), window.picture_files
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    view = window.images.tiles.x_t
    _drag(qtbot, view)
    _done(window, qtbot)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton)
    assert drags.mimes == []
    assert not list(Path.cwd().iterdir())
    assert "no folder for temporary files" in window.images.bar.text
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # there is one now
    _drag(qtbot, view)
    qtbot.waitUntil(lambda: len(drags.mimes) == 1, timeout=TIMEOUT)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton)
    assert not files.busy


def test_what_is_dragged_out_of_the_window_is_not_taken_back_in(
    window: MainWindow, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own:
        accepted = True

        def source(self) -> object:
            return window.images

        def mimeData(self) -> QMimeData:
            mime = QMimeData()
            mime.setUrls([QUrl.fromLocalFile("/x.png")])
            return mime

        def ignore(self) -> None:
            self.accepted = False

        def acceptProposedAction(self) -> None:
            self.accepted = True

    event = Own()
    window.dragEnterEvent(event)
    assert not event.accepted
    assert not window.images.property("drop")


def test_the_other_side_is_dragged_out_with_its_own_schedule(
    window: MainWindow, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    drags = Drags(monkeypatch)
    parts.comparison.switch()
    parts.document.replace_schedule(ScheduleSpec("linear", 200), "B")
    tiles = parts.preview.tiles()
    assert tiles.other is not None
    qtbot.waitUntil(window.images.tiles.x_t_other.isVisible)
    _drag(qtbot, window.images.tiles.x_t_other)
    qtbot.waitUntil(lambda: len(drags.mimes) > 0, timeout=TIMEOUT)
    qtbot.mouseRelease(window.images.tiles.x_t_other, Qt.MouseButton.LeftButton)
    assert_array_equal(np.array(Image.open(drags.files[0])), tiles.other.x_t.pixels)
    text = Image.open(drags.files[0]).text[METADATA_KEY]
    assert decode(text).schedule == parts.comparison.other
