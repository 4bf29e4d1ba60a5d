"""What counts as failed, and what as not run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from terraform.check import HERE, Answer, Finding, check, terraform, verdict

GOOD = 'output "one" {\n  value = 1\n}\n'
needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on the PATH")


@needs_terraform
def test_what_needs_no_provider_really_runs(tmp_path: Path) -> None:
    shutil.copytree(HERE / "modules" / "handover", tmp_path / "handover")
    findings = list(check(tmp_path, terraform))
    assert [(found.check, found.outcome) for found in findings] == [
        ("fmt", "passed"),
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
    assert [found.check for found in check(tmp_path, terraform) if found.outcome == "failed"] == [failed]


def test_a_provider_out_of_reach_is_not_run_and_no_pass(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(GOOD)
    offline = "Error: Failed to query available provider packages\nCould not connect to\nthe registry"
    findings = list(check(tmp_path, lambda _, command: Answer(int(command[0] == "init"), offline)))
    assert [found.outcome for found in findings] == ["passed", "not run"]
    assert verdict(findings, strict=False) == 0
    assert verdict(findings, strict=True) == 1


def test_another_failure_of_init_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(GOOD)
    findings = list(
        check(tmp_path, lambda _, command: Answer(int(command[0] == "init"), "Unreadable module directory"))
    )
    assert findings[-1].outcome == "failed"
    assert verdict(findings, strict=False) == 1


def test_nothing_checked_is_a_failure() -> None:
    assert verdict([], strict=False) == 1
    assert verdict([Finding("fmt", ".", "passed")], strict=True) == 0
