"""The controller of the measures: right numbers, no work unwatched, latest wins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.experiment import NoiseKind
from diffusion_gui.engine.images import Picture, to_float
from diffusion_gui.engine.measures import histogram, kl_to_normal, psnr, ssim
from diffusion_gui.engine.noise_fields import NoiseField
from diffusion_gui.engine.schedules import ScheduleSpec
from diffusion_gui.engine.spectrum import radial_spectrum
from diffusion_gui.state import measures as module
from diffusion_gui.state.measures import Measures, Reading

TIMEOUT = 30_000


@pytest.fixture(autouse=True)
def _small(parts: Parts) -> None:
    """Work on pictures of 64 pixels: what is tested here has no size."""
    parts.document.replace_forward("size", size=64)


def _finish(parts: Parts, qtbot: QtBot) -> Measures:
    """Watch, and wait until everything is measured and has arrived."""
    measures = parts.measures
    measures.set_watched(True)
    qtbot.waitUntil(lambda: not measures.busy and _table_complete(measures), timeout=TIMEOUT)
    return measures


def _table_complete(measures: Measures) -> bool:
    result = measures._results.get(measures._key())
    return result is not None and result.table.complete


def _reading(parts: Parts) -> Reading:
    reading = parts.measures.reading(parts.preview.values())
    assert reading is not None
    return reading


def _by_hand(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """Return x_0 and x_t at the time cursor in float64, from the noise's definition."""
    process = parts.preview.process()
    assert process is not None
    forward, t = parts.document.experiment.forward, parts.view.t
    level, abar = parts.document.schedule.log_snr[t], parts.document.schedule.alpha_bar[t]
    seed = parts.document.experiment.seed
    field = NoiseField(seed, process.pixels.shape, forward.noise, forward.offset)
    eps = field.at(t, float(level)).astype(np.float64)
    x_0 = to_float(process.pixels).astype(np.float64)
    return x_0, math.sqrt(abar) * x_0 + math.sqrt(1.0 - abar) * eps


def _check(parts: Parts) -> None:
    reading, (x_0, x_t) = _reading(parts), _by_hand(parts)
    assert reading.psnr == pytest.approx(psnr(x_0, x_t), abs=1e-3)
    assert reading.ssim == pytest.approx(ssim(x_0, x_t), abs=1e-3)
    assert reading.kl == pytest.approx(kl_to_normal(histogram(x_t)), abs=2e-3)
    power = radial_spectrum(x_t)[1]
    np.testing.assert_allclose(reading.spectrum.x_t, power, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", list(NoiseKind))
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_the_reading_is_that_of_the_picture_on_show(
    parts: Parts, qtbot: QtBot, kind: NoiseKind, offset: float
) -> None:
    parts.document.replace_forward("noise", noise=kind, offset=offset)
    _finish(parts, qtbot)
    _check(parts)
    for t in (1, 250, 1000):
        parts.view.set_t(t)
        qtbot.waitUntil(lambda: not parts.measures.busy, timeout=TIMEOUT)
        if kind is not NoiseKind.FROZEN:
            qtbot.waitUntil(lambda: _arrived(parts), timeout=TIMEOUT)
        _check(parts)


def _arrived(parts: Parts) -> bool:
    """Return whether the pair at hand has the noise of this t."""
    x_0, x_t = _by_hand(parts)
    return abs(_reading(parts).psnr - psnr(x_0, x_t)) < 1e-3


def test_the_clean_picture_is_infinitely_alike(parts: Parts, qtbot: QtBot) -> None:
    _finish(parts, qtbot)
    parts.view.set_t(0)
    reading = _reading(parts)
    assert (reading.psnr, reading.snr_db, reading.ssim) == (math.inf, math.inf, 1.0)
    assert reading.spectrum.cutoff == math.inf


def test_nothing_is_done_before_somebody_watches(parts: Parts, qtbot: QtBot) -> None:
    parts.view.set_t(10)
    parts.document.replace(replace(parts.document.experiment, seed=3), "seed")
    assert not parts.measures.busy
    assert parts.measures.curves() is None
    assert parts.measures.reading(parts.preview.values()) is None


def test_nothing_is_done_any_more_when_nobody_watches(parts: Parts, qtbot: QtBot) -> None:
    _finish(parts, qtbot)
    parts.measures.set_watched(False)
    parts.document.replace(replace(parts.document.experiment, seed=3), "seed")
    parts.view.set_t(10)
    assert not parts.measures.busy
    _finish(parts, qtbot)
    _check(parts)


def test_a_drag_of_t_and_of_the_schedule_needs_no_job(parts: Parts, qtbot: QtBot) -> None:
    measures = _finish(parts, qtbot)
    before = measures.curves()
    assert before is not None
    for shift in (0.5, 1.0):
        parts.document.replace_schedule(ScheduleSpec("cosine", shift=shift), "drag")
        parts.view.set_t(round(300 * shift))
        assert not measures.busy
        _check(parts)
    after = measures.curves()
    assert after is not None
    assert np.interp(500, after.t, after.psnr) > np.interp(500, before.t, before.psnr) + 1.0


def test_the_curves_agree_with_the_reading(parts: Parts, qtbot: QtBot) -> None:
    measures = _finish(parts, qtbot)
    curves = measures.curves()
    assert curves is not None
    for place in range(1, len(curves.t), 9):
        parts.view.set_t(int(curves.t[place]))
        reading = _reading(parts)
        assert curves.psnr[place] == pytest.approx(reading.psnr, abs=1e-3)
        assert curves.ssim[place] == pytest.approx(reading.ssim, abs=3e-3)
        assert curves.snr_db[place] == pytest.approx(reading.snr_db)
        assert abs(curves.kl[place] - reading.kl) < 0.05 * reading.kl + 2e-3


def test_the_curves_stay_until_those_of_the_next_picture_come(parts: Parts, qtbot: QtBot) -> None:
    measures = _finish(parts, qtbot)
    before = measures.curves()
    parts.view.set_picture(parts.document.experiment.pictures[1].id)
    assert measures.reading(parts.preview.values()) is None  # no number of another picture
    stayed = measures.curves()
    assert before is not None
    assert stayed is not None
    np.testing.assert_array_equal(stayed.ssim, before.ssim)
    qtbot.waitUntil(lambda: not measures.busy and _table_complete(measures), timeout=TIMEOUT)
    after = measures.curves()
    assert after is not None
    assert np.abs(after.ssim - before.ssim).max() > 0.01
    _check(parts)


def test_what_was_measured_is_kept(parts: Parts, qtbot: QtBot) -> None:
    first, second = (ref.id for ref in parts.document.experiment.pictures[:2])
    measures = _finish(parts, qtbot)
    parts.view.set_picture(second)
    qtbot.waitUntil(lambda: not measures.busy and _table_complete(measures), timeout=TIMEOUT)
    parts.view.set_picture(first)
    assert not measures.busy
    _check(parts)


def test_only_so_many_pictures_are_kept(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    measures = _finish(parts, qtbot)
    for seed in (1, 2, 3):
        parts.document.replace(replace(parts.document.experiment, seed=seed), "seed")
        qtbot.waitUntil(lambda: not measures.busy and _table_complete(measures), timeout=TIMEOUT)
        _check(parts)
    assert len(measures._results) == 2


def test_the_latest_picture_wins(parts: Parts, qtbot: QtBot) -> None:
    measures = parts.measures
    measures.set_watched(True)
    for seed in range(1, 12):
        parts.document.replace(replace(parts.document.experiment, seed=seed), "seed")
    qtbot.waitUntil(lambda: not measures.busy and _table_complete(measures), timeout=TIMEOUT)
    _check(parts)


def test_the_other_side_is_read_from_the_same_table(parts: Parts, qtbot: QtBot) -> None:
    measures = _finish(parts, qtbot)
    assert measures.other_curves() is None
    parts.comparison.switch()
    parts.document.replace_schedule(ScheduleSpec("linear", T=200), "B")
    shown = measures.curves()
    parts.comparison.switch()
    found = measures.other_curves()
    assert not measures.busy
    assert shown is not None
    assert found is not None
    assert found[1] == 200
    np.testing.assert_array_equal(found[0].psnr, shown.psnr)
    parts.preview.set_comparing(False)
    assert measures.other_curves() is None


def test_of_a_very_large_picture_the_middle_is_measured(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SIDE", 32)
    parts.view.set_t(500)
    _finish(parts, qtbot)
    process = parts.preview.process()
    assert process is not None
    middle = to_float(process.pixels[16:48, 16:48]).astype(np.float64)
    eps = NoiseField(0, (32, 32, 3), "frozen").at(0, 0.0)
    abar = parts.document.schedule.alpha_bar[500]
    x_t = math.sqrt(abar) * middle + math.sqrt(1.0 - abar) * eps
    assert _reading(parts).ssim == pytest.approx(ssim(middle, x_t), abs=1e-4)
    assert _reading(parts).psnr == pytest.approx(psnr(middle, x_t), abs=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 60, 3), (60, 2, 3)])
def test_tiny_pictures_are_measured(
    parts: Parts, qtbot: QtBot, shape: tuple[int, int, int]
) -> None:
    values = np.arange(math.prod(shape)) * 7 % 256
    parts.loader.add(Picture("tiny", values.reshape(shape).astype(np.uint8)), "test")
    _finish(parts, qtbot)
    _check(parts)


def test_without_a_picture_there_is_nothing_to_measure(parts: Parts, qtbot: QtBot) -> None:
    measures = _finish(parts, qtbot)
    parts.document.replace(replace(parts.document.experiment, pictures=()), "clear")
    assert measures.curves() is None
    assert not measures.busy


def test_too_little_memory_is_said_in_one_line(
    parts: Parts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(module, "Clean", fail)
    with qtbot.waitSignal(parts.measures.failed, timeout=TIMEOUT) as said:
        parts.measures.set_watched(True)
    assert said.args == [
        "The measures cannot be made: not enough memory; choose a smaller working size"
    ]
    monkeypatch.undo()
    parts.document.replace(replace(parts.document.experiment, seed=5), "seed")
    qtbot.waitUntil(lambda: _table_complete(parts.measures), timeout=TIMEOUT)
    _check(parts)


def test_the_thread_ends_in_the_middle_of_its_work(parts: Parts) -> None:
    parts.document.replace_forward("noise", noise=NoiseKind.PATH, size=512)
    parts.measures.set_watched(True)
    assert parts.measures.busy
    parts.measures.shutdown()
    parts.measures.shutdown()
    parts.measures.set_watched(True)
    assert not parts.measures._runner._thread.isRunning()
