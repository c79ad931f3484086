"""The estimates of a run, kept, so that a fork of it need not ask the model again. Torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from diffusion_gui.engine.denoisers.in_parts import release
from diffusion_gui.engine.errors import ran_out_of_memory

TAPE_BUDGET = 256 * 1024**2


class Tape:
    """The first estimates of a run in the order they are made, as many as the budget allows.

    What is on it is played, the rest is asked for and recorded. A tape without a budget is none.
    Where memory runs out, what is on it is given up first: a fork can ask again.
    """

    def __init__(self, estimates: Sequence[Tensor] = (), budget: int = TAPE_BUDGET) -> None:
        self._estimates = list(estimates)
        self._nbytes = sum(map(_nbytes, self._estimates))
        self._room = budget - self._nbytes
        self._at = 0

    def play(self, ask: Callable[[], Tensor]) -> Tensor:
        """Return the next estimate, from the tape or, where that has ended, by `ask`."""
        at, self._at = self._at, self._at + 1
        if at < len(self._estimates):
            return self._estimates[at]
        try:
            estimate = ask()
        except Exception as error:
            if not (self._estimates and ran_out_of_memory(error)):
                raise
            estimate = None
        if estimate is None:
            self.clear()
            estimate = ask()
        self._room -= _nbytes(estimate)
        if self._room >= 0 and at == len(self._estimates):  # no gaps
            self._estimates.append(estimate)
            self._nbytes += _nbytes(estimate)
        return estimate

    def clear(self) -> None:
        """Give up what is on the tape, and record nothing more."""
        self._estimates, self._room, self._nbytes = [], 0, 0
        release()

    def first(self, count: int) -> Tape:
        """Return a tape, rewound, of the first `count` estimates or fewer."""
        return Tape(self._estimates[:count], TAPE_BUDGET)

    def __len__(self) -> int:
        """The number of estimates on it."""
        return len(self._estimates)

    @property
    def nbytes(self) -> int:
        """Bytes of the estimates; forks share those of their parent's tape."""
        return self._nbytes


def _nbytes(estimate: Tensor) -> int:
    return estimate.numel() * estimate.element_size()
