"""Writes a run down, step by step: its frames and what is noted besides. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diffusion_gui.engine.denoisers.in_parts import release
from diffusion_gui.engine.errors import OutOfMemoryError, ran_out_of_memory
from diffusion_gui.engine.recorder import Recorder
from diffusion_gui.engine.samplers import Step
from diffusion_gui.engine.trajectory import Frame, Trajectory
from diffusion_gui.engine.witness import Seen, Witness
from diffusion_gui.state.run import Run


class RunBook:
    """The record of one run; `note` what is known at a step, then `write` it, perhaps in a thread.

    `inherited` are frames that another run has already: they are kept once. `grown` hears of every
    frame from the last of them on. Without a `witness` there are frames alone.
    """

    def __init__(
        self,
        run: Run,
        witness: Witness | None,
        inherited: Mapping[int, Frame],
        grown: Callable[[Trajectory], None],
    ) -> None:
        self._run, self._witness = run, witness
        self._inherited, self._grown = inherited, grown
        self._old = max(inherited, default=-1)
        self._recorder = Recorder()

    def note(self) -> tuple[float, Seen]:
        """Return the run's age and what was seen on the way to its step: in the run's thread."""
        return self._run.seconds, self._witness.seen() if self._witness is not None else []

    def write(self, step: Step, note: tuple[float, Seen]) -> None:
        """Write a step down; raises OutOfMemoryError where there is no room for it."""
        seconds, seen = note
        if self._witness is not None:
            self._witness.put(step, seen)
        self._keep(self._recorded(step, seconds))

    def finish(self) -> None:
        """Write down what was still on its way from the device."""
        self._keep(self._recorder.flush())

    def _keep(self, frames: list[Frame]) -> None:
        for frame in frames:
            if self._witness is not None:
                self._witness.take(frame.index)
            self._run.trajectory.append(self._inherited.get(frame.index, frame))
            if frame.index >= self._old:  # what was there before is no news
                self._grown(self._run.trajectory)

    def _recorded(self, step: Step, seconds: float) -> list[Frame]:
        """Record a step; where memory is short, at the cost of frames recorded before."""
        run = self._run
        while True:
            try:
                return self._recorder.put(step, seconds)
            except Exception as error:
                if not ran_out_of_memory(error):
                    raise
            if run.tape is not None:
                run.tape.clear()
                run.tape = None
            elif run.trajectory.thin():
                run.message = (
                    f"not enough memory for every step: 1 of {run.trajectory.stride} is kept"
                )
            else:
                raise OutOfMemoryError(
                    f"not enough memory to record step {step.index}; lower the count or the size"
                )
            release()
