"""What a step uses is measured on this machine, and what nothing measures is said, not counted as zero."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from components.models.meter import LOOK_SECONDS, Meter, metered
from components.models.nvidia import open_driver
from components.models.usage import DeviceUsage, Usage
from components.spec.contract import Training
from tests.components.models.nvml import scripted_gpus

GPU = Training(accelerator="gpu", accelerator_count=2)
MIB = 2**20


def test_memory_and_time_of_a_step_are_measured() -> None:
    with metered() as before:
        pass
    with metered() as meter:
        held = np.ones(64 * MIB, dtype=np.uint8)
        until = time.process_time() + 0.3
        while time.process_time() < until:
            held += 1
        meter.look()
    usage = meter.usage()
    assert usage.memory_peak_mib >= before.usage().memory_peak_mib + 40
    assert usage.cpu_seconds >= 0.25
    assert usage.seconds >= 0.25
    assert (usage.asked, usage.used, usage.devices) == ("cpu", "cpu", DeviceUsage())


def test_a_child_of_the_step_counts_too() -> None:
    """The processor time of a child is counted, also after the child has ended."""
    program = "import time\nuntil = time.process_time() + 0.3\nwhile time.process_time() < until: pass"
    with metered() as meter:
        subprocess.run([sys.executable, "-c", program], check=True)
    assert meter.usage().cpu_seconds >= 0.3


def test_a_step_that_fails_is_measured_to_its_end() -> None:
    def work() -> None:
        time.sleep(LOOK_SECONDS)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), metered() as meter:
        work()
    assert meter.usage().seconds >= LOOK_SECONDS


def test_without_a_gpu_the_reason_is_said_and_nothing_is_zero() -> None:
    with open_driver() as driver:
        if driver.names:
            pytest.skip(f"this machine has {driver.names}")
    with metered(GPU) as meter:
        pass
    usage = meter.usage()
    assert usage.unmeasured.startswith("no NVIDIA driver answers (")
    assert usage.devices == DeviceUsage()
    assert usage.numbers().keys() == {"host_memory_peak_mib", "cpu_seconds", "seconds"}
    assert (usage.asked, usage.used) == ("gpu x 2", "cpu")


def test_the_devices_mean_and_peak_are_over_all_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_gpus(monkeypatch, [(50, 100), None, (100, 300), (0, 200)])
    with open_driver() as driver:
        meter = Meter(GPU, driver)
        meter.computes_on(driver.names)
        for _ in range(3):
            meter.look()
        meter.end()
    usage = meter.usage()
    names = ("NVIDIA L4", "NVIDIA L4")
    assert usage.devices == DeviceUsage(names=names, busy_mean=0.5, busy_max=1.0, memory_peak_mib=600.0)
    assert (usage.asked, usage.used, usage.unmeasured) == ("gpu x 2", "NVIDIA L4 x 2", "")
    assert usage.numbers()["device_memory_peak_mib"] == 600.0


def test_a_step_on_the_cpu_asks_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_gpus(monkeypatch, [(50, 100)])
    with metered(Training()) as meter:
        pass
    assert meter.usage().devices == DeviceUsage()
    with metered(GPU) as meter:
        pass
    assert meter.usage().devices.memory_peak_mib == 200.0


def test_usage_is_read_back_as_it_was_written() -> None:
    with metered(Training(accelerator="tpu", candidates=("keras_mlp",))) as meter:
        meter.computes_on(("TPU:0",))
    usage = meter.usage()
    assert usage.unmeasured == "nothing measures a TPU from inside a step"
    assert Usage.model_validate_json(usage.model_dump_json()) == usage
