"""Where a sampler stands and what it asks on its way over levels, without any model. No torch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from diffusion_gui.engine.experiment import Sampling
from diffusion_gui.engine.samplers import Levels
from diffusion_gui.engine.walks import walk_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a leg stands at one of its steps; `calls` estimates were made when it is there."""

    t: int
    a: float
    s: float
    calls: int


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What a leg visits and asks, to the end of its levels."""

    marks: tuple[Mark, ...]
    estimates: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, sampling: Sampling, levels: Levels) -> Trace:
        """Run the sampler on the number 0: exact for all of them, 2 us a step."""
        asked: list[tuple[float, float]] = []

        def note(x: Tensor, a: float, s: float) -> Tensor:
            asked.append((a, s))
            return x

        zero = cast("Tensor", 0.0)
        steps = walk_of(sampling)(note, zero, levels, lambda i: zero)
        marks = tuple(Mark(step.t, step.a, step.s, len(asked)) for step in steps)
        return cls(marks, tuple(asked))

    def __len__(self) -> int:
        return len(self.marks) + len(self.estimates)


class Traces:
    """The newest traces: a chain of forks has most of its legs in common with the run before."""

    MOST = 500_000
    """Marks and estimates of all that are kept, some 150 bytes each; the newest one always is."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, Trace] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, sampling: Sampling, levels: Levels) -> Trace:
        """Return the trace of a sampler over levels."""
        inpaint = sampling.inpaint
        paint = (inpaint.method, inpaint.params) if inpaint is not None else None
        way = sampling.sampler, sampling.params, sampling.restart, paint
        values = levels.t.tobytes(), levels.a.tobytes(), levels.s.tobytes()
        key = *way, *values, levels.run_length, levels.goes_on
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        trace = Trace.of(sampling, levels)
        with self._lock:
            self._kept[key] = trace
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self.MOST:
                self._kept.popitem(last=False)
        return trace


traces = Traces()
