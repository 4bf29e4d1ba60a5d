"""Starts a process without a network: in its own network namespace if the kernel allows it, and always with a guard."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from k8s.replay import no_network

#: The environment variables that a training may see; none names a server, a proxy or a credential.
_KEPT: Final = ("HOME", "LANG", "LC_ALL", "OMP_NUM_THREADS", "PATH", "TMPDIR", "TZ")
#: Prefixes of the variables that choose a numerical library's kernels, and thus the last bits of a result.
_KEPT_PREFIXES: Final = ("OPENBLAS_", "MKL_")
#: Runs a command in a new user and network namespace, whose only interface is a loopback that is down.
_UNSHARE: Final = ("unshare", "--map-root-user", "--net", "--")


@dataclass(frozen=True)
class Isolation:
    """A way to keep a process off the network: the prefix of its command, and a description."""

    prefix: tuple[str, ...]
    says: str


def isolation() -> Isolation:
    """The strictest isolation that this machine supports."""
    guard = "Python's sockets refuse other machines"
    tried = (*_UNSHARE, "true")
    if shutil.which("unshare") and subprocess.run(tried, capture_output=True, check=False).returncode == 0:
        return Isolation(_UNSHARE, f"none: the kernel gave it a network without an interface, and {guard}")
    return Isolation((), f"none for Python: {guard}; this kernel gives no network of its own")


def guard_python(folder: Path) -> None:
    """Makes every Python with this folder first on its PYTHONPATH refuse the network."""
    shutil.copyfile(no_network.__file__, folder / "sitecustomize.py")


def bare_environment(python_path: Path) -> dict[str, str]:
    """The environment variables of a process that is kept off the network."""
    kept = {name: text for name, text in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    # As in `components.git.command`: the training asks Git for its commit and must see that commit's own bytes.
    return {**kept, "PYTHONPATH": str(python_path), "GIT_NO_REPLACE_OBJECTS": "1"}
