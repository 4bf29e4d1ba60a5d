"""Checks the Terraform code: format and rules, then validity and tests of each folder.

Run as `python -m terraform.check`. A check that could not run is named with its reason and does not count as passed;
with STRICT=1 it counts as failed. The checks run on a copy, so that they leave nothing in the tree.
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
from typing import Final, Literal

from terraform import order

HERE = Path(__file__).parent
#: Output of `terraform init` when a provider is out of reach, as opposed to wrong code.
UNREACHABLE = re.compile(
    r"could not query provider registry|Could not connect to|Failed to install provider|"
    r"was not found in any of the search locations|could not query the provider registry",
    re.IGNORECASE,
)
#: Other programs that check the code; `make tools` installs them.
LINTERS: Final = ("tflint", "checkov")
_CHECKOV: Final = ("checkov", "--directory=.", "--framework=terraform", "--compact", "--quiet", "--skip-download")
#: The module that combines all others.
WHOLE: Final = "modules/platform"
Outcome = Literal["passed", "failed", "not run"]


@dataclass(frozen=True)
class ToolRun:
    """A command's output; `code` is its exit status."""

    code: int
    text: str


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of one folder; `why` names the failure or the missing part."""

    check: str
    folder: str
    outcome: Outcome
    why: str = ""


#: Runs a program with arguments in a folder; returns None if it is not on the PATH.
Program = Callable[[Path, tuple[str, ...]], ToolRun | None]


def program(folder: Path, command: tuple[str, ...]) -> ToolRun | None:
    """Runs a command in a folder; returns None if it is not on the PATH."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run([*command], cwd=folder, capture_output=True, text=True, check=False)
    return ToolRun(done.returncode, done.stdout + done.stderr)


def check(tree: Path, run: Program) -> Iterator[CheckResult]:
    """Runs every check of a tree of Terraform code."""
    if (formatted := run(tree, ("terraform", "fmt", "-check", "-diff", "-recursive", "-no-color"))) is None:
        yield CheckResult("terraform", ".", "not run", "terraform is not on the PATH: nothing was checked")
        return
    yield _finding("fmt", ".", formatted)
    # An example is a fragment for quoting and needs no version of its own; `folders` leaves it out.
    rules = ("tflint", "--no-color", f"--config={tree.resolve() / '.tflint.hcl'}")
    yield _linted("tflint", [run(folder, rules) for folder in folders(tree)])
    yield _linted("checkov", [run(tree, _CHECKOV)])
    for folder in folders(tree):
        yield from check_folder(tree, folder, run)


def _linted(name: str, answers: list[ToolRun | None]) -> CheckResult:
    there = [answer for answer in answers if answer is not None]
    if len(there) < len(answers):
        return CheckResult(name, ".", "not run", f"{name} is not on the PATH; `make tools TOOLS={name}` brings it")
    wrong = [answer for answer in there if answer.code]
    return _finding(name, ".", ToolRun(len(wrong), "\n".join(answer.text.strip() for answer in wrong)))


def folders(tree: Path) -> list[Path]:
    """The folders of modules and environments; examples are left out, because their module's tests plan them."""
    return sorted({file.parent for file in tree.rglob("main.tf") if file.parent.name != "examples"})


def check_folder(tree: Path, folder: Path, run: Program) -> Iterator[CheckResult]:
    """Initialises a folder, then checks it."""
    name = str(folder.relative_to(tree))
    answer = _terraform(run, folder, "init", "-backend=false", "-input=false", "-no-color")
    if answer.code:
        unreachable = UNREACHABLE.search(" ".join(answer.text.split())) is not None
        why = "its provider cannot be had here" if unreachable else answer.text.strip()
        yield CheckResult("validate, test", name, "not run" if unreachable else "failed", why)
        return
    yield _finding("validate", name, _terraform(run, folder, "validate", "-no-color"))
    if list(folder.glob("tests/*.tftest.hcl")):
        yield _finding("test", name, _terraform(run, folder, "test", "-no-color"))
    if name == WHOLE:
        yield _order(name, _terraform(run, folder, "graph"))


def _order(name: str, graph: ToolRun) -> CheckResult:
    faults = [graph.text.strip()] if graph.code else order.wrong(graph.text)
    return CheckResult("destroy order", name, "failed" if faults else "passed", "\n  ".join(faults))


def _terraform(run: Program, folder: Path, *arguments: str) -> ToolRun:
    return run(folder, ("terraform", *arguments)) or ToolRun(127, "terraform is not on the PATH any more")


def _finding(what: str, folder: str, answer: ToolRun) -> CheckResult:
    return (
        CheckResult(what, folder, "failed", answer.text.strip()) if answer.code else CheckResult(what, folder, "passed")
    )


def verdict(findings: list[CheckResult], strict: bool) -> int:
    """The exit status: 1 if a check failed, if none passed, or under `strict` if one could not run; else 0."""
    bad = {"failed", "not run"} if strict else {"failed"}
    passed = any(finding.outcome == "passed" for finding in findings)
    return int(not passed or any(finding.outcome in bad for finding in findings))


def main() -> int:
    """Prints each result as it comes; returns `verdict`."""
    findings: list[CheckResult] = []
    with tempfile.TemporaryDirectory() as place:
        tree = shutil.copytree(HERE, Path(place) / "terraform", ignore=shutil.ignore_patterns(".terraform", "*.py"))
        for finding in check(tree, program):
            findings.append(finding)
            why = f"\n  {finding.why}" if finding.why else ""
            print(f"{finding.outcome:8} {finding.check:15} {finding.folder}{why}", flush=True)
    return verdict(findings, strict=os.environ.get("STRICT") == "1")


if __name__ == "__main__":
    sys.exit(main())
