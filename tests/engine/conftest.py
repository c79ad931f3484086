"""Shared by the engine's tests: the independent reference values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def grids() -> dict[str, Any]:
    """Return sampling grids and published step tables, computed elsewhere in float64."""
    return json.loads(Path(__file__).with_name("reference_grids.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """Return values computed elsewhere in float64; presets are 0-based (index i is t = i + 1)."""
    return json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def local_golden() -> dict[str, Any]:
    """Return the results of the local forms on a 4 x 4 toy, sigma 0.6, P = 3."""
    path = Path(__file__).with_name("reference_denoisers.json")
    return json.loads(path.read_text(encoding="utf-8"))["denoiser_golden"]
