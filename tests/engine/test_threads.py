"""Work shared with helper threads: each item once, errors told, sharing within sharing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from diffusion_gui.engine.errors import Cancelled
from diffusion_gui.engine.threads import HELPERS, patiently, share


def test_every_item_is_worked_on_once() -> None:
    done: list[int] = []

    def work(left: Iterator[int]) -> None:
        for item in left:
            done.append(item)  # noqa: PERF402 - one by one, as threads take them

    share(range(1000), work)
    assert sorted(done) == list(range(1000))
    share([], work)
    assert len(done) == 1000


@pytest.mark.skipif(HELPERS == 0, reason="there is one core only: nobody helps")
def test_a_helper_works_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30.0)
    threads: list[int] = []

    def work(left: Iterator[int]) -> None:
        for _ in left:
            both.wait()  # passes only where two threads hold an item each
            threads.append(threading.get_ident())

    share(range(2), work)
    assert len(set(threads)) == 2


def test_what_is_raised_by_whoever_is_raised_here() -> None:
    def work(left: Iterator[int]) -> None:
        for item in left:
            if item == 37:
                raise ValueError(item)

    with pytest.raises(ValueError, match="37"):
        share(range(100), work)


def test_shared_work_may_share_work() -> None:
    done: list[tuple[int, int]] = []

    def outer(left: Iterator[int]) -> None:
        for item in left:

            def inner(parts: Iterator[int], item: int = item) -> None:
                done.extend((item, part) for part in parts)

            share(range(5), inner)

    share(range(20), outer)
    assert sorted(done) == [(item, part) for item in range(20) for part in range(5)]


def test_work_that_is_waited_for_comes_back_with_its_result_or_its_error() -> None:
    polled: list[int] = []
    assert patiently(lambda: 7, lambda: polled.append(1)) == 7

    def fail() -> int:
        raise ValueError("not positive definite")

    with pytest.raises(ValueError, match="not positive"):
        patiently(fail, lambda: None)


def test_who_is_called_away_does_not_wait_and_the_next_work_comes_after() -> None:
    begun, may_end = threading.Event(), threading.Event()
    order: list[str] = []

    def slow() -> None:
        begun.set()
        may_end.wait(30.0)
        order.append("slow")

    def called_away() -> None:
        if begun.is_set():
            raise Cancelled

    with pytest.raises(Cancelled):
        patiently(slow, called_away)
    assert not order

    patiently(lambda: order.append("next"), may_end.set)
    assert order == ["slow", "next"]
