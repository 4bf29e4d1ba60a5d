"""Nothing knows churn: other tables go the whole way from `make new` alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

ROOT = Path(__file__).parents[4]


def _cancer() -> pd.DataFrame:
    bunch = load_breast_cancer(as_frame=True)
    table: pd.DataFrame = bunch.data.assign(answer=bunch.target.map({0: "malignant", 1: "benign"}))
    return table


def _digits() -> pd.DataFrame:
    bunch = load_digits(as_frame=True)
    table: pd.DataFrame = bunch.data.assign(answer=bunch.target.mod(2).map({0: "even", 1: "odd"}))
    return table


def _diabetes() -> pd.DataFrame:
    bunch = load_diabetes(as_frame=True, scaled=False)
    table: pd.DataFrame = bunch.data.assign(answer=(bunch.target > bunch.target.median()).astype(int))
    return table


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("table", "positive"), [(_cancer, "malignant"), (_digits, "odd"), (_diabetes, "1")])
def test_a_table_goes_the_whole_way(tmp_path: Path, table: Callable[[], pd.DataFrame], positive: str) -> None:
    table().to_csv(tmp_path / "table.csv", index=False)
    new = ["--name", "any", "--data", "table.csv", "--target", "answer", "--positive", positive, "--services", "made"]
    _run(tmp_path, "components.profile", *new)
    demo = ["k8s.twin.demo", "--spec", "made/any/service.yaml", "--home", "home"]
    _run(tmp_path, "k8s.twin.supervise", "--", sys.executable, "-m", *demo)
    summary = json.loads((tmp_path / "home" / "summary.json").read_text(encoding="utf-8"))
    assert summary["ok"]
    assert summary["fault"] == "wrong-unit"
    assert [version["fate"] for version in summary["versions"]] == ["champion", "promoted", "rolled-back"]
    assert sum(version["failed"] for version in summary["requests"].values()) == 0
    assert summary["tree_equals_last_good"]
    assert (tmp_path / "home" / "report.html").stat().st_size > 100_000


def _run(folder: Path, *module: str) -> None:
    command = [sys.executable, "-m", *module]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
