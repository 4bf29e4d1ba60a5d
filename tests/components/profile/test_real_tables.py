"""Tables as people have them: what `make new` writes for each, and says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.errors import DataError
from components.profile.__main__ import main
from components.profile.baseline import Baseline
from components.spec.contract import CategoryFeature, DateFeature, Spec
from components.spec.reading.loading import load_spec
from components.table.cells import read_table
from components.table.examples import examples_of
from components.table.holdout import split_examples
from components.table.wording import reading_of
from components.validation.checks import check_examples, report

RANDOM = np.random.default_rng(5)
ROWS = 600
X = RANDOM.normal(size=ROWS)
Y = np.where(RANDOM.random(ROWS) < 1 / (1 + np.exp(-2 * X)), "yes", "no")


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"x": X.round(3), **columns, "y": columns.get("y", Y)})


def made(folder: Path, frame: pd.DataFrame, *options: str) -> Spec:
    """The spec that `make new` writes; training's own checks accept its table."""
    path = folder / "t.csv"
    frame.to_csv(path, index=False)
    named = ["--name", "new", "--data", str(path), "--target", "y", "--services", str(folder / "services")]
    assert main([*named, *options]) == 0
    spec = load_spec(folder / "services" / "new" / "service.yaml")
    examples = examples_of(read_table(spec.data.uri, reading_of(spec)), spec)
    check_examples(examples, spec)
    split_examples(examples, spec)
    return spec


def test_a_box_that_is_ticked_or_not_is_a_feature(tmp_path: Path) -> None:
    spec = made(tmp_path, table(vip=np.where(X > 0, "x", ""), seen=np.where(X > 1, "1", "")))
    assert spec.features["vip"] == CategoryFeature(type="category", values=("x",), missing="allowed")
    assert spec.features["seen"] == CategoryFeature(type="category", values=(1,), missing="allowed")


def test_codes_are_categories_in_their_own_spelling(tmp_path: Path) -> None:
    version, code = np.array(["1.1", "1.10", "1.9"]), np.array(["001", "1", "1.0", "01"])
    spec = made(tmp_path, table(version=version[np.arange(ROWS) % 3], code=code[np.arange(ROWS) % 4]))
    assert spec.features["version"] == CategoryFeature(type="category", values=("1.1", "1.10", "1.9"))
    assert spec.features["code"] == CategoryFeature(type="category", values=("001", "01", "1", "1.0"))


def test_many_values_are_a_list_if_each_has_many_rows(tmp_path: Path) -> None:
    rows = np.arange(1800)
    frame = pd.DataFrame(
        {"state": [f"S{row % 60}" for row in rows], "y": np.where((rows % 60) / 60 > RANDOM.random(1800), 1, 0)}
    )
    assert len(made(tmp_path, frame).features["state"].values) == 60  # type: ignore[union-attr]


def test_few_far_days_are_named_and_clipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = pd.Series(pd.Timestamp("2022-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D")).dt.strftime("%Y-%m-%d")
    days[[3, 90]] = "9999-12-31"
    feature = made(tmp_path, table(joined=days)).features["joined"]
    assert isinstance(feature, DateFeature)
    assert (feature.outside, feature.max.year) == ("clip", 2025)
    assert "'joined': 2 days are far from all others ('9999-12-31', first row 4)" in capsys.readouterr().out


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y = np.where(np.arange(ROWS) % 50 == 0, "", Y)
    spec = made(tmp_path, table(y=y))
    assert "note: 12 rows have no target, and are left out" in capsys.readouterr().out
    examples = examples_of(read_table(spec.data.uri, reading_of(spec)), spec)
    assert (len(examples), examples.unanswered) == (588, 12)
    assert "- 12 of 600 rows have no target, and are left out" in report(check_examples(examples, spec))
    wrong = examples_of(
        read_table(spec.data.uri, reading_of(spec)).assign(x=lambda t: t["x"].where(t.index != 51)), spec
    )
    with pytest.raises(DataError, match=r"'x' is missing in 1 rows \(row 52\)"):
        check_examples(wrong, spec)


def test_a_target_of_two_codes_is_unsure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path, table(y=np.where(Y == "yes", 2, 1)))
    assert "(unsure: it is the rarer word; POSITIVE= names the other one)" in capsys.readouterr().out


def test_few_different_rows_are_dealt_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"kind": np.array(["a", "b", "c"])[np.digitize(X, [-0.3, 0.9])], "y": Y})
    assert made(tmp_path, frame).split.duplicates == "apart"
    assert "equal ones are dealt to training part and hold-out one by one" in capsys.readouterr().out


def test_natural_copies_are_expected_of_coarse_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"age": np.digitize(X, np.linspace(-2, 2, 30)) + 20, "sex": np.where(X > 0.2, "m", "f"), "y": Y}
    )
    spec = made(tmp_path, frame)
    examples = examples_of(read_table(spec.data.uri, reading_of(spec)), spec)
    assert check_examples(examples, spec).copies > 0.5


def test_columns_that_tell_nothing_are_said_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = made(tmp_path, table(x=RANDOM.normal(size=ROWS)))
    assert "the columns tell this model nothing of 'y': it guesses" in capsys.readouterr().out
    assert spec.gates.roc_auc
    assert spec.gates.roc_auc.min > 0.55


@pytest.mark.parametrize("area", [0.3, 0.5, 0.52, 0.6, 0.8, 0.99])
def test_a_gate_is_never_one_that_a_guess_passes(area: float) -> None:
    plain = Baseline(area, 0.03, 5)
    assert plain.smallest_auc >= 0.5 + 2 * 0.03 / 2**0.5


def test_a_near_leak_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spent = np.where(Y == "yes", 2.0, 0.0) + RANDOM.normal(size=ROWS) * 0.6
    spec = made(tmp_path, table(spent=spent.round(4)))
    assert "spent" in spec.features
    assert "'spent': alone it tells the target nearly always (AUC 0.9" in capsys.readouterr().out
