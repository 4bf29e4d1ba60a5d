"""What counts as failed, and what as not run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from terraform.check import HERE, LINTERS, CheckResult, Program, ToolRun, check, folders, program, verdict

GOOD = 'output "one" {\n  value = 1\n}\n'
needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on the PATH")


def without_linters(folder: Path, command: tuple[str, ...]) -> ToolRun | None:
    """Terraform as it is here, and nothing else."""
    return None if command[0] in LINTERS else program(folder, command)


def answers(**codes: int) -> Program:
    """A program that is there and ends with 0, or with what is given for terraform's command or the linter."""

    def run(_: Path, command: tuple[str, ...]) -> ToolRun | None:
        name = command[1] if command[0] == "terraform" else command[0]
        return ToolRun(codes.get(name, 0), "what it said")

    return run


@needs_terraform
def test_what_needs_no_provider_really_runs(tmp_path: Path) -> None:
    shutil.copytree(HERE / "modules" / "handover", tmp_path / "handover")
    findings = list(check(tmp_path, without_linters))
    assert [(found.check, found.outcome) for found in findings] == [
        ("fmt", "passed"),
        ("tflint", "not run"),
        ("checkov", "not run"),
        ("validate", "passed"),
        ("test", "passed"),
    ]


@needs_terraform
@pytest.mark.parametrize(
    ("text", "failed"),
    [(GOOD.replace("  value", "      value"), "fmt"), (GOOD.replace("1", "var.absent"), "validate")],
)
def test_wrong_code_fails(tmp_path: Path, text: str, failed: str) -> None:
    (tmp_path / "main.tf").write_text(text)
    assert [found.check for found in check(tmp_path, without_linters) if found.outcome == "failed"] == [failed]


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_that_finds_something_fails(tmp_path: Path, linter: str) -> None:
    (tmp_path / "main.tf").write_text(GOOD)
    assert [found.check for found in check(tmp_path, answers(**{linter: 2})) if found.outcome == "failed"] == [linter]


def test_a_missing_program_does_not_pass_and_says_its_source(tmp_path: Path) -> None:
    """A check does not pass when its program is missing, and says where the program comes from."""
    (tmp_path / "main.tf").write_text(GOOD)
    findings = list(
        check(tmp_path, lambda folder, command: answers()(folder, command) if command[0] == "terraform" else None)
    )
    assert [found.why.partition(";")[2] for found in findings if found.outcome == "not run"] == [
        " `make tools TOOLS=tflint` brings it",
        " `make tools TOOLS=checkov` brings it",
    ]
    assert (verdict(findings, strict=False), verdict(findings, strict=True)) == (0, 1)


def test_without_terraform_nothing_passes(tmp_path: Path) -> None:
    findings = list(check(tmp_path, lambda _, command: None))
    assert [found.outcome for found in findings] == ["not run"]
    assert verdict(findings, strict=False) == 1


def test_a_provider_out_of_reach_is_not_run_and_no_pass(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(GOOD)
    offline = "Error: Failed to query available provider packages\nCould not connect to\nthe registry"
    findings = list(check(tmp_path, lambda _, command: ToolRun(int(command[1] == "init"), offline)))
    assert findings[-1].outcome == "not run"
    assert verdict(findings, strict=False) == 0
    assert verdict(findings, strict=True) == 1


def test_another_failure_of_init_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(GOOD)
    findings = list(check(tmp_path, answers(init=1)))
    assert findings[-1].outcome == "failed"
    assert verdict(findings, strict=False) == 1


def test_the_order_of_destruction_is_checked_on_the_platform(tmp_path: Path) -> None:
    """The order of destruction is checked in the module where everything comes together."""
    shutil.copytree(HERE / "modules", tmp_path / "modules")
    found = [one for one in check(tmp_path, answers()) if one.check == "destroy order"]
    assert [(one.folder, one.outcome) for one in found] == [("modules/platform", "failed")]
    assert "may go after" in found[0].why


def test_examples_are_left_to_the_tests_of_their_module() -> None:
    names = {str(folder.relative_to(HERE)) for folder in folders(HERE)}
    assert {"modules/cluster", "modules/platform", "envs/staging", "envs/production"} <= names
    assert not any("examples" in name for name in names)
    for folder in folders(HERE / "modules"):
        assert 'source = "./examples"' in (folder / "tests" / "behaviour.tftest.hcl").read_text()


def test_nothing_checked_is_a_failure() -> None:
    assert verdict([], strict=False) == 1
    assert verdict([CheckResult("fmt", ".", "passed")], strict=True) == 0
