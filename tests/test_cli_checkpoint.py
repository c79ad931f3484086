"""`diffusion-cli sample` with another program's checkpoint: as its file says, and corrected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from diffusion_gui.cli import app
from diffusion_gui.session.restore import read_experiment

MODEL = Path(__file__).parent / "session" / "checkpoints" / "model-1.pt"
SMALL = ("--count", "2", "--steps", "3", "--schedule", "cosine")


def _run(*args: object):
    return CliRunner().invoke(app, ["sample", *map(str, args)], prog_name="diffusion-cli")


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_checkpoint_is_sampled_checked_and_sampled_again_from_its_png(tmp_path: Path) -> None:
    one, again, other = (tmp_path / f"{name}.png" for name in ("one", "again", "other"))
    corrected = ("--model", MODEL, "--network-set", "size=16", "--network-set", "weights=trained")
    told = _run(*corrected, *SMALL, "-o", one)
    assert told.exit_code == 0, told.output
    assert "note: predicts v: no, " in told.stderr  # its weights are random
    assert "untrained" not in told.stderr  # it is asked at no noisier level than that
    ref = read_experiment(one, {}).experiment.sampling.network
    assert ref is not None
    assert ref.source == ""  # no path travels
    assert str(MODEL) not in one.read_bytes().decode("latin-1")

    same = _run("--from", one, *corrected, "-o", again)
    assert same.exit_code == 0, same.output
    assert (_pixels(one) == _pixels(again)).all()
    wrong = _run("--from", one, "--model", MODEL, "-o", again)  # called otherwise: another network
    assert wrong.exit_code == 2
    assert "not here" in wrong.stderr

    done = _run("--model", MODEL, "--network-set", "size=16", *SMALL, "-o", other)
    assert done.exit_code == 0, done.output
    assert (_pixels(one) != _pixels(other)).any()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--model", MODEL.parent), "no network in it"),
        (("--model", MODEL, "--network-set", "size=17"), "multiple of 2"),
        (("--model", MODEL, "--network-set", "size=big"), "not a whole number"),
        (("--model", MODEL, "--network-set", "prediction=noise"), "choose sample, epsilon"),
        (("--model", MODEL, "--network-set", "prediction=flow_velocity"), "does not predict"),
        (("--model", MODEL, "--network-set", "colour=red"), "write KEY=VALUE"),
        (("--model", MODEL, "--network-set", "schedule=none"), "not known"),
        (("--model", MODEL, "--size", "64"), "32 px"),
        (("--model", MODEL, "--label", "cat"), "trained without labels"),
        (("--model", "exact", "--network-set", "size=16"), "goes with the file of a network"),
    ],
)
def test_a_bad_wish_is_one_line(args: tuple[object, ...], said: str, tmp_path: Path) -> None:
    result = _run(*args, "-o", tmp_path / "a.png")
    assert result.exit_code == 2, result.output
    [line] = result.stderr.splitlines()
    assert said in line
    assert not (tmp_path / "a.png").exists()
