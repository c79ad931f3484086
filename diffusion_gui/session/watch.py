"""Who looks after a long job in another thread. Standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """`poll` may raise to end it, `progress` is told done and all."""

    poll: Callable[[], None] = lambda: None
    progress: Callable[[int, int], None] = lambda done, total: None


IDLE = Watch()
