"""Pictures that cannot be opened or shown in full: what is said then, and how they come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.app.scenes import scene_on_show
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import NoiseKind
from diffusion_gui.engine.images import Picture, Pixels
from diffusion_gui.engine.measures import psnr, ssim
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.spectrum import radial_spectrum
from diffusion_gui.session import picture_store
from diffusion_gui.session.forward_export import save_frame
from diffusion_gui.state import forward_preview, large_pictures, measures
from diffusion_gui.state.exporting import Exporter
from diffusion_gui.state.measures import Reading
from diffusion_gui.state.sampling import RunState

TIMEOUT = 30_000


def _pixels(height: int, width: int) -> Pixels:
    return np.random.default_rng(9).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a picture of 300 x 400 pixels."""
    path = tmp_path / "away.png"
    Image.fromarray(_pixels(300, 400)).save(path)
    return path


def _out_of_memory(parts: Parts, qtbot: QtBot, file: Path) -> str:
    """Open a file, show another picture, let the first go from memory and return its id."""
    parts.store._budget = 0
    parts.loader.open([str(file)])
    qtbot.waitUntil(lambda: not parts.loader.busy)
    first, second, *_ = parts.document.experiment.pictures
    parts.view.set_picture(second.id)
    parts.store.get(second.id)
    assert parts.store.peek(first.id) is None
    return first.id


def _gone(parts: Parts, qtbot: QtBot, file: Path) -> str:
    """Show a picture whose file has gone, and return its id."""
    picture = _out_of_memory(parts, qtbot, file)
    file.rename(file.with_suffix(".away"))
    parts.view.set_picture(picture)
    _wait_for_the_problem(parts, qtbot)
    return picture


def _wait_for_the_problem(parts: Parts, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert parts.preview.problem.startswith("away.png: the file is no longer there")


@pytest.mark.parametrize("change", ["seed", "offset", "noise"])
def test_the_thumbnail_of_a_file_that_has_gone_is_never_taken_for_the_picture(
    parts: Parts, qtbot: QtBot, file: Path, tmp_path: Path, change: str
) -> None:
    _gone(parts, qtbot, file)
    if change == "seed":
        parts.document.replace(replace(parts.document.experiment, seed=5), "reroll")
    else:
        parts.document.replace_forward("noise", **{change: 0.1 if change == "offset" else "path"})
    _wait_for_the_problem(parts, qtbot)
    assert parts.preview.pixels is None
    scene = scene_on_show(parts)
    assert scene is not None
    with pytest.raises(EngineError, match="no longer there"):
        save_frame(tmp_path / "frame.png", scene)
    file.with_suffix(".away").rename(file)
    parts.document.history.undo()
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert (parts.preview.problem, parts.preview.size) == ("", (400, 300))


def test_a_large_picture_that_could_not_be_rendered_is_tried_again_after_a_change(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.document.replace_forward("size", size=0)
    parts.loader.add(Picture("pasted", _pixels(1100, 1100)), "pasted")
    qtbot.waitUntil(lambda: not parts.preview.opening)
    real, calls = forward_preview.render, []

    def no_room(*args: object) -> object:
        if len(args) == 5:  # the whole of it
            calls.append(args)
            raise MemoryError
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(forward_preview, "render", no_room)
    parts.preview.tiles_changed.connect(parts.preview.tiles)  # as a view does
    parts.preview.tiles()
    qtbot.waitUntil(lambda: bool(parts.preview.problem))
    assert parts.preview.problem == "not enough memory; choose a smaller working size"
    assert parts.preview.pixels is not None, "it is open all the same"
    qtbot.wait(300)
    assert len(calls) == 1, "it is not tried over and over"
    monkeypatch.undo()
    parts.view.set_t(100)
    assert parts.preview.problem == ""
    qtbot.waitUntil(lambda: parts.preview.stride == 1)
    parts.preview.tiles_changed.disconnect(parts.preview.tiles)


def test_measures_and_chain_take_the_picture_and_not_the_thumbnail_shown_before_it(
    parts: Parts, qtbot: QtBot, file: Path
) -> None:
    parts.document.replace_schedule(ScheduleSpec("cosine", T=40), "T")
    picture = _out_of_memory(parts, qtbot, file)
    parts.document.replace_forward("size", size=128)
    parts.measures.set_watched(True)
    parts.chain.set_active(True)
    parts.view.set_picture(picture)
    assert parts.preview.opening
    assert parts.measures.reading(parts.preview.values()) is None
    qtbot.waitUntil(lambda: not parts.preview.opening)
    qtbot.waitUntil(lambda: not parts.chain.busy, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: _reading(parts) is not None, timeout=TIMEOUT)
    moment, reading = parts.preview.moment(), _reading(parts)
    assert moment is not None
    assert reading is not None
    x_0, eps = moment.pixels / 127.5 - 1.0, moment.eps.astype(np.float64)
    assert x_0.shape == (96, 128, 3)
    schedule, t = parts.document.schedule, parts.view.t
    x_t = float(schedule.a[t]) * x_0 + float(schedule.s[t]) * eps
    assert reading.ssim == pytest.approx(ssim(x_0, x_t), abs=1e-3)
    assert parts.chain.look is not None
    np.testing.assert_allclose(parts.chain.look.values[1], x_t, atol=1e-5)


def test_nothing_is_measured_of_the_thumbnail_of_a_file_that_has_gone(
    parts: Parts, qtbot: QtBot, file: Path
) -> None:
    parts.measures.set_watched(True)
    _gone(parts, qtbot, file)
    qtbot.waitUntil(lambda: not parts.measures.busy, timeout=TIMEOUT)
    qtbot.wait(2 * measures.INTERVAL_MS)
    assert _reading(parts) is None
    assert parts.measures.curves() is None


def _reading(parts: Parts) -> Reading | None:
    return parts.measures.reading(parts.preview.values())


@pytest.mark.parametrize("kind", list(NoiseKind))
def test_of_a_large_picture_the_middle_is_measured_pixel_by_pixel(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, kind: NoiseKind
) -> None:
    frozen = kind is NoiseKind.FROZEN
    monkeypatch.setattr(measures, "MAX_SIDE" if frozen else "DRAWN_SIDE", 64)
    here = ((picture_store, "LARGE"), (large_pictures, "LARGE"), (large_pictures, "WHOLE"))
    for module, name in here:
        monkeypatch.setattr(module, name, 100 * 100)
    y, x = np.mgrid[:200, :220]
    board = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    parts.document.replace_forward("size", size=0, noise=kind)
    parts.view.set_t(400)
    parts.loader.add(Picture("board", board), "pasted")
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert parts.preview.stride > 1
    parts.measures.set_watched(True)
    qtbot.waitUntil(lambda: _reading(parts) is not None, timeout=TIMEOUT)
    reading, schedule = _reading(parts), parts.document.schedule
    assert reading is not None
    middle = board[68:132, 78:142] / 127.5 - 1.0
    eps = NoiseField(0, middle.shape, kind).at(400, float(schedule.log_snr[400]))
    x_t = float(schedule.a[400]) * middle + float(schedule.s[400]) * eps.astype(np.float64)
    assert reading.ssim == pytest.approx(ssim(middle, x_t), abs=1e-3)
    assert reading.psnr == pytest.approx(psnr(middle, x_t), abs=1e-3)
    power = radial_spectrum(x_t)[1]
    np.testing.assert_allclose(reading.spectrum.x_t, power, rtol=1e-3, atol=1e-3)


def test_a_file_that_is_back_and_opened_again_is_shown_in_window_and_strip(
    parts: Parts, qtbot: QtBot, file: Path
) -> None:
    picture = _gone(parts, qtbot, file)
    (head,) = (head for head in parts.film.heads if head.picture == picture)

    def side() -> int:
        return parts.film.row(head, 3, 128).frames[0][1].shape[0]

    with qtbot.waitSignal(parts.film.changed):
        assert side() == 64
    file.with_suffix(".away").rename(file)
    assert side() == 64, "nobody has said that it is back"
    before = parts.document.experiment
    with qtbot.waitSignal(parts.film.changed):
        parts.loader.open([str(file)])
    qtbot.waitUntil(lambda: not parts.loader.busy and not parts.preview.opening)
    assert parts.document.experiment is before, "the tray is as it was"
    assert (parts.preview.problem, parts.preview.size) == ("", (400, 300))
    assert side() == 128


def test_a_picture_that_could_not_be_read_is_read_again_for_the_strip(
    parts: Parts, qtbot: QtBot, file: Path
) -> None:
    picture = _gone(parts, qtbot, file)
    (head,) = (head for head in parts.film.heads if head.picture == picture)
    with qtbot.waitSignal(parts.film.changed):
        parts.film.row(head, 3, 128)
    file.with_suffix(".away").rename(file)
    parts.film.try_again([picture])  # as after opening more pictures than stay in memory
    with qtbot.waitSignal(parts.film.changed):
        assert parts.film.row(head, 3, 128).frames[0][1].shape[0] == 64
    assert parts.film.row(head, 3, 128).frames[0][1].shape[0] == 128


def test_a_picture_that_is_in_memory_again_is_shown_when_the_tray_changes(
    parts: Parts, qtbot: QtBot, file: Path
) -> None:
    picture = _gone(parts, qtbot, file)
    file.with_suffix(".away").rename(file)
    parts.store.get(picture)  # as a restored experiment does
    parts.pictures.shift([picture], right=True)
    qtbot.waitUntil(lambda: not parts.preview.opening)
    assert (parts.preview.problem, parts.preview.size) == ("", (400, 300))


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, "device 'cuda' is not available here"),
        (MemoryError(), "not enough memory; "),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "not enough memory; "),
        (RuntimeError("first line\nsecond line"), "first line"),
    ],
)
def test_an_estimate_that_fails_leaves_the_finished_run_as_it_is(
    parts: Parts,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | None,
    line: str,
) -> None:
    from diffusion_gui.engine import device

    def fail(wish: str) -> None:
        raise error or EngineError(f"device {wish!r} is not available here")

    parts.sampling.live = False
    parts.document.replace_sampling("short", steps=2, size=8, count=1)
    parts.sampling.run()
    qtbot.waitUntil(lambda: parts.sampling.state is RunState.DONE, timeout=TIMEOUT)
    parts.view.set_t(500)  # the run took the cursor to its last step, where there is no noise
    monkeypatch.setattr(device, "choose", fail)
    parts.sampling.set_device("cuda")
    parts.view.set_display(estimate=True)
    qtbot.waitUntil(lambda: bool(parts.estimator.message), timeout=TIMEOUT)
    assert parts.estimator.message.startswith(line)
    assert "\n" not in parts.estimator.message
    assert (parts.sampling.state, parts.sampling.message) == (RunState.DONE, "")


def test_an_export_without_memory_says_what_to_do(qtbot: QtBot) -> None:
    def work(_: object) -> None:
        raise MemoryError

    exporter = Exporter("exports")
    with qtbot.waitSignal(exporter.failed) as said:
        exporter.start(work, lambda _: None)
    assert said.args == ["not enough memory; lower the working size (Options)"]
    exporter.shutdown()
