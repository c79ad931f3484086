"""Background work: the newest request wins, failure is survived, nothing is left running."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.state import jobs
from diffusion_gui.state.jobs import Job, JobRunner, Mailbox


@pytest.fixture
def runner(qapp: QApplication) -> Iterator[JobRunner]:
    built = JobRunner("test")
    yield built
    built.shutdown()


def test_the_work_runs_in_another_thread_and_the_answer_arrives_in_this_one(
    runner: JobRunner, qtbot: QtBot, main_thread: int
) -> None:
    arrived_in: list[int] = []
    runner.done.connect(lambda _result: arrived_in.append(threading.get_ident()))
    with qtbot.waitSignal(runner.done) as answer:
        runner.submit(lambda _job: threading.get_ident())
    assert answer.args[0] != main_thread
    assert arrived_in == [main_thread]


def test_a_newer_request_supersedes_the_older(runner: JobRunner, qtbot: QtBot) -> None:
    started, results = threading.Event(), []
    runner.done.connect(results.append)

    def endless(job: Job) -> str:
        started.set()
        while True:
            job.wait_turn()

    runner.submit(endless)
    assert started.wait(5)
    with qtbot.waitSignal(runner.done):
        runner.submit(lambda _job: "newer")
    assert results == ["newer"]


def test_of_many_requests_only_the_last_is_answered(runner: JobRunner, qtbot: QtBot) -> None:
    results: list[int] = []
    runner.done.connect(results.append)
    with qtbot.waitSignal(runner.ended):
        for number in range(50):
            runner.submit(lambda _job, n=number: n)
    assert results == [49]


def test_a_late_answer_of_a_cancelled_request_is_dropped(runner: JobRunner, qtbot: QtBot) -> None:
    release, started = threading.Event(), threading.Event()

    def stubborn(_job: Job) -> str:
        started.set()
        release.wait(5)
        return "late"

    with qtbot.assertNotEmitted(runner.done), qtbot.waitSignal(runner.ended):
        runner.submit(stubborn)
        assert started.wait(5)
        runner.cancel()
        release.set()


def test_after_a_failure_the_next_request_runs(runner: JobRunner, qtbot: QtBot) -> None:
    def broken(_job: Job) -> None:
        raise ValueError("on purpose")

    with qtbot.waitSignal(runner.failed) as failure:
        runner.submit(broken)
    assert str(failure.args[0]) == "on purpose"
    with qtbot.waitSignal(runner.done) as answer:
        runner.submit(lambda _job: "well again")
    assert answer.args == ["well again"]


def test_paused_work_waits_and_single_steps(runner: JobRunner, qtbot: QtBot) -> None:
    reached: list[int] = []
    passed = threading.Semaphore(0)

    def steps(job: Job) -> int:
        for number in range(5):
            job.wait_turn()
            reached.append(number)
            passed.release()
        return len(reached)

    job = Job(steps)
    job.pause()
    thread = threading.Thread(target=lambda: steps(job))
    thread.start()
    assert not passed.acquire(timeout=0.1)
    job.allow_step()
    assert passed.acquire(timeout=5)
    assert reached == [0]
    job.resume()
    thread.join(5)
    assert reached == [0, 1, 2, 3, 4]


def test_cancel_wakes_paused_work(runner: JobRunner, qtbot: QtBot) -> None:
    job = runner.submit(lambda j: (j.pause(), j.wait_turn()))
    with qtbot.waitSignal(runner.ended):
        runner.cancel()
    assert job.cancelled


def test_shutdown_ends_work_in_progress(qapp: QApplication) -> None:
    runner, started = JobRunner("test"), threading.Event()

    def endless(job: Job) -> None:
        started.set()
        while True:
            job.poll()

    runner.submit(endless)
    assert started.wait(5)
    runner.shutdown()
    runner.shutdown()
    assert not runner.findChildren(type(runner))


def test_queued_requests_all_run_when_asked_to(runner: JobRunner, qtbot: QtBot) -> None:
    results: list[int] = []
    runner.done.connect(results.append)
    with qtbot.waitSignal(runner.ended):
        for number in range(5):
            runner.submit(lambda _job, n=number: n, supersede=False)
    assert results == [0, 1, 2, 3, 4]


def test_a_flooded_mailbox_delivers_few_values_and_the_last_one(
    qapp: QApplication, qtbot: QtBot
) -> None:
    box, delivered = Mailbox(interval_ms=5), []
    box.arrived.connect(delivered.extend)

    def flood() -> None:
        for number in range(20_000):
            box.put(number)

    thread = threading.Thread(target=flood)
    thread.start()
    qtbot.waitUntil(lambda: bool(delivered) and delivered[-1] == 19_999, timeout=5000)
    thread.join()
    assert len(delivered) < 2000
    assert delivered == sorted(delivered)
    qtbot.waitUntil(lambda: not box._timer.isActive())


def test_a_mailbox_with_a_share_delivers_less_often_where_the_thread_is_busy(
    qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0, 0.0]
    monkeypatch.setattr(jobs.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(jobs.time, "thread_time", lambda: clock[1])
    box, delivered = Mailbox(interval_ms=0, share=0.25), []
    box.arrived.connect(delivered.extend)
    box._values.append("first")
    box._deliver()
    clock[0], clock[1] = clock[0] + 0.020, clock[1] + 0.010  # 10 ms of painting ask for 40 ms
    box._values.append("early")
    box._deliver()
    assert delivered == ["first"]
    assert box._timer.interval() in (20, 21)
    clock[0] += 0.021
    box._deliver()
    assert delivered == ["first", "early"]
    pause = jobs._LONGEST + 0.001
    clock[0], clock[1] = clock[0] + pause, clock[1] + pause  # always busy: still now and then
    box._values.append("late")
    box._deliver()
    assert delivered == ["first", "early", "late"]
    box.close()


def test_a_mailbox_that_keeps_all_delivers_every_value_in_order(
    qapp: QApplication, qtbot: QtBot
) -> None:
    box = Mailbox(interval_ms=5, newest_only=False)
    delivered: list[int] = []
    calls: list[int] = []
    box.arrived.connect(delivered.extend)
    box.arrived.connect(lambda values: calls.append(len(values)))
    thread = threading.Thread(target=lambda: [box.put(number) for number in range(5000)])
    thread.start()
    qtbot.waitUntil(lambda: len(delivered) == 5000, timeout=5000)
    thread.join()
    assert delivered == list(range(5000))
    assert len(calls) < 500
    box.close()


def test_after_shutdown_nothing_runs_any_more(qapp: QApplication, qtbot: QtBot) -> None:
    runner = JobRunner("test")
    runner.shutdown()
    with qtbot.assertNotEmitted(runner.done, wait=50):
        job = runner.submit(lambda _job: "too late")
    assert job.cancelled
    assert not runner.busy


def test_time_spent_paused_is_counted_apart(runner: JobRunner, qtbot: QtBot) -> None:
    job = Job(lambda _job: None)
    job.pause()
    thread = threading.Thread(target=job.wait_turn)
    thread.start()
    qtbot.wait(60)
    job.resume()
    thread.join()
    assert 0.04 < job.waited < 5.0
