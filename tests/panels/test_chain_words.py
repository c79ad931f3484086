"""What the chain page says of numbers: how far off they are, and from when on it is striking."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import Parts
from diffusion_gui.panels.images.chain_table import STRIKING
from diffusion_gui.panels.images.chain_view import ChainView
from diffusion_gui.panels.images.chain_words import captions, lesson
from diffusion_gui.state.chain import Look
from diffusion_gui.state.view_state import Page


@pytest.fixture
def page(window: MainWindow, parts: Parts, qtbot: QtBot) -> ChainView:
    parts.sampling.live = False
    parts.document.replace_forward("size", size=64)
    parts.view.set_t(412)
    qtbot.mouseClick(window.images.tools.chips[Page.CHAIN], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not parts.chain.busy, timeout=20_000)
    found = window.findChild(ChainView, "chainPage")
    assert isinstance(found, ChainView)
    return found


def _look(parts: Parts) -> Look:
    look = parts.chain.look
    assert look is not None
    return look


def test_the_column_says_what_plus_minus_means(page: ChainView) -> None:
    assert page.table.heads[3].text() == "expected ± 1 s.e."
    assert "standard error" in page.table.heads[3].toolTip()


def test_the_sentence_says_how_far_off_the_farthest_number_is(
    page: ChainView, parts: Parts, qtbot: QtBot
) -> None:
    for t in (1, 412, 1000):
        parts.view.set_t(t)
        qtbot.waitUntil(lambda: not parts.chain.busy, timeout=20_000)
        found = _look(parts).comparison
        assert found is not None
        root = 2.0**0.5
        off = max(
            abs(found.chain.mean) / found.mean_error,
            abs(found.jump.mean) / found.mean_error,
            abs(found.chain.variance - 1.0) / found.variance_error,
            abs(found.jump.variance - 1.0) / found.variance_error,
            abs(found.correlation) / found.correlation_error,
            abs(found.distance - root) / found.correlation_error,
        )
        said = lesson(_look(parts))
        assert f"{off:.1f} standard errors" in said[0]
        assert off > STRIKING or f"within {off:.1f} standard errors" in said[1]
        assert len(said[1]) < len(said[0])


def test_a_striking_number_is_named_not_called_within(page: ChainView, parts: Parts) -> None:
    look = _look(parts)
    assert look.comparison is not None
    found = replace(look.comparison, correlation=3.7 * look.comparison.correlation_error)
    for said in lesson(replace(look, comparison=found)):
        assert said.startswith("The correlation is 3.7 standard errors off")
        assert "within" not in said


def test_every_caption_of_the_chain_but_the_jump_s_tells_the_steps(
    page: ChainView, parts: Parts
) -> None:
    chain, jump, difference = captions(_look(parts))
    assert all("412" in text for text in chain)
    for texts in (chain, jump, difference):
        assert sorted(texts, key=len, reverse=True) == list(texts)
