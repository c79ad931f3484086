"""What an animation's format cannot hold is said in one line, before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment, Forward, PictureRef
from diffusion_gui.engine.images import Picture
from diffusion_gui.session import animation
from diffusion_gui.session.animation import Motion, save_animation
from diffusion_gui.session.format import View
from diffusion_gui.session.forward_export import Scene, Subject
from diffusion_gui.session.watch import Watch

REF = PictureRef("p", "p.png")
MOTION = Motion(2, 10, False)


def _scene(height: int, width: int) -> Scene:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    experiment = Experiment(pictures=(REF,), forward=Forward(0))
    return Scene(experiment, View(500, "p"), (Subject(REF, lambda: Picture("p.png", pixels)),))


@pytest.mark.parametrize(
    ("ending", "most"), [(".webp", 16_383), (".gif", 65_535), (".mp4", 16_384)]
)
def test_sides_over_a_formats_limit_are_refused_before_any_frame(
    tmp_path: Path, ending: str, most: int
) -> None:
    begun: list[int] = []
    watch = Watch(progress=lambda done, total: begun.append(done))
    for shape in ((2, most + 1), (most + 1, 2)):
        with pytest.raises(EngineError, match=rf"are too large for {ending}, .* at most {most};"):
            save_animation(tmp_path / f"a{ending}", _scene(*shape), MOTION, watch)
    assert not begun
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("ending", "side"), [(".webp", 16_383), (".gif", 65_535), (".mp4", 16_384), (".apng", 70_000)]
)
def test_the_longest_side_is_written(tmp_path: Path, ending: str, side: int) -> None:
    path = tmp_path / f"a{ending}"
    assert save_animation(path, _scene(16, side), MOTION) == 2
    if ending != ".mp4":
        with Image.open(path) as image:
            assert (image.size, image.n_frames) == ((side, 16), 2)


@pytest.mark.parametrize("ending", [".webp", ".gif", ".mp4"])
def test_what_an_encoder_refuses_is_one_line(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "_MOST_SIDES", {})
    with pytest.raises(EngineError, match="encoder refuses these frames") as caught:
        save_animation(tmp_path / f"a{ending}", _scene(2, 70_000), MOTION)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
