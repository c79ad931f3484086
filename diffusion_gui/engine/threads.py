"""Work of a few milliseconds on large arrays, shared with helper threads. Standard library only.

NumPy lets other threads run while it works on an array, so two threads take half the time where
two cores are free. Whoever is free takes the next piece: where no core is free, the caller does
nearly all of it and loses next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Item = TypeVar("Item")

HELPERS = min(4, os.cpu_count() or 1) - 1
"""Beyond four threads the memory is what all of them wait for."""


def share(items: Iterable[Item], work: Callable[[Iterator[Item]], None]) -> None:
    """Run `work` on one iterator over `items`, here and in the helpers, until none is left.

    `work` takes items one by one and may be called several times at once; what it raises is
    raised here, after all have ended. It may itself share work.
    """
    all_items = list(items)
    left = iter(all_items)  # a list's iterator gives each item to one thread only
    helpers = [_pool().submit(work, left) for _ in range(min(HELPERS, len(all_items) - 1))]
    try:
        work(left)
    finally:
        problems = [helper.exception() for helper in helpers if not helper.cancel()]
    for problem in filter(None, problems):
        raise problem


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # 3 ms, and only large pictures need it

    return ThreadPoolExecutor(HELPERS, thread_name_prefix="arrays")
