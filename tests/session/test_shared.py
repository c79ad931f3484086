"""What is given away tells nothing of where its pictures lie, and restores all the same."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from diffusion_gui.engine.experiment import (
    PICTURES,
    Experiment,
    Forward,
    PictureRef,
    Sampling,
    Start,
)
from diffusion_gui.engine.images import Picture
from diffusion_gui.session.animation import Motion, save_animation
from diffusion_gui.session.export import save_grid
from diffusion_gui.session.format import View
from diffusion_gui.session.forward_export import (
    Scene,
    Subject,
    save_frame,
    save_sheet,
    save_strip,
    save_tensors,
    shot,
)
from diffusion_gui.session.library import labels
from diffusion_gui.session.restore import read_experiment
from diffusion_gui.session.shared import shared

PIXELS = np.full((8, 8, 3), 90, np.uint8)
REFS = (
    PictureRef("one", "one.png", "/home/alice/Secret/cats/one.png"),
    PictureRef("two", "two.png", "C:\\Users\\alice\\Secret\\dogs\\two.png"),
    PictureRef("three", "salary.png", "/home/alice/Secret/salary.png"),
    PictureRef("photo-chelsea", "chelsea.png", "bundled"),
)
WRITERS: dict[str, Callable[[Path, Scene], object]] = {
    "f.png": save_frame,
    "s.png": lambda path, scene: save_strip(path, scene, {"": [0, 50]}),
    "c.png": lambda path, scene: save_sheet(path, scene, [0, 50]),
    "g.png": lambda path, scene: save_grid(path, PIXELS[None], scene.experiment),
    "a.apng": lambda path, scene: save_animation(path, scene, Motion(2)),
    "d.png": lambda path, scene: path.write_bytes(shot(scene).png),
    "t.npz": save_tensors,
}


def _scene(data: str = PICTURES) -> Scene:
    experiment = Experiment(pictures=REFS, forward=Forward(0), sampling=Sampling(data=data))
    subjects = tuple(Subject(ref, lambda: Picture("x", PIXELS)) for ref in REFS[:2])
    return Scene(experiment, View(40, "one"), subjects)


@pytest.mark.parametrize("data", ["emoji", PICTURES])
@pytest.mark.parametrize("name", WRITERS)
def test_no_path_is_in_what_is_exported(tmp_path: Path, name: str, data: str) -> None:
    path = tmp_path / name
    WRITERS[name](path, _scene(data))
    content = path.read_bytes()
    if name == "t.npz":
        with zipfile.ZipFile(path) as archive:
            content = archive.read("experiment.npy").replace(b"\0", b"")  # UTF-32
    assert b"diffusion-gui/1" in content
    for word in (b"alice", b"Secret/cats", b"home", b"Users", b"C:"):
        assert word not in content
    assert (b"salary" in content) == (data == PICTURES)


@pytest.mark.parametrize("data", ["emoji", PICTURES])
def test_what_is_shown_restores_with_its_label(tmp_path: Path, data: str) -> None:
    save_sheet(tmp_path / "c.png", _scene(data), [0, 50])
    known = {"photo-chelsea": REFS[3], "three": REFS[2]}
    found = read_experiment(tmp_path / "c.png", known, lambda *_: Picture("x", PIXELS))
    three = ["three"] if data == PICTURES else []
    refs = found.experiment.pictures
    assert [ref.id for ref in refs] == ["one", "two", *three, "photo-chelsea"]
    assert labels(refs)[:2] == ("cats", "dogs")
    assert refs[-1] == REFS[3]


def test_only_what_is_needed_is_kept() -> None:
    def kept(**sampling: object) -> list[str]:
        told = shared(Experiment(pictures=REFS, sampling=Sampling(**sampling)), {"two"})
        return [ref.id for ref in told.pictures]

    assert kept() == ["two", "photo-chelsea"]
    assert kept(start=Start("one", 5)) == ["one", "two", "photo-chelsea"]
    assert kept(data=PICTURES) == [ref.id for ref in REFS]
    once = shared(_scene().experiment, ())
    assert shared(once, ()) == once
