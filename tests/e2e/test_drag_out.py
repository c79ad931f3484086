"""A tile dragged out of the real window into a second program is a file that restores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_gui.app.parts import FIRST_T
from diffusion_gui.engine.forward import Process
from diffusion_gui.engine.images import arranged, colour
from diffusion_gui.engine.schedules import build
from diffusion_gui.session import library
from diffusion_gui.session.restore import read_experiment
from tests.e2e import drop_target
from tests.e2e.desktop import ended
from tests.e2e.program import HERE, SOON, START, Program

pytestmark = pytest.mark.e2e


def test_x_t_is_dragged_into_another_program(program: Program, tmp_path: Path) -> None:
    desktop, window = program.desktop, program.places["window"]
    corner = (window.x + 20, window.y + 640)
    copy = tmp_path / "copy.png"
    words = [sys.executable, str(HERE / "drop_target.py"), *map(str, corner), str(copy)]
    target = subprocess.Popen(words, env=desktop.environment(tmp_path / "target"))
    with ended(target):
        desktop.wait_until(
            lambda: desktop.window(drop_target.TITLE), START, "the second program's window appears"
        )
        place = desktop.window(drop_target.TITLE)
        assert place is not None
        desktop.press(program.places["x_t"].centre)
        desktop.move(place.centre, steps=40)
        desktop.release()
        desktop.wait_until(copy.exists, SOON, "the other program has the file")
    assert copy.with_suffix(".name").read_text(encoding="utf-8") == f"chelsea-t{FIRST_T}.png"
    found = read_experiment(copy, {})
    assert found.view is not None
    assert found.view.t == FIRST_T
    experiment, forward = found.experiment, found.experiment.forward
    own = arranged(
        library.photo("chelsea.png"), forward.size, forward.fit, colour(forward.background)
    )
    np.testing.assert_array_equal(found.pictures[found.view.picture].pixels, own)
    moment = Process(own, experiment.seed, forward).at(build(experiment.schedule), FIRST_T)
    with Image.open(copy) as dropped:
        np.testing.assert_array_equal(np.array(dropped), moment.x_t())
    assert program.close(SOON) == (0, "")
