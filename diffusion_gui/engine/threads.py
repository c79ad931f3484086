"""Work in helper threads: shared, or left where nobody waits for it. Standard library only.

NumPy lets other threads run while it works on an array, so two threads take half the time where
two cores are free. Whoever is free takes the next piece: where no core is free, the caller does
nearly all of it and loses next to nothing. That is for work of a few milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")

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


_POLLED = 0.02
"""Seconds between two calls of `poll` while work is waited for."""


def patiently(work: Callable[[], Result], poll: Callable[[], None]) -> Result:
    """Return `work()`, done in another thread: one long call that nothing can interrupt.

    `poll` is called meanwhile. What it raises is raised at once; work that has begun goes on
    unheard, and the next waits until it has ended, so that there is never more than one. What
    `work` raises is raised here.
    """
    from concurrent.futures import wait

    future = _patient().submit(work)
    try:
        while not future.done():
            poll()
            wait([future], _POLLED)
    finally:
        future.cancel()
    return future.result()


@lru_cache(maxsize=1)
def _patient() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, thread_name_prefix="patient")


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # 3 ms, and only large pictures need it

    return ThreadPoolExecutor(HELPERS, thread_name_prefix="arrays")
