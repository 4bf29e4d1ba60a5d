"""The one program that starts every step: it finds each by its name, in a process as Kubeflow starts it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from components import start
from components.code import ROOT
from components.step import COMMAND
from tests.repo.rooms import STEPS

#: The function of a step, where it has another name than its module.
_FUNCTIONS = {"imaging": "image"}


@pytest.mark.parametrize("module", STEPS)
def test_each_step_is_found_by_the_name_of_its_function(module: str) -> None:
    name = _FUNCTIONS.get(module, module)
    assert getattr(start, name) is getattr(importlib.import_module(f"components.{module}"), name)


def test_another_name_is_no_step() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'bake'"):
        start.bake  # noqa: B018 -- asking is what is tested


def test_a_step_runs_as_kubeflow_starts_it(tmp_path: Path) -> None:
    """The command of the graph, in a process of its own: it comes as far as the step's own refusal of other code."""
    given = dict.fromkeys(("spec", "snapshot", "store"), "x") | {"code": "sha256:other"}
    asked = {"inputs": {"parameterValues": given}, "outputs": {"outputFile": str(tmp_path / "told.json")}}
    words = ("--executor_input", json.dumps(asked), "--function_to_execute", "split")
    command = [sys.executable, *COMMAND[1:], *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "CodeError: the pipeline was made from code sha256:other" in done.stderr
