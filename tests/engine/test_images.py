"""Pictures in and out: every kind of file people drop, and every broken one, in one line."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from diffusion_gui.engine import images
from diffusion_gui.engine.errors import Cancelled, EngineError
from diffusion_gui.engine.image_files import find_images
from diffusion_gui.engine.images import read_picture

ORIENTATION, RED, GREY = 0x0112, (255, 0, 0), (128, 128, 128)
SHARP = {"quality": 98, "subsampling": 0}


def picture(height: int = 24, width: int = 40, seed: int = 0) -> np.ndarray:
    """Return four flat quadrants of random colours: [height, width, 3]."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return corners.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def refusal(path: Path) -> str:
    """Return the one line with which `path` is refused; it begins with the file's name."""
    with pytest.raises(EngineError) as caught:
        read_picture(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path.name}: ")
    return line


def png_header(width: int, height: int) -> bytes:
    """Return a 1-bit PNG that announces a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def grey_jpeg(side: int, marker: bytes = b"\xff\xc0") -> bytes:
    """Return a real JPEG of `side` x `side` grey pixels, `side` a multiple of 16, in no time.

    The header comes from an 8 x 8 picture; every block of flat grey is the same six bits.
    `marker` says which kind of JPEG it claims to be.
    """
    file = io.BytesIO()
    Image.new("L", (8, 8), 128).save(file, "JPEG")
    data = file.getvalue()
    frame = data.index(b"\xff\xc0") + 5
    data = data[:frame] + struct.pack(">HH", side, side) + data[frame + 4 :]
    data = data.replace(b"\xff\xc0", marker)
    scan = data.index(b"\xff\xda")
    scan += 2 + struct.unpack(">H", data[scan + 2 : scan + 4])[0]
    blocks = (side // 8) ** 2
    return data[:scan] + b"\x28\xa2\x8a" * (blocks // 4) + b"\xff\xd9"


# --- what a person expects to see ------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("bmp", {}),
        ("tif", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("ppm", {}),
        ("tga", {}),
        ("webp", {"lossless": True}),
        ("jp2", {}),
    ],
)
def test_lossless_files_are_read_pixel_by_pixel(
    tmp_path: Path, suffix: str, options: dict[str, object]
) -> None:
    pixels = picture()
    path = tmp_path / f"one.{suffix}"
    Image.fromarray(pixels).save(path, **options)
    found = read_picture(path)
    assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == np.uint8
    assert (found.name, found.notes) == (path.name, ())


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "gif", "ico"])
def test_other_files_are_read_closely(tmp_path: Path, suffix: str) -> None:
    pixels = picture(32, 32)
    path = tmp_path / f"one.{suffix}"
    Image.fromarray(pixels).save(path, **({"sizes": [(32, 32)]} if suffix == "ico" else {}))
    assert abs(read_picture(path).pixels[4:-4, 4:-4].mean() - pixels[4:-4, 4:-4].mean()) < 3
    assert read_picture(path).pixels.shape == pixels.shape


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: p.swapaxes(0, 1)[:, ::-1],
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: p.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_photographs_stand_upright(tmp_path: Path, orientation: int) -> None:
    stored = picture(32, 48)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    for suffix, tolerance in (("png", 0), ("jpg", 12)):
        path = tmp_path / f"photo.{suffix}"
        Image.fromarray(stored).save(path, exif=exif, **(SHARP if suffix == "jpg" else {}))
        shown = read_picture(path).pixels
        expected = UPRIGHT[orientation](stored)
        assert shown.shape == expected.shape
        assert abs(shown.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(deep).save(path)
    shown = read_picture(path).pixels
    assert_array_equal(shown, (deep // 256).astype(np.uint8)[..., None].repeat(3, axis=2))


def test_big_endian_16_bit_tiff_is_scaled(tmp_path: Path) -> None:
    deep = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    path = tmp_path / "deep.tif"
    path.write_bytes(_big_endian_tiff(deep))
    assert_array_equal(read_picture(path).pixels[..., 0], deep // 256)


def _big_endian_tiff(deep: np.ndarray) -> bytes:
    height, width = deep.shape
    tags = ((256, width), (257, height), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1),
            (278, height), (279, deep.nbytes))  # fmt: skip
    body = deep.astype(">u2").tobytes()
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack(">H", len(tags)) + entries + struct.pack(">I", 0)
    return b"MM\x00\x2a" + struct.pack(">I", 8 + len(body)) + body + directory


def test_floating_point_tiff_is_scaled_by_its_range_and_survives_nan(tmp_path: Path) -> None:
    values = np.linspace(-2.0, 2.0, 64, dtype=np.float32).reshape(8, 8)
    values[0, 1] = np.nan
    path = tmp_path / "float.tif"
    Image.fromarray(values).save(path)
    shown = read_picture(path).pixels[..., 0]
    expected = np.round((np.nan_to_num(values) + 2.0) * 63.75)
    assert_array_equal(shown, expected)


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=95)
    assert_allclose(read_picture(path).pixels[8, 8].astype(int), RED, atol=6)


def _save_palette(path: Path) -> None:
    image = Image.new("P", (4, 2), 1)
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((0, 0), 0)
    image.save(path, transparency=0)


def _save_rgba(path: Path) -> None:
    image = Image.new("RGBA", (4, 2), (*RED, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.save(path)


@pytest.mark.parametrize("save", [_save_palette, _save_rgba])
def test_what_is_transparent_becomes_white(tmp_path: Path, save: Callable[[Path], None]) -> None:
    path = tmp_path / "logo.png"
    save(path)
    shown = read_picture(path).pixels
    assert tuple(shown[0, 0]) == (255, 255, 255)
    assert np.all(shown.reshape(-1, 3)[1:] == RED)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_half_transparent_is_half_way_to_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "veil.png"
    Image.new(mode, (2, 2), (0, 128) if mode == "LA" else (0, 0, 0, 128)).save(path)
    assert_array_equal(read_picture(path).pixels, np.full((2, 2, 3), 127))


def test_one_bit_pictures_are_black_and_white(tmp_path: Path) -> None:
    bits = np.array([[True, False, True], [False, False, True]])
    path = tmp_path / "fax.png"
    Image.fromarray(bits).save(path)
    assert_array_equal(read_picture(path).pixels, bits[..., None].repeat(3, axis=2) * 255)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_the_first_frame_of_an_animation_is_taken_and_told(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"move.{suffix}"
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    found = read_picture(path)
    assert found.notes == ("first of 3 frames",)
    assert np.all(found.pixels == RED)


def test_names_in_any_script_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "Фото — 写真 é 🦊.png"
    Image.fromarray(picture()).save(path)
    assert read_picture(path).name == path.name
    assert read_picture(str(path)).pixels.shape == (24, 40, 3)


# --- sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize(
    ("stored", "shown"), [((2048, 2048), (1024, 1024)), ((300, 1500), (205, 1024))]
)
def test_large_pictures_are_scaled_down_and_it_is_told(
    tmp_path: Path, suffix: str, stored: tuple[int, int], shown: tuple[int, int]
) -> None:
    path = tmp_path / f"large.{suffix}"
    Image.new("RGB", stored[::-1], GREY).save(path)
    found = read_picture(path)
    assert found.pixels.shape == (*shown, 3)
    assert found.notes == (f"scaled down from {stored[1]} x {stored[0]}",)
    assert np.all(found.pixels == 128)


def test_the_longest_side_can_be_chosen_and_a_fitting_picture_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.fromarray(picture(60, 100)).save(path)
    assert read_picture(path, max_side=50).pixels.shape == (30, 50, 3)
    assert_array_equal(read_picture(path, max_side=100).pixels, picture(60, 100))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3000, 1), (1, 3000)])
def test_thin_pictures_survive(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "thin.png"
    Image.new("RGB", (width, height), RED).save(path)
    shown = read_picture(path).pixels
    assert shown.shape == (min(height, 1024), min(width, 1024), 3)
    assert np.all(shown == RED)


def test_a_picture_of_400_megapixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(20_000, 20_000))
    line = refusal(path)
    assert "20000 x 20000 pixels is over 200 megapixels" in line
    assert "scale it down" in line


def test_a_photograph_of_400_megapixels_opens_through_its_small_version(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    path.write_bytes(grey_jpeg(20_000))
    found = read_picture(path)
    assert found.pixels.shape == (1024, 1024, 3)
    assert found.notes == ("scaled down from 20000 x 20000",)
    assert np.all(found.pixels == 128)


@pytest.mark.parametrize("max_side", [0, 1024])
def test_a_progressive_photograph_of_400_megapixels_is_refused(
    tmp_path: Path, max_side: int
) -> None:
    """Its decoder would hold the coefficients of the whole picture, whatever the scale."""
    path = tmp_path / "huge.jpg"
    path.write_bytes(grey_jpeg(20_000, marker=b"\xff\xc2"))
    with pytest.raises(EngineError, match="20000 x 20000 pixels is over 200 megapixels"):
        read_picture(path, max_side)


def test_a_progressive_photograph_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (3000, 2000), (90, 90, 90)).save(path, progressive=True)
    found = read_picture(path, 512)
    assert found.pixels.shape == (341, 512, 3)
    assert np.all(abs(found.pixels.astype(int) - 90) <= 1)


# --- what cannot be opened -------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged or cut off" in refusal(path)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "nothing.png"
    path.touch()
    assert refusal(path) == "nothing.png: the file is empty (0 bytes)"


@pytest.mark.parametrize("content", [b"Dear diary,\n", b"\x00" * 40, b"%PDF-1.7\n", b"<svg/>"])
def test_files_that_are_no_pictures_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "letter.png"
    path.write_bytes(content)
    assert refusal(path) == "letter.png: the file is not an image that can be opened"


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 10 10
%%EndComments
0 0 10 10 rectfill
showpage
%%EOF
"""


@pytest.mark.parametrize("name", ["figure.eps", "figure.ps", "figure.png"])
def test_postscript_is_never_given_to_an_interpreter(tmp_path: Path, name: str) -> None:
    assert Image.open(io.BytesIO(EPS)).format == "EPS"  # Pillow itself would open it
    path = tmp_path / name
    path.write_bytes(EPS)
    assert "not an image that can be opened" in refusal(path)


def test_a_vanished_path_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.png") == "gone.png: the file is no longer there"
    folder = tmp_path / "album.png"
    folder.mkdir()
    assert refusal(folder) == "album.png: this is a folder, not an image"


def _encoded(format: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(picture(8, 12))).save(file, format, **options)
    return file.getvalue()


def _seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    second = [Image.fromarray(picture(8, 12, seed=1))]
    palette = Image.fromarray(picture(8, 12)).quantize(4)
    return [
        _encoded("PNG", exif=exif),
        _encoded("PNG", palette, transparency=0),
        _encoded("PNG", Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8))),
        _encoded("PNG", save_all=True, append_images=second),
        _encoded("JPEG", exif=exif),
        _encoded("WEBP", exif=exif),
        _encoded("GIF", save_all=True, append_images=second),
        _encoded("BMP"),
        _encoded("TIFF", exif=exif),
        _encoded("TIFF", palette),
        _encoded("PPM"),
        _encoded("ICO", sizes=[(8, 8)]),
        _encoded("TGA", compression="tga_rle"),
        _encoded("JPEG2000"),
        _encoded("AVIF"),
    ]


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "dropped.bin"


damage = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255), st.integers(0, 3))


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(_seeds()), st.lists(damage, max_size=6), st.floats(0.02, 1))
def test_damaged_files_give_a_picture_or_one_line(
    scratch: Path, seed: bytes, wounds: list[tuple[float, int, int]], kept: float
) -> None:
    data = bytearray(seed)
    for place, value, removed in wounds:
        at = int(place * len(data))
        data[at : at + max(1, removed)] = [value] if removed < 2 else []
    scratch.write_bytes(data[: max(1, int(kept * len(data)))])
    _opens_or_refuses(scratch)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([seed[:12] for seed in _seeds()]), st.binary(max_size=200))
def test_random_bytes_give_a_picture_or_one_line(scratch: Path, start: bytes, rest: bytes) -> None:
    scratch.write_bytes(start + rest)
    _opens_or_refuses(scratch)


def _opens_or_refuses(path: Path) -> None:
    try:
        pixels = read_picture(path).pixels
    except EngineError:
        refusal(path)
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert 1 <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= images.MAX_SIDE


def test_a_truncated_animation_does_not_escape_as_an_internal_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.gif"
    for length in range(1, 200):
        path.write_bytes(_seeds_gif()[:length])
        _opens_or_refuses(path)


def _seeds_gif() -> bytes:
    return _encoded("GIF", save_all=True, append_images=[Image.fromarray(picture(8, 12, seed=1))])


# --- finding files ---------------------------------------------------------------------------


def test_folders_are_searched_to_the_bottom_in_order(tmp_path: Path) -> None:
    names = ["b/deep/er/2.JPG", "b/1.png", "a/9.webp", "c.gif"]
    for name in [*names, "b/notes.txt", "b/.hidden"]:
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files, problems = find_images([tmp_path / "album"])
    assert problems == []
    assert [f.relative_to(tmp_path / "album").as_posix() for f in files] == [
        "c.gif",
        "a/9.webp",
        "b/1.png",
        "b/deep/er/2.JPG",
    ]


def test_named_files_are_kept_in_the_order_given_whatever_their_ending(tmp_path: Path) -> None:
    given_paths = [tmp_path / name for name in ("z.png", "a", "m.txt")]
    for path in given_paths:
        path.touch()
    assert find_images(map(str, given_paths)) == (given_paths, [])


def test_what_is_not_usable_is_told_in_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "empty" / "picture.png").mkdir(parents=True)
    (tmp_path / "here.png").touch()
    files, problems = find_images(tmp_path / n for n in ("empty", "here.png", "gone.png"))
    assert files == [tmp_path / "here.png"]
    assert problems == [
        "empty: no images in this folder",
        "gone.png: there is no such file",
    ]


def test_nothing_given_is_nothing_found() -> None:
    assert find_images([]) == ([], [])


# --- pixels ----------------------------------------------------------------------------------


def test_every_grey_level_survives_the_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    x = images.to_float(levels)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (-1.0, 1.0)
    assert_allclose(x, levels / 127.5 - 1.0, atol=1e-7)
    assert_array_equal(images.to_uint8(x), levels)


def test_to_uint8_clamps_then_rounds_half_up() -> None:
    levels = np.array([-9.0, -1.0, 1.0, 9.0, -1 + 0.49 / 127.5, -1 + 0.51 / 127.5, 0.0])
    assert images.to_uint8(levels.astype(np.float32)).tolist() == [0, 0, 255, 255, 0, 1, 128]
    assert images.to_uint8(levels).tolist() == [0, 0, 255, 255, 0, 1, 128]


def test_square_is_the_middle() -> None:
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = RED
    assert_array_equal(images.square(wide, 10), np.broadcast_to(RED, (10, 10, 3)))
    assert_array_equal(images.square(wide.swapaxes(0, 1), 10), np.broadcast_to(RED, (10, 10, 3)))
    assert images.square(wide, 32).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("shape", "side", "expected"),
    [((60, 100), 50, (30, 50)), ((100, 60), 50, (50, 30)), ((3, 900), 90, (1, 90))],
)
def test_fit_within_keeps_the_aspect(
    shape: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    assert images.fit_within(np.zeros((*shape, 3), np.uint8), side).shape == (*expected, 3)


def test_a_picture_that_fits_is_returned_as_it_is() -> None:
    pixels = picture()
    assert images.fit_within(pixels, 40) is pixels
    assert images.resize(pixels, 40, 24) is pixels


def test_a_contact_sheet_lays_frames_out_in_rows() -> None:
    frames = np.stack([np.full((2, 3, 3), value, np.uint8) for value in (0, 50, 100)])
    sheet = images.contact_sheet(frames, columns=2, gap=1, scale=2)
    assert sheet.shape == (2 * (4 + 1) + 1, 2 * (6 + 1) + 1, 3)
    assert np.all(sheet[1:5, 1:7] == 0)
    assert np.all(sheet[1:5, 8:14] == 50)
    assert np.all(sheet[6:10, 1:7] == 100)
    painted = np.zeros(sheet.shape[:2], bool)
    painted[1:5, 1:7] = painted[1:5, 8:14] = painted[6:10, 1:7] = True
    assert np.all(sheet[~painted] == 255)


def test_the_square_of_a_wide_picture_is_contiguous() -> None:
    assert images.square(picture(10, 30), 10).flags.c_contiguous


def test_a_search_stops_at_the_most_wanted_and_says_so(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.png").touch()
    files, problems = find_images([tmp_path], most=4)
    assert [f.name for f in files] == ["0.png", "1.png", "2.png", "3.png"]
    assert problems == ["only the first 4 files were opened; drop the others by themselves"]


def test_a_search_can_be_ended_from_outside(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()

    def stop(found: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_images([tmp_path], poll=stop)


@pytest.mark.parametrize(("height", "width", "n"), [(8, 12, 4), (9, 1025, 2), (4099, 300, 8)])
def test_averaged_squares_are_their_means(height: int, width: int, n: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    small = images.averaged(pixels, n)
    assert small.shape == (-(-height // n), -(-width // n), 3)
    for y, x in ((0, 0), (small.shape[0] - 1, small.shape[1] - 1), (small.shape[0] // 2, 0)):
        mean = pixels[n * y : n * y + n, n * x : n * x + n].mean(axis=(0, 1), dtype=np.float64)
        assert np.abs(small[y, x] - mean).max() <= 0.5 + 1e-3
