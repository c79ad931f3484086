"""The bundled pictures and the store by content."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import Picture, square
from diffusion_gui.session import library
from diffusion_gui.session.library import captions, emoji, photo
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.resources import resource


@pytest.mark.parametrize("size", [1, 16, 32, 64])
def test_there_are_1377_emoji_at_every_size(size: int) -> None:
    pictures = emoji(size)
    assert pictures.shape == (1377, size, size, 3)
    assert pictures.dtype == np.uint8


def test_every_emoji_has_its_own_caption() -> None:
    names = captions()
    assert len(names) == 1377
    assert all(name.strip() for name in names)
    assert len(set(names)) == len(names)
    assert "grinning face" in names


def test_the_emoji_are_pictures_on_white_and_all_different() -> None:
    pictures = emoji(64)
    flat = pictures.reshape(1377, -1)
    assert len(np.unique(flat, axis=0)) > 1370
    assert (flat.std(axis=1) > 0).all()
    corners = pictures[:, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(1377, -1)
    assert np.mean(corners.min(axis=1) >= 250) > 0.9


def test_the_atlas_is_cut_in_reading_order() -> None:
    with Image.open(resource("emoji", "atlas.webp")) as file:
        atlas = np.asarray(file.convert("RGB"))
    for index in (0, 37, 38, 1376):
        row, column = divmod(index, atlas.shape[1] // 64)
        cell = atlas[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
        assert_array_equal(emoji(64)[index], cell)


def test_smaller_sizes_are_averages() -> None:
    average = emoji(64)[100].astype(float).reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert_allclose(emoji(32)[100], average, atol=1.01)


@pytest.mark.parametrize("size", [0, -3, 65])
def test_sizes_the_atlas_does_not_have_are_refused(size: int) -> None:
    with pytest.raises(EngineError, match=rf"1\.\.64, got {size}$"):
        emoji(size)


@pytest.mark.parametrize("name", library.PHOTOS)
def test_bundled_photographs_open(name: str) -> None:
    picture = photo(name)
    assert picture.name == name
    assert min(picture.pixels.shape[:2]) >= 256
    assert picture.pixels.std() > 20


def test_a_missing_resource_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"photos/none\.png is missing"):
        resource("photos", "none.png")


def _picture(seed: int, shape: tuple[int, int] = (20, 30)) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    return Picture(f"{seed}.png", pixels)


def test_the_store_gives_back_what_it_was_given() -> None:
    store, picture = PictureStore(), _picture(0)
    ref = store.add(picture, "/home/me/0.png")
    assert (ref.name, ref.source) == ("0.png", "/home/me/0.png")
    assert_array_equal(store.get(ref.id).pixels, picture.pixels)


def test_the_same_pixels_are_stored_once() -> None:
    store, picture = PictureStore(), _picture(0)
    first = store.add(picture)
    again = store.add(Picture("copy.png", picture.pixels.copy()))
    other = store.add(_picture(1))
    assert first.id == again.id
    assert other.id != first.id


def test_the_same_bytes_in_another_shape_are_another_picture() -> None:
    store, picture = PictureStore(), _picture(0)
    turned = Picture("turned.png", picture.pixels.reshape(30, 20, 3))
    assert store.add(picture).id != store.add(turned).id


def test_a_picture_that_is_not_loaded_is_named() -> None:
    with pytest.raises(EngineError, match="abc123 is not loaded"):
        PictureStore().get("abc123")


def test_pictures_become_a_data_set_of_squares_in_order() -> None:
    store = PictureStore()
    pictures = [_picture(0), _picture(1, (40, 16))]
    refs = tuple(store.add(p) for p in pictures)
    data = store.squares(refs, 16)
    assert data.shape == (2, 16, 16, 3)
    for row, picture in zip(data, pictures, strict=True):
        assert_array_equal(row, square(picture.pixels, 16))
    with pytest.raises(EngineError, match="no pictures"):
        store.squares((), 16)
