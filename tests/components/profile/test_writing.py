from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.profile.baseline import Baseline, search_for
from components.profile.columns import ColumnProfile
from components.profile.target import TargetColumn
from components.profile.writing import Draft, scalar, spec_text
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature, Spec
from components.spec.reading.loading import parse_spec
from components.spec.reading.strict_yaml import load_yaml


def draft(columns: list[ColumnProfile], target: str = "y", positive: Any = "yes", auc: float = 0.8) -> Draft:
    found = TargetColumn(target, positive, "no", 30, "given")
    return Draft("loans", "t.csv", 100, found, columns, 0.2, Baseline(auc, 0.02, 3), search_for(100, 3))


def read(text: str) -> Spec:
    return parse_spec(text, "s.yaml")


_NAMES = st.text(min_size=1, max_size=20)


@given(_NAMES)
def test_any_text_reads_back_as_itself(text: str) -> None:
    line = f"{scalar(text)}: [{scalar(text)}, {scalar(text)}]  # remark"
    assert load_yaml(line) == {text: [text, text]}
    assert len(line.splitlines()) == 1


@given(
    st.one_of(
        st.booleans(), st.integers(-(10**14), 10**14), st.floats(allow_nan=False, allow_infinity=False), st.dates()
    )
)
def test_any_value_reads_back_as_itself(value: Any) -> None:
    back = yaml.safe_load(f"[{scalar(value)}]")[0]
    assert back == value
    assert isinstance(back, (int, float)) or type(back) is type(value)


@given(st.lists(_NAMES, min_size=3, max_size=3, unique=True), st.text(max_size=30))
def test_any_names_and_remarks_make_a_spec(names: list[str], remark: str) -> None:
    number = NumberFeature(type="number", min=0, max=2.5, missing="allowed")
    columns = [ColumnProfile(names[0], "feature", number, remark), ColumnProfile(names[1], "ignore", remark=remark)]
    spec = read(spec_text(draft(columns, names[2], names[0])))
    assert spec.features == {names[0]: number}
    assert (spec.data.target, spec.data.positive, spec.data.ignore) == (names[2], names[0], (names[1],))


def test_features_read_back_as_they_were() -> None:
    features: dict[str, Feature] = {
        "a": NumberFeature(type="number", min=-0.5, max=1e20),
        "b": CategoryFeature(type="category", values=("No", "on", "1", "01", "a, b", "x: y", "")),
        "c": CategoryFeature(type="category", values=(False, True), missing="allowed"),
        "d": CategoryFeature(type="category", values=(0, 1, -3)),
        "e": DateFeature(type="date", min=date(2020, 1, 1), max=date(2024, 12, 31), missing="allowed"),
    }
    columns = [ColumnProfile(name, "feature", feature) for name, feature in features.items()]
    spec = read(spec_text(draft([ColumnProfile("key", "id", remark="why"), *columns])))
    assert spec.features == features
    assert spec.data.id == "key"
    assert spec.data.ignore == ()


def test_what_a_person_must_look_at_stands_beside_it() -> None:
    columns = [
        ColumnProfile("age", "feature", NumberFeature(type="number", min=0, max=9)),
        ColumnProfile("gender", "feature", CategoryFeature(type="category", values=("f", "m"))),
        ColumnProfile("since", "feature", DateFeature(type="date", min=date(2020, 1, 1), max=date(2024, 1, 1))),
        ColumnProfile("status", "ignore", remark="may be a leak"),
    ]
    lines = spec_text(draft(columns)).splitlines()
    assert "  age: {type: number, unit: null, min: 0, max: 9}  # TODO unit" in lines
    assert "    - status  # may be a leak" in lines
    assert "  positive: 'yes'  # 30.0% of the rows; given; the other word is 'no'" in lines
    assert any(line.startswith("  # fairness: {by: [gender]") for line in lines)
    assert any(line.startswith("  # time: since") for line in lines)


def test_suggestions_are_right_once_they_are_taken() -> None:
    columns = [
        ColumnProfile("gender", "feature", CategoryFeature(type="category", values=("f", "m"))),
        ColumnProfile("since", "feature", DateFeature(type="date", min=date(2020, 1, 1), max=date(2024, 1, 1))),
    ]
    text = spec_text(draft(columns)).replace("  # fairness:", "  fairness:").replace("  # time:", "  time:")
    spec = read(text)
    assert spec.gates.fairness
    assert spec.gates.fairness.by == ("gender",)
    assert spec.split.time == "since"


@pytest.mark.parametrize(("auc", "said"), [(0.55, True), (0.8, False)])
def test_a_target_that_is_hardly_predicted_is_told(auc: float, said: bool) -> None:
    text = spec_text(draft([ColumnProfile("x", "feature", NumberFeature(type="number", min=0, max=1))], auc=auc))
    assert ("hardly beats a guess" in text) == said


@pytest.mark.parametrize(
    ("rows", "error", "line"),
    [
        (
            7043,
            0.01,
            "max_loss: 0.02}  # about 1,409 rows are held out and show no smaller loss; 0.01 takes about 2,300",
        ),
        (1_000_000, 0.001, "max_loss: 0.01}"),
    ],
)
def test_a_limit_tells_what_a_hold_out_can_show(rows: int, error: float, line: str) -> None:
    text = spec_text(replace(draft([]), rows=rows, baseline=Baseline(0.8, error, 3)))
    assert f"  versus_champion: {{{line}" in text.splitlines()
