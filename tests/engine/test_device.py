"""The choice of the device: what is offered exists, and what does not exist is refused."""

from __future__ import annotations

import os

import pytest
import torch

from diffusion_gui.engine import device
from diffusion_gui.engine.errors import EngineError
from diffusion_gui.engine.experiment import DEVICES


def test_the_processor_is_always_offered_last() -> None:
    here = device.available()
    assert here[-1] == "cpu"
    assert len(set(here)) == len(here)
    assert set(here) <= set(DEVICES)


@pytest.mark.parametrize("name", device.available())
def test_every_offered_device_can_compute(name: str) -> None:
    chosen = device.choose(name)
    assert chosen.type == name
    assert torch.arange(4, device=chosen).sum().item() == 6
    assert device.describe(chosen)


def test_auto_is_the_fastest() -> None:
    assert device.choose().type == device.available()[0]


def test_unknown_and_absent_devices_are_refused_by_name() -> None:
    with pytest.raises(EngineError, match=r"'tpu'.*auto, cpu, cuda, mps"):
        device.choose("tpu")
    absent = [name for name in ("cuda", "mps") if name not in device.available()]
    assert absent, "no machine has both"
    for name in absent:
        with pytest.raises(EngineError, match=f"'{name}' is not available here.*cpu"):
            device.choose(name)


def test_a_device_that_is_there_but_does_not_answer_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a failure of the GPU's driver; here torch itself refuses, being built without."""
    if torch.cuda.is_available():
        monkeypatch.setattr(torch, "ones", lambda *args, **options: 1 / 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.choose("auto").type == "cpu"
    with pytest.raises(EngineError, match=r"'cuda' does not answer \(.+\); choose 'cpu'"):
        device.choose("cuda")


def test_the_processor_is_described_with_its_cores() -> None:
    assert device.describe(torch.device("cpu")).startswith("CPU (")
    assert device.cpu_name().rstrip(")").split()[-1] in ("core", "cores")


@pytest.mark.parametrize(("cores", "wish", "threads"), [
    (8, None, 7), (8, "3", 3), (8, "64", 7), (8, "0", 1), (8, "many", 7), (1, None, 1), (1, "4", 1),
])  # fmt: skip
def test_a_program_with_a_window_leaves_one_core_free(
    monkeypatch: pytest.MonkeyPatch, cores: int, wish: str | None, threads: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wish is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wish)
    before = torch.get_num_threads()
    device.leave_a_core_free()
    found = torch.get_num_threads()
    torch.set_num_threads(before)
    assert found == threads
