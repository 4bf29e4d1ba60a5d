"""What a step asked for and what it used: the types that trials.json, fit.json and evaluation.json keep.

They are no part of a package, so a package's digest does not depend on how long its making took.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, Literal, TypeVar

from components.spec.contract import ClosedModel

#: The steps before the search, which hold the table.
EARLY_STEPS: Final = ("ingest", "validate", "split")
#: The steps that end when their run is recorded already; what they used is added to it.
LATE_STEPS: Final = ("register", "image", "release")
#: All steps, in the order of the run; each is measured.
MEASURED_STEPS: Final = (*EARLY_STEPS, "tune", "train", "evaluate", "gate", *LATE_STEPS)

Measured = TypeVar("Measured")


class DeviceUsage(ClosedModel):
    """The accelerators of a step.

    Attributes:
        names: one for each device.
        busy_mean: mean share of time in which the devices computed, 0 to 1; None where nothing measures it.
        busy_max: the largest share at one look.
        memory_peak_mib: most memory in use on all devices together, in MiB, also by other processes.
    """

    names: tuple[str, ...] = ()
    busy_mean: float | None = None
    busy_max: float | None = None
    memory_peak_mib: float | None = None


class Usage(ClosedModel):
    """One step's use of its machine.

    Attributes:
        accelerator: what the spec asked for.
        count: how many devices it asked for; 0 for cpu.
        devices: what was there.
        unmeasured: why there are no numbers of devices; empty if there are.
        memory_peak_mib: most resident memory of the step's processes at one look, in MiB.
        cpu_seconds: processor time of all its processes.
        seconds: time from its start to its end.
    """

    accelerator: Literal["cpu", "gpu", "tpu"]
    count: int
    devices: DeviceUsage
    unmeasured: str = ""
    memory_peak_mib: float
    cpu_seconds: float
    seconds: float

    @property
    def asked(self) -> str:
        """What was asked for, such as `gpu x 2`."""
        return f"{self.accelerator} x {self.count}" if self.count else self.accelerator

    @property
    def used(self) -> str:
        """What was there, such as `NVIDIA L4 x 2`; `cpu` if nothing else was."""
        names = self.devices.names
        kinds = [f"{name} x {names.count(name)}" for name in dict.fromkeys(names)]
        return ", ".join(kinds) or "cpu"

    def numbers(self) -> dict[str, float]:
        """The measured numbers by name and unit; what was not measured is left out, because it is not 0."""
        found = {
            "host_memory_peak_mib": self.memory_peak_mib,
            "cpu_seconds": self.cpu_seconds,
            "seconds": self.seconds,
            "device_busy_mean": self.devices.busy_mean,
            "device_busy_max": self.devices.busy_max,
            "device_memory_peak_mib": self.devices.memory_peak_mib,
        }
        return {name: value for name, value in found.items() if value is not None}


def joined(usage: Mapping[str, str]) -> str:
    """What several steps used, each as JSON, as one JSON object by step."""
    return json.dumps({step: json.loads(text) for step, text in usage.items()})


def in_order(usage: Mapping[str, Measured]) -> dict[str, Measured]:
    """The same in the order of the run; steps without a measurement are left out."""
    return {step: usage[step] for step in MEASURED_STEPS if step in usage}
