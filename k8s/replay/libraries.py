"""Finds an interpreter with exactly the libraries of a lock file: this one, or one installed from uv's cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name
from pip_requirements_parser import RequirementsFile

from components.code import LOCK_FILE
from k8s.replay.errors import ReplayError

#: Packages that an environment may have without a lock: its installers.
_INSTALLERS: Final = frozenset({"pip", "setuptools", "wheel"})


def locked(lock: Path) -> dict[str, str]:
    """Package name -> version of everything that a lock file installs on this machine."""
    found = RequirementsFile.from_file(str(lock)).requirements
    here = [one for one in found if one.marker is None or one.marker.evaluate()]
    return {canonicalize_name(str(one.name)): str(one.get_pinned_version) for one in here}


def installed(paths: Iterable[str] = sys.path) -> dict[str, str]:
    """Package name -> version of everything installed on `paths`, by default this interpreter's."""
    found = distributions(path=list(paths))
    return {canonicalize_name(one.metadata["Name"]): one.version for one in found}


def differing(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """One phrase for each package whose installed version differs from the locked one."""
    names = sorted((wanted.keys() | found.keys()) - (_INSTALLERS - wanted.keys()))
    pairs = [(name, wanted.get(name, "none"), found.get(name, "none")) for name in names]
    return [f"{name} {here}, locked {there}" for name, there, here in pairs if here != there]


def interpreter_for(lock: bytes, scratch: Path) -> tuple[Path, str]:
    """The interpreter for a lock file, and a description of where it comes from.

    Raises:
        ReplayError: this interpreter has other libraries, and uv's cache lacks some of the lock's.
    """
    file = scratch / LOCK_FILE
    file.write_bytes(lock)
    wanted = locked(file)
    different = differing(wanted, installed())
    if not different:
        return Path(sys.executable), f"{len(wanted)} libraries, all as they are installed here"
    return _from_cache(file, scratch / "environment"), f"{len(wanted)} libraries, installed anew from uv's cache"


def _from_cache(lock: Path, folder: Path) -> Path:
    python = folder / "bin" / "python"
    _uv("venv", "--quiet", "--offline", "--python", f"{sys.version_info.major}.{sys.version_info.minor}", str(folder))
    # uv keeps the machine's own settings, on which its cache depends; --offline keeps it off the network.
    _uv("pip", "sync", "--quiet", "--offline", "--python", str(python), "--require-hashes", str(lock))
    return python


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    command = [str(beside) if beside.exists() else "uv", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise ReplayError(
            "the libraries of its lock file are not installed here, and uv's cache has not all of them "
            f"({said}); check its commit out and run `make setup` once with a network, then replay. Where an image "
            "trained it, bring the libraries of that image's lock file with `uv pip sync` into another environment"
        )
