"""The store: bounded memory, pictures read again from their files, data sets of squares."""

from __future__ import annotations

import errno
import gc
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.experiment import Forward, PictureRef
from diffusion_gui.engine.images import Picture, read_picture, square
from diffusion_gui.session.library import emoji, labels, photo
from diffusion_gui.session.picture_store import PictureStore, side_for

KIB = 1024


def save(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def add(store: PictureStore, path: Path, side: int = 1024) -> PictureRef:
    return store.add(read_picture(path, side), str(path), side)


def several(store: PictureStore, folder: Path, count: int) -> list[PictureRef]:
    """Add pictures of 3,600 bytes each."""
    return [add(store, save(folder / f"{n}.png", seed=n)) for n in range(count)]


# --- identity --------------------------------------------------------------------------------


def test_the_same_file_is_the_same_picture_at_whatever_size_it_is_kept(tmp_path: Path) -> None:
    store, path = PictureStore(), save(tmp_path / "a.png", 300, 200)
    small, large = add(store, path, 64), add(store, path, 256)
    assert small.id == large.id == read_picture(path).digest[:16]
    assert store.get(small.id).pixels.shape == (171, 256, 3)
    add(store, path, 64)
    assert store.get(small.id).pixels.shape == (171, 256, 3)


def test_a_picture_is_read_again_from_where_it_was_seen_last(tmp_path: Path) -> None:
    store, first = PictureStore(0), save(tmp_path / "one" / "a.png")
    second = tmp_path / "two.png"
    second.write_bytes(first.read_bytes())
    ref = add(store, first)
    add(store, second, 16)
    add(store, save(tmp_path / "other.png", seed=1))
    first.unlink()
    assert store.peek(ref.id) is None
    assert store.get(ref.id).name == "two.png"


def test_pasted_pictures_differ_by_pixels_shape_and_opacity() -> None:
    store = PictureStore()
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    opacity = np.full((4, 5), 7, np.uint8)
    pictures = [
        Picture("a", pixels),
        Picture("a", pixels.reshape(5, 4, 3)),
        Picture("a", pixels, alpha=opacity),
    ]
    assert len({store.add(picture, "clipboard").id for picture in pictures}) == 3
    assert store.add(Picture("b", pixels.copy()), "dropped").id == store.add(pictures[0]).id


# --- memory ----------------------------------------------------------------------------------


def test_over_the_budget_the_least_recently_used_goes(tmp_path: Path) -> None:
    store = PictureStore(4 * 3600)
    refs = several(store, tmp_path, 4)
    assert store.peek(refs[0].id) is not None  # used: now 1 is the oldest
    refs.append(add(store, save(tmp_path / "4.png", seed=4)))
    assert [store.peek(ref.id) is not None for ref in refs] == [True, False, True, True, True]


def test_memory_stays_within_the_budget_and_the_thumbnails(tmp_path: Path) -> None:
    store = PictureStore(10 * 3600)
    for ref in several(store, tmp_path, 50):
        store.get(ref.id)
    assert store.nbytes <= 10 * 3600 + 50 * 30 * 30 * 3
    assert store.nbytes > 9 * 3600


def test_100_photographs_and_10_000_small_files_fit() -> None:
    budget = 512 * KIB * KIB
    for count in (1, 32, 64, 65, 100, 256, 257, 1000, 1024, 1025, 10_000):
        assert count * side_for(count) ** 2 * 3 <= budget
    assert side_for(1) == 1024
    assert side_for(100) >= 512
    assert side_for(100_000) == 128


def test_what_was_let_go_is_read_again_as_it_was_kept(tmp_path: Path) -> None:
    store, path = PictureStore(0), save(tmp_path / "a.png", 300, 200)
    ref = add(store, path, 100)
    kept = store.get(ref.id)
    add(store, save(tmp_path / "b.png", seed=1))
    assert store.peek(ref.id) is None
    again = store.get(ref.id)
    assert again is not kept
    assert_array_equal(again.pixels, kept.pixels)
    assert store.peek(ref.id) is again


def pasted(seed: int, side: int = 1100) -> Picture:
    """Return a picture with opacity that is in no file, larger than files are kept."""
    rgba = np.random.default_rng(seed).integers(0, 256, (side, 2, 4)).astype(np.uint8)
    return Picture(f"pasted {seed}", rgba[..., :3].copy(), ("a note",), rgba[..., 3].copy())


def test_pasted_pictures_keep_to_the_budget_and_come_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pictures = [pasted(n) for n in range(6)]
    budget = 2 * pictures[0].nbytes
    store = PictureStore(budget)
    refs = [store.add(picture, "clipboard") for picture in pictures]
    assert sum(picture.nbytes for picture in map(store._glance, ids(refs)) if picture) <= budget
    assert store.nbytes <= budget + 6 * 64 * 64 * 3
    for ref, picture in zip(refs, pictures, strict=True):
        found = store.get(ref.id)
        assert (found.name, found.notes) == (picture.name, ("a note",))
        assert_array_equal(found.pixels, picture.pixels)
        assert_array_equal(found.alpha, picture.alpha)
        assert store.read(ref.id, 100).pixels.shape == (100, 1, 3)
        assert store.source(ref.id, Forward(size=0)).pixels.shape == (1100, 2, 3)
    assert store.squares(refs, 2).shape == (6, 2, 2, 3)
    written = list(tmp_path.glob("*/*"))
    assert len(written) == 6
    assert store.add(pictures[0]) == PictureRef(refs[0].id, "pasted 0")
    assert list(tmp_path.glob("*/*")) == written, "is not written twice"
    store.close()
    store.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EngineError, match="pasted 1: its temporary file cannot be read"):
        store.get(refs[1].id)


def test_temporary_files_go_with_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = PictureStore(0)
    assert not store.has_room(pasted(0))
    store.add(pasted(0))
    assert list(tmp_path.iterdir()) == [], "the one in use has no need of it"
    store.add(pasted(1))
    assert len(list(tmp_path.glob("*/*"))) == 1
    del store
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_on_a_full_disk_a_pasted_picture_stays_in_memory_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = PictureStore(0)
    ref = store.add(pasted(0))
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        patch.setattr(np, "savez", Mock(side_effect=full))
        several(store, tmp_path, 3)
        assert np.savez.call_count == 1, "it is not tried again for every other picture"
    assert store.problem == (
        "pasted 0: stays in memory, as there is no room on the disk for temporary files "
        "(No space left on device)"
    )
    assert list(tmp_path.glob("*/*.npz")) == []
    found = store.peek(ref.id)
    assert found is not None
    assert_array_equal(found.pixels, pasted(0).pixels)


def ids(refs: Iterable[PictureRef]) -> list[str]:
    return [ref.id for ref in refs]


def test_going_through_a_large_set_pushes_nothing_out(tmp_path: Path) -> None:
    store = PictureStore(3 * 3600)
    refs = several(store, tmp_path, 8)
    kept = [store._glance(ref.id) for ref in refs]
    assert sum(picture is not None for picture in kept) == 3
    data = store.squares(refs, 16)
    assert [store._glance(ref.id) for ref in refs] == kept
    for row, ref in zip(data, refs, strict=True):
        assert_array_equal(row, square(read_picture(ref.source).pixels, 16))


def test_bundled_pictures_are_opened_when_needed_and_can_be_let_go() -> None:
    store = PictureStore(0)
    ref, other = store.defer_photo("chelsea.png"), store.defer_photo("astronaut.png")
    assert store.peek(ref.id) is None
    assert store.nbytes == 0
    assert_array_equal(store.get(ref.id).pixels, photo("chelsea.png").pixels)
    store.get(other.id)
    assert store.peek(ref.id) is None
    assert store.get(ref.id).name == "chelsea.png"
    assert store.read(ref.id, 100).pixels.shape == (100, 100, 3)
    face = store.defer_emoji()[5]
    assert_array_equal(store.get(face.id).pixels, emoji(64)[5])


def test_a_deferred_picture_that_is_open_stays_open() -> None:
    store = PictureStore()
    ref = store.defer_photo("chelsea.png")
    picture = store.get(ref.id)
    assert store.defer_photo("chelsea.png") == ref
    assert store.peek(ref.id) is picture


# --- thumbnails ------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(40, 30), (300, 200), (1, 1), (1, 5000), (5000, 1)])
def test_a_thumbnail_is_always_there(tmp_path: Path, width: int, height: int) -> None:
    store, path = PictureStore(0), save(tmp_path / "a.png", width, height)
    ref = add(store, path)
    add(store, save(tmp_path / "b.png", seed=1))
    expected = square(square(read_picture(path).pixels, min(64, width, height)), 64)
    path.unlink()
    assert store.peek(ref.id) is None
    assert_array_equal(store.thumbnail(ref.id), expected)
    assert store.thumbnail(ref.id).shape == (64, 64, 3)


# --- reading again ---------------------------------------------------------------------------


def _replace_by(change: Callable[[Path], object]) -> Callable[[Path], None]:
    def do(path: Path) -> None:
        path.unlink()
        change(path)

    return do


@pytest.mark.parametrize(
    ("happened", "line"),
    [
        (Path.unlink, "the file is no longer there; put it back or take the picture out"),
        (
            lambda path: save(path, seed=9),
            "the file has changed since it was opened; open it again",
        ),
        (_replace_by(Path.mkdir), "this is a folder, not an image"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"Dear diary"), "the file is not an image"),
    ],
    ids=["gone", "changed", "folder", "empty", "text"],
)
def test_a_file_that_is_another_one_by_now_is_named(
    tmp_path: Path, happened: Callable[[Path], object], line: str
) -> None:
    store, path = PictureStore(0), save(tmp_path / "a.png", 300, 200)
    ref = add(store, path, 100)
    add(store, save(tmp_path / "b.png", seed=1))
    happened(path)
    for ask in (lambda: store.get(ref.id), lambda: store.read(ref.id, 0)):
        with pytest.raises(EngineError) as caught:
            ask()
        assert str(caught.value).startswith(f"a.png: {line}")
        assert "\n" not in str(caught.value)


def test_a_picture_is_read_at_any_size(tmp_path: Path) -> None:
    store, path = PictureStore(), save(tmp_path / "a.png", 300, 200)
    ref = add(store, path, 100)
    for side in (0, 50, 100, 250, 1000):
        found = store.read(ref.id, side)
        assert_array_equal(found.pixels, read_picture(path, side).pixels)
    assert store.read(ref.id, 100) is store.peek(ref.id)
    whole = add(store, path, 1024)
    path.unlink()
    assert store.read(whole.id, 0) is store.peek(whole.id)
    pasted = store.add(
        Picture("p", np.zeros((30, 60, 3), np.uint8), (), np.zeros((30, 60), np.uint8))
    )
    assert store.read(pasted.id, 0).pixels.shape == (30, 60, 3)
    small = store.read(pasted.id, 20)
    assert small.pixels.shape == (10, 20, 3)
    assert small.alpha is not None
    assert small.alpha.shape == (10, 20)


@pytest.mark.parametrize("source", ["bundled", "clipboard", "dropped"])
def test_a_word_for_a_source_is_never_opened_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with Path(source).open("wb") as file:
        Image.new("RGB", (9, 9)).save(file, "PNG")
    store = PictureStore(0)
    ref = store.add(Picture("a", np.full((4, 6, 3), 5, np.uint8)), source)
    assert store.read(ref.id, 0).pixels.shape == (4, 6, 3)
    assert labels([ref]) == ("",)


def test_pictures_never_added_are_not_opened_by_what_a_reference_says(tmp_path: Path) -> None:
    store, path = PictureStore(), save(tmp_path / "a.png")
    ref = PictureRef(read_picture(path).digest[:16], "a.png", str(path))
    for ask in (store.get, store.thumbnail, lambda picture: store.read(picture, 0)):
        with pytest.raises(EngineError, match="is not loaded"):
            ask(ref.id)
    assert store.peek(ref.id) is None


# --- data sets -------------------------------------------------------------------------------


def test_squares_are_cut_or_padded(tmp_path: Path) -> None:
    store = PictureStore()
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = (255, 0, 0)
    ref = store.add(Picture("wide", pixels))
    assert_array_equal(store.squares([ref], 20)[0], np.broadcast_to((255, 0, 0), (20, 20, 3)))
    padded = store.squares([ref], 60, pad=True, background=(1, 2, 3))[0]
    assert_array_equal(padded[20:40], pixels)
    assert_array_equal(padded[:20], np.broadcast_to((1, 2, 3), (20, 60, 3)))
    assert_array_equal(padded[40:], np.broadcast_to((1, 2, 3), (20, 60, 3)))
    assert store.squares([ref], 128, pad=True).shape == (1, 128, 128, 3)


def test_what_is_transparent_shows_the_background_of_the_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (16, 16, 4)).astype(np.uint8)
    path = tmp_path / "veil.png"
    Image.fromarray(rgba).save(path)
    store = PictureStore()
    ref = add(store, path)
    background = np.array((10, 200, 90))
    data = store.squares([ref], 16, background=(10, 200, 90))[0]
    alpha = rgba[..., 3:].astype(np.float64) / 255.0
    assert_allclose(data, rgba[..., :3] * alpha + background * (1.0 - alpha), atol=1.01)


@pytest.mark.parametrize("pad", [False, True])
def test_a_set_larger_than_what_is_kept_is_read_from_the_files(tmp_path: Path, pad: bool) -> None:
    store, path = PictureStore(), save(tmp_path / "a.png", 600, 300)
    ref = add(store, path, 128)
    data = store.squares([ref], 128, pad)[0]
    expected = read_picture(path, 128 if pad else 256).pixels
    if pad:
        assert_array_equal(data[32:96], expected)
        assert np.all(data[:32] == 255)
    else:
        assert_array_equal(data, expected[:, 64:192])
    assert store.get(ref.id).pixels.shape == (64, 128, 3)


def test_thin_pictures_become_squares(tmp_path: Path) -> None:
    store = PictureStore()
    ref = add(store, save(tmp_path / "thin.png", 1, 5000), 128)
    assert store.squares([ref], 32).shape == (1, 32, 32, 3)
    padded = store.squares([ref], 32, pad=True)[0]
    assert np.all(padded[:, :15] == 255)
    assert np.all(padded[:, 18:] == 255)
    assert not np.all(padded[:, 15:18] == 255)


def test_the_making_of_a_set_can_be_ended(tmp_path: Path) -> None:
    store = PictureStore()
    refs = several(store, tmp_path, 5)
    calls: list[int] = []

    def poll() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        store.squares(refs, 16, poll=poll)
    assert len(calls) == 3


# --- threads ---------------------------------------------------------------------------------


def test_many_threads_get_the_right_pixels_within_the_budget(tmp_path: Path) -> None:
    store = PictureStore(5 * 3600)
    refs = several(store, tmp_path, 12)
    expected = {ref.id: read_picture(ref.source).pixels for ref in refs}
    wrong: list[object] = []

    def work(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, 12, 60):
            ref = refs[number]
            try:
                if not np.array_equal(store.get(ref.id).pixels, expected[ref.id]):
                    wrong.append(ref)
                store.thumbnail(ref.id)
                add(store, Path(ref.source))
            except Exception as error:
                wrong.append(error)

    filters = list(warnings.filters)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert warnings.filters == filters
    assert store.nbytes <= 5 * 3600 + 12 * 30 * 30 * 3
    kept = [store._glance(ref.id) for ref in refs]
    assert sum(picture.nbytes for picture in kept if picture is not None) <= 5 * 3600
