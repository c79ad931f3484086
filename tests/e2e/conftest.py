"""Fixtures: one desktop for all tests, a freshly started program for each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .desktop import Desktop, Rect, missing_programs, running_desktop
from .program import Program, layout, running_program


@pytest.fixture(scope="session")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """Return a private desktop; without its programs, skip here and fail on CI."""
    if missing := missing_programs():
        reason = f"not installed: {', '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with running_desktop(tmp_path_factory.mktemp("desktop")) as running:
        yield running


@pytest.fixture(scope="session")
def window_layout(desktop: Desktop, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Rect]:
    """Return where things lie in the window."""
    return layout(desktop, tmp_path_factory.mktemp("layout"))


@pytest.fixture
def program(
    desktop: Desktop, window_layout: Mapping[str, Rect], tmp_path: Path
) -> Iterator[Program]:
    """Return the program, started by a new user, its window in sight."""
    with running_program(desktop, window_layout, tmp_path) as running:
        yield running
    desktop.release()
