"""`diffusion-cli train`: it learns, saves, ends when it is asked to, and goes on exactly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from diffusion_gui.cli import app, progress
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.options import Levels, TrainOptions, Weighting
from diffusion_gui.engine.training.trainer import Trainer
from diffusion_gui.session import model_files
from diffusion_gui.session.model_header import read_header, training_path
from diffusion_gui.session.networks import NetworkStore

ROOT = Path(__file__).resolve().parents[1]
_ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
TINY = ("--widths", "16,16", "--depth", 1, "--batch", 4, "--precision", "float32")


def _train(*args):
    return CliRunner().invoke(app, ["train", *map(str, args)], prog_name="diffusion-cli")


def _ok(*args):
    done = _train(*args)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def pictures(make_image, tmp_path):
    """Return a folder of eight pictures in two class folders."""
    for number in range(8):
        make_image(f"pictures/{('cats', 'dogs')[number % 2]}/{number}.png", size=32)
    return tmp_path / "pictures"


def _same(ours, theirs):
    """Assert that two trainings are the same in all but the time they took."""
    one, other = load_file(training_path(ours)), load_file(training_path(theirs))
    assert one.keys() == other.keys()
    for name in one.keys() - {"record.seconds"}:
        assert torch.equal(one[name], other[name]), name


def test_a_folder_is_learned_and_the_file_is_a_network_to_sample_from(pictures, tmp_path):
    (pictures / "broken.png").touch()
    output = tmp_path / "m.safetensors"
    done = _ok(pictures, "-o", output, "--steps", 3, *TINY, "--half", "--ema", 0.9, "--lr", 1e-3,
               "--levels", "schedule", "--schedule", "linear", "--timesteps", 50,
               "--weighting", "min-snr", "--shift", 0, "--seed", 5, "--dropout", 0)  # fmt: skip
    assert done.stdout.startswith(f"{output}: 3 steps, loss ")
    told = done.stderr.splitlines()
    assert told[0] == "left out: broken.png: the file is empty (0 bytes)"
    assert told[1].startswith("note: 8 pictures are soon known by heart")
    header = read_header(output)
    assert header.training == TrainOptions(
        batch=4, learning_rate=1e-3, ema=0.9, levels=Levels.SCHEDULE, weighting=Weighting.MIN_SNR,
        shift=0, seed=5, flip=True,
    )  # fmt: skip
    shape = header.network
    assert (shape.size, shape.fold, shape.widths, shape.depth) == (32, 2, (16, 16), 1)
    assert (shape.words, shape.dropout) == (("cats", "dogs"), 0.0)
    assert (header.name, header.step) == ("pictures", 3)
    assert len(load_file(training_path(output))["trained_sigmas"]) == 50
    assert {value.dtype for value in load_file(output).values()} == {torch.float16}
    assert read_header(training_path(output)).precision == "float32"
    _ok(pictures, "-o", output, "--steps", 4, "--resume")
    assert {value.dtype for value in load_file(output).values()} == {torch.float16}
    store = NetworkStore()
    network = store.find(store.open_model(output))
    x = torch.randn(2, 3, 32, 32)
    found = network.denoiser(torch.device("cpu"), "cats")(x, 0.7, 0.7)
    assert found.shape == x.shape
    assert bool(torch.isfinite(found).all())


def test_a_training_in_two_parts_is_the_same_as_in_one(pictures, tmp_path):
    whole, parts = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    _ok(pictures, "-o", whole, "--steps", 5, *TINY)
    _ok(pictures, "-o", parts, "--steps", 2, *TINY)
    _ok(pictures, "-o", parts, "--steps", 5, "--resume")
    _same(whole, parts)
    done = _ok(pictures, "-o", parts, "--steps", 5, "--resume")
    assert ": 5 steps" in done.stdout


def test_it_begins_with_the_weights_of_a_model(pictures, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    _ok(pictures, "-o", first, "--steps", 2, *TINY)
    _ok("emoji", "-o", second, "--weights", first, "--steps", 1, "--lr", 1e-9, "--batch", 4)
    ours, theirs = load_file(second), load_file(first)
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"words.weight"}:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0.0, atol=1e-6)
    assert read_header(second).network.words != read_header(first).network.words
    assert read_header(second).network.sigma_data == read_header(first).network.sigma_data
    careful = tmp_path / "c.safetensors"
    _ok("emoji", "-o", careful, "--weights", first, "--steps", 1, "--batch", 4)
    assert read_header(careful).training.learning_rate == 1e-4
    done = _train("emoji", "-o", tmp_path / "d.safetensors", "--weights", first, "--size", 64)
    assert "leave --size out" in done.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are others on Windows")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_ends_it_with_one_line(pictures, tmp_path, monkeypatch, number, code):
    step = Trainer.step

    def asked(trainer):
        if trainer.step_number == 2:
            signal.raise_signal(number)
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", asked)
    before = signal.getsignal(number)
    output = tmp_path / "a.safetensors"
    done = _train("emoji", "-o", output, *TINY)
    assert done.exit_code == code
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{output}: 3 steps, loss ")
    assert line.endswith("; --resume goes on")
    assert signal.getsignal(number) is before
    monkeypatch.undo()
    _ok("emoji", "-o", output, "--steps", 5, "--resume")
    _ok("emoji", "-o", tmp_path / "b.safetensors", "--steps", 5, *TINY)
    _same(output, tmp_path / "b.safetensors")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes otherwise")
def test_what_is_killed_loses_no_more_than_the_steps_since_the_last_checkpoint(tmp_path):
    output = tmp_path / "a.safetensors"
    command = [sys.executable, "-W", "error", "-m", "diffusion_gui.cli", "train", "emoji",
               "-o", output, "--save-minutes", "0.01", *TINY]  # fmt: skip
    program = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, env=_ENVIRONMENT)
    until = time.monotonic() + 60.0
    while not output.exists() and program.returncode is None and time.monotonic() < until:
        with suppress(subprocess.TimeoutExpired):
            program.wait(0.02)
    program.kill()
    _, errors = program.communicate()
    assert (program.returncode, errors) == (-signal.SIGKILL, b"")
    reached = read_header(training_path(output)).step
    assert reached > 0
    _ok("emoji", "-o", output, "--steps", reached + 2, "--resume")
    assert read_header(output).step == reached + 2


def test_two_processes_learn_as_one_does(tmp_path):
    pytest.importorskip("accelerate")
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    common = ("--steps", 3, "--dropout", 0, *TINY)
    _ok("emoji", "-o", one, *common)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu",
              "--num_processes", 2, "--num_machines", 1, "--mixed_precision", "no",
              "--dynamo_backend", "no", "--main_process_port", port]  # fmt: skip
    train = ["-m", "diffusion_gui.cli", "train", "emoji", "-o", two, *common, "--device", "cpu"]
    done = subprocess.run(
        list(map(str, [*launch, *train])), capture_output=True, text=True, env=_ENVIRONMENT,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("3 steps, loss") == 1  # only the first of them says so
    ours, theirs = (load_file(training_path(path)) for path in (one, two))
    assert ours.keys() == theirs.keys()
    for name in ("record.curve.points", *(key for key in ours if not key.startswith("record."))):
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=2e-6, msg=name)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "nowhere: there is no such folder"),
        (["emoji", "--widths", "16,x"], "'x' is no number of channels"),
        (["emoji", "--widths", "16,17"], "multiples of 16"),
        (["emoji", "--widths", "99999984"], "million parameters"),
        (["emoji", "--size", "48"], "48 is not known; choose one of: 32, 64"),
        (["emoji", "--steps", "0"], "--steps"),
        (["emoji", "--minutes", "nan"], "--minutes"),
        (["emoji", "--lr", "nan"], "learning_rate must be above 0"),
        (["emoji", "--ema", "1"], "ema must be in"),
        (["emoji", "--schedule", "linear"], "--schedule goes with --levels schedule"),
        (["emoji", "--timesteps", "9"], "--timesteps goes with --levels schedule"),
        (["emoji", "--levels", "schedule", "--schedule", "magic"], "'magic' is not known"),
        (["emoji", "--weights", "none.safetensors"], "none.safetensors: cannot be read"),
        (["emoji", "--resume"], "no training to go on with; leave --resume out"),
        (["emoji", "--resume", "--batch", "4"], "--resume holds all settings of the training"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path, args, said):
    done = _train(*args, "-o", tmp_path / "a.safetensors")
    assert done.exit_code == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert said in line
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_written_or_must_not_are_refused_before_it_begins(
    tmp_path, monkeypatch
):
    for name, said in (
        ("a.png", "'.png' is not known"),
        ("no/a.safetensors", "there is no folder"),
    ):
        assert said in _train("emoji", "-o", tmp_path / name).stderr
    output = tmp_path / "a.safetensors"
    training_path(output).touch()
    assert "add --resume to go on with it" in _train("emoji", "-o", output).stderr
    assert "no safetensors file" in _train("emoji", "-o", output, "--resume").stderr
    training_path(output).unlink()
    assert (
        "the name of its model, a.safetensors"
        in _train("emoji", "-o", training_path(output)).stderr
    )
    output.touch()
    assert "there is a model; choose another name" in _train("emoji", "-o", output).stderr
    output.unlink()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    assert "make room" in _train("emoji", "-o", output).stderr
    assert not list(tmp_path.iterdir())


def test_without_a_terminal_lines_say_where_it_is_and_what_was_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_QUIET_SECONDS", 0.0)
    save, full = model_files.save_training, [True]

    def scarce(path, state, name, half):
        if full[0]:
            full[0] = False
            raise EngineError("a.safetensors: cannot be written (no room)")
        save(path, state, name, half)

    monkeypatch.setattr(model_files, "save_training", scarce)
    monkeypatch.setattr("diffusion_gui.engine.training.loop.RETRY_MINUTES", 1e-9)
    a_second_each = SimpleNamespace(perf_counter=count().__next__)
    monkeypatch.setattr("diffusion_gui.engine.training.loop.time", a_second_each)
    done = _ok("emoji", "-o", tmp_path / "a.safetensors", "--steps", 3, "--save-minutes", 0.01,
               *TINY)  # fmt: skip
    lines = done.stderr.splitlines()
    steps = [line for line in lines if line.startswith("step ")]
    assert [line.split("  ")[0] for line in steps] == ["step 1", "step 2", "step 3"]
    assert all(" steps/s  " in line or " s/step  " in line for line in steps)
    assert all(line.endswith(" left") for line in steps)
    problem = lines.index(
        "not saved: a.safetensors: cannot be written (no room); it goes on and is tried again"
    )
    assert "saved" in lines[problem:]
    assert read_header(tmp_path / "a.safetensors").step == 3
