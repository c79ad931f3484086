"""Round trips through the worker's thread, against the engine and against one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine import images, reverse
from diffusion_gui.engine.experiment import PICTURES, Start
from diffusion_gui.engine.inversion import round_trip
from diffusion_gui.engine.models import to_batch
from diffusion_gui.engine.recorder import to_pixels
from diffusion_gui.state.round_trips import RoundTrips
from diffusion_gui.state.sampling import RunState

TIMEOUT = 60_000
CPU = torch.device("cpu")


@pytest.fixture
def trips(parts: Parts) -> Iterator[RoundTrips]:
    parts.sampling.live = False
    parts.document.replace_sampling("quick", data=PICTURES, model="gaussian", steps=12, size=16)
    made = RoundTrips(parts.document, parts.sampling)
    yield made
    made.shutdown()
    made.deleteLater()


def test_trips_are_those_of_the_engine_and_corrections_help(
    parts: Parts, trips: RoundTrips, qtbot: QtBot
) -> None:
    refs = parts.document.experiment.pictures
    ids = [ref.id for ref in refs[:2]]
    rms = {}
    for iterations in (0, 4):
        trips.make(ids, iterations)
        assert trips.busy
        qtbot.waitUntil(lambda: not trips.busy and len(trips.trips) == 2, timeout=TIMEOUT)
        assert trips.message == ""
        assert trips.progress == (2 * (24 + 11 * iterations),) * 2
        assert [told.picture for told, _ in trips.trips] == ids
        rms[iterations] = [trip.rms for _, trip in trips.trips]
    assert np.all(np.array(rms[4]) < 0.5 * np.array(rms[0]))

    experiment = parts.document.experiment
    data = parts.store.squares(refs, 16)
    built = reverse.build_model(experiment, reverse.Inputs(data), CPU, lambda: None)
    x0 = to_batch(images.to_float(data[:1]), CPU)
    expected = round_trip(built.main, x0, reverse.plan(experiment), iterations=4)
    trip = trips.trips[0][1]
    assert trip.rms == pytest.approx(float(expected.rms[0]), rel=1e-6)
    assert trip.psnr == pytest.approx(20 * np.log10(2 / trip.rms))
    np.testing.assert_array_equal(trip.result, to_pixels(expected.result)[0])
    away = 8.0 * (expected.result - x0)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(trip.difference, images.to_uint8(away))


def test_start_and_fork_do_not_count(parts: Parts, trips: RoundTrips, qtbot: QtBot) -> None:
    picture = parts.document.experiment.pictures[0].id
    trips.make([picture], 1)
    qtbot.waitUntil(lambda: len(trips.trips) == 1, timeout=TIMEOUT)
    plain = trips.trips[0][1]
    parts.document.replace_sampling("from", start=Start(picture, 300, inverted=True))
    trips.make([picture], 1)
    qtbot.waitUntil(lambda: not trips.busy and len(trips.trips) == 1, timeout=TIMEOUT)
    assert trips.trips[0][1].rms == plain.rms


def test_it_is_cancelled_refused_and_superseded_in_words(
    parts: Parts, trips: RoundTrips, qtbot: QtBot
) -> None:
    picture = parts.document.experiment.pictures[0].id
    trips.make([], 1)
    assert trips.message == "Choose a picture in the tray first"
    parts.document.replace_sampling("long", steps=1000)
    trips.make([picture], 50)
    qtbot.waitUntil(lambda: trips.progress[0] > 3, timeout=TIMEOUT)
    assert not parts.sampling.estimate(picture, 100)  # the estimate on show waits
    trips.cancel()
    assert (trips.busy, trips.message) == (False, "stopped")
    trips.make([picture], 50)
    qtbot.waitUntil(lambda: trips.progress[0] > 3, timeout=TIMEOUT)
    parts.sampling.run()
    assert (trips.busy, trips.message) == (False, "stopped: a run has begun")
    trips.make([picture], 0)
    assert trips.message.startswith("A run is under way")
    parts.sampling.stop()
    gone = replace(parts.document.experiment, pictures=())
    parts.document.replace(gone, "remove all")
    trips.make([picture], 0)
    qtbot.waitUntil(lambda: not trips.busy, timeout=TIMEOUT)
    assert "no pictures to learn from" in trips.message
    assert parts.sampling.state is RunState.STOPPED
