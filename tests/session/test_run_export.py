"""Runs as files: the pixels of the frames, the floats of the steps, and what a failure leaves."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from safetensors.numpy import load_file

from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.experiment import PICTURES, Experiment, Fork, PictureRef, Sampling
from diffusion_gui.engine.images import contact_sheet
from diffusion_gui.engine.planning import calls_by_step
from diffusion_gui.engine.recorder import Recorder
from diffusion_gui.engine.reverse import run
from diffusion_gui.engine.samplers import Step
from diffusion_gui.engine.trajectory import Frame
from diffusion_gui.session import animation, run_folder
from diffusion_gui.session.export import METADATA_KEY, png_bytes
from diffusion_gui.session.format import decode, decode_saved
from diffusion_gui.session.png_parts import read_carried
from diffusion_gui.session.run_export import (
    BETWEEN,
    Look,
    RunMotion,
    evenly,
    save_images,
    save_numbers,
    save_run_animation,
    save_sheet,
    save_step,
    save_steps,
    shot,
)
from diffusion_gui.session.run_folder import Written, expected_bytes
from diffusion_gui.session.run_inputs import Carriage, RunInputs
from diffusion_gui.session.trajectory_export import save_trajectory
from diffusion_gui.session.watch import Watch

SAMPLING = Sampling(model="gaussian", size=16, count=3, steps=5)
FORKED = Experiment(
    sampling=replace(SAMPLING, sampler="euler_ancestral"),
    seed=4,
    fork=Fork(Experiment(sampling=SAMPLING), 2),
)


def _frames(experiment: Experiment) -> list[Frame]:
    recorder, frames = Recorder(), []
    for step in run(experiment, RunInputs()):
        frames += recorder.put(step)
    return frames + recorder.flush()


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    return _frames(FORKED)


CARRIED = Carriage(FORKED, {})


def _open(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def _told(path: Path) -> Experiment:
    with Image.open(path) as image:
        return decode(image.text[METADATA_KEY])


def test_a_step_is_its_grids_side_by_side(tmp_path: Path, frames: list[Frame]) -> None:
    frame = frames[3]
    look = Look(("x_t", "eps_hat"), cell=32)
    save_step(tmp_path / "s.png", frame, look, CARRIED)
    shown = _open(tmp_path / "s.png")
    left = contact_sheet(frame.x_t, 2, scale=2)
    right = contact_sheet(frame.eps_hat, 2, scale=2)
    assert_array_equal(shown[:, : left.shape[1]], left)
    assert (shown[:, left.shape[1] :][:, :BETWEEN] == 255).all()
    assert_array_equal(shown[:, left.shape[1] + BETWEEN :], right)
    with Image.open(tmp_path / "s.png") as image:
        saved = decode_saved(image.text[METADATA_KEY])
    assert saved.experiment == FORKED
    assert saved.view is not None
    assert saved.view.t == frame.t, "it is looked at again at the step that it shows"
    short = replace(FORKED, schedule=replace(FORKED.schedule, T=10))
    again = shot(frames[0], look, Carriage(short, {}))  # from before a fork with a shorter schedule
    with Image.open(io.BytesIO(again.png)) as image:
        assert decode_saved(image.text[METADATA_KEY]).view.t == 10
    assert (tmp_path / "s.png").read_bytes() == shot(frame, look, CARRIED).png


def test_single_pictures_are_files_pixel_for_pixel(tmp_path: Path, frames: list[Frame]) -> None:
    assert save_images(tmp_path, "a", frames[-1], Look(("x_t",), cell=16), CARRIED) == Written(3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-01.png", "a-02.png", "a-03.png"]
    for path, pixels in zip(sorted(tmp_path.iterdir()), frames[-1].x_t, strict=True):
        assert_array_equal(_open(path), pixels)
        assert _told(path) == FORKED


def test_chosen_steps_are_numbered_by_their_step(tmp_path: Path, frames: list[Frame]) -> None:
    chosen = evenly(frames, 3)
    assert [frame.index for frame in chosen] == [0, 2, 5]
    look = Look(images=(1,), cell=16)
    assert save_steps(tmp_path, "run", chosen, look, CARRIED) == Written(3)
    names = ["run-step-00.png", "run-step-02.png", "run-step-05.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name, frame in zip(names, chosen, strict=True):
        assert_array_equal(_open(tmp_path / name), frame.x0_hat[1])


def _own(count: int) -> Carriage:
    """Return a run whose model knows `count` pictures of noise, which cannot be packed."""
    rng = np.random.default_rng(0)
    refs = tuple(PictureRef(f"{i:032x}", f"{i}.png") for i in range(count))
    pictures = {ref.id: rng.integers(0, 256, (32, 32, 3), np.uint8) for ref in refs}
    sampling = replace(SAMPLING, model="exact", data=PICTURES, size=32)
    return Carriage(Experiment(pictures=refs, sampling=sampling), pictures)


@pytest.mark.parametrize("kind", ["images", "steps"])
def test_pictures_that_are_large_go_along_once_in_a_folder(
    tmp_path: Path, frames: list[Frame], kind: str
) -> None:
    def write(place: Path, carried: Carriage) -> Written:
        place.mkdir()
        if kind == "images":
            return save_images(place, "a", frames[-1], Look(cell=16), carried)
        return save_steps(place, "a", frames[-3:], Look(images=(0,), cell=16), carried)

    few, many = _own(20), _own(200)
    assert write(tmp_path / "few", few) == Written(3)
    for path in (tmp_path / "few").iterdir():
        assert read_carried(path).pictures.keys() == few.pictures.keys()

    assert write(tmp_path / "many", many) == Written(4, "a-run.png")
    keeper, *others = sorted((tmp_path / "many").iterdir(), key=lambda p: p.name != "a-run.png")
    found = read_carried(keeper, [METADATA_KEY])
    assert decode(found.texts[METADATA_KEY]) == many.experiment
    for picture_id, pixels in many.pictures.items():
        assert_array_equal(found.pictures[picture_id], pixels)
    assert_array_equal(_open(keeper), Look().drawn(frames[-1]))
    assert len(others) == 3
    for path in others:
        found = read_carried(path, [METADATA_KEY])
        assert decode(found.texts[METADATA_KEY]) == _told(path) == many.experiment
        assert not found.pictures
        assert path.stat().st_size < keeper.stat().st_size / 20


def test_many_copies_are_too_much_even_of_few_pictures(
    tmp_path: Path, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = _own(20)
    monkeypatch.setattr(run_folder, "MOST_COPIES", 150_000)
    assert save_images(tmp_path, "a", frames[-1], Look(), few) == Written(4, "a-run.png")


def test_a_folder_is_measured_before_anything_is_written(
    tmp_path: Path, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Look(("x_t",), cell=64)
    assert save_images(tmp_path, "a", frames[0], look, CARRIED).files == 3
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    asked: list[object] = []

    def room(folder: object) -> float:
        asked.append(folder)
        return rooms.pop()

    rooms = [written * 1.2, written * 0.8]
    monkeypatch.setattr(run_folder, "free_bytes", room)
    (tmp_path / "b").mkdir()
    with pytest.raises(EngineError, match=r"b: 3 files of about .* take .*, and .* are free there"):
        save_images(tmp_path / "b", "a", frames[0], look, CARRIED)
    assert not list((tmp_path / "b").iterdir())
    assert save_images(tmp_path / "b", "a", frames[0], look, CARRIED).files == 3
    assert asked == [tmp_path / "b"] * 2


def test_the_size_of_a_png_is_told_from_its_middle() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (100, 150, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    for pixels in (noise, noise[:40, :30], np.zeros((700, 20, 3), np.uint8)):
        told = expected_bytes(pixels)
        assert told == pytest.approx(len(png_bytes(pixels, {}, {})), rel=0.25, abs=200)


def test_a_sheet_has_a_row_for_every_picture_and_a_column_for_every_step(
    tmp_path: Path, frames: list[Frame]
) -> None:
    save_sheet(tmp_path / "s.png", frames, Look(("x_t", "x0_hat"), cell=64), CARRIED)
    sheet = _open(tmp_path / "s.png")
    for frame in frames:
        for picture in (*frame.x_t, *frame.x0_hat):
            large = picture.repeat(4, axis=0).repeat(4, axis=1)
            first = sheet[:, : sheet.shape[1] - 63]
            rows, columns = np.nonzero((first == large[0, 0]).all(axis=2))
            assert any(
                np.array_equal(sheet[y : y + 64, x : x + 64], large)
                for y, x in zip(rows.tolist(), columns.tolist(), strict=True)
            )
    assert _told(tmp_path / "s.png") == FORKED


def test_a_sheet_that_is_too_large_says_what_makes_it_smaller(
    tmp_path: Path, frames: list[Frame]
) -> None:
    with pytest.raises(EngineError, match="choose fewer steps"):
        save_sheet(tmp_path / "s.png", frames * 400, Look(cell=256), CARRIED)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".gif", ".webp", ".apng"])
def test_the_size_of_an_animation_is_told_from_a_few_of_its_steps(
    tmp_path: Path, ending: str
) -> None:
    frames = _frames(Experiment(sampling=replace(SAMPLING, steps=20, count=9)))
    look, few = Look(("x_t", "x0_hat"), cell=128), Look(("x_t", "x0_hat"), (0, 1, 2, 3), 128)
    told = animation.expected_bytes([few.drawn(one) for one in evenly(frames, 4)], ending)
    height, width = look.drawn(frames[0]).shape[:2]
    path = tmp_path / f"a{ending}"
    save_run_animation(path, frames, RunMotion(steps=40, look=look), Carriage(FORKED, {}))
    assert told * len(frames) * height * width == pytest.approx(path.stat().st_size, rel=0.5)


@pytest.mark.parametrize("ending", [".gif", ".webp", ".apng", ".mp4"])
def test_the_animation_of_a_run_holds_its_last_step(
    tmp_path: Path, frames: list[Frame], ending: str
) -> None:
    path = tmp_path / f"a{ending}"
    motion = RunMotion(steps=4, fps=10, hold=1.0, look=Look(("x_t", "x0_hat"), cell=32))
    assert save_run_animation(path, frames, motion, CARRIED) == 4
    if ending == ".mp4":
        import av

        with av.open(str(path)) as video:
            assert sum(1 for _ in video.decode(video=0)) == 4 + 10
        return
    with Image.open(path) as film:
        assert film.n_frames == 4
        lasting = []
        for index, frame in enumerate(evenly(frames, 4)):
            film.seek(index)
            if ending == ".apng":
                assert_array_equal(np.array(film.convert("RGB")), motion.look.drawn(frame))
            film.load()
            lasting.append(film.info["duration"])
    assert lasting == [100, 100, 100, 1100]
    if ending == ".apng":
        assert _told(path) == FORKED


def test_the_numbers_of_every_step_are_a_table(tmp_path: Path, frames: list[Frame]) -> None:
    save_numbers(tmp_path / "n.csv", frames, calls_by_step(FORKED))
    with (tmp_path / "n.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3, 4, 5]
    assert [int(row["nfe"]) for row in rows] == calls_by_step(FORKED)
    assert rows[0]["cosine_1"] == ""
    for row, frame in zip(rows, frames, strict=True):
        assert float(row["sigma"]) == pytest.approx(frame.sigma, rel=1e-8)
        changes = [float(row[f"change_{i}"]) for i in (1, 2, 3)]
        np.testing.assert_allclose(changes, frame.changes, rtol=1e-6)


@pytest.mark.parametrize("name", ["t.npz", "t.safetensors"])
def test_a_trajectory_holds_the_very_floats(tmp_path: Path, name: str) -> None:
    steps = list(run(FORKED, RunInputs()))
    told: list[tuple[int, int]] = []
    watch = Watch(progress=lambda done, total: told.append((done, total)))
    save_trajectory(tmp_path / name, run(FORKED, RunInputs()), 6, FORKED, watch)
    if name.endswith(".npz"):
        with np.load(tmp_path / name) as file:
            found = dict(file)
        text = str(found["experiment"])
    else:
        found = load_file(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        text = head["__metadata__"]["experiment"]
    assert decode(text) == FORKED
    for key in ("x_t", "x0_hat"):
        expected = torch.stack([getattr(step, key) for step in steps]).numpy()
        assert found[key].dtype == np.float32
        assert_array_equal(found[key], expected)
    assert found["t"].tolist() == [step.t for step in steps]
    for key in ("a", "s"):
        assert_array_equal(found[key], [getattr(step, key) for step in steps])
    np.testing.assert_allclose(found["sigma"][:-1], found["s"][:-1] / found["a"][:-1])
    assert told[-1] == (6, 6)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["t.npz", "t.safetensors"])
def test_a_trajectory_is_written_step_by_step(tmp_path: Path, name: str) -> None:
    experiment = Experiment(sampling=Sampling(size=64, count=8))
    x = torch.zeros(8, 3, 64, 64)
    steps = (Step(i, 99 - i, 1.0, 1.0, x, x) for i in range(100))
    tracemalloc.start()
    save_trajectory(tmp_path / name, steps, 100, experiment)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / name).stat().st_size > 200 * x.nbytes
    assert peak < 20 * x.nbytes


# --- what goes wrong ------------------------------------------------------------------------------


def _steps() -> Iterator[Step]:
    x = torch.zeros(3, 3, 16, 16)
    return (Step(i, 5 - i, 1.0, 5.0 - i, x, x) for i in range(6))


FILES: dict[str, Callable[[Path, list[Frame], Watch], object]] = {
    "s.png": lambda path, frames, watch: save_step(path, frames[1], Look(), CARRIED, watch),
    "c.png": lambda path, frames, watch: save_sheet(path, frames, Look(), CARRIED, watch),
    "a.gif": lambda path, frames, watch: save_run_animation(
        path, frames, RunMotion(), CARRIED, watch
    ),
    "n.csv": lambda path, frames, watch: save_numbers(path, frames, range(6), watch),
    "t.npz": lambda path, _, watch: save_trajectory(path, _steps(), 6, FORKED, watch),
    "t.safetensors": lambda path, _, watch: save_trajectory(path, _steps(), 6, FORKED, watch),
}
FOLDERS: dict[str, Callable[[Path, list[Frame], Watch], object]] = {
    "images": lambda path, frames, watch: save_images(path, "a", frames[1], Look(), CARRIED, watch),
    "steps": lambda path, frames, watch: save_steps(path, "a", frames, Look(), CARRIED, watch),
}
WRITERS = {
    **FILES,
    **{
        kind: lambda path, frames, watch, make=make: make(path.parent, frames, watch)
        for kind, make in FOLDERS.items()
    },
}


class _Full:
    """A file on a disk that has room for 200 bytes more."""

    def __init__(self, file) -> None:
        self._file, self._room = file, 200

    def __enter__(self) -> _Full:
        return self

    def __exit__(self, *_: object) -> None:
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
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, frames: list[Frame], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def opened(self: Path, mode: str = "r", *args: object, **kwargs: object):
        return _Full(real(self, mode, *args, **kwargs)) if mode == "xb" else real(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(EngineError, match="No space left on device") as caught:
        WRITERS[name](tmp_path / name, frames, Watch())
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_a_vanished_folder_is_one_line(tmp_path: Path, frames: list[Frame], name: str) -> None:
    with pytest.raises(EngineError, match=r"there is no (such )?folder"):
        WRITERS[name](tmp_path / "gone" / name, frames, Watch())


@pytest.mark.parametrize("name", WRITERS)
def test_cancelling_leaves_nothing_at_whichever_point_it_comes(
    tmp_path: Path, frames: list[Frame], name: str
) -> None:
    class Polls:
        left, seen = 10**6, 0

        def __call__(self) -> None:
            self.seen += 1
            if self.seen > self.left:
                raise Cancelled

    polls = Polls()
    WRITERS[name](tmp_path / name, frames, Watch(polls))
    for path in tmp_path.iterdir():
        path.unlink()
    assert polls.seen > 0
    for left in {0, polls.seen // 2, polls.seen - 1}:
        again = Polls()
        again.left = left
        with pytest.raises(Cancelled):
            WRITERS[name](tmp_path / name, frames, Watch(again))
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FOLDERS)
def test_files_that_are_there_are_not_written_over(
    tmp_path: Path, frames: list[Frame], kind: str
) -> None:
    FOLDERS[kind](tmp_path, frames, Watch())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(EngineError, match="is there already"):
        FOLDERS[kind](tmp_path, frames[:2], Watch())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["t.npz", "t.safetensors"])
def test_a_run_that_fails_on_the_way_leaves_no_file(tmp_path: Path, name: str) -> None:
    def broken() -> Iterator[Step]:
        yield next(_steps())
        raise EngineError("step 1 is not a finite number")

    with pytest.raises(EngineError, match="step 1"):
        save_trajectory(tmp_path / name, broken(), 6, FORKED)
    assert not list(tmp_path.iterdir())


def test_own_data_is_read_once(tmp_path: Path, make_image: Callable[..., Path]) -> None:
    from diffusion_gui.engine.images import read_picture
    from diffusion_gui.session.picture_store import PictureStore

    store = PictureStore()
    path = make_image("a.png")
    ref = store.add(read_picture(path), str(path))
    experiment = Experiment(pictures=(ref,), sampling=replace(SAMPLING, data=PICTURES))
    give = RunInputs(store)
    assert give(experiment).data is give(experiment).data
    assert give(experiment).labels == (tmp_path.name,)
