"""NVIDIA's library on a machine with two GPUs, by a script: how busy they are and how much memory is in use."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pynvml
import pytest


def scripted_gpus(monkeypatch: pytest.MonkeyPatch, looks: Sequence[tuple[int, int] | None]) -> None:
    """Makes `pynvml` answer as with two equal GPUs.

    Each look is the percent of time that both were busy and the MiB in use on each; at None the driver fails. The
    last look is repeated.
    """
    left = list(looks)

    def utilization(gpu: object) -> SimpleNamespace:
        look = left[0]
        if look is None:
            left.pop(0)
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return SimpleNamespace(gpu=look[0])

    def memory(gpu: object) -> SimpleNamespace:
        look = left[0] if len(left) == 1 or gpu == 0 else left.pop(0)
        assert look is not None
        return SimpleNamespace(used=look[1] * 2**20)

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda gpu: b"NVIDIA L4" if gpu else "NVIDIA L4")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", utilization)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", memory)
