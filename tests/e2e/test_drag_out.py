"""A tile dragged out of the real window into a second program is a file that restores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_gui.engine.forward import Process
from diffusion_gui.engine.images import arranged, colour
from diffusion_gui.engine.schedules import build
from diffusion_gui.session import library
from diffusion_gui.session.restore import read_experiment

from .looks import SOON, source_corner, wait_for_a_picture
from .program import Program, running_drop_target

pytestmark = pytest.mark.e2e

T_NOW = 412
"""Where the time cursor stands at the start."""


def test_x_t_is_dragged_into_another_program(program: Program, tmp_path: Path) -> None:
    wait_for_a_picture(program, "x_t", "the image panel shows a picture")
    desktop, folder = program.desktop, tmp_path / "taken"
    folder.mkdir()
    file = folder / f"chelsea-t{T_NOW}.png"
    with running_drop_target(desktop, source_corner(program), folder) as place:
        desktop.press(program.places["x_t"].centre)
        desktop.move(place, steps=60)  # the file is made meanwhile
        desktop.move((place[0] + 5, place[1]))
        desktop.release()
        desktop.wait_until(file.exists, SOON, "the other program has the file")
    found = read_experiment(file, {})
    assert found.view is not None
    assert found.view.t == T_NOW
    experiment, forward = found.experiment, found.experiment.forward
    own = arranged(
        library.photo("chelsea.png"), forward.size, forward.fit, colour(forward.background)
    )
    np.testing.assert_array_equal(found.pictures[found.view.picture].pixels, own)
    moment = Process(own, experiment.seed, forward).at(build(experiment.schedule), T_NOW)
    with Image.open(file) as dropped:
        np.testing.assert_array_equal(np.array(dropped), moment.x_t())
    assert program.close(SOON) == (0, "")
