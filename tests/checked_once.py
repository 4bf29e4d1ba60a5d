"""The server's check of a package, once in a test run: it starts a whole server, and the same package passes again."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from components.digest import sha256
from components.image.contents import ROOT
from components.image.golden_check import check_answers
from components.package.model_package import read_package
from tests.patience import patient
from tests.shared import made_once


def check_once(factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch, *callers: ModuleType) -> None:
    """Lets these modules check a package for real if no worker has; a package that is refused is checked each time."""

    def checked(package: Path, python: Path, root: Path = ROOT) -> str:
        key = sha256(f"{read_package(package).digest} {python} {root}".encode())[7:]

        def check(folder: Path) -> None:
            (folder / "said").write_text(check_answers(package, python, root, patient(60)), encoding="utf-8")

        return (made_once(factory, f"checked-{key}", check) / "said").read_text(encoding="utf-8")

    for caller in callers:
        patched.setattr(caller, "check_answers", checked)
