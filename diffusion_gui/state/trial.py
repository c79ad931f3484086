"""A live run of which nobody knows how long it will take: its first steps tell. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_gui.engine.experiment import Experiment
from diffusion_gui.state.pace import measured
from diffusion_gui.state.run import Run


@dataclass(slots=True)
class Trial:
    """It is in no list and not on show before it has proved quick, so a slow one costs nothing."""

    experiment: Experiment
    before: Experiment | None
    """What had been asked for before."""
    run: Run | None = None
    """Once its model is built."""

    @property
    def expected(self) -> float | None:
        """About how many seconds it takes in all, its model built; None before its second step."""
        found = measured(self.run) if self.run is not None else None
        if self.run is None or found is None or not found.warm:
            return None
        return found.seconds / found.calls * (self.run.calls[-1] - found.shared)
