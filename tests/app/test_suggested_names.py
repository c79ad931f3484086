"""What the dialogs suggest: names that tell two sides apart, and the ending chosen last."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.images.animation_dialog import AnimationDialog

TIMEOUT = 20_000


@pytest.fixture(autouse=True)
def _no_runs(parts: Parts) -> None:
    parts.sampling.live = False


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the names that were suggested and the kinds chosen with them; all are declined."""
    seen: list[tuple[str, str]] = []

    def decline(_parent: object, _title: str, name: str, _kinds: str, first: str) -> tuple:
        seen.append((Path(name).name, first))
        return "", ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", decline)
    return seen


def _ask_animation(window: MainWindow) -> None:
    window.actions_by_name["exportAnimation"].trigger()
    window.findChildren(AnimationDialog)[-1].save.click()


def test_names_carry_the_letter_of_the_side_while_two_are_compared(
    window: MainWindow, parts: Parts, asked: list[tuple[str, str]]
) -> None:
    names = ("exportFrame", "exportSheet", "exportTensors", "exportStrip")
    parts.view.set_t(7)
    alone = ["chelsea-t7.png", "contact-sheet.png", "chelsea-t7.npz", "chelsea-strip.png"]
    sided = ["chelsea-t7-{}.png", "contact-sheet-{}.png", "chelsea-t7-{}.npz", "chelsea-strip.png"]
    for letter in ("", "B", "A"):
        if letter:
            parts.comparison.switch()
        asked.clear()
        for name in names:
            window.actions_by_name[name].trigger()
        _ask_animation(window)
        expected = [name.format(letter) for name in sided] if letter else alone
        animation = f"chelsea-{letter}.gif" if letter else "chelsea.gif"
        assert [name for name, _ in asked] == [*expected, animation]


def test_the_ending_of_the_last_animation_is_suggested_again(
    window: MainWindow,
    parts: Parts,
    asked: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    _ask_animation(window)
    decline = QFileDialog.getSaveFileName
    for name in (
        "a.WEBP",
        "a.txt",
    ):  # the first is not of the kind chosen, the second cannot be written
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_, n=name: (str(tmp_path / n), "")
        )
        parts.document.replace_forward("size", size=16)
        window.actions_by_name["exportAnimation"].trigger()
        dialog = window.findChildren(AnimationDialog)[-1]
        assert dialog.format.ending == (".gif" if name == "a.WEBP" else ".webp")
        dialog.frames.setValue(2)
        dialog.save.click()
        qtbot.waitUntil(lambda: not window.picture_files.busy, timeout=TIMEOUT)
    assert (tmp_path / "a.WEBP").exists()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", decline)
    _ask_animation(window)
    assert asked == [
        ("chelsea.gif", "GIF, plays everywhere (*.gif)"),
        ("chelsea.webp", "WebP, small (*.webp)"),
    ]
