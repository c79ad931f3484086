"""Which kind of file an animation becomes: chosen where its frames are, not when it is named."""

from __future__ import annotations

from diffusion_gui.panels.common.combo import Combo

ANIMATIONS = {
    ".gif": "GIF, plays everywhere",
    ".webp": "WebP, small",
    ".apng": "APNG, without loss",
    ".mp4": "MP4 video",
}
"""The kinds by the ending of their files."""


def file_kinds(ending: str) -> str:
    """Return the kinds for a file dialog, that of `ending` first."""
    endings = sorted(ANIMATIONS, key=lambda one: one != ending)
    return ";;".join(f"{ANIMATIONS[one]} (*{one})" for one in endings)


class FormatCombo(Combo):
    """The kinds of animation; `ending` is that of the chosen one."""

    def __init__(self, ending: str) -> None:
        super().__init__()
        self.setObjectName("animationFormatCombo")
        self.setAccessibleName("Format")
        self.setToolTip("Kind of file: GIF has 256 colours, MP4 needs the video extra")
        for key, title in ANIMATIONS.items():
            self.addItem(f"{title} ({key})", key)
        self.setCurrentIndex(max(self.findData(ending), 0))

    @property
    def ending(self) -> str:
        """The ending of the chosen kind, with its dot."""
        return str(self.currentData())
