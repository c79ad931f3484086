"""The chain's controller: it walks to the cursor in its thread, and only while it is looked at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.chain import Chain
from diffusion_gui.engine.forward import CLIPPED, Shown
from diffusion_gui.engine.images import Pixels, arranged, to_float
from diffusion_gui.engine.noise import START, gaussian
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.state.chain import SIDE, ChainController, Look

Settle = Callable[[], Look]


@pytest.fixture
def chain(parts: Parts) -> Iterator[ChainController]:
    """Return the controller of a short schedule and small pictures, at work."""
    parts.document.replace_schedule(ScheduleSpec("cosine", T=60), "T")
    parts.document.replace_forward("size", size=32)
    parts.chain.set_active(True)
    yield parts.chain
    parts.chain.set_active(False)


@pytest.fixture
def settle(parts: Parts, qtbot: QtBot) -> Settle:
    """Return a function that waits until the chain has come to the cursor, and the look then."""

    def wait() -> Look:
        qtbot.waitUntil(lambda: not parts.chain.busy, timeout=20_000)
        look = parts.chain.look
        assert look is not None
        assert look.k == look.t == parts.view.t
        return look

    return wait


def _picture(parts: Parts) -> Pixels:
    """Return the picture on show as the chain takes it."""
    assert parts.preview.picture is not None
    forward = parts.document.experiment.forward
    return arranged(parts.preview.picture, min(forward.size, SIDE), forward.fit)


def _shown(x: np.ndarray) -> np.ndarray:
    return np.floor(np.clip((x + 1.0) * 127.5 + 0.5, 0.0, 255.0))


def test_chain_and_jump_are_computed_as_defined(
    parts: Parts, chain: ChainController, settle: Settle
) -> None:
    parts.view.set_t(25)
    look = settle()
    schedule, x_0 = parts.document.schedule, to_float(_picture(parts)).astype(np.float64)
    x = x_0
    for t in range(1, 26):
        eps = gaussian(0, 0, (1 << 34) + t, x.shape)
        x = np.sqrt(1 - schedule.beta[t]) * x + np.sqrt(schedule.beta[t]) * eps
    jump = schedule.a[25] * x_0 + schedule.s[25] * gaussian(0, 0, START, x_0.shape)
    assert np.abs(look.chain.pixels - _shown(x)).max() <= 1
    assert np.abs(look.jump.pixels - _shown(jump)).max() <= 1
    assert look.difference is not None
    high = look.difference.span.high
    assert look.difference.span.low == -high
    np.testing.assert_allclose(high, np.abs(x - jump).max(), rtol=1e-6)
    gain = 127.5 / high
    expected = np.floor(np.clip((x - jump) * gain + 128.0, 0, 255))
    assert np.abs(look.difference.pixels - expected).max() <= 1
    np.testing.assert_allclose(look.closed, (schedule.a[25], schedule.s[25] ** 2), atol=1e-15)
    np.testing.assert_allclose((look.factor, look.variance), look.closed, rtol=0, atol=1e-12)
    assert look.comparison is not None
    assert max(map(abs, look.comparison.scores.values())) < 4.0


def test_the_jump_has_the_panels_own_kind_of_noise(
    parts: Parts, chain: ChainController, settle: Settle
) -> None:
    parts.view.set_t(20)
    parts.document.replace_forward("kind", noise="path", offset=0.5)
    look = settle()
    schedule, x_0 = parts.document.schedule, to_float(_picture(parts))
    eps = NoiseField(0, x_0.shape, "path", 0.5).at(20, float(schedule.log_snr[20]))
    jump = schedule.a[20] * x_0 + schedule.s[20] * eps
    assert np.abs(look.jump.pixels - _shown(jump)).max() <= 1
    walk = Chain(_picture(parts), schedule, seed=0, offset=0.5)
    walk.to(20)
    assert np.abs(look.chain.pixels - _shown(walk.x)).max() <= 1


def test_it_rests_while_it_is_not_looked_at(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_t(200)
    qtbot.wait(50)
    assert parts.chain.look is None
    assert not parts.chain.busy
    parts.chain.set_active(True)
    assert parts.chain.busy
    parts.chain.set_active(False)
    qtbot.waitUntil(lambda: not parts.chain.busy)
    before = parts.chain.look
    parts.view.set_t(300)
    qtbot.wait(50)
    assert parts.chain.look is before


def test_steps_move_the_cursor_by_one(parts: Parts, chain: ChainController, settle: Settle) -> None:
    parts.view.set_t(10)
    first = settle()
    chain.step()
    assert parts.view.t == 11
    second = settle()
    chain.step_back()
    assert parts.view.t == 10
    again = settle()
    assert_array_equal(again.chain.pixels, first.chain.pixels)
    assert np.any(second.chain.pixels != first.chain.pixels)
    parts.view.set_t(0)
    chain.step_back()
    parts.view.set_t(60)
    chain.step()
    assert parts.view.t == 60


def test_far_back_and_forth_comes_to_the_same_picture(
    parts: Parts, chain: ChainController, settle: Settle
) -> None:
    seen: dict[int, Pixels] = {}
    for t in (60, 7, 45, 0, 45, 7, 60):
        parts.view.set_t(t)
        pixels = settle().chain.pixels
        assert_array_equal(seen.setdefault(t, pixels), pixels)


def test_a_redraw_changes_the_chain_and_not_the_jump(
    parts: Parts, chain: ChainController, settle: Settle
) -> None:
    parts.view.set_t(30)
    first = settle()
    chain.redraw()
    second = settle()
    assert_array_equal(second.jump.pixels, first.jump.pixels)
    assert np.mean(second.chain.pixels != first.chain.pixels) > 0.9
    assert second.factor == first.factor


def test_it_follows_picture_schedule_and_seed(
    parts: Parts, chain: ChainController, settle: Settle
) -> None:
    parts.view.set_t(30)
    first = settle()
    parts.document.replace(replace(parts.document.experiment, seed=7), "seed")
    second = settle()
    assert np.mean(second.chain.pixels != first.chain.pixels) > 0.9
    assert np.mean(second.jump.pixels != first.jump.pixels) > 0.9
    parts.document.replace_schedule(ScheduleSpec("ve", T=40), "preset")
    third = settle()
    assert third.t == parts.view.t == 20
    twin = parts.document.schedule.shown(20)
    np.testing.assert_allclose(third.closed, (twin[0], twin[1] ** 2), rtol=1e-12)
    np.testing.assert_allclose((third.factor, third.variance), third.closed, rtol=0, atol=1e-12)
    parts.view.set_picture(parts.document.experiment.pictures[1].id)
    fourth = settle()
    assert np.any(fourth.jump.pixels != third.jump.pixels)


def test_both_pictures_share_the_range_that_is_chosen(
    parts: Parts, chain: ChainController, settle: Settle
) -> None:
    parts.view.set_t(30)
    assert settle().chain.span == CLIPPED
    parts.view.set_display(shown=Shown.NORMALISE)
    look = settle()
    assert look.chain.span == look.jump.span != CLIPPED
    both = np.stack([look.chain.pixels, look.jump.pixels])
    assert (both.min(), both.max()) == (0, 255)


def test_without_a_picture_there_is_nothing(
    parts: Parts, chain: ChainController, settle: Settle, qtbot: QtBot
) -> None:
    settle()
    parts.document.replace(replace(parts.document.experiment, pictures=()), "clear")
    assert chain.look is None
    qtbot.waitUntil(lambda: not chain.busy)
    parts.document.history.undo()
    assert settle().chain.pixels.size


class _Slow(Chain):
    """A chain whose steps take two milliseconds more."""

    def advance(self) -> None:
        time.sleep(0.002)
        super().advance()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, chain: ChainController, parts: Parts) -> ChainController:
    """Return the controller with a chain that needs seconds to T."""
    parts.document.replace_schedule(ScheduleSpec("cosine", T=2000), "T")
    monkeypatch.setattr("diffusion_gui.state.chain.Chain", _Slow)
    return chain


def test_a_chain_that_catches_up_is_seen_beside_the_jump(
    parts: Parts, slow: ChainController, qtbot: QtBot
) -> None:
    looks: list[Look] = []
    slow.look_changed.connect(lambda: looks.append(slow.look))  # type: ignore[arg-type]
    slow.redraw()
    parts.view.set_t(2000)
    qtbot.waitUntil(lambda: len([x for x in looks if x.t == 2000 and x.walking]) > 3)
    walking = [look for look in looks if look.t == 2000 and look.walking]
    steps = [look.k for look in walking]
    assert steps == sorted(steps)
    assert 0 < steps[-1] < 2000
    for look in walking:
        assert look.difference is None
        assert look.comparison is None
        assert_array_equal(look.jump.pixels, walking[0].jump.pixels)
        assert len(look.variances) == look.k + 1
    slow.stop_here()
    assert parts.view.t < 2000

    def stands() -> bool:
        return slow.look is not None and slow.look.k == slow.look.t == parts.view.t

    qtbot.waitUntil(stands)


def test_the_newest_wish_wins(parts: Parts, slow: ChainController, qtbot: QtBot) -> None:
    slow.redraw()
    for t in (2000, 1500, 900, 12):
        parts.view.set_t(t)
    qtbot.waitUntil(lambda: not slow.busy)
    assert slow.look is not None
    assert (slow.look.k, slow.look.t) == (12, 12)


def test_it_stops_at_once_when_the_page_goes(
    parts: Parts, slow: ChainController, qtbot: QtBot
) -> None:
    slow.redraw()
    parts.view.set_t(2000)
    qtbot.wait(30)
    slow.set_active(False)
    qtbot.waitUntil(lambda: not slow.busy)
    look = slow.look
    assert look is None or look.k < 2000


def test_playing_takes_so_many_steps_per_frame_to_T(
    parts: Parts, chain: ChainController, settle: Settle, qtbot: QtBot
) -> None:
    parts.view.set_t(60)
    settle()
    times: list[int] = []
    parts.view.t_changed.connect(times.append)
    chain.per_frame = 7
    with qtbot.waitSignal(chain.playing_changed, check_params_cb=bool):
        chain.toggle_play()
    qtbot.waitUntil(lambda: not chain.playing, timeout=20_000)
    assert times == [0, 7, 14, 21, 28, 35, 42, 49, 56, 60]
    settle()


def test_playing_stops_on_request_and_for_the_player_of_t(
    parts: Parts, chain: ChainController, settle: Settle
) -> None:
    parts.view.set_t(5)
    settle()
    chain.toggle_play()
    chain.toggle_play()
    assert not chain.playing
    chain.toggle_play()
    parts.player.toggle()
    assert parts.player.playing
    assert not chain.playing
    chain.toggle_play()
    assert not parts.player.playing
    chain.set_active(False)
    assert not chain.playing


def test_all_of_it_runs_beside_the_window(
    parts: Parts,
    chain: ChainController,
    settle: Settle,
    monkeypatch: pytest.MonkeyPatch,
    main_thread: int,
) -> None:
    threads: set[int] = set()

    class Watched(Chain):
        def advance(self) -> None:
            threads.add(threading.get_ident())
            super().advance()

    monkeypatch.setattr("diffusion_gui.state.chain.Chain", Watched)
    chain.redraw()
    settle()
    assert threads
    assert main_thread not in threads


def test_a_failure_is_one_line_and_the_next_step_tries_again(
    parts: Parts,
    chain: ChainController,
    settle: Settle,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle()
    lines: list[str] = []
    chain.failed.connect(lines.append)
    with monkeypatch.context() as patch:
        patch.setattr(Chain, "advance", _no_memory)
        chain.redraw()
        qtbot.waitUntil(lambda: bool(lines))
    assert lines == ["the chain stopped: not enough memory; step or redraw it to try again"]
    chain.step()
    assert settle().k == parts.view.t


def _no_memory(self: Chain) -> None:
    raise MemoryError
