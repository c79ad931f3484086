"""Shared by the engine's tests: the independent reference values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """Return values computed elsewhere in float64; its presets are 0-based (index i is t = i + 1)."""
    return json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8"))
