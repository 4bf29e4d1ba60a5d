"""The training machine: the properties that may change the last digits of a model.

They are recorded outside the package, so that a package's digest depends on its inputs alone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from components.spec.contract import ClosedModel

#: Libraries whose arithmetic or graph format affects a model's bytes.
DECIDING: Final = (
    *("keras", "numpy", "onnx", "onnxruntime", "pandas", "pyarrow"),
    *("scikit-learn", "scipy", "skl2onnx", "tensorflow", "tensorflow-tpu", "tf2onnx"),
)


class Machine(ClosedModel):
    """One machine.

    Attributes:
        threads: the number available to a library that uses all.
        kernels: the processors for which the linear algebra libraries chose their code.
        accelerator: the devices that computed, such as two NVIDIA L4; empty for the CPU.
        libraries: versions by name, for the installed libraries of `DECIDING`.
    """

    system: str
    architecture: str
    processor: str
    threads: int
    kernels: str = ""
    accelerator: str = ""
    python: str
    libraries: dict[str, str]

    def differences(self, other: Machine) -> list[str]:
        """A phrase for each difference from another machine."""
        plain = ("system", "architecture", "processor", "threads", "kernels", "accelerator", "python")
        pairs = [(name, *(str(getattr(one, name)) or "none" for one in (self, other))) for name in plain]
        names = sorted(self.libraries | other.libraries)
        pairs += [(name, self.libraries.get(name, "none"), other.libraries.get(name, "none")) for name in names]
        return [f"{name} {here} instead of {there}" for name, there, here in pairs if here != there]


def this_machine(devices: Sequence[str] = ()) -> Machine:
    """The machine that runs this process, and the names of the devices on which it computes."""
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        processor=_processor(),
        threads=_threads(),
        kernels=_kernels(),
        accelerator=", ".join(devices),
        python=platform.python_version(),
        libraries={name: found for name in DECIDING if (found := _installed(name))},
    )


def _processor() -> str:
    """The processor's model from Linux's own file; elsewhere its family, which is all that `platform` knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _threads() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "")
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(asked) if asked.isdigit() else allowed


def _kernels() -> str:
    """The processor that OpenBLAS and the like detected, or got from a variable such as OPENBLAS_CORETYPE."""
    import numpy as np  # noqa: F401 -- a library is found once it is loaded
    from threadpoolctl import threadpool_info

    return ", ".join(sorted({found["architecture"] for found in threadpool_info() if found.get("architecture")}))


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
