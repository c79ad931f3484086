"""From the colours of a file's ICC profile to sRGB, by Little CMS. Pillow; ImageCms on demand.

The transform is relative colorimetric with black point compensation, as picture viewers do it.
"""

from __future__ import annotations

import hashlib
import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

MOST_BYTES = 4 * 1024**2
"""A profile over this size is no profile (those of printing presses have about 2 MiB)."""
_USUAL_SRGB = "2b3aa1645779a9e634744faf9b01e9102b0c9b88fd6deced7934df86b949af7e"
"""SHA-256 of the sRGB profile that nearly all programs put in; to look at one takes 7 ms."""
_RAMP = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
_MODES = {"RGB": ("RGB",), "GRAY": ("L",), "CMYK": ("CMYK",)}
"""The image modes that a profile's colour space can be meant for."""


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, str]:
    """Return `image` (mode L, RGB, CMYK or LAB) as RGB in sRGB, and a note on what was done.

    A profile that is broken, or is for other colours than the image has, is left aside with a
    note; without one, and with one that is sRGB, the values are taken as they are.
    """
    if image.mode == "LAB":
        return _from_lab(image), ""
    usual = icc and image.mode == "RGB" and hashlib.sha256(icc).hexdigest() == _USUAL_SRGB
    if not icc or usual:
        return image.convert("RGB"), ""
    if len(icc) > MOST_BYTES:  # here: what is called for below is kept
        return image.convert("RGB"), "colour profile left aside: it is too large"
    transform, name = _transform(icc, image.mode)
    if transform is None:
        return image.convert("RGB"), name
    converted = _grey(image, transform) if image.mode == "L" else transform.apply(image)
    return converted, f"from {name} to sRGB"


def _grey(image: Image.Image, transform: ImageCmsTransform) -> Image.Image:
    """Convert the 256 levels there are, one by one."""
    return Image.fromarray(np.asarray(transform.apply(_RAMP))[0][np.asarray(image)])


@lru_cache(maxsize=16)
def _transform(icc: bytes, mode: str) -> tuple[ImageCmsTransform | None, str]:
    """Return the transform to sRGB and the profile's name, or None and a note."""
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = profile.profile.xcolor_space.strip()
        if mode not in _MODES.get(space, ()):
            return None, f"colour profile left aside: it is for {space} colours"
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        if mode == "L":  # a dark ramp through a table of few steps is off by ten levels
            flags |= ImageCms.Flags.NOOPTIMIZE
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        made = ImageCms.buildTransform(profile, _srgb(), mode, "RGB", intent, flags)
        if _changes_nothing(made, mode):
            return None, ""
        name = " ".join((profile.profile.profile_description or f"its {space} profile").split())
    except Exception:  # the library raises anything on damaged data
        return None, "colour profile left aside: it is damaged"
    return made, name[:40]


def _srgb() -> ImageCmsProfile:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _changes_nothing(transform: ImageCmsTransform, mode: str) -> bool:
    """Return whether a lattice of colours stays as it is, within the rounding of a profile."""
    if mode == "CMYK":
        return False
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = _RAMP
    if mode == "RGB":
        lattice = Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(9, 81, 3))
    change = np.asarray(transform.apply(lattice), int) - np.asarray(lattice.convert("RGB"), int)
    return bool(np.abs(change).max() <= 1)


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.buildTransform(lab, _srgb(), "LAB", "RGB").apply(image)
