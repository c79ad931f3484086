"""Benchmarks: run with `python -m pytest tests/benchmarks --benchmark-only`; never part of CI,
and never in several processes (`-n`): what is timed has the machine to itself.

Each promise of speed is a ratio of two things timed in turn in one process; the ratio is printed
and stored in `extra_info`, not asserted, since machines are shared and noisy.
"""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the benchmarks out of ordinary runs."""
    if config.getoption("--benchmark-only"):
        return
    here = [item for item in items if "benchmarks" in item.path.parts]
    if here:
        config.hook.pytest_deselected(items=here)
        items[:] = [item for item in items if item not in here]
