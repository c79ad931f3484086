"""The estimates of a run, kept, so that a fork of it need not ask the model again. Torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
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
        self._room = budget - sum(map(_nbytes, self._estimates))
        self._at = 0

    def play(self, ask: Callable[[], Tensor], device: torch.device) -> Tensor:
        """Return the next estimate, from the tape or, where that has ended, by `ask`.

        An estimate that was made on another `device` is asked for again, and so are those after it.
        """
        at, self._at = self._at, self._at + 1
        kept = self._estimates  # another thread may give them up
        if at < len(kept):
            if kept[at].device == device:
                return kept[at]
            self._cut(at)
        try:
            estimate = ask()
        except Exception as error:
            if not (ran_out_of_memory(error) and self.give_up()):
                raise
            estimate = None
        if estimate is None:
            estimate = ask()
        self._room -= _nbytes(estimate)
        if self._room >= 0 and at == len(self._estimates):  # no gaps
            self._estimates.append(estimate)
        return estimate

    def give_up(self) -> bool:
        """Give up what is on the tape where memory is short; False if there is nothing."""
        if not self._estimates:
            return False
        self.clear()
        return True

    def clear(self) -> None:
        """Give up what is on the tape, and record nothing more."""
        self._estimates, self._room = [], 0
        release()

    def _cut(self, count: int) -> None:
        """Keep the first `count` estimates."""
        self._room += sum(map(_nbytes, self._estimates[count:]))
        del self._estimates[count:]

    def first(self, count: int) -> Tape:
        """Return a tape, rewound, of the first `count` estimates or fewer."""
        return Tape(self._estimates[:count], TAPE_BUDGET)

    def __len__(self) -> int:
        """The number of estimates on it."""
        return len(self._estimates)

    @property
    def estimates(self) -> tuple[Tensor, ...]:
        """What is on it: forks hold the very same tensors."""
        return tuple(self._estimates)

    @property
    def nbytes(self) -> int:
        """Bytes of the estimates; forks share those of their parent's tape."""
        return sum(map(_nbytes, self._estimates))


def _nbytes(estimate: Tensor) -> int:
    return estimate.numel() * estimate.element_size()
