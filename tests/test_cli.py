"""`diffusion-cli`: what it writes is right, and what it refuses is one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from diffusion_gui.cli import app
from diffusion_gui.engine.experiment import Fit, Forward, NoiseKind, Start
from diffusion_gui.engine.forward import Noiser, Process, Shown
from diffusion_gui.engine.images import arranged
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.samplers import SAMPLERS
from diffusion_gui.engine.schedules import PRESETS, ScheduleSpec, build
from diffusion_gui.session import library, video
from diffusion_gui.session.format import decode
from diffusion_gui.session.restore import read_experiment

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "tests" / "session" / "scheduler_configs"
_ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def _run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args], prog_name="diffusion-cli")


def _ok(*args):
    result = _run(*args)
    assert result.exit_code == 0, result.output
    return result


def _refused(*args):
    """Run a command that must be refused, and return its one line."""
    result = _run(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("diffusion-cli: ")
    return lines[0]


def _program(*args, **options):
    command = [sys.executable, "-W", "error", "-m", "diffusion_gui.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, env=_ENVIRONMENT, check=False, **options)


def _pixels(path):
    with Image.open(path) as picture:
        return np.array(picture)


def _experiment(path):
    with Image.open(path) as picture:
        return decode(picture.text["diffusion-gui"])


def _cells(path, count, columns, side):
    """Return the samples of a grid as [N, side, side, 3], from the centre of every pixel."""
    scale = 128 // side
    sheet = _pixels(path)
    corners = [(2 + 130 * (i // columns), 2 + 130 * (i % columns)) for i in range(count)]
    return np.stack([sheet[y : y + 128 : scale, x : x + 128 : scale] for y, x in corners])


@pytest.fixture
def pictures(tmp_path):
    """A folder with four different flat pictures, and one file that is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, color in (("a", "red"), ("b", "green"), ("c", "blue"), ("d", "white")):
        Image.new("RGB", (20, 16), color).save(folder / f"{name}.png")
    (folder / "notes.png").write_text("not a picture")
    return folder


# --- schedule ------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_schedule_prints_the_numbers_of_every_preset(preset):
    lines = _ok("schedule", "--preset", preset).stdout.splitlines()
    schedule = build(ScheduleSpec(preset, 1000))
    rows = [line.split() for line in lines[1:12]]
    assert [int(row[0]) for row in rows] == list(range(0, 1001, 100))
    for t, beta, alpha_bar, snr in rows:
        assert float(beta) == pytest.approx(schedule.beta[int(t)], rel=1e-5)
        assert float(alpha_bar) == pytest.approx(schedule.alpha_bar[int(t)], rel=1e-5)
        assert float(snr) == pytest.approx(schedule.snr_db(int(t)), abs=0.006)


def test_schedule_settings_change_the_schedule():
    lines = _ok("schedule", "--preset", "linear", "--set", "beta_end=0.5", "--timesteps", 10)
    last = lines.stdout.splitlines()[11].split()
    assert last[:2] == ["10", "0.5"]


def test_check_tells_warnings_by_the_exit_code():
    good = ["schedule", "--preset", "linear"]
    bad = ["schedule", "--preset", "linear", "--timesteps", 50]
    assert _run(*good, "--check").exit_code == 0
    assert _run(*bad).exit_code == 0
    result = _run(*bad, "--check")
    assert result.exit_code == 1
    assert "warning: " in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_an_exported_schedule_reads_back_as_the_same_table(tmp_path, ending):
    file = tmp_path / f"s{ending}"
    written = _ok("schedule", "--preset", "linear", "--timesteps", 200, "--export", file)
    read = _ok("schedule", "--from", file).stdout.splitlines()
    kept = [line for line in read if not line.startswith("use: ")]
    findings = written.stdout.splitlines()
    assert kept[:12] == findings[:12]
    if ending == ".json":  # a table does not say what its betas were chosen for
        assert kept == findings


@pytest.mark.parametrize(
    ("name", "code", "lines"),
    [
        ("cosine-dpm-audio", 1, ["use: predicts v_prediction; spacing exponential",
                                 "warning: Starts noisy"]),
        ("ddim-leading", 1, ["use: predicts epsilon; spacing leading, offset = 1",
                             "note: set_alpha_to_one is false", "warning: leading with 20 steps"]),
        ("ddpm-butterflies-128", 1, ["spacing leading; clips x0", "warning: leading with 20"]),
        ("flux-schnell-flow", 0, ["use: predicts flow; spacing linspace", "good: Reaches noise"]),
        ("sdxl-turbo-euler-ancestral", 0, ["does not use clip_sample, interpolation_type"]),
        ("stable-cascade-wuerstchen", 0, ["note: the class counts time from 0 to 1"]),
        ("stable-diffusion-2-1-flax-ddim-v", 1, ["use: predicts v_prediction; spacing leading"]),
        ("stable-diffusion-v1-5-flax-pndm", 1, ["note: PNDMScheduler does not use clip_sample"]),
        ("zero123-euler-ancestral-v", 0, ["use: predicts v_prediction; spacing linspace"]),
    ],
)  # fmt: skip
def test_published_configs_are_checked(name, code, lines):
    result = _run("schedule", "--from", CONFIGS / f"{name}.json", "--check")
    assert result.exit_code == code, result.output
    assert result.stderr == ""
    for line in lines:
        assert line in result.stdout
    assert len(result.stdout.splitlines()[0].split()) == 5  # the heading of the table


def test_a_config_of_an_unknown_class_is_one_line():
    line = _refused("schedule", "--from", CONFIGS / "unknown-class.json", "--check")
    assert "'MiniMaxH3Scheduler' is not known" in line


def test_the_image_size_shifts_a_flow_that_depends_on_it(tmp_path):
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True}
    file = tmp_path / "s.json"
    file.write_text(json.dumps(config))
    usual = _ok("schedule", "--from", file).stdout
    assert "note: the shift depends on the picture's size" in usual
    told = _ok("schedule", "--from", file, "--image-size", 256).stdout
    assert "note:" not in told
    assert told.splitlines()[6] != usual.splitlines()[6]
    assert _ok("schedule", "--from", file, "--image-size", 1024).stdout in usual.replace(
        next(line for line in usual.splitlines() if line.startswith("note:")) + "\n", ""
    )


def test_an_exported_config_is_of_the_class_asked_for(tmp_path):
    args = ["schedule", "--preset", "karras", "--timesteps", 20]
    classes = {"a": "EDMEulerScheduler", "b": "EDMDPMSolverMultistepScheduler"}
    _ok(*args, "--export", tmp_path / "a.json")
    _ok(*args, "--export", tmp_path / "b.json", "--scheduler", classes["b"])
    for name, scheduler in classes.items():
        config = json.loads((tmp_path / f"{name}.json").read_text())
        assert (config["_class_name"], config["sigma_max"]) == (scheduler, 80.0)


def test_what_a_config_does_not_hold_is_told(tmp_path):
    for preset, said in (("linear", False), ("sub_vp", True)):
        result = _ok("schedule", "--preset", preset, "--export", tmp_path / "s.json")
        assert ("variance-preserving" in result.stderr) == said


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        ([], ["command"]),
        (["dance"], ["'dance'"]),
        (["schedule"], ["--preset", "--from"]),
        (["schedule", "--preset", "cosine", "--from", "a.csv"], ["--preset", "--from"]),
        (["schedule", "--preset", "magic"], ["--preset", "magic", *PRESETS]),
        (["schedule", "--preset", "linear", "--timesteps", "0"], ["--timesteps"]),
        (["schedule", "--preset", "linear", "--timesteps", "x"], ["--timesteps"]),
        (["schedule", "--preset", "linear", "--set", "beta"], ["--set beta", "beta_end"]),
        (["schedule", "--preset", "linear", "--set", "gamma=1"], ["gamma", "beta_end"]),
        (["schedule", "--preset", "linear", "--set", "beta_end=2"], ["beta_end", "0.999"]),
        (["schedule", "--preset", "linear", "--set", "beta_end=nan"], ["beta_end", "0.999"]),
        (["schedule", "--from", "none.csv"], ["none.csv"]),
        (["schedule", "--from", "none.doc"], ["none.doc", ".csv"]),
        (["schedule", "--preset", "linear", "--export", "s.doc"], ["s.doc", ".json"]),
        (["schedule", "--preset", "linear", "--export", "no/s.csv"], ["no", "folder"]),
        (["schedule", "--preset", "linear", "--image-size", "512"], ["--image-size", "linear"]),
        (["schedule", "--preset", "linear", "--image-size", "9"], ["--image-size", "64"]),
        (["schedule", "--preset", "linear", "--scheduler", "Odd"], ["'Odd'", "DDPMScheduler"]),
        (["schedule", "--preset", "linear", "--scheduler", "DDPMScheduler"], ["exported .json"]),
        (
            [
                *("schedule", "--preset", "linear", "--export", "s.json"),
                *("--scheduler", "EDMEulerScheduler"),
            ],
            ["EDMEulerScheduler", "DDPMScheduler"],
        ),
        (["noise", "none.png", "-o", "a.png"], ["none.png"]),
        (["noise", "none.png", "-o", "a.jpg"], ["a.jpg", ".png"]),
        (["noise", "none.png"], ["--output"]),
        (["noise", "none.png", "-o", "a.png", "--t", "1,x"], ["--t", "'x'", "1000"]),
        (["noise", "none.png", "-o", "a.png", "--t", "1001"], ["--t", "1001", "1000"]),
        (["sample"], ["--output"]),
        (["sample", "-o", "a"], ["a", ".png"]),
        (["sample", "-o", "no/a.png"], ["no", "folder"]),
        (["sample", "-o", "a.png", "--model", "oracle"], ["--model", "oracle", "exact"]),
        (["sample", "-o", "a.png", "--sampler", "x"], ["--sampler", *SAMPLERS]),
        (["sample", "-o", "a.png", "--set", "eta=2"], ["eta", "0 to 1"]),
        (["sample", "-o", "a.png", "--set", "eta=0", "--set", "eta=1"], ["eta", "twice"]),
        (["sample", "-o", "a.png", "--steps", "0"], ["--steps"]),
        (["sample", "-o", "a.png", "--count", "257"], ["--count", "256"]),
        (["sample", "-o", "a.png", "--seed", "-1"], ["--seed"]),
        (["sample", "-o", "a.png", "--size", "33"], ["--size", "33", "32"]),
        (["sample", "-o", "a.png", "--size", "128"], ["size", "128", "64"]),
        (["sample", "-o", "a.png", "--spacing", "odd"], ["--spacing", "trailing"]),
        (
            ["sample", "-o", "a.png", "--spacing", "sigmas", "--levels", "9,nan,1"],
            ["--levels", "'nan'", "3.9,0.9"],
        ),
        (
            ["sample", "-o", "a.png", "--spacing", "times", "--levels", "9,-1"],
            ["--levels", "'-1'"],
        ),
        (["sample", "-o", "a.png", "--device", "tpu"], ["--device", "cpu"]),
        (["sample", "-o", "a.png", "--schedule", "magic"], ["magic", "cosine", ".csv"]),
        (["sample", "-o", "a.png", "--images", "none"], ["--images", "none"]),
        (["sample", "-o", "a.png", "--start", "b.png"], ["--start", "--t"]),
        (["sample", "-o", "a.png", "--start", "b.png", "--t", "1001"], ["--t", "1001"]),
        (["sample", "-o", "a.png", "--start", "b.png", "--t", "100"], ["b.png"]),
        (["sample", "-o", "a.png", "--trajectory", "t.npy"], ["t.npy", ".npz"]),
        (["sample", "-o", "a.png", "--animation", "t.avi"], ["t.avi", ".gif", ".mp4"]),
        (["sample", "-o", "a.png", "--animation", "a.png"], ["a.png", "name them apart"]),
        (["sample", "-o", "a.png", "--from", "b.png"], ["b.png", "cannot be read"]),
        (["sample", "-o", "a.png", "--from", "b.gif"], ["b.gif", ".png, .apng or .json"]),
        (["sample", "-o", "a.png", "--from", "b.json"], ["b.json", "cannot be read"]),
        (["sample", "-o", "a.png", "--from", "b.png", "--steps", "9"], ["leave --steps out"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_that_names_it_and_leaves_nothing(tmp_path, monkeypatch, args, parts):
    monkeypatch.chdir(tmp_path)
    line = _refused(*args)
    for part in parts:
        assert part in line
    assert not list(tmp_path.iterdir())


# --- noise ---------------------------------------------------------------------------------------


def test_noise_writes_x_t_at_every_time_asked_for(tmp_path, pictures):
    _ok("noise", pictures / "a.png", "-o", tmp_path / "n.png", "--t", "0,400,1000", "--seed", 3)
    noiser = Noiser(_pixels(pictures / "a.png"), gaussian(3, 0, START, (16, 20, 3)))
    schedule = build(ScheduleSpec("cosine", 1000))
    for frame, t in zip(_frames(tmp_path / "n.png", 3), (0, 400, 1000), strict=True):
        np.testing.assert_array_equal(frame, noiser.x_t(schedule.a[t], schedule.s[t]))
    first = _frames(tmp_path / "n.png", 3)[0]
    np.testing.assert_array_equal(first, _pixels(pictures / "a.png"))


def _frames(path, count, shape=(16, 20)):
    """Return the frames of a strip of small pictures, which are enlarged five times."""
    strip, (height, width) = _pixels(path), shape
    assert strip.shape[1] == 2 * 12 + count * (5 * width + 6) - 6
    frames = [strip[12:, 12 + i * (5 * width + 6) :] for i in range(count)]
    return [frame[: 5 * height : 5, : 5 * width : 5] for frame in frames]


def test_noise_of_every_kind_restores_with_its_settings(tmp_path, pictures):
    _ok("noise", pictures / "a.png", "-o", tmp_path / "n.png", "--t", "0,400", "--noise", "path",
        "--offset", "0.1", "--fit", "pad", "--background", "#102030", "--size", 100,
        "--range", "symmetric", "--animation", tmp_path / "n.gif")  # fmt: skip
    found = read_experiment(tmp_path / "n.png", {})
    experiment, view = found.experiment, found.view
    assert experiment.forward == Forward(128, Fit.PAD, "#102030", NoiseKind.PATH, 0.1)
    assert (view.t, view.shown) == (400, Shown.SYMMETRIC)
    pixels = arranged(found.pictures[view.picture], 128, Fit.PAD, (16, 32, 48))
    assert pixels.shape == (20, 20, 3)
    moment = Process(pixels, 0, experiment.forward).at(build(experiment.schedule), 400)
    expected = moment.x_t(moment.spans(Shown.SYMMETRIC)[0])
    frame = _frames(tmp_path / "n.png", 2, (20, 20))[1]
    np.testing.assert_array_equal(frame, expected)
    with Image.open(tmp_path / "n.gif") as animation:
        assert animation.n_frames == 78


def test_noise_takes_colours_in_capitals(tmp_path, pictures):
    _ok("noise", pictures / "a.png", "-o", tmp_path / "n.png", "--background", "#FFEEdd")
    assert read_experiment(tmp_path / "n.png", {}).experiment.forward.background == "#ffeedd"


def test_noise_checks_an_animation_before_it_writes_anything(tmp_path, monkeypatch):
    Image.new("RGB", (16_400, 4)).save(tmp_path / "long.png")
    command = ("noise", tmp_path / "long.png", "-o", tmp_path / "n.png", "--size", 0)
    line = _refused(*command, "--t", 0, "--animation", tmp_path / "a.webp")
    assert "16400 x 4 pixels are too large for .webp" in line
    monkeypatch.setattr(video, "find_spec", lambda name: None)
    line = _refused(*command, "--t", 0, "--animation", tmp_path / "a.mp4")
    assert "an MP4 needs PyAV" in line
    assert [path.name for path in tmp_path.iterdir()] == ["long.png"]


@pytest.mark.parametrize(
    ("option", "parts"),
    [
        (["--noise", "pink"], ["'pink'", "frozen, path, fresh"]),
        (["--offset", "2"], ["--offset", "1"]),
        (["--fit", "stretch"], ["'stretch'", "fit, crop, pad"]),
        (["--background", "white"], ["'white'", "#rrggbb"]),
        (["--animation", "a.avi"], ["a.avi", ".gif"]),
        (["--t", "9" * 5000], ["'99999999999999999999...' is not a time", "0..1000"]),
    ],
)
def test_noise_refuses_settings_it_does_not_have(tmp_path, pictures, option, parts):
    line = _refused("noise", pictures / "a.png", "-o", tmp_path / "n.png", *option)
    assert all(part in line for part in parts), line
    assert not (tmp_path / "n.png").exists()


def test_noise_follows_the_schedule_of_a_file(tmp_path, pictures):
    (tmp_path / "s.csv").write_text("t,beta\n1,0.5\n2,1.0\n")
    for name, source in (("a", "s.csv"), ("b", "cosine")):
        source = tmp_path / source if source.endswith("csv") else source
        _ok("noise", pictures / "a.png", "-o", tmp_path / f"{name}.png", "--schedule", source,
            "--t", "0,1,2")  # fmt: skip
    ours, cosine = _pixels(tmp_path / "a.png"), _pixels(tmp_path / "b.png")
    np.testing.assert_array_equal(ours[12:92, 12:112], cosine[12:92, 12:112])
    assert np.abs(ours[12:92, 118:].astype(int) - cosine[12:92, 118:]).mean() > 20


# --- sample --------------------------------------------------------------------------------------


def test_the_exact_model_draws_emoji_the_same_ones_twice(tmp_path):
    args = ["sample", "--model", "exact", "--images", "emoji", "--steps", 20, "--seed", 0]
    _ok(*args, "--count", 16, "-o", tmp_path / "a.png")
    _ok(*args, "--count", 16, "-o", tmp_path / "b.png")
    _ok(*args, "--count", 4, "-o", tmp_path / "c.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    samples = _cells(tmp_path / "a.png", 16, 4, 32)
    np.testing.assert_array_equal(_cells(tmp_path / "c.png", 4, 2, 32), samples[:4])
    emoji = library.emoji(32).astype(np.float32)
    for sample in samples:
        distance = np.abs(emoji - sample).mean(axis=(1, 2, 3)).min()
        assert distance < 1.0, "a sample is no emoji"


def test_the_grid_names_everything_it_was_made_with(tmp_path, pictures):
    result = _ok("sample", "--images", pictures, "--sampler", "ddim", "--set", "eta=0.5",
                 "--steps", 5, "--schedule", "linear", "--timesteps", 500, "--count", 3,
                 "--seed", 9, "--size", 16, "--spacing", "linspace", "--device", "cpu",
                 "-o", tmp_path / "g.png")  # fmt: skip
    assert result.stderr.splitlines() == [
        "left out: notes.png: the file is not an image that can be opened"
    ]
    made = _experiment(tmp_path / "g.png")
    assert made.schedule == ScheduleSpec("linear", 500)
    assert [ref.name for ref in made.pictures] == ["a.png", "b.png", "c.png", "d.png"]
    told = made.sampling
    assert (told.sampler, told.params, told.steps) == ("ddim", (("eta", 0.5),), 5)
    assert (told.count, told.size, told.spacing, made.seed) == (3, 16, "linspace", 9)
    assert told.data == "pictures"
    colors = {(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)}
    for sample in _cells(tmp_path / "g.png", 3, 2, 16):
        nearest = min(np.abs(sample.reshape(-1, 3) - np.array(c)).max() for c in colors)
        assert nearest <= 2


def test_settings_change_what_is_drawn(tmp_path):
    base = ["sample", "--steps", 4, "--count", 2, "--size", 16]
    changes = {
        "plain": [],
        "seed": ["--seed", 1],
        "eta": ["--set", "eta=1"],
        "spacing": ["--spacing", "leading"],
        "schedule": ["--schedule", "linear"],
    }
    paths = set()
    for name, change in changes.items():
        file = tmp_path / f"{name}.npz"
        _ok(*base, *change, "-o", tmp_path / f"{name}.png", "--trajectory", file)
        with np.load(file) as trajectory:
            paths.add(trajectory["x_t"].tobytes())
    assert len(paths) == len(changes)


def test_a_start_from_little_noise_returns_to_the_picture(tmp_path, pictures):
    _ok("sample", "--images", pictures, "--start", pictures / "c.png", "--t", 300, "--count", 2,
        "--size", 16, "--steps", 5, "-o", tmp_path / "g.png")  # fmt: skip
    samples = _cells(tmp_path / "g.png", 2, 2, 16)
    np.testing.assert_allclose(samples, np.broadcast_to([0, 0, 255], samples.shape), atol=2)
    made = _experiment(tmp_path / "g.png")
    assert made.sampling.start == Start(made.pictures[2].id, 300)


def test_the_trajectory_and_the_animation_end_with_the_grid(tmp_path):
    _ok("sample", "--steps", 6, "--count", 2, "--size", 16, "-o", tmp_path / "g.png",
        "--trajectory", tmp_path / "t.npz", "--animation", tmp_path / "a.gif")  # fmt: skip
    with np.load(tmp_path / "t.npz") as file:
        arrays = dict(file)
    assert arrays["x_t"].shape == arrays["x0_hat"].shape == (7, 2, 3, 16, 16)
    assert arrays["x_t"].dtype == np.float32
    assert arrays["t"].tolist() == [1000, 833, 667, 500, 333, 167, 0]
    schedule = build(ScheduleSpec("cosine", 1000))
    np.testing.assert_allclose(arrays["sigma"], schedule.sigma[arrays["t"]], rtol=1e-12)
    last = np.floor(np.clip(arrays["x_t"][-1], -1.0, 1.0) * 127.5 + 128.0).astype(np.uint8)
    cells = _cells(tmp_path / "g.png", 2, 2, 16)
    np.testing.assert_array_equal(last.transpose(0, 2, 3, 1), cells)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 7


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.mp4"])
def test_an_animation_may_have_any_ending(tmp_path, name):
    _ok("sample", "--steps", 3, "--count", 2, "--size", 16, "-o", tmp_path / "g.png",
        "--animation", tmp_path / name)  # fmt: skip
    if name != "a.mp4":
        with Image.open(tmp_path / name) as animation:
            assert animation.n_frames == 4
    else:
        assert (tmp_path / name).read_bytes()[4:8] == b"ftyp"


def test_a_trajectory_that_the_disk_has_no_room_for_is_refused_before_the_run(
    tmp_path, monkeypatch
):
    from diffusion_gui.session import files

    class Disk:
        free = 10_000_000

    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: Disk)
    base = ("sample", "--size", 32, "--count", 64, "--steps", 50, "-o", tmp_path / "g.png")
    for name in ("t.npz", "t.safetensors"):
        line = _refused(*base, "--trajectory", tmp_path / name)
        assert "0.0 GiB are free there" in line
        assert "lower steps, count or size" in line
    restart = ("--restart-set", "rounds=2")
    assert "rounds of Restart" in _refused(*base, *restart, "--trajectory", tmp_path / "t.npz")
    assert not list(tmp_path.iterdir())


def _forked(pictures, target):
    """Write the grid of a fork whose parent starts from a picture; return its experiment."""
    from diffusion_gui.engine.experiment import Experiment, Fork, Sampling
    from diffusion_gui.engine.recorder import to_pixels
    from diffusion_gui.engine.reverse import run
    from diffusion_gui.session.export import save_grid
    from diffusion_gui.session.picture_store import PictureStore
    from diffusion_gui.session.run_inputs import RunInputs, carriage

    store = PictureStore()
    ref = store.open(str(pictures / "a.png"))
    small = Sampling(model="gaussian", size=16, count=2, steps=5)
    parent = Experiment(pictures=(ref,), sampling=Sampling(**(_fields(small) | {
        "start": Start(ref.id, 600)})))  # fmt: skip
    experiment = Experiment(sampling=Sampling(**(_fields(small) | {"sampler": "ddpm"})), seed=3,
                            fork=Fork(parent, 2))  # fmt: skip
    *_, last = run(experiment, RunInputs(store))
    kept = carriage(experiment, store)
    save_grid(target, to_pixels(last.x_t), kept.experiment, pictures=kept.pictures)
    return experiment


def _fields(value):
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def test_an_exported_fork_is_made_again_with_its_floats(tmp_path, pictures):
    _forked(pictures, tmp_path / "window.png")
    _ok("sample", "--from", tmp_path / "window.png", "-o", tmp_path / "shell.png",
        "--trajectory", tmp_path / "t.safetensors")  # fmt: skip
    np.testing.assert_array_equal(_pixels(tmp_path / "shell.png"), _pixels(tmp_path / "window.png"))
    _ok("sample", "--from", tmp_path / "shell.png", "-o", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "shell.png").read_bytes()
    from safetensors.numpy import load_file

    assert load_file(tmp_path / "t.safetensors")["x0_hat"].shape == (6, 2, 3, 16, 16)


def test_an_exported_json_is_made_again_unless_it_needs_pictures(tmp_path, pictures):
    from diffusion_gui.session.format import encode

    _ok("sample", "--size", 16, "--count", 2, "--steps", 4, "--seed", 6, "-o", tmp_path / "a.png")
    text = encode(_experiment(tmp_path / "a.png"))
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    _ok("sample", "--from", tmp_path / "a.json", "-o", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    forked = _forked(pictures, tmp_path / "window.png")
    (tmp_path / "f.json").write_text(encode(forked), encoding="utf-8")
    line = _refused("sample", "--from", tmp_path / "f.json", "-o", tmp_path / "c.png")
    assert "is not in a .json; give an exported .png" in line
    for name, content in (("d.json", b"{}"), ("e.json", b"\xff\xfe"), ("f.png", b"no PNG")):
        (tmp_path / name).write_bytes(content)
        assert name in _refused("sample", "--from", tmp_path / name, "-o", tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


def test_an_exported_schedule_samples_like_the_preset_it_came_from(tmp_path):
    args = ["sample", "--steps", 5, "--count", 2, "--size", 16]
    _ok("schedule", "--preset", "linear", "--timesteps", 300, "--export", tmp_path / "s.json")
    _ok(*args, "--schedule", "linear", "--timesteps", 300, "-o", tmp_path / "a.png")
    _ok(*args, "--schedule", tmp_path / "s.json", "-o", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_edited_csv_is_sampled_exactly_as_it_stands(tmp_path):
    betas = np.linspace(1e-3, 0.2, 40)
    betas[20] = 0.5
    rows = "".join(f"{t},{beta!r}\n" for t, beta in enumerate(betas.tolist(), start=1))
    (tmp_path / "s.csv").write_text("t,beta\n" + rows)
    _ok("sample", "--schedule", tmp_path / "s.csv", "--steps", 3, "--count", 1, "--size", 16,
        "-o", tmp_path / "g.png")  # fmt: skip
    used = build(_experiment(tmp_path / "g.png").schedule)
    np.testing.assert_allclose(used.beta[1:], betas, rtol=1e-6)


def test_a_schedule_without_signal_at_the_end_is_sampled(tmp_path):
    betas = [*np.linspace(1e-3, 0.2, 39).tolist(), 1.0]
    rows = "".join(f"{t},{beta!r}\n" for t, beta in enumerate(betas, start=1))
    (tmp_path / "s.csv").write_text("t,beta\n" + rows)
    _ok("sample", "--schedule", tmp_path / "s.csv", "--steps", 10, "--count", 2, "--size", 16,
        "-o", tmp_path / "g.png")  # fmt: skip
    assert _experiment(tmp_path / "g.png").schedule.betas == tuple(betas)
    emoji = library.emoji(16).astype(np.float32)
    for sample in _cells(tmp_path / "g.png", 2, 2, 16):
        assert np.abs(emoji - sample).mean(axis=(1, 2, 3)).min() < 1.0


@pytest.mark.parametrize(
    "name", ["flux-schnell-flow", "cosine-dpm-audio", "stable-cascade-wuerstchen"]
)
def test_a_published_config_of_any_family_is_sampled(tmp_path, name):
    file = CONFIGS / f"{name}.json"
    result = _ok("sample", "--schedule", file, "--count", 4, "--size", 16, "--device", "cpu",
                 "-o", tmp_path / "g.png")  # fmt: skip
    assert ("note:" in result.stderr) == (name == "stable-cascade-wuerstchen")
    emoji = library.emoji(16).astype(np.float32)
    for sample in _cells(tmp_path / "g.png", 4, 2, 16):
        assert np.abs(emoji - sample).mean(axis=(1, 2, 3)).min() < 1.0


def test_a_file_keeps_its_own_number_of_steps(tmp_path):
    _ok("schedule", "--preset", "linear", "--timesteps", 300, "--export", tmp_path / "s.csv")
    line = _refused("schedule", "--from", tmp_path / "s.csv", "--timesteps", 100)
    assert "300" in line
    assert "--timesteps" in line


# --- the program ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["schedule", "noise", "sample", "info"])
def test_every_command_explains_itself(command):
    assert "--help" in _ok(command, "--help").stdout
    assert command in _ok("--help").stdout


def test_info_tells_versions_devices_and_an_existing_resource_folder():
    import torch

    rows = dict(line.split(maxsplit=1) for line in _ok("info").stdout.splitlines())
    assert rows["torch"] == torch.__version__
    assert "cpu" in rows["devices"]
    assert (Path(rows["resources"]) / "emoji").is_dir()


def test_the_program_runs_as_a_module_and_the_schedule_command_needs_no_torch(tmp_path):
    probe = (
        "import sys; from diffusion_gui.cli import main\n"
        "sys.argv = ['diffusion-cli', 'schedule', '--preset', 'cosine', '--export', 's.json']\n"
        "try: main()\n"
        "except SystemExit as end: sys.exit(end.code or ('torch' in sys.modules) * 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", probe],
        capture_output=True, env=_ENVIRONMENT, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(json.loads((tmp_path / "s.json").read_text())["trained_betas"]) == 1000


def test_a_refusal_of_the_real_program_is_one_line_without_a_traceback():
    done = _program("schedule", "--preset", "magic", text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_a_terminal_without_greek_letters_still_gets_the_table():
    command = [sys.executable, "-m", "diffusion_gui.cli", "schedule", "--preset", "cosine"]
    done = subprocess.run(
        command, capture_output=True, check=False,
        env=_ENVIRONMENT | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"alpha_bar" in done.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes to know when it reads")
def test_ctrl_c_ends_the_program_with_130_and_no_traceback(tmp_path):
    pipe = tmp_path / "s.csv"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "diffusion_gui.cli", "schedule", "--from", str(pipe)]
    command += ["--export", str(tmp_path / "out.csv")]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        program = subprocess.Popen(command, stderr=subprocess.PIPE, env=_ENVIRONMENT)
    finally:
        signal.signal(signal.SIGINT, before)
    with pipe.open("w"):  # opens when the program has opened it to read
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
    assert program.returncode == 130
    assert errors == b""
    assert not (tmp_path / "out.csv").exists()


def test_the_model_calls_of_a_run_are_told(tmp_path):
    told = _ok("sample", "-o", tmp_path / "a.png", "--steps", 5, "--count", 1, "--size", 16,
               "--sampler", "heun", "--guidance", "cfg", "--against", "gaussian")  # fmt: skip
    assert told.stdout.rstrip().endswith("NFE 18")  # nine estimates of two models


class _Scarce:
    """The mean of the images, for at most `room` pictures at once."""

    def __init__(self, images, room):
        self._images, self._room = images, room

    def __call__(self, x, a, s):
        import torch

        if len(x) > self._room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self._images.mean(dim=0).expand_as(x)


def test_a_sample_that_is_short_of_memory_is_made_in_parts_and_says_so(tmp_path, monkeypatch):
    from diffusion_gui.engine.denoisers import MODELS, Model

    def register(room):
        def build(images, poll):
            return _Scarce(images, room)

        monkeypatch.setitem(MODELS, "exact", Model("Scarce", "Test", "No room.", (), build))

    options = ("--steps", 3, "--size", 16, "-o", tmp_path / "a.png")
    register(2)
    line = "note: not enough memory for 7 pictures at once: the model is asked for 2 at a time"
    assert line in _ok("sample", "--count", 7, *options).stderr
    register(0)
    assert "lower the size of the samples" in _refused("sample", "--count", 2, *options)
