"""The user's own trainings in a folder: names, the newest, plans that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from diffusion_gui.engine.denoisers.unet import UNet
from diffusion_gui.engine.denoisers.unet_config import UNetConfig
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.training.options import TrainOptions
from diffusion_gui.engine.training.trainer import State
from diffusion_gui.session.training_home import Files, copy, new_files, newest, resumable
from diffusion_gui.session.training_plan import Plan, Source


def _state(step: int) -> State:
    config = UNetConfig(8, 1, (16,), 1, 16)
    weights = UNet(config).state_dict()
    tensors = {f"{part}.{k}": v for part in ("network", "average") for k, v in weights.items()}
    return State(config, TrainOptions(), step, tensors)


def test_a_training_is_written_found_and_copied(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert newest(home) is None
    plan = Plan(source=Source.FOLDER, folder="/pictures/cats", minutes=2.0)
    files = new_files(home, plan.name)
    assert files.model == home / "cats.safetensors"
    files.write(_state(3), plan)
    other = new_files(home, plan.name)
    assert other.stem == "cats-2"
    other.write(_state(5), plan)
    os.utime(files.training, (1, 1))
    found = newest(home)
    assert found is not None
    assert (found.files, found.header.step, found.plan) == (other, 5, plan)
    assert Files.of(other.model) == Files.of(other.training) == other
    copied = copy(other, tmp_path / "away.safetensors")
    assert copied.model.read_bytes() == other.model.read_bytes()
    assert resumable(copied.training).plan is None  # the path of the pictures stays at home
    assert b"/pictures" not in copied.training.read_bytes()


def test_what_cannot_be_read_is_passed_over_or_told(tmp_path: Path) -> None:
    files = new_files(tmp_path, "a b/c: …")
    assert files.stem == "a-b-c"
    files.write(_state(1), Plan())
    (tmp_path / "newer.training.safetensors").write_bytes(b"nothing")
    files.plan.write_text('{"source": "elsewhere"}')
    found = newest(tmp_path)
    assert found is not None
    assert (found.files, found.plan) == (files, None)
    with pytest.raises(EngineError, match="finished model"):
        resumable(files.model)
    with pytest.raises(EngineError, match="train a step first"):
        copy(Files.of(tmp_path / "none.safetensors"), tmp_path / "to.safetensors")
