"""What a dossier says of the answers of a version that answers other than by two words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.package.model_package import Package
from k8s.audit.training_sections import purpose
from tests.small_answers import write_class_package, write_number_package
from tests.small_package import write_small_package


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (write_small_package, "it gives the probability that left is Yes, and calls it so from 0.5 on."),
        (write_number_package, "with an interval around it."),
        (write_class_package, "and names the most likely one."),
    ],
)
def test_the_answer_is_told_by_its_task(written: Callable[[Path], Package], said: str, tmp_path: Path) -> None:
    known: Any = SimpleNamespace(package=written(tmp_path / "package"))
    assert purpose(known).statements[-1].text.endswith(said)
