"""How a process is started without a network: in one of its own where the kernel gives one, and guarded always."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from k8s.replay import no_network

#: What a training may know of the machine around it; whatever names a server, a proxy or a credential stays out.
_KEPT: Final = ("HOME", "LANG", "LC_ALL", "OMP_NUM_THREADS", "PATH", "TMPDIR", "TZ")
#: By which a user chooses the kernels of the libraries that compute, and so the last bits.
_KEPT_PREFIXES: Final = ("OPENBLAS_", "MKL_")
#: A user's own namespace in which he is himself, with no interface but a loopback that is down.
_UNSHARE: Final = ("unshare", "--map-root-user", "--net", "--")


@dataclass(frozen=True)
class Isolation:
    """How a process is kept from the network: what stands before its command, and how that is called."""

    prefix: tuple[str, ...]
    says: str


def isolation() -> Isolation:
    """The strictest that this machine can do."""
    guard = "Python's sockets refuse other machines"
    tried = (*_UNSHARE, "true")
    if shutil.which("unshare") and subprocess.run(tried, capture_output=True, check=False).returncode == 0:
        return Isolation(_UNSHARE, f"none: the kernel gave it a network without an interface, and {guard}")
    return Isolation((), f"none for Python: {guard}; this kernel gives no network of its own")


def guard_python(folder: Path) -> None:
    """Makes every Python that has a folder first on its PYTHONPATH refuse the network."""
    shutil.copyfile(no_network.__file__, folder / "sitecustomize.py")


def bare_environment(python_path: Path) -> dict[str, str]:
    """The environment variables of a process that is kept from the network."""
    kept = {name: text for name, text in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    # As in `components.git.command`: the training asks Git for its commit, and is to see that commit's own bytes.
    return {**kept, "PYTHONPATH": str(python_path), "GIT_NO_REPLACE_OBJECTS": "1"}
