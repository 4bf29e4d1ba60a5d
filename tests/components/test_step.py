"""What every step does around its work: the same code as the pipeline, and a reason where Kubernetes shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.code import code_digest
from components.errors import CodeError, DataError
from components.step import running


@pytest.fixture
def reasons(tmp_path: Path) -> Path:
    path = tmp_path / "termination-log"
    path.touch()
    return path


def test_a_step_of_the_same_code_leaves_no_reason(reasons: Path) -> None:
    with running(code_digest(), reasons):
        pass
    assert reasons.read_text() == ""


def test_a_failed_step_leaves_its_own_sentence(reasons: Path) -> None:
    with pytest.raises(DataError), running(code_digest(), reasons):
        raise DataError("column 'plan': 'gold' is none of basic, plus, pro (row 5)")
    assert reasons.read_text() == "column 'plan': 'gold' is none of basic, plus, pro (row 5)"


def test_an_unexpected_error_leaves_its_kind_as_well(reasons: Path) -> None:
    with pytest.raises(ZeroDivisionError), running(code_digest(), reasons):
        _ = 1 // 0
    assert reasons.read_text() == "ZeroDivisionError: integer division or modulo by zero"


def test_a_long_reason_is_cut_to_what_kubernetes_keeps(reasons: Path) -> None:
    with pytest.raises(DataError), running(code_digest(), reasons):
        raise DataError("x" * 5000)
    assert reasons.stat().st_size == 4096


def test_an_image_with_other_code_does_no_work(reasons: Path) -> None:
    worked = []
    with pytest.raises(CodeError), running("sha256:" + "0" * 64, reasons):
        worked.append(1)
    assert worked == []
    assert reasons.read_text().startswith("the pipeline was made from code sha256:0")


def test_a_machine_without_that_file_gets_none(tmp_path: Path) -> None:
    with pytest.raises(DataError), running(code_digest(), tmp_path / "nowhere"):
        raise DataError("x")
    assert not (tmp_path / "nowhere").exists()
