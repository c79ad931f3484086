"""Files of networks and trainings: whole or not at all, exact, and nothing in them is code."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from diffusion_gui.engine.denoisers.network import Precision
from diffusion_gui.engine.denoisers.unet_config import MOST_PARAMETERS, UNetConfig
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.data import PictureSet
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.training.trainer import State, Trainer
from diffusion_gui.session import files
from diffusion_gui.session.model_files import (
    read_model,
    read_training,
    save_model,
    save_training,
    training_path,
)
from diffusion_gui.session.model_header import KEY, MOST_BYTES, read_header

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
SHAPE = UNetConfig(size=8, widths=(16, 16), depth=1, embedding=16)
PICTURES = PictureSet.of(
    np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8),
    ["red heart", "star", "", "red star", "a"],
)


def _training() -> Trainer:
    return Trainer(PICTURES, SHAPE, TrainOptions(batch=4), CPU, precision=Precision.FLOAT32)


@pytest.fixture(scope="module")
def state() -> State:
    """Return a training after two steps."""
    trainer = _training()
    trainer.step()
    trainer.step()
    return trainer.state()


@pytest.fixture
def saved(state: State, tmp_path: Path) -> Iterator[Path]:
    """Return a model's file, its training beside it; nothing else may lie there afterwards."""
    path = tmp_path / "m.safetensors"
    save_training(training_path(path), state, "five pictures")
    save_model(path, state, "five pictures")
    yield path
    assert not list(tmp_path.glob(".*.part"))


def test_a_training_goes_on_from_its_file_to_the_last_bit(saved, state):
    found, header = read_training(training_path(saved))
    assert (header.step, header.name, header.kind) == (2, "five pictures", "training")
    assert (found.config, found.options, found.step) == (state.config, state.options, 2)
    unbroken = _training()
    losses = [unbroken.step().loss for _ in range(5)]
    resumed = Trainer.of_state(found, PICTURES, CPU, Precision.FLOAT32)
    assert [resumed.step().loss for _ in range(3)] == losses[2:]


@pytest.mark.parametrize("half", [False, True])
def test_a_model_is_the_averaged_weights_and_all_that_is_needed_to_use_them(saved, state, half):
    save_model(saved, state, "five pictures", half)
    network, header = read_model(saved)
    assert header.network.words == ("a", "heart", "red", "star")
    assert header.training == TrainOptions(batch=4)
    assert not network.training
    for name, value in network.state_dict().items():
        wanted = state.tensors[f"average.{name}"]
        assert torch.equal(value, wanted.half().float() if half else wanted)
    stored = load_file(saved)
    assert {value.dtype for value in stored.values()} == {torch.half if half else torch.float}
    assert read_header(saved) == header


def test_a_training_is_read_as_the_model_it_is_so_far(saved):
    ours, theirs = read_model(training_path(saved))[0], read_model(saved)[0]
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_model_cannot_be_trained_further(saved):
    with pytest.raises(EngineError, match="finished model, not a training"):
        read_training(saved)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("pickled_code_was_run",)


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Evil()))


def _torch_pickle(path: Path) -> None:
    torch.save({"a": _Evil()}, path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _cut_in_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def _long_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 60) + path.read_bytes()[8:])


def _longer_header_than_file(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 90_000_000) + b"{}")


def _noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(4096))


def _sparse(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100 * 1000**3)


def _edited(path: Path, **change: object) -> None:
    header = json.loads(_metadata(path))
    _store(path, load_file(path), json.dumps(header | change))


def _metadata(path: Path) -> str:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(length))["__metadata__"][KEY]


def _store(path: Path, tensors: dict[str, torch.Tensor], text: str | None) -> None:
    save_file(tensors, path, None if text is None else {KEY: text})


def _weights(path: Path, **change: torch.Tensor | None) -> None:
    found = load_file(path) | {name.replace("_", "."): one for name, one in change.items()}
    _store(path, {name: one for name, one in found.items() if one is not None}, _metadata(path))


def _shape(path: Path, **change: object) -> None:
    _edited(path, network=json.loads(_metadata(path))["network"] | change)


BROKEN = {
    "a pickle": (_pickle, "no safetensors file"),
    "a file of torch's": (_torch_pickle, "no safetensors file"),
    "cut off": (_cut, "no safetensors file"),
    "cut off in its header": (_cut_in_header, "no safetensors file"),
    "a header of 2^60 bytes": (_long_header, "no safetensors file"),
    "a header longer than the file": (_longer_header_than_file, "no safetensors file"),
    "noise": (_noise, "no safetensors file"),
    "empty": (lambda path: path.write_bytes(b""), "no safetensors file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "this is not a file"),
    "gone": (Path.unlink, "cannot be read .No such file"),
    "100 GB of nothing": (_sparse, "93 GiB is more than a network"),
    "another program's": (lambda path: _store(path, load_file(path), None), "does not say what"),
    "no JSON": (lambda path: _store(path, load_file(path), "{"), "header cannot be read"),
    "a field of nobody's": (lambda path: _edited(path, more=1), "unknown field `more`"),
    "of the future": (lambda path: _edited(path, version=2), "newer program"),
    "a kind of nobody's": (lambda path: _edited(path, kind="magic"), "kind 'magic'"),
    "negative steps": (lambda path: _edited(path, step=-1), "step"),
    "another shape": (lambda path: _shape(path, widths=[16, 32]), "do not fit its header"),
    "an impossible shape": (lambda path: _shape(path, widths=[7]), "multiples of 16"),
    "an endless shape": (lambda path: _shape(path, widths=[1 << 30]), "million parameters"),
    "a vocabulary of another": (lambda path: _shape(path, words=["a"]), "do not fit its header"),
    "a weight of another shape": (
        lambda path: _weights(path, first_weight=torch.zeros(3)), "do not fit its header"),
    "a weight missing": (lambda path: _weights(path, first_weight=None), "do not fit its header"),
    "a weight too many": (
        lambda path: _weights(path, magic_weight=torch.zeros(3)), "do not fit its header"),
    "NaN": (lambda path: _weights(path, last_bias=torch.full((12,), torch.nan)),
            "last.bias holds values that are not numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_network_is_refused_in_one_line(saved, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spoil, said = BROKEN[name]
    spoil(saved)
    with pytest.raises(EngineError, match=said) as told:
        read_model(saved)
    assert "\n" not in str(told.value)
    assert str(told.value).startswith(str(saved))
    assert not Path("pickled_code_was_run").exists()


def test_a_network_is_read_without_drawing_random_numbers_and_outlives_its_file(saved):
    """A training beside it draws from the same generator, and would be another."""
    before = torch.random.get_rng_state()
    network, _ = read_model(saved)
    assert torch.equal(before, torch.random.get_rng_state())
    weights = [value.clone() for value in network.parameters()]
    with saved.open("r+b") as file:
        file.truncate(0)
    assert all(map(torch.equal, weights, network.parameters()))


def test_a_training_whose_optimiser_is_missing_is_refused(saved):
    path = training_path(saved)
    tensors = {key: one for key, one in load_file(path).items() if not key.startswith("adam.mean.")}
    _store(path, tensors, _metadata(path))
    found, _ = read_training(path)
    with pytest.raises(EngineError, match="not whole"):
        Trainer.of_state(found, PICTURES, CPU)


def test_a_full_disk_leaves_the_older_file_as_it_was(saved, state, monkeypatch):
    before = saved.read_bytes()
    newer = replace(state, step=99)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(EngineError, match="MiB are needed and 0 MiB are free"):
        save_model(saved, newer)
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(EngineError, match=r"cannot be written \(No space left on device"):
        save_model(saved, newer)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    save_model(saved, newer)
    assert read_header(saved).step == 99


_CHILD = """
import os, sys, time
from diffusion_gui.session.model_files import read_training, save_training
path = sys.argv[1]
state, _ = read_training(path)
sync = os.fsync
def stall(file):
    sync(file)
    print("written, not in place", flush=True)
    time.sleep(60)
os.fsync = stall
import dataclasses
save_training(path, dataclasses.replace(state, step=77))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows ends processes otherwise")
def test_a_process_killed_while_it_saves_leaves_a_whole_file_to_go_on_from(state, tmp_path):
    path = tmp_path / "m.training.safetensors"
    save_training(path, state)
    before = path.read_bytes()
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(path)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "written, not in place\n"
        assert list(tmp_path.glob(".*.part"))
        child.send_signal(signal.SIGKILL)
    assert path.read_bytes() == before
    found, _ = read_training(path)
    Trainer.of_state(found, PICTURES, CPU).step()
    save_training(path, replace(found, step=3))
    assert read_header(path).step == 3


def test_the_largest_network_that_can_be_trained_can_be_read_again():
    whole = 4 * 4 * MOST_PARAMETERS  # weights, average, Adam's two, in float32
    assert whole < MOST_BYTES
