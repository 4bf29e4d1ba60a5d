from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import DataError
from components.features.encoding import Encoding, RequestValue, RowEncoder, encode_rows, encode_table, fit_encoding
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature
from components.spec.values import cell_text
from tests.small_package import FEATURES, TABLE


def number(**more: Any) -> NumberFeature:
    return NumberFeature.model_validate({"type": "number", "min": -1e6, "max": 1e6} | more)


def test_a_number_is_scaled_by_the_training_mean_and_deviation() -> None:
    encoding = fit_encoding({"x": number()}, {"x": [1.0, 3.0]})
    assert encode_table(encoding, {"x": [1.0, 2.0, 5.0]}).tolist() == [[-1.0], [0.0], [3.0]]


def test_a_missing_number_is_the_median_and_is_marked() -> None:
    encoding = fit_encoding({"x": number(missing="allowed")}, {"x": [0.0, 2.0, 7.0, None, 0.0]})
    # median 1.0; the filled column is 0 2 7 1 0: mean 2, variance 6.8
    encoded = encode_table(encoding, {"x": [None, float("nan"), 2.0]})
    np.testing.assert_allclose(encoded, [[-1 / 6.8**0.5, 1], [-1 / 6.8**0.5, 1], [0, 0]], rtol=1e-6)
    assert encoding.columns == ("x", "x is missing")


def test_the_factor_turns_only_what_callers_send() -> None:
    encoding = fit_encoding({"fee": number(factor=0.01)}, {"fee": [1.0, 3.0]})
    assert encode_table(encoding, {"fee": [5.0]}).tolist() == [[3.0]]
    assert encode_rows(encoding, [{"fee": 500}]).tolist() == [[3.0]]


def test_a_category_has_one_column_for_each_value() -> None:
    """A category has one column for each value, and a missing one sets none of them."""
    feature = CategoryFeature(type="category", values=("a", "b"), missing="allowed")
    encoding = fit_encoding({"c": feature}, {"c": ["a"]})
    assert encode_table(encoding, {"c": ["b", None, "a"]}).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert encoding.columns == ("c=a", "c=b", "c is missing")


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (np.array([1.0, 0.0, np.nan]), (0, 1)),
        (np.array([True, False, None], dtype=object), (False, True)),
        (["1", "0", None], ("0", "1")),
        ([1, 0, float("nan")], ("0", "1")),
    ],
)
def test_a_table_spells_categories_its_own_way(cells: Any, values: tuple[Any, ...]) -> None:
    feature = CategoryFeature(type="category", values=values, missing="allowed")
    encoding = fit_encoding({"c": feature}, {"c": cells})
    assert encode_table(encoding, {"c": cells}).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_true_and_1_may_be_two_values() -> None:
    feature = CategoryFeature(type="category", values=(1, True, "x"), missing="allowed")
    encoding = fit_encoding({"c": feature}, {"c": ["1"]})
    rows = encode_rows(encoding, [{"c": 1}, {"c": True}, {"c": "x"}, {"c": None}])
    assert rows.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_dates_are_days_however_the_table_holds_them() -> None:
    feature = DateFeature(type="date", min=date(1960, 1, 1), max=date(2030, 1, 1), missing="allowed")
    encoding = fit_encoding({"d": feature}, {"d": ["1970-01-01", "1970-01-03"]})
    same: list[Any] = [
        ["1970-01-02", None, "1970-01-02T12:00:00+00:00"],
        [date(1970, 1, 2), None, datetime(1970, 1, 2, 12)],  # noqa: DTZ001 -- a table's times often have no zone
        np.array(["1970-01-02", "NaT", "1970-01-02T12"], dtype="datetime64[h]"),
    ]
    for cells in same:
        assert encode_table(encoding, {"d": cells}).tolist() == [[0, 0], [0, 1], [0.5, 0]]
    rows: list[dict[str, RequestValue]] = [{"d": "1970-01-02"}, {}, {"d": "1970-01-02T13:00:00+01:00"}]
    assert encode_rows(encoding, rows).tolist() == [[0, 0], [0, 1], [0.5, 0]]


def test_a_constant_and_an_empty_column_do_no_harm() -> None:
    table: dict[str, Any] = {"same": [0.1] * 7, "none": [None] * 7}
    encoding = fit_encoding({"same": number(), "none": number(missing="allowed")}, table)
    np.testing.assert_allclose(encode_table(encoding, table), [[0, 0, 1]] * 7, atol=1e-12)


def test_a_number_beyond_float32_stays_finite() -> None:
    encoding = fit_encoding({"x": number(min=-1e300, max=1e300)}, {"x": [1.0, 3.0]})
    table = encode_table(encoding, {"x": [1e300, -1e300]})
    assert np.isfinite(table).all()
    for times in (1, 20):
        rows: list[dict[str, RequestValue]] = [{"x": 1e300}, {"x": -1e300}] * times
        assert np.array_equal(encode_rows(encoding, rows), np.tile(table, (times, 1)))


def test_the_encoding_survives_json() -> None:
    encoding = fit_encoding(FEATURES, TABLE)
    assert Encoding.model_validate_json(encoding.model_dump_json()) == encoding


@pytest.mark.parametrize(
    ("features", "table", "message"),
    [
        ({"x": number()}, {"y": [1]}, r"column 'x' is not in the table; it has y"),
        ({"x": number()}, {"x": [1, "many"]}, r"column 'x': a cell is not a number: .*many"),
        ({"x": number()}, {"x": [1, float("inf")]}, r"column 'x', row 1: inf is not finite"),
        ({"d": FEATURES["since"]}, {"d": ["soon"]}, r"column 'd': a cell is not an ISO 8601 date: .*soon"),
    ],
)
def test_a_wrong_cell_is_named(features: dict[str, Feature], table: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_encoding(features, table)


def test_an_unknown_category_is_named() -> None:
    encoding = fit_encoding({"contract": FEATURES["contract"]}, {"contract": []})
    with pytest.raises(DataError, match=r"column 'contract', row 1: 'Three year' is unknown; allowed: Month"):
        encode_table(encoding, {"contract": ["One year", "Three year"]})


@pytest.mark.parametrize(
    ("cell", "text"), [(1.0, "1"), (1.5, "1.5"), (np.True_, "true"), (np.int64(3), "3"), ("1.0", "1.0")]
)
def test_the_spelling_of_a_cell(cell: object, text: str) -> None:
    assert cell_text(cell) == text


rows = st.fixed_dictionaries(
    {
        "tenure": st.floats(0, 120),
        "fee in cents": st.integers(0, 15000),
        "gehälter": st.none() | st.floats(-10, 10),
        "contract": st.sampled_from(["Month-to-month", "One year", "Two year"]),
        "senior": st.sampled_from([0, 1]),
        "class": st.none() | st.booleans(),
        "since": st.none() | st.dates(date(2010, 1, 1), date(2030, 12, 31)).map(date.isoformat),
    }
)
ENCODING = fit_encoding(FEATURES, TABLE)


@given(st.lists(rows, min_size=1, max_size=40))
def test_a_batch_equals_a_loop(batch: list[dict[str, RequestValue]]) -> None:
    encoder = RowEncoder(ENCODING)
    tuples = [tuple(row[name] for name in encoder.names) for row in batch]
    assert np.array_equal(encoder.encode(tuples), np.concatenate([encoder.encode([row]) for row in tuples]))


@given(st.lists(rows, min_size=1, max_size=40))
def test_a_request_and_a_table_of_the_same_rows_agree(batch: list[dict[str, RequestValue]]) -> None:
    table: dict[str, Any] = {name: [row[name] for row in batch] for name in FEATURES}
    table["fee in cents"] = [cents * 0.01 for cents in table["fee in cents"]]
    assert np.array_equal(encode_rows(ENCODING, batch), encode_table(ENCODING, table))
