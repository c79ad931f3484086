"""Pictures in and out: files to uint8 RGB, uint8 to [-1, 1] and back. NumPy and Pillow.

Nothing here trusts a file: only raster formats that Pillow decodes itself are opened, the size is
checked before any pixel is decoded, and every failure is one `EngineError` line that names the
file, the reason and the mend. Files are found and opened in `image_files.py`, their colours made
sRGB in `colour_profile.py`.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from diffusion_gui.engine.colour_profile import to_srgb
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.image_files import open_regular, printable

Pixels = NDArray[np.uint8]
FloatImage = NDArray[np.float32]
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "TGA", "JPEG2000", "AVIF")
MAX_MEGAPIXELS = 200
MAX_SIDE = 1024
"""Longest side, in pixels, at which a picture is kept for the image panel."""
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of each EXIF orientation upright."""

# Our own check below names the file and the mend; this one, at twice as much, also stops pictures
# that a file announces smaller than they are (a PNG inside an ICO).
Image.MAX_IMAGE_PIXELS = round(MAX_MEGAPIXELS * 1e6)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture: uint8 RGB pixels [H, W, 3], its name, and what was changed on opening."""

    name: str
    pixels: Pixels
    """Where it is transparent, composited on white."""
    notes: tuple[str, ...] = ()
    alpha: Pixels | None = None
    """Opacity, uint8 [H, W], where some of it is transparent."""
    digest: str = ""
    """SHA-256 of the file it was read from, as hexadecimal; empty where there is no file."""
    full_size: tuple[int, int] = (0, 0)
    """Width and height in the file, upright; (0, 0) where the pixels are all there is."""

    @property
    def whole(self) -> bool:
        """Whether the pixels are the file's own, not scaled down."""
        return max(self.full_size) <= max(self.pixels.shape[:2])

    @property
    def nbytes(self) -> int:
        """The memory the pixels take."""
        return self.pixels.nbytes + (0 if self.alpha is None else self.alpha.nbytes)

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

    A `max_side` of 0 keeps the file's own size. EXIF rotation is applied, colours become sRGB by
    the file's profile, transparency is composited on white, 16-bit and CMYK become 8-bit RGB, the
    first frame of an animation is taken. Raises EngineError with one line otherwise.
    """
    file = Path(path)
    name = printable(file.name)
    with open_regular(file) as opened:
        try:
            with _quiet:  # Pillow's remarks on damaged metadata
                return _decode(opened, name, max_side)
        except EngineError:
            raise
        except UnidentifiedImageError:
            raise EngineError(f"{name}: {_not_an_image(opened)}") from None
        except Image.DecompressionBombError:
            raise EngineError(f"{name}: {_too_large(f'over {2 * MAX_MEGAPIXELS}')}") from None
        except MemoryError:
            raise EngineError(f"{name}: not enough memory to open it; scale it down") from None
        except Exception as error:  # decoders raise anything on damaged data: IndexError, ...
            raise EngineError(f"{name}: {_damage(error)}") from None


class _Quiet:
    """No warnings while any thread is within.

    The filters are the process's: `warnings.catch_warnings` left by one thread would undo
    what another has set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._caught: warnings.catch_warnings[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._within += 1
            if self._within == 1:
                self._caught = warnings.catch_warnings(action="ignore")
                self._caught.__enter__()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0 and self._caught is not None:
                self._caught.__exit__(None, None, None)


_quiet = _Quiet()


def _too_large(size: str) -> str:
    return f"{size} pixels is over {MAX_MEGAPIXELS} megapixels; scale it down and drop it again"


def _not_an_image(file: BufferedReader) -> str:
    file.seek(0)
    head = file.read(16)
    if not head:
        return "the file is empty (0 bytes)"
    if head.startswith(_SIGNATURES):
        return "the image is damaged or cut off (its head cannot be read)"
    return "the file is not an image that can be opened"


def _damage(error: Exception) -> str:
    reason = " ".join(str(error).split())
    if "MAX_TEXT" in reason or "text chunks" in reason:  # Pillow's words on chunks of a PNG
        return "its text or colour profile unpacks to over 1 MiB; save the image without it"
    return f"the image is damaged or cut off ({reason})"


def _decode(file: BufferedReader, name: str, max_side: int) -> Picture:
    with Image.open(file, formats=FORMATS) as image:
        width, height = decoded = image.size
        if max_side:
            image.draft(None, (max_side, max_side))  # JPEG decodes at 1/2, 1/4, 1/8 for free
        if "progressive" not in image.info:  # of which all coefficients are held at any scale
            decoded = image.size
        if decoded[0] * decoded[1] > MAX_MEGAPIXELS * 1e6:
            raise EngineError(f"{name}: {_too_large(f'{width} x {height}')}")
        frames = getattr(image, "n_frames", 1)
        notes = [f"first of {frames} frames"] if frames > 1 else []
        orientation, profile = image.getexif().get(0x0112, 1), image.info.get("icc_profile")
        plain = _eight_bit(image)
    if max_side and max(width, height) > max_side:
        plain.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
        notes.append(f"scaled down from {width} x {height}")
    if orientation in _UPRIGHT:
        plain = plain.transpose(_UPRIGHT[orientation])
    alpha = plain.getchannel("A") if plain.mode == "RGBA" else None
    rgb, note = to_srgb(plain if alpha is None else plain.convert("RGB"), profile)
    if alpha is not None:
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size, "white"), alpha)
    file.seek(0)
    return Picture(
        name,
        np.array(rgb),
        tuple((*notes, note) if note else notes),
        None if alpha is None else np.array(alpha),
        hashlib.file_digest(file, "sha256").hexdigest(),
        (height, width) if orientation in (5, 6, 7, 8) else (width, height),
    )


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return `image` decoded, as 8-bit L, RGB, RGBA, CMYK or LAB; deep grey scaled."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        return Image.fromarray(_normalise(np.asarray(image, dtype=np.float64)))
    wanted = "RGBA" if image.has_transparency_data else image.mode
    if wanted not in ("L", "RGB", "RGBA", "CMYK", "LAB"):
        wanted = "RGB"
    image.load()
    return image if image.mode == wanted else image.convert(wanted)


def _normalise(values: NDArray[np.float64]) -> Pixels:
    """Scale deep or floating-point grey to 0..255: by its full range, not finite values to 0."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0.0 and 255.0 < high <= 65535.0:
        low, high = 0.0, 65535.0
    return np.round((values - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)


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


def scaled(picture: Picture, max_side: int) -> Picture:
    """Return a picture at most `max_side` long (0: as it is)."""
    if max_side == 0 or max_side >= max(picture.pixels.shape[:2]):
        return picture
    pixels = fit_within(picture.pixels, max_side)
    alpha = None
    if picture.alpha is not None:
        alpha = np.ascontiguousarray(
            fit_within(picture.alpha[..., None].repeat(3, axis=2), max_side)[..., 0]
        )
    return Picture(picture.name, pixels, picture.notes, alpha)


def pixel_digest(picture: Picture) -> str:
    """Return what tells pictures apart that are in no file, 16 hexadecimal digits."""
    digest = hashlib.sha256(picture.pixels.tobytes())
    digest.update(str(picture.pixels.shape).encode())
    if picture.alpha is not None:
        digest.update(picture.alpha.tobytes())
    return digest.hexdigest()[:16]


def averaged(pixels: Pixels, n: int) -> Pixels:
    """Return the means of squares of n x n pixels, uint8 [ceil(H / n), ceil(W / n), 3].

    At the right and at the bottom, of as much of a square as there is.
    """
    rows = n * max(1, (1 << 20) // (n * pixels.shape[1]))  # Pillow copies: not all of it at once
    bands = (pixels[top : top + rows] for top in range(0, len(pixels), rows))
    return np.concatenate([np.asarray(Image.fromarray(band).reduce(n)) for band in bands])


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
    `experiment.Fit`. What is arranged once is not changed by arranging it again. Raises EngineError
    if the square that a picture is padded to would have over `MAX_MEGAPIXELS`.
    """
    pixels = picture.on(background)
    if fit == "crop":
        edge = min(pixels.shape[:2])
        return square(pixels, min(size or edge, edge))
    if fit == "pad":
        side = min(size or max(pixels.shape), max(pixels.shape[:2]))
        if side**2 > MAX_MEGAPIXELS * 1e6:
            raise EngineError(
                f"{picture.name}: padded to {side} x {side} pixels it is over {MAX_MEGAPIXELS}"
                " megapixels; choose a smaller working size or another fit (Options)"
            )
        return padded(fit_within(pixels, side), background)
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
