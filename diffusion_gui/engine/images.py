"""Pictures in and out: files to uint8 RGB, uint8 to [-1, 1] and back. NumPy and Pillow.

Nothing here trusts a file: only raster formats that Pillow decodes itself are opened, the size is
checked before any pixel is decoded, and every failure is one `EngineError` line that names the
file, the reason and the mend.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from diffusion_gui.engine.errors import EngineError

Pixels = NDArray[np.uint8]
FloatImage = NDArray[np.float32]
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "JPEG2000", "AVIF")
SUFFIXES = frozenset(
    "." + ending
    for ending in (
        *("png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "ico", "tga", "jp2", "j2k", "avif"),
    )
)
MAX_MEGAPIXELS = 200
MAX_SIDE = 1024
"""Longest side, in pixels, at which a picture is kept for the image panel."""

Image.MAX_IMAGE_PIXELS = None  # our own check below names the file and the mend


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture: uint8 RGB pixels [H, W, 3], its name, and what was changed on opening."""

    name: str
    pixels: Pixels
    """Where it is transparent, composited on white."""
    notes: tuple[str, ...] = ()
    alpha: Pixels | None = None
    """Opacity, uint8 [H, W], where some of it is transparent."""

    def on(self, background: Colour) -> Pixels:
        """Return the pixels with `background` instead of white behind what is transparent."""
        if self.alpha is None or background == WHITE:
            return self.pixels
        through = np.float32(1.0) - self.alpha[..., None] / np.float32(255.0)
        change = np.array(background, np.float32) - np.float32(255.0)
        mixed = self.pixels + through * change
        return np.clip(mixed + np.float32(0.5), 0.0, 255.0).astype(np.uint8)


def read_picture(path: str | os.PathLike[str], max_side: int = MAX_SIDE) -> Picture:
    """Open an image file as a person expects to see it, its longest side at most `max_side`.

    A `max_side` of 0 keeps the file's own size. EXIF rotation is applied, transparency is
    composited on white, 16-bit and CMYK become 8-bit RGB, the first frame of an animation is taken.
    Raises EngineError with one line otherwise.
    """
    file = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on damaged metadata
            return _decode(file, max_side)
    except UnidentifiedImageError:
        reason = "is empty (0 bytes)" if _size(file) == 0 else "is not an image that can be opened"
        raise EngineError(f"{file.name}: the file {reason}") from None
    except FileNotFoundError:
        raise EngineError(f"{file.name}: the file is no longer there") from None
    except PermissionError:
        raise EngineError(f"{file.name}: no permission to read the file") from None
    except MemoryError:
        raise EngineError(f"{file.name}: not enough memory to open it; scale it down") from None
    except EngineError:
        raise
    except IsADirectoryError:
        raise EngineError(f"{file.name}: this is a folder, not an image") from None
    except Exception as error:  # decoders raise anything on damaged data: IndexError, struct.error
        reason = " ".join(str(error).split())
        raise EngineError(f"{file.name}: the image is damaged or cut off ({reason})") from None


def _decode(file: Path, max_side: int) -> Picture:
    if file.stat().st_size == 0 and not file.is_dir():
        raise EngineError(f"{file.name}: the file is empty (0 bytes)")
    with Image.open(file, formats=FORMATS) as image:
        width, height = image.size
        if max_side:
            image.draft(None, (max_side, max_side))  # JPEG decodes at 1/2, 1/4, 1/8 for free
        if image.size[0] * image.size[1] > MAX_MEGAPIXELS * 1e6:
            raise EngineError(
                f"{file.name}: {width} x {height} pixels is over {MAX_MEGAPIXELS} megapixels;"
                " scale it down and drop it again"
            )
        frames = getattr(image, "n_frames", 1)
        notes = [f"first of {frames} frames"] if frames > 1 else []
        rgb, alpha = _to_rgb(ImageOps.exif_transpose(image))
    if max_side and max(width, height) > max_side:
        for part in (rgb, alpha):
            if part is not None:
                part.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
        notes.append(f"scaled down from {width} x {height}")
    opacity = None if alpha is None else np.array(alpha)
    return Picture(file.name, np.array(rgb), tuple(notes), opacity)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return `image` as 8-bit RGB, what is transparent on white, and its opacity if it has any."""
    if not image.mode.startswith(("I", "F")) and image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB"), rgba.getchannel("A")
    return _opaque(image), None


def _opaque(image: Image.Image) -> Image.Image:
    """Return `image` as 8-bit RGB, deep grey scaled."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(_normalise(np.asarray(image, dtype=np.float64))).convert("RGB")
    return image.convert("RGB")


def _normalise(values: NDArray[np.float64]) -> Pixels:
    """Scale deep or floating-point grey to 0..255: by its full range, not finite values to 0."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0.0 and 255.0 < high <= 65535.0:
        low, high = 0.0, 65535.0
    return np.round((values - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1


def find_images(
    paths: Iterable[str | os.PathLike[str]],
    most: int | None = None,
    poll: Callable[[], None] = lambda: None,
) -> tuple[list[Path], list[str]]:
    """Expand files and folders (searched to the bottom) into image files, in order.

    Files named directly are kept whatever their ending; in folders the ending decides. Returns
    the files, at most `most`, and one line for every path that cannot be used. `poll` is called
    for every folder and may raise to end the search.
    """
    files: list[Path] = []
    problems: list[str] = []
    for given in map(Path, paths):
        try:
            if given.is_dir():
                found = _images_below(given, None if most is None else most - len(files), poll)
                files.extend(found)
                if not found:
                    problems.append(f"{given.name}: no images in this folder")
            elif given.exists():
                files.append(given)
            else:
                problems.append(f"{given.name}: the file is no longer there")
        except OSError as error:
            problems.append(f"{given.name[:80]}: cannot be opened ({error.strerror or error})")
    if most is not None and len(files) >= most:
        problems.append(f"only the first {most} files were opened; drop the others by themselves")
    return files[:most], problems


def _images_below(folder: Path, most: int | None, poll: Callable[[], None]) -> list[Path]:
    """Return the image files in `folder` and below, sorted within each folder."""
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        poll()
        folders.sort()
        images = (Path(where, n) for n in sorted(names) if Path(n).suffix.lower() in SUFFIXES)
        found.extend(image for image in images if image.is_file())
        if most is not None and len(found) >= most:
            break
    return found[:most]


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return `pixels` [H, W, 3] resampled to [height, width, 3] (Lanczos, in display space)."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    return np.array(image)


def fit_within(pixels: Pixels, side: int) -> Pixels:
    """Return `pixels` scaled down, aspect kept, so that the longest side is at most `side`."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1.0:
        return pixels
    return resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def padded(pixels: Pixels, background: Colour = WHITE) -> Pixels:
    """Return `pixels` in the middle of a square of `background`, its side the longer one."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    if height == width:
        return pixels
    result = np.empty((side, side, 3), np.uint8)
    result[:] = background
    top, left = (side - height) // 2, (side - width) // 2
    result[top : top + height, left : left + width] = pixels
    return result


def arranged(picture: Picture, size: int, fit: str, background: Colour = WHITE) -> Pixels:
    """Return a picture as the forward process takes it, uint8 [H, W, 3].

    `size` is the longest side (never enlarged; 0 keeps the picture's own), `fit` one of
    `experiment.Fit`. What is arranged once is not changed by arranging it again.
    """
    pixels = picture.on(background)
    if fit == "crop":
        edge = min(pixels.shape[:2])
        return square(pixels, min(size or edge, edge))
    if fit == "pad":
        return padded(fit_within(pixels, size or max(pixels.shape)), background)
    return fit_within(pixels, size or max(pixels.shape))


def colour(text: str) -> Colour:
    """Return #rrggbb as three bytes; raises ValueError for anything else."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def square(pixels: Pixels, side: int) -> Pixels:
    """Return the central square of `pixels`, resampled to [side, side, 3]."""
    height, width = pixels.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    middle = np.ascontiguousarray(pixels[top : top + edge, left : left + edge])
    return resize(middle, side, side)


def to_float(pixels: Pixels) -> FloatImage:
    """Map uint8 0..255 to float32 [-1, 1] (x / 127.5 - 1)."""
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


def to_uint8(x: FloatImage) -> Pixels:
    """Map [-1, 1] to uint8: clamp, then round half up (the last step of every picture)."""
    scaled = np.clip(x, -1.0, 1.0) * np.float32(127.5) + np.float32(128.0)
    return scaled.astype(np.uint8)


def contact_sheet(frames: Pixels, columns: int, gap: int = 2, scale: int = 1) -> Pixels:
    """Lay frames [N, H, W, 3] out in rows on white, `gap` pixels apart, each pixel `scale` wide."""
    count, height, width = frames.shape[:3]
    rows = -(-count // columns)
    cell_h, cell_w = height * scale, width * scale
    sheet = np.full(
        (rows * (cell_h + gap) + gap, columns * (cell_w + gap) + gap, 3), 255, dtype=np.uint8
    )
    for index, frame in enumerate(frames):
        top = gap + index // columns * (cell_h + gap)
        left = gap + index % columns * (cell_w + gap)
        enlarged = frame.repeat(scale, axis=0).repeat(scale, axis=1)
        sheet[top : top + cell_h, left : left + cell_w] = enlarged
    return sheet
