"""Measures what a step uses, by looking a few times a second from a thread of its own.

    with metered(spec.training) as meter:
        meter.computes_on(claim_devices(spec.training))
        ...
    usage = meter.usage()

The host's memory and time are this process's and its children's. What the GPUs do, NVIDIA's driver says; a TPU has
nothing that says it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Final

import psutil

from components.models.nvidia import Driver, GpuSample, open_driver
from components.models.usage import DeviceUsage, Usage
from components.spec.contract import Training

#: Seconds between two looks.
LOOK_SECONDS: Final = 0.2


class Meter:
    """The measurement of one step; `metered` starts and ends it."""

    def __init__(self, training: Training | None, driver: Driver) -> None:
        self._accelerator = training.accelerator if training else "cpu"
        self._count = training.accelerator_count if training and self._accelerator != "cpu" else 0
        self._driver = driver
        self._names: tuple[str, ...] = ()
        self._process = psutil.Process()
        self._begun, self._cpu_begun = time.monotonic(), self._cpu_seconds()
        self._seconds = self._cpu = 0.0
        self._memory = 0
        self._samples: list[GpuSample] = []

    def computes_on(self, names: Sequence[str]) -> None:
        """Names the devices on which the step computes; none for the CPU."""
        self._names = tuple(names)

    def look(self) -> None:
        """Takes one look at memory and devices."""
        self._memory = max(self._memory, sum(map(_resident, self._processes())))
        sample = self._driver.sample()
        self._samples += [sample] if sample else []

    def end(self) -> None:
        """Takes the last look and stops the clock."""
        self.look()
        self._seconds = time.monotonic() - self._begun
        self._cpu = self._cpu_seconds() - self._cpu_begun

    def usage(self) -> Usage:
        """What was used until the end."""
        return Usage(
            accelerator=self._accelerator,
            count=self._count,
            devices=self._devices(),
            unmeasured=self._unmeasured(),
            memory_peak_mib=round(self._memory / 2**20, 1),
            cpu_seconds=round(self._cpu, 2),
            seconds=round(self._seconds, 2),
        )

    def text(self) -> str:
        """What was used until the end as JSON, for a step that hands it on to others."""
        return self.usage().model_dump_json(exclude_defaults=True)

    def _devices(self) -> DeviceUsage:
        if not self._samples:
            return DeviceUsage(names=self._names)
        busy = [sample.busy for sample in self._samples]
        return DeviceUsage(
            names=self._names,
            busy_mean=round(sum(busy) / len(busy), 4),
            busy_max=max(busy),
            memory_peak_mib=round(max(sample.memory_mib for sample in self._samples), 1),
        )

    def _unmeasured(self) -> str:
        if self._samples:
            return ""
        reasons = {"cpu": "no accelerator was asked for", "tpu": "nothing measures a TPU from inside a step"}
        return reasons.get(self._accelerator) or self._driver.reason or "the NVIDIA driver gave no numbers"

    def _processes(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _cpu_seconds(self) -> float:
        """Processor time of this process and of children that ended; children that still run come on top."""
        own = self._process.cpu_times()
        ended = own.user + own.system + own.children_user + own.children_system
        return float(ended + sum(map(_cpu, self._processes()[1:])))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0  # it has just ended


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def metered(training: Training | None = None) -> Iterator[Meter]:
    """Measures the work of a `with` block; `training` says what was asked for, None for a step on the CPU."""
    # A GPU that is not asked for is somebody else's.
    with open_driver() if training and training.accelerator == "gpu" else nullcontext(Driver(())) as driver:
        meter = Meter(training, driver)
        stop = threading.Event()
        looks = threading.Thread(target=_watch, args=(meter, stop), name="usage", daemon=True)
        looks.start()
        try:
            yield meter
        finally:
            stop.set()
            looks.join()
            meter.end()


def _watch(meter: Meter, stop: threading.Event) -> None:
    meter.look()
    while not stop.wait(LOOK_SECONDS):
        meter.look()
