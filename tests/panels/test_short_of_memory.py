"""Running out of memory, NaN and models that raise: through the window, with torch's own errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot
from torch import Tensor

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.denoisers import MODELS, Model
from diffusion_gui.engine.denoisers.exact import Exact
from diffusion_gui.engine.experiment import Guidance
from diffusion_gui.engine.params import pack
from diffusion_gui.panels.sampling.panel import SamplingPanel
from diffusion_gui.state.forecast import sentence
from diffusion_gui.state.run import Outcome
from diffusion_gui.state.sampling import RunState

LEFT = Qt.MouseButton.LeftButton
TIMEOUT = 60_000


@dataclass
class Scarce:
    """The exact denoiser with `room` for so many pictures at once; raises what torch raises."""

    images: Tensor
    room: int = 4
    error: Callable[[], Exception] = field(
        default=lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    )
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._exact = Exact(self.images)

    def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
        self.asked.append(len(x))
        if len(x) > self.room:
            raise self.error()
        return self._exact(x, a, s)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Scarce]:
    """Register `Scarce` as the model "scarce" and return the ones that are built."""
    built: list[Scarce] = []

    def build(images: Tensor, poll: Callable[[], None]) -> Scarce:
        built.append(Scarce(images))
        return built[-1]

    monkeypatch.setitem(MODELS, "scarce", Model("Scarce", "Test", "No room.", (), build))
    return built


@pytest.fixture
def panel(window: MainWindow, parts: Parts) -> SamplingPanel:
    parts.sampling.live = False
    return window.sampling


def _run(qtbot: QtBot, panel: SamplingPanel, parts: Parts) -> None:
    before = parts.sampling.recorded
    qtbot.mouseClick(panel.transport.run, LEFT)
    qtbot.waitUntil(
        lambda: (
            parts.sampling.state in (RunState.DONE, RunState.FAILED)
            and (parts.sampling.recorded is not before or parts.sampling.state is RunState.FAILED)
        ),
        timeout=TIMEOUT,
    )


def test_a_model_without_room_for_the_batch_is_asked_in_parts_and_that_is_said(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot, made: list[Scarce]
) -> None:
    parts.document.replace_sampling("few", steps=5, count=16)
    _run(qtbot, panel, parts)
    plain = parts.sampling.recorded
    parts.document.replace_sampling("scarce", model="scarce")
    _run(qtbot, panel, parts)
    run = parts.sampling.recorded
    assert run is not None
    assert plain is not None
    assert run.outcome is Outcome.DONE
    assert made[0].asked == [16, 8, *[4] * 20]  # of 6 steps, the last has no estimate
    line = "Not enough memory for 16 pictures at once: the model is asked for 4 at a time"
    assert panel.bar.text == line
    assert sentence(run.message) == line
    for one, other in zip(run.trajectory.frames, plain.trajectory.frames, strict=True):
        np.testing.assert_array_equal(one.x_t, other.x_t)
    _run(qtbot, panel, parts)  # what was found out is kept, but twice as many are tried once
    assert made[0].asked[22:] == [8, *[4] * 20]
    assert sentence(parts.sampling.recorded.message) == line
    guidance = Guidance("cfg", pack({"scale": 2.0}), "scarce")
    parts.document.replace_sampling("guided", guidance=guidance)
    _run(qtbot, panel, parts)
    assert parts.sampling.state is RunState.DONE
    assert {max(one.asked[-4:]) for one in made[1:]} == {4}


def test_without_room_for_one_picture_the_run_ends_with_the_mend(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot, made: list[Scarce]
) -> None:
    parts.document.replace_sampling("scarce", model="scarce", steps=5, count=3)
    panel_errors = {
        "accelerator": torch.OutOfMemoryError("CUDA out of memory."),
        "processor": RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate"
            " memory: you tried to allocate 40000000000 bytes. Error code 12"
        ),
        "numpy": MemoryError(),
    }
    _run(qtbot, panel, parts)
    for error in panel_errors.values():
        made[0].room, made[0].error = 0, lambda error=error: error
        _run(qtbot, panel, parts)
        assert parts.sampling.state is RunState.FAILED
        assert panel.bar.text.startswith("Not enough memory to ask the model for one picture of 32")
        assert "lower the size" in panel.bar.text
    made[0].room = 2
    _run(qtbot, panel, parts)
    assert parts.sampling.state is RunState.DONE
    assert panel.bar.text.endswith("the model is asked for 2 at a time")
    made[0].room = 3  # there is room again
    _run(qtbot, panel, parts)
    assert made[0].asked[-5:] == [3] * 5
    assert panel.bar.text == ""


def test_a_model_that_raises_leaves_the_frames_and_the_next_run_works(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot, made: list[Scarce]
) -> None:
    parts.document.replace_sampling("scarce", model="scarce", steps=5, count=2)
    _run(qtbot, panel, parts)
    for error in (KeyError("weights"), RuntimeError(""), ValueError("bad\nin two lines")):
        made[0].room, made[0].error = 0, lambda error=error: error
        _run(qtbot, panel, parts)
        assert parts.sampling.state is RunState.FAILED
        assert panel.bar.text.startswith("The run failed: press Run to try again")
        assert type(error).__name__ in panel.bar.text
        assert "\n" not in panel.bar.text
        made[0].room = 4
        _run(qtbot, panel, parts)
        assert parts.sampling.state is RunState.DONE


def test_a_step_that_is_not_a_number_ends_the_run_and_a_fork_goes_on_before_it(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot, made: list[Scarce]
) -> None:
    class Broken(Scarce):
        def __call__(self, x: Tensor, a: float, s: float) -> Tensor:
            x0_hat = super().__call__(x, a, s)
            return x0_hat * torch.nan if len(self.asked) == 4 else x0_hat

    def build(images: Tensor, poll: Callable[[], None]) -> Scarce:
        return Broken(images)

    MODELS["scarce"] = Model("Broken", "Test", "NaN.", (), build)
    parts.document.replace_sampling("broken", model="scarce", steps=6, count=4)
    _run(qtbot, panel, parts)
    failed = parts.sampling.recorded
    assert failed is not None
    assert panel.bar.text.startswith(
        "Step 3 (t = 500): the model's estimate is not a finite number"
    )
    assert failed.outcome is Outcome.FAILED
    assert [frame.index for frame in failed.trajectory.frames] == [0, 1, 2]
    assert panel.frame is not None
    assert panel.frame.index == 2
    parts.sampling.fork(failed, 2)
    parts.document.replace_sampling("exact", model="exact")
    _run(qtbot, panel, parts)
    forked = parts.sampling.recorded
    assert forked is not failed
    assert forked is not None
    assert forked.outcome is Outcome.DONE
    for one, other in zip(failed.trajectory.frames, forked.trajectory.frames, strict=False):
        np.testing.assert_array_equal(one.x_t, other.x_t)
    assert panel.bar.text == ""


def test_without_memory_for_the_history_the_run_goes_on_with_fewer_steps_kept(
    panel: SamplingPanel, parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusion_gui.engine.recorder import Recorder

    send = Recorder._send

    def short(self: Recorder, step: object, seconds: float) -> object:
        run = parts.sampling.recorded
        if run is not None and len(run.trajectory) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return send(self, step, seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(Recorder, "_send", short)
    parts.document.replace_sampling("some", steps=20, count=2)
    _run(qtbot, panel, parts)
    run = parts.sampling.recorded
    assert run is not None
    assert run.outcome is Outcome.DONE
    assert run.tape is None
    assert run.trajectory.finished
    assert len(run.trajectory) <= 6
    kept = f"1 of {run.trajectory.stride}"
    assert panel.bar.text == f"Not enough memory for every step: {kept} is kept"
    assert f"{kept} steps kept" in panel.caption.text()
