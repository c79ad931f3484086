"""Pictures to learn from: what they are called, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import read_picture, square
from diffusion_gui.session import library, training_sets
from diffusion_gui.session.picture_store import PictureStore
from diffusion_gui.session.training_sets import (
    bundled_set,
    emoji_places,
    folder_set,
    tray_set,
    unnumbered,
)


def test_a_picture_is_called_by_its_class_folder_or_its_own_name(make_image, tmp_path):
    for name in ("red_heart (2).png", "sea 01.jpg", "cats/1.png", "cats/brown/x.png", "0007.png"):
        make_image(f"set/{name}")
    found = folder_set(tmp_path / "set", 32)
    assert sorted(found.pictures.captions) == ["", "brown", "cats", "red heart", "sea"]
    assert found.pictures.words == ("brown", "cats", "heart", "red", "sea")
    assert (found.name, found.mirrored, found.problems) == ("set", True, ())
    assert found.notes == (
        "5 pictures are soon known by heart: the network will draw nothing else",
    )


@pytest.mark.parametrize(
    ("stem", "name"),
    [("red heart-12", "red heart"), ("x.2", "x"), ("1", ""), ("a1b", "a1b"), ("dog#3", "dog"),
     ("two_words", "two words"), ("n02_17 (3)", "n02 17"), ("", "")],
)  # fmt: skip
def test_the_number_of_a_file_is_not_part_of_its_name(stem, name):
    assert unnumbered(stem) == name


def test_pictures_are_central_squares_and_read_no_larger_than_needed(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 900, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.new("RGB", (2, 2), (200, 10, 10)).save(tmp_path / "tiny.png")
    found = folder_set(tmp_path, 32)
    assert found.pictures.pixels.shape == (2, 32, 32, 3)
    tiny, wide = found.pictures.pixels.astype(int)
    assert np.unique(tiny.reshape(-1, 3), axis=0).tolist() == [[200, 10, 10]]
    whole = square(read_picture(tmp_path / "wide.png", 0).pixels, 32).astype(int)
    assert np.abs(wide - whole).mean() < 8
    assert wide.std() > 20


def test_what_cannot_be_read_is_left_out_and_named(make_image, tmp_path, monkeypatch):
    for number in range(40):
        make_image(f"set/a{number:02}.png", (number, 0, 0))
    (tmp_path / "set" / "a07x.png").write_bytes(b"\x89PNG and no more")
    (tmp_path / "set" / "a33x.jpg").touch()
    gone = tmp_path / "set" / "a39.png"
    read = training_sets.read_picture

    def vanishing(path, *more):
        gone.unlink(missing_ok=True)
        return read(path, *more)

    monkeypatch.setattr(training_sets, "read_picture", vanishing)
    asked = []
    found = folder_set(tmp_path / "set", 32, poll=lambda done, total: asked.append((done, total)))
    assert [problem.split(":")[0] for problem in found.problems] == [
        "a07x.png", "a33x.jpg", "a39.png",
    ]  # fmt: skip
    assert found.pictures.pixels[:, 0, 0, 0].tolist() == list(range(39))
    assert asked[-1] == (32, 42)


def test_reading_can_be_ended(make_image, tmp_path):
    make_image("set/a.png")

    def end(done, total):
        if total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder_set(tmp_path / "set", 32, poll=end)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "there is no such folder"),
        ("a.png", "this is not a folder"),
        ("empty", "no images in this folder; give a folder with images"),
        ("broken", "none of its images can be read .b.png: the file is empty"),
    ],
)
def test_a_folder_of_no_use_is_one_line(make_image, tmp_path, name, said):
    make_image("a.png")
    for folder in ("empty", "broken"):
        (tmp_path / folder).mkdir()
    (tmp_path / "broken" / "b.png").touch()
    with pytest.raises(EngineError, match=said) as told:
        folder_set(tmp_path / name, 32)
    assert str(told.value).startswith(str(tmp_path / name))


def test_one_colour_is_noted(make_image, tmp_path):
    make_image("set/a.png", (90, 90, 90))
    notes = folder_set(tmp_path / "set", 32).notes
    assert notes[0].startswith("1 picture is soon known by heart")
    assert notes[1].startswith("all pixels have one colour")


def test_of_too_many_pictures_some_of_every_class_are_taken(make_image, tmp_path, monkeypatch):
    monkeypatch.setattr(training_sets, "MOST_PICTURES", 8)
    for number in range(20):
        make_image(f"set/{'abcd'[number // 5]}/{number:02}.png", (10, 20, 30), 4)
    found = folder_set(tmp_path / "set", 32)
    assert found.pictures.captions == ("a", "a", "b", "b", "c", "c", "d", "d")
    assert "8 of 20 pictures are learned from, evenly spread" in found.notes


def test_a_training_that_goes_on_keeps_its_words(make_image, tmp_path):
    make_image("set/cat 1.png")
    found = folder_set(tmp_path / "set", 32, words=("cat", "dog"))
    assert found.pictures.words == ("cat", "dog")
    assert found.pictures.places.tolist() == [[1]]


def test_the_tray_is_called_by_folders_where_there_are_several(make_image, tmp_path):
    store = PictureStore()
    one = [store.open(str(make_image(f"set/{name}"))) for name in ("cat 1.png", "dog 2.png")]
    assert tray_set(store, one, 32).pictures.captions == ("cat", "dog")
    two = [store.open(str(make_image(f"{name}/1.png"))) for name in ("cats", "dogs")]
    found = tray_set(store, two, 32)
    assert found.pictures.captions == ("cats", "dogs")
    bundled = store.defer_bundled()
    assert tray_set(store, bundled[3:5], 32).pictures.captions == library.captions()[:2]
    with pytest.raises(EngineError, match="no pictures to learn from"):
        tray_set(store, [], 32)
    store.close()


def test_a_picture_of_the_tray_whose_file_is_gone_is_left_out(make_image):
    small = PictureStore(budget=0)
    paths = [make_image("a.png", size=2000), make_image("b.png", size=60)]
    refs = [small.open(str(path), 16) for path in paths]
    paths[0].unlink()
    found = tray_set(small, refs, 32)
    assert found.pictures.captions == ("b",)
    assert len(found.problems) == 1
    paths[1].unlink()
    with pytest.raises(EngineError, match="none of the pictures can be read"):
        tray_set(small, refs, 32)
    small.close()


@pytest.mark.parametrize("size", [32, 64])
def test_every_tenth_emoji_is_held_out(size):
    found = bundled_set(size)
    count = len(library.captions())
    assert sorted(emoji_places(True) + emoji_places(False)) == list(range(count))
    assert len(emoji_places(True)) == count // 10
    assert found.pictures.pixels.shape == (len(emoji_places(False)), size, size, 3)
    assert not found.mirrored
