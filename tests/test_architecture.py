"""The layers: what imports what, and what is not loaded before the first picture."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import diffusion_gui

PACKAGE = Path(diffusion_gui.__file__).parent
LAYERS = ("engine", "session", "state", "panels", "app")
BESIDE_THE_WINDOW = ("engine", "session", "cli")


def _imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _offenders(layer: str, *forbidden: str) -> list[str]:
    return [
        f"{file.relative_to(PACKAGE)}: {name}"
        for file in sorted((PACKAGE / layer).rglob("*.py"))
        for name in _imports(file)
        if any(name == bad or name.startswith(bad + ".") for bad in forbidden)
    ]


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_down_only(layer: str) -> None:
    above = LAYERS[LAYERS.index(layer) + 1 :]
    assert _offenders(layer, *(f"diffusion_gui.{name}" for name in above)) == []


@pytest.mark.parametrize("layer", BESIDE_THE_WINDOW)
def test_no_qt_beside_the_window(layer: str) -> None:
    assert _offenders(layer, "PySide6", "pyqtgraph", "shiboken6") == []


def test_state_knows_no_widgets() -> None:
    assert _offenders("state", "PySide6.QtWidgets", "pyqtgraph") == []


@pytest.mark.parametrize("layer", LAYERS)
def test_every_module_says_what_it_is(layer: str) -> None:
    silent = [
        str(file.relative_to(PACKAGE))
        for file in (PACKAGE / layer).rglob("*.py")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_the_window_is_painted_before_torch_is_imported() -> None:
    """Build and paint the real window in a fresh process and look at what it has loaded."""
    code = """
import sys, tempfile
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
from diffusion_gui.app.main_window import MainWindow
from diffusion_gui.app.parts import build_parts
from diffusion_gui.state.settings import Settings
app = QApplication([])
store = QSettings(tempfile.mkdtemp() + "/s.ini", QSettings.Format.IniFormat)
parts = build_parts(app, Settings(store))
window = MainWindow(parts)
window.show()
app.processEvents()
picture = window.grab().toImage()
loaded = [name for name in ("torch", "scipy", "diffusers") if name in sys.modules]
print(picture.width() > 600, loaded)
window.close()
"""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "True []"


def test_the_engine_is_usable_without_loading_torch() -> None:
    code = (
        "import sys, diffusion_gui.engine as e; s = e.build_preset('cosine');"
        " print(s.T, 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "1000 False"
