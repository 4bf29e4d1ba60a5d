"""Finds the package that `make train` made last."""

from __future__ import annotations

import json
from pathlib import Path

from components.errors import PackageError


def newest_package(home: Path) -> Path:
    """The folder of the package that the newest run of `make train` made; `home` is that run's folder.

    Raises:
        PackageError: the run made no package, or there was no run.
    """
    train = f"`make train SERVICE={home.name}`"
    try:
        result = json.loads((home / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackageError(f"{home}: nothing was trained here; run {train} first") from error
    if not result.get("package"):
        raise PackageError(f"{home}: training made no package ({result.get('message')}); mend that and run {train}")
    return Path(result["package"])
