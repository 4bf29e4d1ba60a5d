"""Every validation and precondition refuses something, as its module's tests say, each for its own reason.

Validations need no provider: a module's variables are taken alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repo.tree import ROOT

MODULES = ROOT / "terraform" / "modules"
NAMES = sorted(file.parent.name for file in MODULES.glob("*/main.tf"))
needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on the PATH")
CONDITION = re.compile(r"^    condition +?= (.*?)(?=^    error_message)", re.MULTILINE | re.DOTALL)


def variables(module: str) -> str:
    return (MODULES / module / "variables.tf").read_text(encoding="utf-8")


def refused(module: str, prefix: str) -> list[str]:
    """What a module's tests expect to be refused, by its address."""
    texts = [file.read_text(encoding="utf-8") for file in sorted((MODULES / module / "tests").glob("*.tftest.hcl"))]
    found = re.findall(r"expect_failures = \[([^\]]+)\]", "\n".join(texts))
    return sorted(one for one in found if one.startswith(prefix))


def validated(text: str) -> list[str]:
    """Variables of a file, each as often as it has validations."""
    blocks = re.findall(r'^variable "([a-z_]+)" \{\n(.*?)^\}$', text, re.MULTILINE | re.DOTALL)
    return sorted(f"var.{name}" for name, body in blocks for _ in range(body.count("  validation {")))


def results(text: str, module: str, place: Path) -> dict[str, str]:
    """What came of each run of a module's refusals, with `text` for its variables and without its resources."""
    (place / "variables.tf").write_text(text, encoding="utf-8")
    tests = (MODULES / module / "tests" / "refusals.tftest.hcl").read_text(encoding="utf-8")
    (place / "tests").mkdir(exist_ok=True)
    (place / "tests" / "refusals.tftest.hcl").write_text(
        tests.replace('mock_provider "google" {}\n', ""), encoding="utf-8"
    )
    for command in (["init"], ["test", "-no-color"]):
        done = subprocess.run(["terraform", *command], cwd=place, check=False, capture_output=True, text=True)
    return dict(re.findall(r'run "(\w+)"\.\.\. (\w+)', done.stdout))


@pytest.mark.parametrize("module", NAMES)
def test_each_validation_has_one_run_that_it_refuses(module: str) -> None:
    assert refused(module, "var.") == validated(variables(module))


@pytest.mark.parametrize("module", NAMES)
def test_each_precondition_has_a_run_that_it_refuses(module: str) -> None:
    written = (MODULES / module / "main.tf").read_text(encoding="utf-8").count("    precondition {")
    runs = re.findall(
        r"expect_failures = \[google_",
        (MODULES / module / "tests" / "behaviour.tftest.hcl").read_text(encoding="utf-8"),
    )
    assert len(runs) >= written
    assert bool(runs) == bool(written)


@needs_terraform
@pytest.mark.parametrize("module", NAMES)
def test_what_is_refused_is_refused_by_terraform(module: str, tmp_path: Path) -> None:
    found = results(variables(module), module, tmp_path)
    assert len(found) == len(validated(variables(module)))
    assert set(found.values()) == {"pass"}


@pytest.mark.slow
@needs_terraform
@pytest.mark.parametrize("module", NAMES)
def test_without_a_validation_a_run_of_its_own_fails(module: str, tmp_path: Path) -> None:
    text = variables(module)
    noticed = set()
    for number, match in enumerate(CONDITION.finditer(text)):
        place = tmp_path / str(number)
        place.mkdir()
        name = re.findall(r'^variable "([a-z_]+)"', text[: match.start()], re.MULTILINE)[-1]
        broken = f"{text[: match.start(1)]}can(var.{name})\n{text[match.end(1) :]}"
        # What comes after a run that fails is skipped.
        failed = {run for run, outcome in results(broken, module, place).items() if outcome == "fail"}
        assert len(failed) == 1, (module, match[1])
        noticed |= failed
    assert len(noticed) == len(validated(text))


def test_what_is_not_refused_is_seen() -> None:
    text = 'variable "one" {\n  validation {\n  }\n  validation {\n  }\n}\n\nvariable "two" {\n  type = string\n}\n'
    assert validated(text) == ["var.one", "var.one"]
