"""Exports of the forward process: their pixels, their times, their values, what is refused."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.experiment import Experiment, Fit, Forward, NoiseKind, PictureRef
from diffusion_gui.engine.forward import Shown
from diffusion_gui.engine.images import Picture
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.schedules import ScheduleSpec, build
from diffusion_gui.session import animation, frame_sheet, video
from diffusion_gui.session.animation import KINDS, Motion, save_animation
from diffusion_gui.session.export import METADATA_KEY, save_grid
from diffusion_gui.session.format import View, decode_saved
from diffusion_gui.session.forward_export import (
    Part,
    Scene,
    Subject,
    file_stem,
    save_frame,
    save_sheet,
    save_strip,
    save_tensors,
    sheet_layout,
    shot,
    tensors,
)
from diffusion_gui.session.frame_sheet import Layout, Row
from diffusion_gui.session.watch import Watch

SHAPE = (21, 33, 3)


def _pixels(number: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Return a smooth picture: a coloured slope with a bright disc."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    slope = np.stack([x * 7 + 20 * number, y * 11, 255 - 5 * x], axis=-1) % 256
    disc = (x - shape[1] / 2) ** 2 + (y - shape[0] / 2) ** 2 < 30
    slope[disc] = 250
    return slope.astype(np.uint8)


def _scene(count: int = 1, shape: tuple[int, int, int] = SHAPE, **view: object) -> Scene:
    refs = tuple(PictureRef(f"id{i}", f"picture {i}.png") for i in range(count))
    experiment = Experiment(ScheduleSpec("cosine", 100), refs, Forward(64), seed=5)
    subjects = tuple(
        Subject(ref, lambda i=i: Picture(refs[i].name, _pixels(i, shape)))
        for i, ref in enumerate(refs)
    )
    return Scene(experiment, View(**{"t": 40, "picture": "id0"} | view), subjects)


def _expected(pixels: np.ndarray, t: int, spec: ScheduleSpec, seed: int = 5) -> np.ndarray:
    """Return x_t in grey levels, float64, clipped, not rounded."""
    schedule = build(spec)
    eps = gaussian(seed, 0, START, pixels.shape).astype(np.float64)
    x_0 = pixels.astype(np.float64) / 127.5 - 1.0
    x_t = schedule.a[t] * x_0 + schedule.s[t] * eps
    return np.clip((x_t + 1.0) * 127.5, 0.0, 255.0)


def _open(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def _assert_shows(shown: np.ndarray, expected: np.ndarray) -> None:
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(np.float64) - expected).max() <= 0.501


# --- one picture ----------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0, 40, 100])
def test_a_frame_is_x_t_and_carries_what_it_was_made_from(tmp_path: Path, t: int) -> None:
    scene = _scene(t=t)
    save_frame(tmp_path / "f.png", scene)
    _assert_shows(_open(tmp_path / "f.png"), _expected(_pixels(), t, scene.experiment.schedule))
    with Image.open(tmp_path / "f.png") as image:
        saved = decode_saved(image.text[METADATA_KEY])
    assert saved.experiment == scene.experiment
    assert saved.view == replace(scene.view, span=(-1.0, 1.0))
    assert (tmp_path / "f.png").read_bytes() == shot(scene).png


@pytest.mark.parametrize("shown", [Shown.NORMALISE, Shown.SYMMETRIC])
def test_the_display_range_is_in_the_pixels_and_in_the_metadata(
    tmp_path: Path, shown: Shown
) -> None:
    scene = _scene(shown=shown)
    values = tensors(scene)["x_t"].astype(np.float64)
    low, high = values.min(), values.max()
    if shown is Shown.SYMMETRIC:
        high = max(-low, high)
        low = -high
    save_frame(tmp_path / "f.png", scene)
    _assert_shows(_open(tmp_path / "f.png"), (values - low) / (high - low) * 255.0)
    with Image.open(tmp_path / "f.png") as image:
        view = decode_saved(image.text[METADATA_KEY]).view
    assert view is not None
    assert view.shown is shown
    assert_allclose(view.span, (low, high), rtol=1e-6)


def test_every_part_of_a_picture_can_be_shot() -> None:
    scene = _scene()
    schedule = build(scene.experiment.schedule)
    x_0 = _pixels().astype(np.float64) / 127.5 - 1.0
    eps = gaussian(5, 0, START, SHAPE).astype(np.float64)
    for part, values in (
        (Part.X_0, x_0),
        (Part.X_T, schedule.a[40] * x_0 + schedule.s[40] * eps),
        (Part.SIGNAL, schedule.a[40] * x_0),
        (Part.NOISE, schedule.s[40] * eps),
    ):
        _assert_shows(shot(scene, part).pixels, np.clip((values + 1) * 127.5, 0, 255))


# --- sheets ---------------------------------------------------------------------------------------


def _frame_at(
    sheet: np.ndarray, layout: Layout, row: int, column: int, frame: np.ndarray
) -> np.ndarray:
    left, top = layout.place(row, column, frame)
    height, width = (side * layout.scale for side in frame.shape[:2])
    return sheet[top : top + height : layout.scale, left : left + width : layout.scale]


def test_a_strip_shows_x_t_under_both_sides_with_the_same_noise(tmp_path: Path) -> None:
    sides = {"A": ScheduleSpec("cosine", 100), "B": ScheduleSpec("linear", 50)}
    times = {"A": [0, 50, 100], "B": [0, 25, 50]}
    save_strip(tmp_path / "s.png", replace(_scene(), sides=sides), times)
    sheet = _open(tmp_path / "s.png")
    layout = Layout([Row(times["A"], list, "A"), Row(times["B"], list, "B")], (33, 21))
    assert sheet.shape == (*reversed(layout.size), 3)
    assert layout.scale == 3
    assert layout.labelled == [True, True]
    for row, (side, spec) in enumerate(sides.items()):
        for column, t in enumerate(times[side]):
            shown = _frame_at(sheet, layout, row, column, _pixels())
            _assert_shows(shown, _expected(_pixels(), t, spec))


def test_nothing_is_drawn_over_the_frames_and_text_stands_between_them(tmp_path: Path) -> None:
    scene, times = _scene(), [0, 100]
    save_strip(tmp_path / "s.png", scene, {"": times})
    sheet = _open(tmp_path / "s.png")
    layout = Layout([Row(times, list)], (33, 21))
    below = sheet[layout.tops[0] + layout.cell[1] :]
    for column in range(2):
        left = layout.corner(0, column)[0]
        ink = below[:, left : left + layout.cell[0]].min()
        assert ink < 140
    assert below[-2:].min() == 255


def test_a_sheet_has_a_row_for_every_picture(tmp_path: Path) -> None:
    scene, times = _scene(3), [0, 30, 60, 100]
    seen: list[tuple[int, int]] = []
    watch = Watch(progress=lambda done, total: seen.append((done, total)))
    assert save_sheet(tmp_path / "c.png", scene, times, watch) == (0, 3)
    sheet = _open(tmp_path / "c.png")
    layout = Layout([Row(times, list, "name")] * 3, (max(SHAPE), max(SHAPE)))
    assert layout.labelled == [False, False, True]
    for row in range(3):
        for column, t in enumerate(times):
            shown = _frame_at(sheet, layout, row, column, _pixels())
            expected = _expected(_pixels(row), t, scene.experiment.schedule)
            _assert_shows(shown, expected)
    assert seen == [(i + 1, 12) for i in range(12)]


@pytest.mark.parametrize("size", [0, 512])
def test_cells_are_no_larger_than_the_largest_picture(tmp_path: Path, size: int) -> None:
    scene = _scene(3, (20, 16, 3))
    larger = Subject(scene.subjects[1].ref, lambda: Picture("b", _pixels(1, (12, 40, 3))))
    subjects = (scene.subjects[0], larger, scene.subjects[2])
    experiment = replace(scene.experiment, forward=Forward(size))
    scene = replace(scene, experiment=experiment, subjects=subjects)
    assert save_sheet(tmp_path / "c.png", scene, [0, 50]) == (0, 3)
    sheet = _open(tmp_path / "c.png")
    layout = Layout([Row([0, 50], list, "name")] * 3, (40, 40))
    assert sheet.shape == (*reversed(layout.size), 3)
    for row, shape in enumerate([(20, 16, 3), (12, 40, 3), (20, 16, 3)]):
        pixels = _pixels(row, shape)
        _assert_shows(
            _frame_at(sheet, layout, row, 1, pixels), _expected(pixels, 50, experiment.schedule)
        )


def test_a_halved_sheet_says_at_which_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_sheet, "MOST_PIXELS", 40_000)
    scene = _scene(3, (80, 100, 3))
    scene = replace(scene, experiment=replace(scene.experiment, forward=Forward(512)))
    assert save_sheet(tmp_path / "c.png", scene, [0, 50]) == (50, 3)


def test_a_large_sheet_has_smaller_cells_and_a_large_strip_is_refused(tmp_path: Path) -> None:
    for size, count, columns, cell, scale in (
        (512, 3, 11, 512, 1),
        (512, 500, 13, 64, 1),
        (512, 550, 11, 64, 1),
        (512, 2000, 11, 32, 1),
        (512, 1, 5, 512, 1),
        (32, 3, 11, 32, 3),
        (32, 2000, 20, 32, 1),
    ):
        rows = [Row(range(0, 1000, 1000 // columns)[:columns], list, "name")] * count
        found, layout = sheet_layout(rows, size)
        assert (found, layout.scale) == (cell, scale)
        assert layout.size[0] * layout.size[1] <= 120_000_000
    big = _scene(shape=(2000, 3000, 3))
    big = replace(big, experiment=replace(big.experiment, forward=Forward(0)))
    with pytest.raises(EngineError, match=r"the sheet would be .* megapixels; lower") as caught:
        save_strip(tmp_path / "s.png", big, {"": list(range(30))})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["猫の写真.png", "кошка.jpg", "قطة.webp", "a\x00b\n.png", "Ä" * 400]
)
def test_names_of_any_script_and_length_are_drawn_or_numbered(tmp_path: Path, name: str) -> None:
    scene = _scene(2)
    refs = (PictureRef("id0", name), PictureRef("id1", "plain"))
    subjects = tuple(
        replace(subject, ref=ref) for subject, ref in zip(scene.subjects, refs, strict=True)
    )
    experiment = replace(scene.experiment, pictures=refs)
    scene = replace(scene, subjects=subjects, experiment=experiment)
    save_sheet(tmp_path / "c.png", scene, [0, 50])
    with Image.open(tmp_path / "c.png") as image:
        assert decode_saved(image.text[METADATA_KEY]).experiment.pictures == refs


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", list(NoiseKind))
@pytest.mark.parametrize("preset", ["linear", "ve", "flow"])
def test_tensors_are_those_of_the_closed_form(tmp_path: Path, noise: str, preset: str) -> None:
    scene = _scene()
    experiment = replace(
        scene.experiment,
        schedule=ScheduleSpec(preset, 100),
        forward=Forward(64, noise=NoiseKind(noise), offset=0.2),
    )
    save_tensors(tmp_path / "t.npz", replace(scene, experiment=experiment))
    schedule = build(experiment.schedule)
    with np.load(tmp_path / "t.npz", allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    assert all(found[name].dtype == np.float32 for name in ("x_0", "eps", "x_t"))
    assert_allclose(found["x_0"], _pixels().astype(np.float64) / 127.5 - 1.0, atol=1.2e-7)
    x_t = schedule.a[40] * found["x_0"].astype(np.float64) + schedule.s[40] * found["eps"]
    assert_allclose(found["x_t"], x_t, rtol=1e-6, atol=3e-7 * float(schedule.s[40] + 1))
    assert np.abs(found["x_t"]).max() > 1.0
    assert abs(found["eps"].std() - np.sqrt(1.0 + 0.04)) < 0.15
    for name in ("a", "s", "alpha_bar", "log_snr"):
        assert found[name] == getattr(schedule, name)[40]
    assert_array_equal(found["beta"], schedule.beta[1:])
    assert (found["t"], found["seed"], str(found["family"])) == (40, 5, schedule.family.value)
    assert decode_saved(str(found["experiment"])).experiment == experiment


# --- animations -----------------------------------------------------------------------------------


@given(st.integers(2, 600), st.integers(1, 50), st.booleans(), st.integers(1, 2000))
def test_times_never_stand_still_and_durations_add_up(
    frames: int, fps: int, back: bool, T: int
) -> None:
    motion = Motion(frames, fps, back)
    times = motion.times(T)
    assert times[0] == 0
    assert max(times) == T
    assert 0 not in np.diff(times)
    if back and len(times) > 2:
        assert times[-1] != times[0]
        assert times[1:] == times[:0:-1]
    for unit in (1, 10):
        durations = motion.durations(len(times), unit)
        assert min(durations) >= 10
        assert abs(sum(durations) - 1000 * len(times) / fps) <= unit / 2
        assert max(durations) - min(durations) <= unit


@pytest.mark.parametrize("ending", [".gif", ".webp", ".apng"])
@pytest.mark.parametrize("back", [False, True])
def test_an_animation_has_its_frames_and_its_time(tmp_path: Path, ending: str, back: bool) -> None:
    scene, motion = _scene(), Motion(9, 24, back)
    path = tmp_path / f"a{ending}"
    count = save_animation(path, scene, motion)
    assert count == (16 if back else 9)
    times = motion.times(100)
    with Image.open(path) as image:
        assert image.n_frames == count
        assert image.info.get("loop", 0) == 0
        durations = []
        for index, t in enumerate(times):
            image.seek(index)
            image.load()
            durations.append(image.info["duration"])
            error = np.array(image.convert("RGB")) - _expected(
                _pixels(), t, scene.experiment.schedule
            )
            if ending == ".webp":  # which keeps the colour of every second pixel only
                error = error @ [0.299, 0.587, 0.114]
            most = {".apng": 0.501, ".gif": 30.0, ".webp": 12.0}[ending]
            assert np.sqrt((error**2).mean()) <= most
    assert sum(durations) == pytest.approx(1000 * count / 24, abs=10)


def test_an_apng_carries_the_experiment(tmp_path: Path) -> None:
    scene = _scene()
    save_animation(tmp_path / "a.apng", scene, Motion(3))
    with Image.open(tmp_path / "a.apng") as image:
        saved = decode_saved(image.text[METADATA_KEY])
    assert (saved.experiment, saved.view) == (scene.experiment, scene.view)


@pytest.mark.parametrize("shape", [(21, 33, 3), (120, 97, 3)])
@pytest.mark.parametrize("doubled", [True, False])
def test_an_mp4_plays_near_the_originals(
    tmp_path: Path, shape: tuple[int, int, int], doubled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "DOUBLED", 720 if doubled else 0)
    scene = _scene(shape=shape)
    scene = replace(scene, experiment=replace(scene.experiment, forward=Forward(0)))
    motion = Motion(7, 25)
    count = save_animation(tmp_path / "a.mp4", scene, motion)
    height, width = shape[:2]
    with av.open(tmp_path / "a.mp4") as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 25
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = [
            frame.reformat(
                format="rgb24", src_colorspace="ITU709", interpolation="AREA"
            ).to_ndarray()
            for frame in container.decode(video=0)
        ]
    assert len(frames) == count == 12
    for frame, t in zip(frames, motion.times(100), strict=True):
        expected = _expected(_pixels(0, shape), t, scene.experiment.schedule)
        if doubled:
            assert frame.shape == (2 * height, 2 * width, 3)
            frame = frame.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
            assert np.sqrt(((frame - expected) ** 2).mean()) < 12.0
        else:
            assert frame.shape == (height + height % 2, width + width % 2, 3)
            frame = frame[:height, :width]
            grey = (frame @ [0.2126, 0.7152, 0.0722]) - (expected @ [0.2126, 0.7152, 0.0722])
            assert np.sqrt((grey**2).mean()) < 20.0


def test_without_pyav_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r'pip install "diffusion-gui\[video\]"'):
        save_animation(tmp_path / "a.mp4", _scene(), Motion())
    assert not list(tmp_path.iterdir())


def test_a_long_animation_of_a_large_picture_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "_MOST_PIXELS", 10_000)
    with pytest.raises(EngineError, match=r"78 frames of 33 x 21 are over .* fewer frames"):
        save_animation(tmp_path / "a.gif", _scene(), Motion())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "motion", [Motion(frames=1), Motion(frames=601), Motion(fps=0), Motion(fps=51)]
)
def test_motion_out_of_range_is_refused(motion: Motion) -> None:
    with pytest.raises(EngineError, match="is outside"):
        motion.times(100)


# --- what goes wrong ------------------------------------------------------------------------------

WRITERS = {
    "f.png": lambda path, watch: save_frame(path, _scene(), watch),
    "s.png": lambda path, watch: save_strip(path, _scene(), {"": [0, 50]}, watch),
    "c.png": lambda path, watch: save_sheet(path, _scene(2), [0, 50], watch),
    "g.png": lambda path, watch: save_grid(
        path, np.stack([_pixels()] * 3), Experiment(), poll=watch.poll
    ),
    "t.npz": lambda path, watch: save_tensors(path, _scene(), watch),
    **{
        f"a{ending}": lambda path, watch: save_animation(path, _scene(), Motion(5), watch)
        for ending in KINDS
    },
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_keeps_the_older_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(b"older")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineError) as caught:
        WRITERS[name](path, Watch())
    assert str(caught.value) == (
        f"{path}: cannot be written (No space left on device); choose another place"
    )
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_fills_while_it_is_written_leaves_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def opened(self: Path, mode: str = "r", *args: object, **kwargs: object):
        return Full(real(self, mode, *args, **kwargs)) if mode == "xb" else real(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(EngineError, match="No space left on device"):
        WRITERS[name](tmp_path / name, Watch())
    assert not list(tmp_path.iterdir())


class Full:
    """A file on a disk that has room for 100 bytes more."""

    def __init__(self, file) -> None:
        self._file = file
        self._room = 100

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> object:
        if name == "fileno":
            raise AttributeError(name)
        return getattr(self._file, name)

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)


@pytest.mark.parametrize("name", WRITERS)
def test_a_vanished_folder_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match="there is no folder") as caught:
        WRITERS[name](tmp_path / "gone" / name, Watch())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", WRITERS)
def test_cancelling_leaves_nothing_at_whichever_point_it_comes(tmp_path: Path, name: str) -> None:
    class Polls:
        left = 10**6
        seen = 0

        def __call__(self) -> None:
            self.seen += 1
            if self.seen > self.left:
                raise Cancelled

    polls = Polls()
    WRITERS[name](tmp_path / name, Watch(polls))
    (tmp_path / name).unlink()
    assert polls.seen > 0
    for left in {0, polls.seen // 2, polls.seen - 1}:
        again = Polls()
        again.left = left
        with pytest.raises(Cancelled):
            WRITERS[name](tmp_path / name, Watch(again))
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_cancelling_when_all_is_written_leaves_the_older_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cancelled, real = tmp_path / name, [], os.fsync
    path.write_bytes(b"older")

    def sync(number: int) -> None:
        real(number)
        cancelled.append(number)

    def poll() -> None:
        if cancelled:
            raise Cancelled

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(Cancelled):
        WRITERS[name](path, Watch(poll))
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("cat.png", "cat"),
        ("a/b\\c: d?.jpeg", "b_c_d_"),
        ("猫 の 写真.png", "猫_の_写真"),
        ("..", "picture"),
        ("", "picture"),
        ("con.png", "con_"),
        ("grinning face", "grinning_face"),
        ("x" * 300, "x" * 200),
        ("猫" * 300, "猫" * 66),
        ("\U00020000" * 60, "\U00020000" * 50),
    ],
)
def test_file_names_are_safe_everywhere(name: str, stem: str) -> None:
    assert file_stem(name).startswith(stem[:-1])
    assert file_stem(name) in (stem, stem.rstrip("_"))


def test_a_picture_is_arranged_as_the_experiment_says() -> None:
    scene = _scene()
    experiment = replace(scene.experiment, forward=Forward(32, Fit.CROP))
    scene = replace(scene, experiment=experiment)
    assert scene.pixels(scene.subject).shape == (21, 21, 3)
