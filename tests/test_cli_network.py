"""`diffusion-cli sample` with a trained network: its file, what it is told, its runs again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from diffusion_gui.cli import app
from diffusion_gui.session.restore import read_experiment

SMALL = ("--count", "2", "--steps", "3")


def _run(*args: object) -> Result:
    return CliRunner().invoke(app, ["sample", *map(str, args)], prog_name="diffusion-cli")


def _ok(*args: object) -> Result:
    result = _run(*args)
    assert result.exit_code == 0, result.output
    return result


def _refused(*args: object) -> str:
    result = _run(*args)
    assert result.exit_code == 2, result.output
    [line] = result.stderr.splitlines()
    return line.removeprefix("diffusion-cli: ")


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_network_in_a_file_draws_what_it_is_told_and_again(
    make_network: Callable[..., Path], tmp_path: Path
) -> None:
    network = make_network()
    told = ("--model", network, "--label", "red heart", "--guidance", "cfg", *SMALL)
    said = _ok(*told, "-o", tmp_path / "a.png")
    assert "NFE 6" in said.output
    found = read_experiment(tmp_path / "a.png", {}).experiment.sampling
    assert (found.model, found.size, found.label) == ("neural", 16, "red heart")
    assert found.network is not None
    assert (found.network.name, found.network.source) == ("tiny", "")
    _ok("--model", network, *SMALL, "-o", tmp_path / "b.png")
    assert not np.array_equal(_pixels(tmp_path / "a.png"), _pixels(tmp_path / "b.png"))
    again = ("--from", tmp_path / "a.png", "-o", tmp_path / "c.png")
    assert _refused(*again).endswith("its network tiny is not here: give its file as --model")
    other = make_network("other", seed=1)
    assert "its network tiny is not here" in _refused(*again, "--model", other)
    moved = network.rename(tmp_path / "moved.safetensors")
    _ok(*again, "--model", moved)
    np.testing.assert_array_equal(_pixels(tmp_path / "a.png"), _pixels(tmp_path / "c.png"))


def test_a_network_begins_with_a_picture_and_takes_the_precision_it_is_told(
    make_network: Callable[..., Path], make_image: Callable[..., Path], tmp_path: Path
) -> None:
    start = make_image("start.png", (200, 30, 30))
    args = ("--model", make_network(), *SMALL, "--start", start, "--t", 300)
    _ok(*args, "-o", tmp_path / "a.png", "--trajectory", tmp_path / "a.npz")
    _ok(*args, "-o", tmp_path / "b.png", "--model-set", "precision=1")
    exact, half = (_pixels(tmp_path / name).astype(int) for name in ("a.png", "b.png"))
    assert 0 < np.abs(exact - half).max() < 30
    assert len(read_experiment(tmp_path / "a.png", {}).experiment.pictures) == 1


def test_what_a_network_cannot_do_is_one_line(
    make_network: Callable[..., Path], make_image: Callable[..., Path], tmp_path: Path
) -> None:
    network, picture = make_network(), make_image("p.png")
    target = tmp_path / "out.png"
    for args, line in (
        (("--label", "red haert"), "tiny was not taught the word 'haert': is it 'heart'?"),
        (("--size", "32"), "tiny draws pictures of 16 x 16: choose 16 px"),
        (("--images", tmp_path), "a network knows no images; leave it out"),
        (("--guidance", "cfg"), "guidance needs a label to follow"),
    ):
        assert line in _refused("--model", network, *args, "-o", target)
    assert "a checkpoint is a folder or one of" in _refused("--model", picture, "-o", target)
    unknown = _refused("--model", "gausian", "-o", target)
    assert "choose one of: exact, " in unknown
    assert "or give the file of a network" in unknown
    assert "choose one of: 16, 32, 64, 128" in _refused("--size", "28", "-o", target)
    assert not target.exists()


def test_guidance_leads_away_from_a_closed_form_of_a_folder(
    make_network: Callable[..., Path], make_image: Callable[..., Path], tmp_path: Path
) -> None:
    for number in range(3):
        make_image(f"set/{number}.png", size=16)
    args = ("--model", make_network(), *SMALL, "--guidance", "cfg", "--against", "gaussian")
    _ok(*args, "--images", tmp_path / "set", "-o", tmp_path / "a.png")
    assert len(read_experiment(tmp_path / "a.png", {}).experiment.pictures) == 3


def test_a_network_is_asked_at_no_noisier_level_than_it_was_trained_at(
    make_network: Callable[..., Path], tmp_path: Path
) -> None:
    told = ("--model", make_network(), "--spacing", "karras", *SMALL, "-o", tmp_path / "a.png")
    assert "not trained at" not in _ok(*told).stderr
    found = read_experiment(tmp_path / "a.png", {}).experiment.sampling
    assert found.spacing_params == (("sigma_max", 160.0),)
    assert "σ > 160" in _ok(*told, "--spacing-set", "sigma_max=0").stderr
    found = read_experiment(tmp_path / "a.png", {}).experiment.sampling
    assert found.spacing_params == (("sigma_max", 0.0),)
