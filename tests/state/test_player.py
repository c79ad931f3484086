"""The player moves t with the clock, whatever T is, and lets go when somebody else takes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.state import player as module
from diffusion_gui.state.player import PASS_SECONDS, PlayMode
from diffusion_gui.state.settings import PLAY_SPEEDS, Settings

Ticks = Callable[[float], int]


@pytest.fixture
def tick(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Ticks:
    """Return a function that lets so many seconds pass, then one tick, and returns t."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def pass_time(seconds: float) -> int:
        now[0] += seconds
        parts.player._on_tick()
        return parts.view.t

    yield pass_time  # type: ignore[misc]
    parts.player.stop()


@pytest.mark.parametrize("T", [1, 100, 1000])
def test_a_pass_takes_the_same_time_whatever_T_is(parts: Parts, tick: Ticks, T: int) -> None:
    parts.document.replace_schedule(ScheduleSpec("cosine", T), "T")
    parts.view.set_t(0)
    parts.player.toggle()
    assert tick(0.5 * PASS_SECONDS) == round(0.5 * T)
    assert tick(0.4 * PASS_SECONDS) == round(0.9 * T)


def test_once_ends_at_T_and_begins_at_0_again(parts: Parts, tick: Ticks) -> None:
    parts.player.set_mode(PlayMode.ONCE)
    parts.view.set_t(900)
    parts.player.toggle()
    assert tick(PASS_SECONDS) == 1000
    assert not parts.player.playing
    parts.player.toggle()
    assert tick(0.1 * PASS_SECONDS) == 100


def test_around_begins_at_0_after_T(parts: Parts, tick: Ticks) -> None:
    parts.player.set_mode(PlayMode.LOOP)
    parts.view.set_t(900)
    parts.player.toggle()
    assert tick(0.2 * PASS_SECONDS) == 100
    assert parts.player.playing


def test_to_and_fro_turns_at_both_ends(parts: Parts, tick: Ticks) -> None:
    parts.player.set_mode(PlayMode.PING_PONG)
    parts.view.set_t(900)
    parts.player.toggle()
    assert tick(0.2 * PASS_SECONDS) == 900
    assert tick(0.8 * PASS_SECONDS) == 100
    assert tick(0.2 * PASS_SECONDS) == 100
    parts.player.toggle()
    parts.player.toggle()
    assert tick(0.2 * PASS_SECONDS) == 300  # it goes on the way it went


def test_a_pause_on_the_way_back_goes_on_back(parts: Parts, tick: Ticks) -> None:
    parts.player.set_mode(PlayMode.PING_PONG)
    parts.view.set_t(900)
    parts.player.toggle()
    assert tick(0.3 * PASS_SECONDS) == 800
    parts.player.stop()
    parts.player.toggle()
    assert tick(0.3 * PASS_SECONDS) == 500


@pytest.mark.parametrize("speed", PLAY_SPEEDS)
def test_the_speed_counts_and_changes_while_it_plays(
    parts: Parts, tick: Ticks, speed: float
) -> None:
    parts.view.set_t(0)
    parts.player.toggle()
    parts.player.set_speed(speed)
    assert tick(0.1 * PASS_SECONDS) == round(100 * speed)
    assert parts.player.speed == speed


def test_t_taken_by_hand_is_where_it_goes_on(parts: Parts, tick: Ticks) -> None:
    parts.view.set_t(0)
    parts.player.toggle()
    tick(0.1 * PASS_SECONDS)
    parts.view.set_t(700)
    assert tick(0.1 * PASS_SECONDS) == 800


def test_mode_and_speed_are_remembered_and_nonsense_is_not(
    parts: Parts, settings: Settings
) -> None:
    parts.player.set_mode(PlayMode.PING_PONG)
    parts.player.set_speed(0.25)
    assert (settings.play_mode, settings.play_speed) == ("ping-pong", 0.25)
    settings.play_mode, settings.play_speed = "sideways", 17.0
    assert (parts.player.mode, parts.player.speed) == (PlayMode.LOOP, 1.0)


def test_it_ticks_as_often_as_the_screen_shows(parts: Parts) -> None:
    parts.player.set_rate(60.0)
    assert parts.player._timer.interval() == 17
    parts.player.set_rate(144.0)
    assert parts.player._timer.interval() == 7
    parts.player.set_rate(0.0)  # some virtual screens tell none
    assert parts.player._timer.interval() == 17
