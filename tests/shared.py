"""Folders that one test run makes once, whichever of its workers asks first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` fills, for every worker of this run; who changes what is in it takes a copy.

    A making that failed is begun anew by whoever asks next: a mark, written last, says that all is there. The folder
    is never moved, because what is in it may name its own place, as MLflow's records do.
    """
    folder = _common(factory) / "made-once" / name
    folder.parent.mkdir(exist_ok=True)
    mark = folder.with_name(f"{name}.made")
    with filelock.FileLock(folder.with_name(f"{name}.lock")):
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            mark.touch()
    return folder


def _common(factory: pytest.TempPathFactory) -> Path:
    """The folder of the run: a worker of pytest-xdist has its own below it."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
