"""Squares of pictures: at hand, or read in the background with the thumbnail until then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from diffusion_gui.app.parts import Parts
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import Fit, Forward, PictureRef
from diffusion_gui.engine.images import arranged, read_picture, square
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.state.squares import KEPT_SIDE, Recent, Squares

MakeImage = Callable[..., Path]


@pytest.fixture
def store() -> PictureStore:
    """Return a store in which the picture used last has room, and no other."""
    return PictureStore(budget=1)


@pytest.fixture
def squares(qapp: QApplication, store: PictureStore) -> Iterator[Squares]:
    made = Squares(store)
    yield made
    made.shutdown()
    made.deleteLater()


def _two(store: PictureStore, make_image: MakeImage) -> tuple[PictureRef, PictureRef]:
    first, second = (
        store.add(read_picture(file), str(file))
        for file in (make_image("first.png", size=200), make_image("second.png", size=300))
    )
    assert store.peek(first.id) is None
    return first, second


@pytest.mark.parametrize("forward", [Forward(), Forward(size=128), Forward(fit=Fit.PAD, size=0)])
def test_what_is_not_in_memory_is_its_thumbnail_until_it_has_been_read(
    squares: Squares, store: PictureStore, make_image: MakeImage, qtbot: QtBot, forward: Forward
) -> None:
    first, second = _two(store, make_image)
    pixels, whole = squares.get(second.id, forward)
    assert whole
    with qtbot.waitSignal(squares.arrived):
        pixels, whole = squares.get(first.id, forward)
        assert (pixels.shape, whole) == ((64, 64, 3), False)
    pixels, whole = squares.get(first.id, forward)
    expected = arranged(read_picture(first.source), forward.size, forward.fit)
    assert whole
    np.testing.assert_array_equal(pixels, expected)
    assert squares.get(second.id, forward)[1], "stays when the store lets the picture go"


def test_the_square_of_a_large_picture_is_bounded(
    squares: Squares, store: PictureStore, make_image: MakeImage
) -> None:
    ref = store.add(read_picture(make_image("large.png", size=900)), "large.png")
    pixels, whole = squares.get(ref.id, Forward(size=0))
    assert (pixels.shape, whole) == ((KEPT_SIDE, KEPT_SIDE, 3), True)
    np.testing.assert_array_equal(pixels, square(store.get(ref.id).pixels, KEPT_SIDE))


def test_a_file_that_is_gone_keeps_its_thumbnail_and_is_not_asked_for_again(
    squares: Squares, store: PictureStore, make_image: MakeImage, qtbot: QtBot
) -> None:
    first, _ = _two(store, make_image)
    Path(first.source).unlink()
    with qtbot.waitSignal(squares.arrived):
        squares.get(first.id, Forward())
    with qtbot.assertNotEmitted(squares.arrived, wait=50):
        pixels, whole = squares.get(first.id, Forward())
    assert (pixels.shape, whole) == ((64, 64, 3), False)


def test_a_picture_that_was_never_opened_is_refused(squares: Squares) -> None:
    with pytest.raises(EngineError, match="the picture x is not loaded"):
        squares.get("x", Forward())


def test_all_rows_of_the_strip_come_one_after_the_other(
    parts: Parts, make_image: MakeImage, qtbot: QtBot
) -> None:
    parts.store._budget = 1
    files = [str(make_image(f"{number}.png", size=200)) for number in range(4)]
    parts.loader.open(files)
    qtbot.waitUntil(lambda: not parts.loader.busy)
    pictures = parts.document.experiment.pictures
    parts.view.choose(ref.id for ref in pictures if ref.name in ("0.png", "1.png", "2.png"))
    seen: list[int] = []

    def look() -> None:
        seen.append(sum(row.frames[0][1].shape[0] == 100 for row in parts.film.strip(3, 100)))

    parts.film.changed.connect(look)
    look()
    qtbot.waitUntil(lambda: seen[-1] == 3)
    assert seen == sorted(seen)
    parts.film.changed.disconnect(look)


def test_only_so_many_things_are_kept() -> None:
    made: list[int] = []
    kept: Recent[int] = Recent(3)
    for key in (1, 2, 3, 1, 4, 1, 2):
        assert kept.get(key, lambda key=key: made.append(key) or 10 * key) == 10 * key
    assert made == [1, 2, 3, 4, 2]
    assert 2 in kept
    assert 3 not in kept
