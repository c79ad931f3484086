"""Colour profiles against the matrices and curves they are made of, in float64."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageCms

from diffusion_gui.engine import colour_profile
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.images import read_picture
from diffusion_gui.session.resources import resource

# Red, green and blue in XYZ, adapted to D50: sRGB (IEC 61966-2-1) and Adobe RGB (1998).
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
ADOBE = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
WHITE_POINT = (0.9642, 1.0, 0.8249)


def _fixed(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space: bytes, gamma: float, primaries: np.ndarray | None = None) -> bytes:
    """Return an ICC profile, version 2: a gamma, and for RGB the primaries in the columns."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    text = b"Test colours\0"
    name = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(12 + 67)
    tags = [(b"desc", name), (b"wtpt", b"XYZ " + bytes(4) + _fixed(WHITE_POINT))]
    if primaries is None:
        tags.append((b"kTRC", curve))
    else:
        for letter, column in zip(b"rgb", primaries.T, strict=True):
            tags.append((bytes([letter]) + b"XYZ", b"XYZ " + bytes(4) + _fixed(tuple(column))))
            tags.append((bytes([letter]) + b"TRC", curve))
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for key, data in tags:
        data += bytes(-len(data) % 4)
        table += key + struct.pack(">II", at + len(body), len(data))
        body += data
    head = bytearray(128)
    head[0:4] = struct.pack(">I", at + len(body))
    head[8:12] = b"\x02\x40\0\0"
    head[12:24] = b"mntr" + space + b"XYZ "
    head[36:40] = b"acsp"
    head[68:80] = _fixed(WHITE_POINT)
    return bytes(head) + struct.pack(">I", len(tags)) + table + body


def _encoded(linear: np.ndarray) -> np.ndarray:
    """Return the sRGB curve of linear light, 0..255."""
    linear = np.clip(linear, 0.0, 1.0)
    low, high = 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    return 255.0 * np.where(linear <= 0.0031308, low, high)


def _save(path: Path, image: Image.Image, icc: bytes) -> Path:
    image.save(path, icc_profile=icc)
    return path


def _colours() -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    pixels[0, :3] = [(0, 0, 0), (255, 255, 255), (128, 128, 128)]
    return pixels


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize(("gamma", "primaries"), [(563 / 256, ADOBE), (1.0, SRGB)])
def test_rgb_becomes_srgb_by_the_matrices(
    tmp_path: Path, suffix: str, gamma: float, primaries: np.ndarray
) -> None:
    pixels, icc = _colours(), profile(b"RGB ", gamma, primaries)
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(path, icc_profile=icc, **options)
    found = read_picture(path)
    linear = (pixels / 255.0) ** gamma @ primaries.T @ np.linalg.inv(SRGB).T
    assert_allclose(found.pixels, _encoded(linear), atol=1.5)
    assert found.notes == ("from Test colours to sRGB",)
    assert np.abs(found.pixels.astype(int) - pixels).max() > 20


def test_grey_becomes_srgb_by_its_curve(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = _save(tmp_path / "a.png", Image.fromarray(levels), profile(b"GRAY", 1.0))
    expected = _encoded(levels / 255.0)[..., None].repeat(3, axis=2)
    assert_allclose(read_picture(path).pixels, expected, atol=1.5)


def test_opacity_is_kept_and_white_is_behind_the_converted_colours(tmp_path: Path) -> None:
    pixels = np.dstack([_colours(), np.arange(960).reshape(24, 40).astype(np.uint8)])
    icc = profile(b"RGB ", 1.0, SRGB)
    path = _save(tmp_path / "a.png", Image.fromarray(pixels), icc)
    found = read_picture(path)
    alpha = pixels[..., 3:] / 255.0
    expected = _encoded(pixels[..., :3] / 255.0) * alpha + 255.0 * (1.0 - alpha)
    assert found.alpha is not None
    assert_array_equal(found.alpha, pixels[..., 3])
    assert_allclose(found.pixels, expected, atol=2)


def test_a_turned_and_scaled_photograph_is_converted_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    icc = profile(b"RGB ", 1.0, SRGB)
    Image.new("RGB", (320, 160), (55, 55, 55)).save(path, exif=exif, icc_profile=icc, quality=95)
    found = read_picture(path, 32)
    assert found.pixels.shape == (32, 16, 3)
    assert_allclose(found.pixels, np.full((32, 16, 3), _encoded(np.array(55 / 255.0))), atol=2)
    assert found.notes == ("scaled down from 320 x 160", "from Test colours to sRGB")


def test_a_profile_that_is_srgb_changes_no_pixel_and_is_not_worth_a_note(tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = _colours()
    found = read_picture(_save(tmp_path / "a.png", Image.fromarray(pixels), icc))
    assert_array_equal(found.pixels, pixels)
    assert found.notes == ()


def test_the_profile_known_by_its_digest_changes_nothing_by_the_numbers_either() -> None:
    with Image.open(resource("photos", "astronaut.png")) as photo:
        icc = photo.info["icc_profile"]
        found, note = colour_profile.to_srgb(photo, icc)
    assert hashlib.sha256(icc).hexdigest() == colour_profile._USUAL_SRGB
    assert (found.tobytes(), note) == (photo.tobytes(), "")
    assert colour_profile._transform(icc, "RGB") == (None, "")


@pytest.mark.parametrize(
    ("icc", "note"),
    [
        (b"no profile at all", "colour profile left aside: it is damaged"),
        (profile(b"RGB ", 1.0, SRGB)[:200], "colour profile left aside: it is damaged"),
        (profile(b"GRAY", 1.0), "colour profile left aside: it is for GRAY colours"),
    ],
)
def test_a_profile_of_no_use_is_left_aside_with_a_note(
    tmp_path: Path, icc: bytes, note: str
) -> None:
    pixels = _colours()
    found = read_picture(_save(tmp_path / "a.png", Image.fromarray(pixels), icc))
    assert_array_equal(found.pixels, pixels)
    assert found.notes == (note,)


def test_a_profile_that_is_too_large_is_left_aside_and_not_kept() -> None:
    image, kept = Image.new("RGB", (3, 2), (9, 8, 7)), colour_profile._transform.cache_info()
    found, note = colour_profile.to_srgb(image, bytes(colour_profile.MOST_BYTES + 1))
    assert note == "colour profile left aside: it is too large"
    assert_array_equal(np.asarray(found), np.asarray(image))
    assert colour_profile._transform.cache_info() == kept


def test_lab_becomes_srgb(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    lab = np.zeros((4, 4, 3), np.uint8)
    lab[..., 0] = 255  # L* = 100, a* = b* = 0
    Image.frombytes("LAB", (4, 4), lab.tobytes()).save(path)
    assert_allclose(read_picture(path).pixels, np.full((4, 4, 3), 255), atol=1)


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("icc") / "dropped.png"


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([profile(b"RGB ", 2.2, ADOBE), profile(b"GRAY", 1.8)]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0.1, 1),
)
def test_damaged_profiles_give_a_picture(
    scratch: Path, icc: bytes, wounds: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(icc)
    for place, value in wounds:
        data[int(place * len(data))] = value
    file = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(
        file, "PNG", icc_profile=bytes(data[: int(kept * len(data))])
    )
    scratch.write_bytes(file.getvalue())
    try:
        assert read_picture(scratch).pixels.shape == (2, 3, 3)
    except EngineError as error:
        pytest.fail(str(error))
