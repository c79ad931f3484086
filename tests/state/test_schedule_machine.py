"""Whatever is done to a schedule, in whatever order: it stays legal, and files give it back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from numpy.testing import assert_allclose

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.schedules import (
    PRESETS,
    Family,
    ScheduleSpec,
    build,
    control_points,
    editing,
    operations,
)
from diffusion_gui.engine.schedules.columns import with_value
from diffusion_gui.engine.schedules.doctor import examine
from diffusion_gui.engine.schedules.quantities import QUANTITIES
from diffusion_gui.engine.schedules.strokes import draw_betas, draw_levels
from diffusion_gui.session.export import save_schedule
from diffusion_gui.session.schedule_import import load_schedule
from diffusion_gui.state.comparison import Comparison
from diffusion_gui.state.document import Document

LEVELS = sorted(key for key, row in QUANTITIES.items() if row.log_snr is not None)
OWN = (".json", ".csv", ".npz", ".npy", ".safetensors", ".py", ".png", ".svg")
Edit = Callable[[ScheduleSpec], ScheduleSpec]


class ScheduleMachine(RuleBasedStateMachine):
    """A person at the editor, without the widgets."""

    def __init__(self) -> None:
        super().__init__()
        self.document = Document(Experiment(schedule=ScheduleSpec("cosine", 40)))
        self.comparison = Comparison(self.document)
        self.folder = tempfile.TemporaryDirectory()
        self.past: list[ScheduleSpec] = []
        """The schedules that undo must lead back to, the newest last."""

    def teardown(self) -> None:
        self.folder.cleanup()

    @property
    def spec(self) -> ScheduleSpec:
        return self.document.experiment.schedule

    def edit(self, make: Edit) -> None:
        """Do what the editor does: replace the schedule, or refuse and change nothing."""
        before = self.spec
        try:
            self.document.replace_schedule(make(before), "edit")
        except EngineError:
            assert self.spec == before
        if self.spec != before:
            self.past.append(before)

    # --- edits --------------------------------------------------------------------------------

    @rule(
        index=st.integers(0, 9),
        t=st.floats(-5, 70),
        key=st.sampled_from(sorted(QUANTITIES)),
        value=st.floats(-12, 12) | st.floats(0, 1),
    )
    def drag(self, index: int, t: float, key: str, value: float) -> None:
        place = min(index, len(control_points(self.spec)) - 1)
        self.edit(lambda spec: editing.drag_point(spec, place, t, QUANTITIES[key], value))

    @rule(chosen=st.sets(st.integers(0, 5)), steps=st.integers(-9, 9), nats=st.floats(-3, 3))
    def move(self, chosen: set[int], steps: int, nats: float) -> None:
        known = {i for i in chosen if i < len(control_points(self.spec))}
        self.edit(lambda spec: editing.move_points(spec, known, steps, nats))

    @rule(t=st.integers(1, 60))
    def add(self, t: int) -> None:
        self.edit(lambda spec: editing.add_point(spec, t)[0])

    @rule(index=st.integers(0, 9))
    def remove(self, index: int) -> None:
        self.edit(lambda spec: editing.remove_points(spec, {index}))

    @rule(
        key=st.sampled_from([*LEVELS, "beta"]),
        stroke=st.lists(st.tuples(st.floats(-5, 70), st.floats(-3, 3)), max_size=20),
    )
    def draw(self, key: str, stroke: list[tuple[float, float]]) -> None:
        if key == "beta":
            self.edit(lambda spec: draw_betas(spec, stroke))
        else:
            self.edit(lambda spec: draw_levels(spec, QUANTITIES[key], stroke))

    @rule(
        name=st.sampled_from(["beta", "alpha_bar", "sigma", "snr"]),
        t=st.integers(1, 40),
        value=st.floats(0, 1),
    )
    def type_a_number(self, name: str, t: int, value: float) -> None:
        self.edit(lambda spec: with_value(spec, name, min(t, spec.T), value))

    # --- presets and operations -----------------------------------------------------------------

    @rule(key=st.sampled_from(sorted(PRESETS)), T=st.integers(1, 60))
    def preset(self, key: str, T: int) -> None:
        self.edit(lambda _: ScheduleSpec(key, T))

    @rule(nats=st.floats(-4, 4))
    def shift(self, nats: float) -> None:
        self.edit(lambda spec: operations.shifted(spec, nats))

    @rule(factor=st.floats(0.5, 2))
    def scale(self, factor: float) -> None:
        self.edit(lambda spec: operations.scaled(spec, factor))

    @rule(T=st.integers(1, 60))
    def resample(self, T: int) -> None:
        self.edit(lambda spec: operations.resampled(spec, T))

    @rule()
    def zero_terminal(self) -> None:
        self.edit(operations.zero_terminal)

    @rule(key=st.sampled_from(sorted(PRESETS)), ratio=st.floats(0, 1))
    def blend(self, key: str, ratio: float) -> None:
        self.edit(lambda spec: operations.blend(spec, ScheduleSpec(key, 30), ratio))

    @rule()
    def to_points(self) -> None:
        self.edit(operations.fit)

    @rule()
    def mend(self) -> None:
        fix = next((f.fix for f in examine(self.spec) if f.fix is not None), None)
        if fix is not None:
            self.edit(lambda _: fix.spec)

    # --- back and forth -------------------------------------------------------------------------

    @precondition(lambda self: self.past)
    @rule()
    def undo(self) -> None:
        expected = self.past.pop()
        self.document.history.undo()
        assert self.spec == expected

    @rule()
    def undo_and_redo(self) -> None:
        before = self.document.experiment
        if self.document.history.undo_text:
            self.document.history.undo()
            self.document.history.redo()
        assert self.document.experiment == before

    @rule()
    def switch_sides(self) -> None:
        before = self.spec
        self.comparison.switch()
        if self.spec != before:
            self.past.append(before)

    @rule(ending=st.sampled_from(OWN))
    def save_and_open(self, ending: str) -> None:
        shown, path = self.document.schedule, Path(self.folder.name) / f"a{ending}"
        try:
            save_schedule(shown, path, self.spec)
        except EngineError:
            assert ending == ".npy"
            assert shown.family is not Family.VP
            return
        found = load_schedule(path).spec
        again = build(found)
        assert again.family is shown.family
        assert_allclose(again.alpha_bar, shown.alpha_bar, rtol=0, atol=1e-9)
        assert_allclose(again.beta, shown.beta, rtol=1e-9, atol=1e-9)
        self.edit(lambda _: found)

    @rule()
    def save_sigmas(self) -> None:
        shown, path = self.document.schedule, Path(self.folder.name) / "a.txt"
        try:
            save_schedule(shown, path, self.spec)
        except EngineError:
            assert not np.isfinite(shown.sigma).all()
            return
        again = build(load_schedule(path).spec)
        assert_allclose(again.alpha_bar, shown.alpha_bar, rtol=0, atol=1e-9)

    @rule()
    def through_diffusers(self) -> None:
        from diffusers import DDPMScheduler

        from diffusion_gui.session.diffusers_export import to_config

        shown = self.document.schedule
        if shown.family is not Family.VP:
            return
        scheduler = DDPMScheduler.from_config(to_config(shown, self.spec, "DDPMScheduler"))
        rounding = max(1e-6, shown.T * 2.0**-24)  # its product of 1 - beta is float32
        assert_allclose(
            scheduler.alphas_cumprod.double().numpy(), shown.alpha_bar[1:], rtol=0, atol=rounding
        )

    @invariant()
    def legal(self) -> None:
        schedule = self.document.schedule
        assert np.isfinite(schedule.beta).all()
        assert (schedule.beta[1:] > 0.0).all()
        assert (schedule.beta[1:] <= 1.0).all()
        assert (np.diff(schedule.log_snr) < 0.0).all()
        assert len(schedule.beta) == self.spec.T + 1


ScheduleMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestScheduleMachine = ScheduleMachine.TestCase
