"""An environment for each peer, from its own lock file, made when it is first needed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

_LOCKS = Path(__file__).parent / "peers"
_HOME = Path("build/venvs")


def environment(name: str) -> Path:
    """The interpreter of a peer's environment; `build/venvs/<peer>-<lock>` is made if it is not there."""
    lock = _LOCKS / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = (_HOME / f"{name}-{digest}").resolve()
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"setting {name} up from {lock.name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--python", sys.executable, str(folder))
        _uv("pip", "sync", "--require-hashes", "--python", str(python), str(lock))
        (folder / "ready").touch()
    return python


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else "uv"
    subprocess.run([uv, *arguments, "--quiet"], check=True, env={**os.environ, "VIRTUAL_ENV": ""})
