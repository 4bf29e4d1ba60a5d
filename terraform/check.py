"""Checks of the Terraform code: format, then for each folder whether it is valid and what its tests say.

Run as `python -m terraform.check`, with STRICT=1 where everything must be there. A folder whose provider cannot
be had is named as not checked: that is no pass, and under STRICT it is a failure. A copy is checked, so that
nothing is left in the tree.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
#: What `terraform init` says when a provider is out of reach, and not when the code is wrong.
UNREACHABLE = re.compile(
    r"could not query provider registry|Could not connect to|Failed to install provider|"
    r"was not found in any of the search locations|could not query the provider registry",
    re.IGNORECASE,
)
Outcome = Literal["passed", "failed", "not run"]


@dataclass(frozen=True)
class Answer:
    """What a command of terraform said: `code` is its exit status."""

    code: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One check of one folder; `why` says what failed or was missing."""

    check: str
    folder: str
    outcome: Outcome
    why: str = ""


Terraform = Callable[[Path, tuple[str, ...]], Answer]


def terraform(folder: Path, arguments: tuple[str, ...]) -> Answer:
    """Run terraform in a folder."""
    done = subprocess.run(["terraform", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return Answer(done.returncode, done.stdout + done.stderr)


def check(tree: Path, run: Terraform) -> Iterator[Finding]:
    """Every check of a tree of Terraform code."""
    yield _finding("fmt", ".", run(tree, ("fmt", "-check", "-diff", "-recursive", "-no-color")))
    for folder in folders(tree):
        yield from check_folder(tree, folder, run)


def folders(tree: Path) -> list[Path]:
    """Folders that hold a configuration: modules and environments."""
    return sorted({file.parent for file in tree.rglob("main.tf")})


def check_folder(tree: Path, folder: Path, run: Terraform) -> Iterator[Finding]:
    """One folder: it has to be initialised before it can be looked at."""
    name = str(folder.relative_to(tree))
    answer = run(folder, ("init", "-backend=false", "-input=false", "-no-color"))
    if answer.code:
        unreachable = UNREACHABLE.search(" ".join(answer.text.split())) is not None
        why = "its provider cannot be had here" if unreachable else answer.text.strip()
        yield Finding("validate, test", name, "not run" if unreachable else "failed", why)
        return
    yield _finding("validate", name, run(folder, ("validate", "-no-color")))
    if list(folder.glob("tests/*.tftest.hcl")):
        yield _finding("test", name, run(folder, ("test", "-no-color")))


def _finding(what: str, folder: str, answer: Answer) -> Finding:
    return Finding(what, folder, "failed", answer.text.strip()) if answer.code else Finding(what, folder, "passed")


def verdict(findings: list[Finding], strict: bool) -> int:
    """Exit status: 1 for what failed, and under `strict` for what could not run; nothing found is a failure too."""
    bad = {"failed", "not run"} if strict else {"failed"}
    return int(not findings or any(finding.outcome in bad for finding in findings))


def main() -> int:
    """Print each finding; 1 when something failed, 2 when terraform itself is missing."""
    if shutil.which("terraform") is None:
        print("terraform is not on the PATH: nothing was checked", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as place:
        tree = shutil.copytree(HERE, Path(place) / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
        findings = list(check(tree, terraform))
    for finding in findings:
        print(
            f"{finding.outcome:8} {finding.check:15} {finding.folder}" + (f"\n  {finding.why}" if finding.why else "")
        )
    return verdict(findings, strict=os.environ.get("STRICT") == "1")


if __name__ == "__main__":
    raise SystemExit(main())
