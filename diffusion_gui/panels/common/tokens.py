"""The colours of the two themes, named by what they mean. Imports nothing of Qt."""

from __future__ import annotations

from dataclasses import dataclass


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours #RRGGBB, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted(map(_luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one theme, as #RRGGBB."""

    window: str
    panel: str
    field: str
    hover: str
    hairline: str
    text: str
    secondary: str
    disabled: str
    accent: str
    accent_hover: str
    on_accent: str
    alpha_bar: str
    beta: str
    log_snr: str
    sigma: str
    cursor: str
    cursor_text: str
    """Words and thin lines in the colour of the cursor: dark enough to be read."""
    good: str
    warning: str
    error: str
    pins: tuple[str, str, str, str]
    """Curves to compare with: no quantity's colour, so that none is taken for one."""


LIGHT = Tokens(
    window="#F4F5F7", panel="#FFFFFF", field="#F7F8FA", hover="#ECEFF3", hairline="#DFE3E8",
    text="#1A1D21", secondary="#5C6672", disabled="#A3ABB5",
    accent="#2563C9", accent_hover="#1E54AD", on_accent="#FFFFFF",
    alpha_bar="#2563C9", beta="#BF4C09", log_snr="#0B7A5A", sigma="#8A3FA0", cursor="#B7791F",
    cursor_text="#96600F",
    good="#0B7A5A", warning="#96600F", error="#B3261E",
    pins=("#B83280", "#0E7490", "#6B6F00", "#5C6672"),
)  # fmt: skip
DARK = Tokens(
    window="#15171B", panel="#1D2026", field="#262A32", hover="#30353F", hairline="#2C313A",
    text="#E7E9EC", secondary="#98A1AD", disabled="#5F6772",
    accent="#6EA8FE", accent_hover="#8ABAFF", on_accent="#10131A",
    alpha_bar="#6EA8FE", beta="#FF9E4A", log_snr="#5CC8A1", sigma="#CF8FE0", cursor="#F2C14E",
    cursor_text="#F2C14E",
    good="#5CC8A1", warning="#F2C14E", error="#FF8A80",
    pins=("#F48FB8", "#58C4D6", "#C3C95A", "#98A1AD"),
)  # fmt: skip
