"""What NVIDIA's driver says of the GPUs that a process may use: their names, how busy they are, their memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GpuSample:
    """One look at all GPUs: the mean share of time in which they computed (0 to 1), and the memory in use in MiB."""

    busy: float
    memory_mib: float


@dataclass(frozen=True)
class Driver:
    """The driver's GPUs; without any, `reason` says why."""

    names: tuple[str, ...]
    reason: str = ""
    handles: tuple[Any, ...] = ()

    def sample(self) -> GpuSample | None:
        """A look at the GPUs; None if there are none, or the driver does not answer."""
        import pynvml

        if not self.handles:
            return None
        try:
            busy = [float(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu) / 100 for gpu in self.handles]
            memory = [float(pynvml.nvmlDeviceGetMemoryInfo(gpu).used) / 2**20 for gpu in self.handles]
        except pynvml.NVMLError:
            return None
        return GpuSample(sum(busy) / len(busy), sum(memory))


@contextmanager
def open_driver() -> Iterator[Driver]:
    """The driver of this machine; a machine without one is no error."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        yield Driver((), f"no NVIDIA driver answers ({error})")
        return
    try:
        yield _driver(pynvml)
    finally:
        pynvml.nvmlShutdown()


def _driver(nvml: Any) -> Driver:
    try:
        handles = tuple(nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount()))
        names = tuple(_text(nvml.nvmlDeviceGetName(gpu)) for gpu in handles)
    except nvml.NVMLError as error:
        return Driver((), f"the NVIDIA driver does not show its GPUs ({error})")
    return Driver(names, "" if names else "the NVIDIA driver shows no GPU", handles)


def _text(name: str | bytes) -> str:
    """Older drivers' names are bytes."""
    return name.decode() if isinstance(name, bytes) else name
