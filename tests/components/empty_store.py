"""An MLflow store without a run: its tables take MLflow seconds to make, so that a test run makes them once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.registry.model_registry import connect
from tests.shared import made_once


def empty_store(factory: pytest.TempPathFactory, file: Path) -> str:
    """The URI of a new store in an SQLite file."""
    made = made_once(factory, "mlflow", lambda folder: connect(f"sqlite:///{folder}/m.db"))
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made / "m.db", file)
    return f"sqlite:///{file}"
