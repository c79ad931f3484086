"""Finding and opening files: what hangs, loops, vanishes or has an odd name, in one line each."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.image_files import find_images, printable
from diffusion_gui.engine.images import read_picture

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def refusal(path: Path) -> str:
    """Return the one line with which `path` is refused, without its name."""
    with pytest.raises(EngineError) as caught:
        read_picture(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{printable(path.name)}: ")
    return line.removeprefix(f"{printable(path.name)}: ")


def save(path: Path, width: int = 8, height: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.new("RGB", (width, height), (10, 20, 30)).save(file, "PNG")
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check


def png(*extra: bytes, side: int = 4) -> bytes:
    """Return a grey PNG with chunks after its head; of a large side only the head is true."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    rows = zlib.compress(bytes((min(side, 64) + 1) * min(side, 64)))
    return b"".join((b"\x89PNG\r\n\x1a\n", head, *extra, chunk(b"IDAT", rows), chunk(b"IEND", b"")))


# --- files that are none ---------------------------------------------------------------------


@posix
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    assert refusal(path) == "this is a pipe, not an image file"


@posix
def test_a_socket_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("talk.png")
        assert refusal(tmp_path / "talk.png") == "this is a socket, not an image file"


@posix
def test_an_endless_device_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "zeros.png"
    path.symlink_to("/dev/zero")
    assert refusal(path) == "this is a device, not an image file"


@posix
def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    one.symlink_to(two)
    two.symlink_to(one)
    assert refusal(one) == "cannot be opened (its links run in a circle)"


def test_a_name_with_a_null_character_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a\0b.png"
    assert refusal(path) == "no file can have this name"
    assert find_images([path])[0] == []


def test_a_file_that_became_a_folder_since_it_was_found(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    files, _ = find_images([tmp_path])
    files[0].unlink()
    files[0].mkdir()
    assert refusal(files[0]) == "this is a folder, not an image"
    assert read_picture(files[1]).full_size == (8, 6)


def test_a_file_whose_folder_became_a_file_is_no_longer_there(tmp_path: Path) -> None:
    file = save(tmp_path / "album" / "a.png")
    shutil.rmtree(file.parent)
    file.parent.touch()
    assert refusal(file) == "the file is no longer there"


# --- names -----------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"caf\xe9.png", "caf\ufffd.png"),
        (b"two\nlines.png", "two\ufffdlines.png"),
        ("Фото — 写真 é 👨‍👩‍👧.png".encode(), "Фото — 写真 é 👨‍👩‍👧.png"),
    ],
)
def test_any_name_is_opened_and_said_in_one_line(tmp_path: Path, raw: bytes, shown: str) -> None:
    path = save(tmp_path / "album" / os.fsdecode(raw))
    files, problems = find_images([path.parent])
    assert (files, problems) == ([path], [])
    assert read_picture(files[0]).name == shown
    path.write_bytes(b"Dear diary,")
    assert refusal(path) == "the file is not an image that can be opened"


# --- bombs and damage ------------------------------------------------------------------------

_ZEROS = zlib.compress(bytes(3 * 1024**2), 9)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + _ZEROS),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + _ZEROS),
        chunk(b"iCCP", b"profile\0\0" + _ZEROS),
    ],
    ids=["zTXt", "iTXt", "iCCP"],
)
def test_text_and_profiles_that_unpack_without_end_are_refused(
    tmp_path: Path, extra: bytes
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(extra))
    wanted = "its text or colour profile unpacks to over 1 MiB; save the image without it"
    assert refusal(path) == wanted
    path.write_bytes(png())
    assert read_picture(path).full_size == (4, 4)


def test_a_picture_larger_than_its_file_announces_is_refused(tmp_path: Path) -> None:
    inner = png(side=30_000)
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner), 22)
    path = tmp_path / "bomb.ico"
    path.write_bytes(struct.pack("<HHH", 0, 1, 1) + entry + inner)
    assert "over 200 megapixels" in refusal(path)


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT"])
def test_a_broken_chunk_is_called_damage(tmp_path: Path, kind: bytes) -> None:
    data = bytearray(png())
    at = data.index(kind)
    data[at + 8] ^= 0xFF
    path = tmp_path / "broken.png"
    path.write_bytes(data)
    assert refusal(path).startswith("the image is damaged or cut off (")


@pytest.mark.parametrize("kept", [9, 20, 40, 45])
def test_a_png_cut_off_anywhere_is_called_damage(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(png()[:kept])
    assert refusal(path).startswith("the image is damaged or cut off (")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1)])
def test_extreme_shapes_open_at_every_size(tmp_path: Path, width: int, height: int) -> None:
    path = save(tmp_path / "thin.png", width, height)
    for side in (0, 1, 64, 1024):
        picture = read_picture(path, side)
        assert picture.pixels.shape == (
            min(height, side or height),
            min(width, side or width),
            3,
        )
        assert picture.full_size == (width, height)
        assert np.all(picture.pixels == (10, 20, 30))


# --- identity --------------------------------------------------------------------------------


def test_the_digest_is_of_the_file_and_the_same_at_every_size(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", 300, 200)
    whole, small = read_picture(path, 0), read_picture(path, 50)
    assert whole.digest == small.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (whole.whole, small.whole) == (True, False)
    assert whole.full_size == small.full_size == (300, 200)
    assert small.nbytes == 50 * 33 * 3


def test_the_full_size_of_a_photograph_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 32)).save(path, exif=exif)
    picture = read_picture(path, 16)
    assert picture.pixels.shape == (16, 8, 3)
    assert picture.full_size == (32, 64)


# --- folders ---------------------------------------------------------------------------------


@posix
def test_links_to_folders_are_named_not_followed(tmp_path: Path) -> None:
    album = tmp_path / "album"
    save(album / "a.png")
    save(tmp_path / "other" / "b.png")
    (album / "round").symlink_to(album, target_is_directory=True)
    (album / "there").symlink_to(tmp_path / "other", target_is_directory=True)
    files, problems = find_images([album])
    assert files == [album / "a.png"]
    assert sorted(problems) == [
        "round: a link to a folder above it, left out",
        "there: a link to a folder; drop that folder itself",
    ]
    assert find_images([album / "there"]) == ([album / "there" / "b.png"], [])


@posix
def test_links_to_files_are_followed_and_broken_ones_are_named_when_opened(tmp_path: Path) -> None:
    album = tmp_path / "album"
    save(tmp_path / "other" / "b.png")
    album.mkdir()
    (album / "good.png").symlink_to(tmp_path / "other" / "b.png")
    (album / "lost.png").symlink_to(tmp_path / "nothing.png")
    (album / "self.png").symlink_to(album / "self.png")
    files, problems = find_images([album])
    assert problems == []
    assert [file.name for file in files] == ["good.png", "lost.png", "self.png"]
    assert read_picture(files[0]).full_size == (8, 6)
    assert refusal(files[1]) == "the file is no longer there"
    assert "circle" in refusal(files[2])


def test_hidden_files_and_folders_stay_out(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "._a.png")
    save(tmp_path / ".thumbnails" / "a.png")
    assert find_images([tmp_path]) == ([tmp_path / "a.png"], [])


def test_a_folder_that_vanishes_while_it_is_searched_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "one" / "b.png")
    save(tmp_path / "two" / "c.png")

    def vanish(found: int) -> None:
        if found == 1:
            shutil.rmtree(tmp_path / "two", ignore_errors=True)

    files, problems = find_images([tmp_path], poll=vanish)
    assert [file.name for file in files] == ["a.png", "b.png"]
    assert problems == ["two: the file is no longer there"]


@posix
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    closed = save(tmp_path / "closed" / "b.png").parent
    closed.chmod(0)
    try:
        files, problems = find_images([tmp_path])
    finally:
        closed.chmod(0o700)
    assert (files, problems) == (
        [tmp_path / "a.png"],
        ["closed: no permission to open the folder"],
    )


def test_a_search_counts_and_can_be_ended_within_one_folder(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number}.txt").touch()
    calls: list[int] = []

    def stop(found: int) -> None:
        calls.append(found)
        if len(calls) == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        find_images([tmp_path], poll=stop)
    assert calls == [0] * 5


def test_the_most_wanted_hold_over_several_folders(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/4.png", "c/5.png"):
        save(tmp_path / name)
    files, problems = find_images([tmp_path / name for name in "abc"], most=3)
    assert [file.name for file in files] == ["1.png", "2.png", "3.png"]
    assert problems == ["only the first 3 files were opened; drop the others by themselves"]


@posix
def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*["d" * 200] * 30, "a.png")
    assert refusal(path).startswith("cannot be opened (")
