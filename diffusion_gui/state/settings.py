"""What the program remembers for this user: theme, device, window layout, last folder, speed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, QStandardPaths

from diffusion_gui.engine.experiment import DEVICES
from diffusion_gui.state.step_series import StepNumber

THEMES = ("system", "light", "dark")
STEP_CHARTS = (
    StepNumber.SIGMA,
    StepNumber.CHANGE,
    StepNumber.DISTANCE,
    StepNumber.ENTROPY,
)
"""The charts beside the pictures of a run, until others are chosen."""
MOST_NETWORKS = 16
"""Of the trained networks that were opened so many are there at the next start."""
PLAY_MODES = ("once", "loop", "ping-pong")
PLAY_SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


class Settings:
    """Typed access to the user's settings file; a damaged value reads as its default."""

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = store or QSettings("diffusion-gui", "diffusion-gui")

    @property
    def theme(self) -> str:
        """One of THEMES."""
        value = self._store.value("theme", "system")
        return value if value in THEMES else "system"

    @theme.setter
    def theme(self, value: str) -> None:
        self._store.setValue("theme", value)

    @property
    def device(self) -> str:
        """The device wished for, one of DEVICES."""
        value = self._store.value("device", "auto")
        return value if value in DEVICES else "auto"

    @device.setter
    def device(self, value: str) -> None:
        self._store.setValue("device", value)

    @property
    def live(self) -> bool:
        """Whether edits sample again at once."""
        return str(self._store.value("live", "true")).lower() != "false"

    @live.setter
    def live(self, value: bool) -> None:
        self._store.setValue("live", "true" if value else "false")

    @property
    def drawer_open(self) -> bool:
        """Whether the drawer of the sampling settings is open."""
        return str(self._store.value("sampling/drawer", "false")).lower() == "true"

    @drawer_open.setter
    def drawer_open(self, value: bool) -> None:
        self._store.setValue("sampling/drawer", "true" if value else "false")

    @property
    def drawer_sections(self) -> tuple[str, ...]:
        """The sections of that drawer that are unfolded."""
        return tuple(str(self._store.value("sampling/sections", "model")).split(" "))

    @drawer_sections.setter
    def drawer_sections(self, value: Iterable[str]) -> None:
        self._store.setValue("sampling/sections", " ".join(value))

    @property
    def step_charts(self) -> tuple[StepNumber, ...]:
        """Which charts stand beside the pictures of a run."""
        names = str(self._store.value("sampling/charts", ",".join(STEP_CHARTS))).split(",")
        return tuple(number for number in StepNumber if number in names)

    @step_charts.setter
    def step_charts(self, value: Iterable[StepNumber]) -> None:
        self._store.setValue("sampling/charts", ",".join(value))

    @property
    def play_mode(self) -> str:
        """What follows when the playing of t has come to T, one of PLAY_MODES."""
        value = self._store.value("play/mode", "loop")
        return value if value in PLAY_MODES else "loop"

    @play_mode.setter
    def play_mode(self, value: str) -> None:
        self._store.setValue("play/mode", str(value))

    @property
    def play_speed(self) -> float:
        """How fast t is played, one of PLAY_SPEEDS."""
        value = str(self._store.value("play/speed", "1.0"))
        return next((speed for speed in PLAY_SPEEDS if str(speed) == value), 1.0)

    @play_speed.setter
    def play_speed(self, value: float) -> None:
        self._store.setValue("play/speed", str(value))

    @property
    def folder(self) -> str:
        """The folder the file dialogs open in."""
        value = str(self._store.value("folder", ""))
        return value if value and Path(value).is_dir() else str(Path.home())

    @folder.setter
    def folder(self, value: str) -> None:
        self._store.setValue("folder", value)

    @property
    def networks(self) -> tuple[str, ...]:
        """The files of trained networks that were opened, the newest last."""
        try:
            paths = json.loads(str(self._store.value("networks", "[]")))
        except ValueError:
            return ()
        whole = isinstance(paths, list) and all(isinstance(path, str) for path in paths)
        return tuple(paths[-MOST_NETWORKS:]) if whole else ()

    @networks.setter
    def networks(self, value: Iterable[str]) -> None:
        self._store.setValue("networks", json.dumps([*value][-MOST_NETWORKS:]))

    @property
    def network_uses(self) -> dict[str, str]:
        """What was corrected of the use of those files, by path."""
        try:
            uses = json.loads(str(self._store.value("network_uses", "{}")))
        except ValueError:
            return {}
        if not isinstance(uses, dict):
            return {}
        return {path: use for path, use in uses.items() if isinstance(use, str)}

    @network_uses.setter
    def network_uses(self, value: Mapping[str, str]) -> None:
        known = self.networks
        kept = {path: use for path, use in value.items() if use and path in known}
        self._store.setValue("network_uses", json.dumps(kept))

    @property
    def home(self) -> Path:
        """The folder of this user's files: that of the settings, where these are a file."""
        native = self._store.format() is QSettings.Format.NativeFormat
        if native and sys.platform in ("win32", "darwin"):  # the registry, the system's own list
            place = QStandardPaths.StandardLocation.GenericConfigLocation
            return Path(QStandardPaths.writableLocation(place)) / "diffusion-gui"
        return Path(self._store.fileName()).parent

    def layout(self, name: str) -> QByteArray:
        """Return the saved geometry of a window or splitter, empty if there is none."""
        value = self._store.value(f"layout/{name}")
        return value if isinstance(value, QByteArray) else QByteArray()

    def save_layout(self, name: str, value: QByteArray) -> None:
        """Remember the geometry of a window or splitter."""
        self._store.setValue(f"layout/{name}", value)

    def sync(self) -> None:
        """Write to disk now."""
        self._store.sync()
