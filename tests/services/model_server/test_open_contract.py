"""A contract that takes values it does not list: every part of the server that looks at a value takes them, too."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from components.features.encoding import RowEncoder, encode_table, fit_encoding
from components.package.answers import Target
from components.package.model_package import Contract
from components.package.population import CategoryBins
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature
from services.model_server.shadow.counts import ANOTHER, Slices
from services.model_server.waves import point_of

PLAN = CategoryFeature(type="category", values=("basic", 7, True), unknown="other", missing="impute")
CITY = CategoryFeature(type="category", values=("a", "b"), unknown="other", missing="indicator")
FEATURES: dict[str, Feature] = {
    "plan": PLAN,
    "city": CITY,
    "size": NumberFeature(type="number", min=0, max=10, outside="clip", missing="impute"),
    "since": DateFeature(type="date", min=date(2020, 1, 1), max=date(2025, 1, 1), outside="clip"),
}
TABLE: dict[str, list[Any]] = {
    "plan": ["basic", "7", "true", "gold", None, "7"],
    "city": ["a", "b", "z", None, "a", "a"],
    "size": [-5.0, 3.0, 1e9, None, 10.0, 0.0],
    "since": ["1900-01-01", "2024-01-01", "9999-12-31", "2020-01-01", "2022-02-02", "2023-03-03"],
}
ENCODING = fit_encoding(FEATURES, TABLE)


def test_training_and_serving_agree_on_other_values() -> None:
    rows = [
        ("basic", "a", 0, "2020-01-01"),
        (7, "b", 3, "2024-01-01"),
        (True, "z", 10, "2025-01-01"),
        ("gold", None, None, "2020-01-01"),
        (None, "a", 10, "2022-02-02"),
        (7, "a", 0, "2023-03-03"),
    ]
    encoder = RowEncoder(ENCODING)
    table = encode_table(ENCODING, TABLE)
    np.testing.assert_allclose(encoder.encode(rows), table, rtol=1e-6)
    np.testing.assert_allclose(encoder.encode(rows * 4), np.tile(table, (4, 1)), rtol=1e-6)


def test_a_gap_that_is_imputed_has_no_mark_and_the_usual_value() -> None:
    assert ENCODING.columns == (
        *("plan=basic", "plan=7", "plan=true", "plan is another"),
        *("city=a", "city=b", "city is another", "city is missing", "size", "since"),
    )
    assert RowEncoder(ENCODING).encode([(None, None, None, "2020-01-01")])[0][:8].tolist() == [0, 1, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("value", ["atlantis", 8, False])
def test_every_part_that_looks_at_a_value_takes_another(value: Any) -> None:
    assert abs(point_of(PLAN)(value)) == pytest.approx(1)
    assert abs(point_of(CITY)(value)) == pytest.approx(1)
    assert CategoryBins(kind="category", values=("a",), missing=False).finder(0, CITY.values)(value) == -1
    target = Target(name="t", positive="1", negative="0")
    slices = Slices(Contract(name="s", features=FEATURES, encoding=ENCODING, target=target), ("plan", "city"))
    labels = [slices.labels[place] for place in slices.of((value, value, 1, "2020-01-01"))]
    assert labels == [("plan", ANOTHER), ("city", ANOTHER)]


def test_a_closed_category_refuses_another() -> None:
    closed = {"city": CategoryFeature(type="category", values=("a", "b"))}
    with pytest.raises(KeyError):
        RowEncoder(fit_encoding(closed, {"city": ["a"]})).encode([("z",)])
