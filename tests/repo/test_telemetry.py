"""Metric names and headers live in one file, and every other place names only what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from services import telemetry
from tests.repo.tree import texts

HOME = Path("services/telemetry.py")
NAMES = {
    value for value in vars(telemetry).values() if isinstance(value, str) and re.match(r"canario_|flagger_|x-", value)
}
#: What is put behind a metric's name when it is exported or asked for.
SUFFIXES = ("", "_bucket", "_sum", "_count", "_created")
TOKEN = re.compile(r"\bcanario_[a-z0-9_]+|\bx-canario-[a-z-]+")


def literals(source: str) -> list[str]:
    """Metric names and headers that stand in a Python source as text; docstrings may mention them."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return sorted({name for node in constants if isinstance(node.value, str) for name in _named(node.value)})


def _named(text: str) -> set[str]:
    return {name for name in NAMES if name in text and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)}


def unknown(text: str) -> list[str]:
    """Words that look like a metric or a header of ours and are none."""
    known = {name + suffix for name in NAMES for suffix in SUFFIXES}
    known |= {name.removesuffix("_total") for name in NAMES}  # as Prometheus' own client wants a counter named
    return sorted({word for word in TOKEN.findall(text) if word not in known})


def test_names_are_written_in_one_file_only() -> None:
    found = {
        str(path): names
        for path, text in texts(".py")
        if path != HOME and path.parts[0] != "tests" and (names := literals(text))
    }
    assert found == {}


def test_every_file_names_only_what_there_is() -> None:
    here = Path("tests/repo/test_telemetry.py")
    trains = ("components", "pipelines")  # these export no metrics
    seen = [(path, text) for path, text in texts() if path != here and path.parts[0] not in trains]
    assert {str(path): words for path, text in seen if (words := unknown(text))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x = "canario_requests_total"', ["canario_requests_total"]),
        ('x = f"rate(canario_errors_total[1m])"', ["canario_errors_total"]),
        ('h = {"x-canario-receipt": 1}', ["x-canario-receipt"]),
        ('"""Counts canario_requests_total."""', []),
        ('x = "canario_requests_totals"', []),
    ],
)
def test_a_name_that_is_written_again_is_seen(source: str, found: list[str]) -> None:
    assert literals(source) == found


def test_a_name_that_is_not_there_is_seen() -> None:
    assert unknown("sum(canario_request_total) + canario_requests_total + canario_request_duration_seconds_bucket") == [
        "canario_request_total"
    ]
    assert unknown("x-canario-recipt") == ["x-canario-recipt"]
