"""The document: the current experiment, and the only road by which it changes (with undo)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.engine.schedules import Schedule, ScheduleSpec, build
from diffusion_gui.state.history import History


class Document(QObject):
    """Holds the current `Experiment`; every change goes through `replace` and can be undone.

    Signals tell which part changed, after it changed; `changed` follows after them.
    """

    schedule_changed = Signal()
    pictures_changed = Signal()
    forward_changed = Signal()
    sampling_changed = Signal()
    seed_changed = Signal()
    changed = Signal()

    def __init__(self, experiment: Experiment | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._experiment = experiment or Experiment()
        self._gesture = 0
        self.history = History(self._experiment, self)
        self.history.moved.connect(self._on_moved)

    @property
    def experiment(self) -> Experiment:
        """The current experiment."""
        return self._experiment

    @property
    def schedule(self) -> Schedule:
        """The schedule the experiment's spec describes."""
        return build(self._experiment.schedule)

    def replace(self, experiment: Experiment, text: str, merge_key: str = "") -> None:
        """Make `experiment` the current one, as the undoable step `text`.

        Changes that follow one another with the same `merge_key` are one undo step, until
        `end_gesture` is called; a key with a "#" is ended by its owner only, who takes another.
        An equal experiment changes nothing. Raises EngineError, and changes nothing, if its
        schedule cannot be built.
        """
        if experiment == self._experiment:
            return
        build(experiment.schedule)
        lasting = not merge_key or "#" in merge_key
        key = merge_key if lasting else f"{merge_key}#{self._gesture}"
        self.history.push(experiment, text, key)

    def replace_schedule(self, spec: ScheduleSpec, text: str, merge_key: str = "") -> None:
        """Replace the schedule only."""
        self.replace(replace(self._experiment, schedule=spec), text, merge_key)

    def replace_forward(self, text: str, merge_key: str = "", **changes: Any) -> None:
        """Change named settings of the forward process only."""
        forward = replace(self._experiment.forward, **changes)
        self.replace(replace(self._experiment, forward=forward), text, merge_key)

    def replace_sampling(self, text: str, merge_key: str = "", **changes: Any) -> None:
        """Change named sampling settings only."""
        sampling = replace(self._experiment.sampling, **changes)
        self.replace(replace(self._experiment, sampling=sampling), text, merge_key)

    def end_gesture(self) -> None:
        """Close the current drag: the next change with the same key is a new undo step."""
        self._gesture += 1

    @Slot()
    def _on_moved(self) -> None:
        before, experiment = self._experiment, self.history.current
        self._experiment = experiment
        if before.fork != experiment.fork and before.sampling == experiment.sampling:
            self.sampling_changed.emit()
        for part, signal in (
            ("schedule", self.schedule_changed),
            ("pictures", self.pictures_changed),
            ("forward", self.forward_changed),
            ("sampling", self.sampling_changed),
            ("seed", self.seed_changed),
        ):
            if getattr(before, part) != getattr(experiment, part):
                signal.emit()
        self.changed.emit()
