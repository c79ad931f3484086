"""What a run is said to cost is what it costs; what is in its way is said where it is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_gui.engine.denoisers import CLOSED_FORMS, MODELS
from diffusion_gui.engine.experiment import Experiment, Guidance, Sampling
from diffusion_gui.engine.forecast import Part, forecast, frames_kept, model_bytes
from diffusion_gui.engine.labels import common
from diffusion_gui.engine.params import pack, resolve
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.trajectory import Frame, Trajectory

LABELS = ("red cat", "red dog", "blue cat", "")


def wish(**sampling: Any) -> Experiment:
    return Experiment(ScheduleSpec("cosine", 100), sampling=Sampling(**{"steps": 8} | sampling))


def _frame(index: int) -> Frame:
    pixels, numbers = np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, np.float32)
    return Frame(index, index, 1.0, pixels, pixels, pixels, numbers, numbers)


@given(steps=st.integers(1, 300), budget=st.integers(0, 8000))
def test_as_many_frames_are_kept_as_is_said(steps: int, budget: int) -> None:
    trajectory = Trajectory(steps, budget)
    for index in range(steps + 1):
        trajectory.append(_frame(index))
    assert frames_kept(steps, _frame(0).nbytes, budget) == len(trajectory)


def test_calls_frames_and_memory_are_told() -> None:
    told, problems = forecast(wish(sampler="heun", count=3, size=16), LABELS)
    assert problems == {}
    assert told is not None
    assert (told.steps, told.kept) == (8, 9)
    assert told.calls == 15  # two a step, one for the step to the clean picture
    assert told.kept_bytes == 9 * 3 * 16 * 16 * 9
    assert told.model_bytes == 4 * 4 * 3 * 16 * 16
    guided, _ = forecast(wish(label="cat", guidance=Guidance("cfg"), size=16), LABELS)
    assert guided is not None
    assert guided.calls == 16
    assert guided.model_bytes == (2 + 4) * 4 * 3 * 16 * 16


@pytest.mark.parametrize(
    ("changes", "part", "line"),
    [
        ({"label": "bird"}, Part.MODEL, "no image has the label 'bird'"),
        ({"model_params": pack({"freedom": 1.0})}, Part.MODEL, "Exact has no parameter"),
        ({"guidance": Guidance("cfg")}, Part.GUIDANCE, "needs a label to follow"),
        (
            {"guidance": Guidance("cfg", pack({"low": 2.0, "high": 1.0}), "gaussian")},
            Part.GUIDANCE,
            "is empty",
        ),
        ({"params": pack({"eta": 2.0})}, Part.SAMPLER, "outside 0 to 1"),
        ({"spacing": "times", "levels": ()}, Part.SPACING, ""),
        ({"restart": pack({"low": 1.0, "high": 0.5})}, Part.RESTART, "must be below"),
    ],
)
def test_what_is_impossible_is_said_where_it_arises(
    changes: dict[str, Any], part: Part, line: str
) -> None:
    told, problems = forecast(wish(**changes), LABELS)
    assert told is None
    assert list(problems) == [part]
    assert line in problems[part]
    assert "\n" not in problems[part]


def test_several_problems_stand_side_by_side() -> None:
    experiment = wish(label="bird", restart=pack({"low": 1.0, "high": 0.5}))
    _, problems = forecast(experiment, LABELS)
    assert set(problems) == {Part.MODEL, Part.RESTART}
    _, problems = forecast(replace(experiment, sampling=Sampling()), ())
    assert "no pictures to learn from" in problems[Part.MODEL]


def test_labels_offer_what_several_images_have_in_common() -> None:
    assert common(LABELS) == ["cat", "red"]
    assert common(["a", "a", "b", ""]) == ["a"]


@pytest.mark.parametrize("count", [9, 40])
@pytest.mark.parametrize("kind", [0.0, 1.0])
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_a_model_holds_what_is_said(name: str, kind: float, count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((count, 3, 16, 16), generator=generator) * 2.0 - 1.0
    row = MODELS[name]
    given = pack({"kind": kind} if name == "gaussian" else {})
    model = row.build(images, lambda: None, **resolve(row.params, given, row.title))
    held = sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
                for t in _tensors(model)}.values())  # fmt: skip
    told = model_bytes(name, count, 16, kind=kind)
    assert told is not None
    assert told == pytest.approx(held, rel=0.1, abs=80_000)


def _tensors(thing: object, seen: set[int] | None = None) -> Iterator[torch.Tensor]:
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from _tensors(value, seen)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            yield from _tensors(value, seen)
    elif type(thing).__module__.startswith("diffusion_gui"):
        yield from _tensors(getattr(thing, "__dict__", {}), seen)
