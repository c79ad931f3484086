"""The style sheet while many widgets are built."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication

from diffusion_gui.panels.common.theme import Theme


def test_what_is_built_undressed_is_dressed_afterwards_whatever_happens(qapp: QApplication) -> None:
    theme = Theme(qapp, "light")
    sheet = qapp.styleSheet()
    assert sheet
    with theme.undressed():
        assert not qapp.styleSheet()
    assert qapp.styleSheet() == sheet
    with pytest.raises(KeyError), theme.undressed():
        raise KeyError
    assert qapp.styleSheet() == sheet
