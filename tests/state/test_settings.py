"""Settings survive a restart, and a damaged value reads as its default."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSettings

from diffusion_gui.state.settings import Settings


def _open(path: Path) -> Settings:
    return Settings(QSettings(str(path), QSettings.Format.IniFormat))


def test_what_was_set_is_there_after_a_restart(tmp_path: Path) -> None:
    first = _open(tmp_path / "s.ini")
    first.theme, first.device, first.live, first.folder = "dark", "cpu", False, str(tmp_path)
    first.sync()
    again = _open(tmp_path / "s.ini")
    values = (again.theme, again.device, again.live, again.folder)
    assert values == ("dark", "cpu", False, str(tmp_path))


def test_a_damaged_file_reads_as_defaults(tmp_path: Path) -> None:
    (tmp_path / "s.ini").write_bytes(b"\x00\xff[[[\ntheme=plaid\nfolder=/no/such/place\n")
    settings = _open(tmp_path / "s.ini")
    assert settings.theme == "system"
    assert settings.live
    assert Path(settings.folder).is_dir()
    assert settings.layout("window").isEmpty()
