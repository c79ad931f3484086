"""A machine of few cores is spared; one of many is not."""

from __future__ import annotations

import pytest

from diffusion_gui.state import few_cores


@pytest.mark.parametrize(("cores", "expected"), [(None, 1.0), (2, 1.0), (4, 0.2), (64, 0.2)])
def test_only_few_cores_are_spared(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, expected: float
) -> None:
    monkeypatch.setattr(few_cores.os, "cpu_count", lambda: cores)
    assert few_cores.paced(usual=0.2, few=1.0) == expected
