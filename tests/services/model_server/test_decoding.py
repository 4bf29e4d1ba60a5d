from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.features.encoding import fit_encoding
from components.package.answers import Target
from components.package.model_package import Contract
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature
from services.model_server.decoding import RowDecoder
from services.model_server.errors import Refused
from services.model_server.problems import MAX_GUESSES, Examiner
from tests.small_package import FEATURES, GOOD, small_contract

DECODER = RowDecoder(small_contract())
ROW = tuple(GOOD.values())


def refusal(body: bytes | Any, decoder: RowDecoder = DECODER) -> Refused:
    with pytest.raises(Refused) as caught:
        decoder.decode(body if isinstance(body, bytes) else json.dumps(body).encode())
    json.dumps(caught.value.document())
    return caught.value


def problems(document: Any) -> list[tuple[Any, ...]]:
    refused = refusal(document)
    assert (refused.status, refused.reason) == (422, "wrong_values")
    return [tuple(problem.values()) for problem in refused.details["problems"]]


def test_an_object_and_a_list_are_rows() -> None:
    assert DECODER.decode(json.dumps(GOOD).encode()) == ([ROW], True)
    assert DECODER.decode(json.dumps([GOOD, GOOD]).encode()) == ([ROW, ROW], False)


def test_the_order_of_fields_does_not_matter() -> None:
    assert DECODER.decode(json.dumps(dict(reversed(GOOD.items()))).encode()) == ([ROW], True)


def test_what_may_be_missing_may_be_null_or_left_out() -> None:
    without = {name: value for name, value in GOOD.items() if name not in ("gehälter", "class", "since")}
    with_nulls = {**without, "gehälter": None, "class": None, "since": None}
    assert DECODER.decode(json.dumps(without).encode()) == DECODER.decode(json.dumps(with_nulls).encode())


MONTHS = "a number from 0 to 120 (months)"
KINDS = 'one of "Month-to-month", "One year", "Two year"'


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tenure": -1}, ("tenure", -1, "is below 0", MONTHS)),
        ({"tenure": 120.5}, ("tenure", 120.5, "is above 120", MONTHS)),
        ({"tenure": "12"}, ("tenure", "12", "is text, not a number", MONTHS)),
        ({"tenure": True}, ("tenure", True, "is a boolean, not a number", MONTHS)),
        ({"tenure": None}, ("tenure", None, "is null", MONTHS)),
        ({"tenure": [1, 2]}, ("tenure", "a list of 2", "is a list, not a number", MONTHS)),
        ({"tenure": {}}, ("tenure", "an object of 0", "is an object, not a number", MONTHS)),
        ({"tenure": float("nan")}, ("tenure", "NaN", "is not a number", MONTHS)),
        ({"tenure": float("inf")}, ("tenure", "Infinity", "is above 120", MONTHS)),
        ({"tenure": -(10**400)}, ("tenure", "-1" + "0" * 78 + "…", "is below 0", MONTHS)),
        ({"contract": "Three year"}, ("contract", "Three year", "is text that is no category", KINDS)),
        ({"contract": 1}, ("contract", 1, "is a whole number that is no category", KINDS)),
        ({"contract": "x" * 90}, ("contract", "x" * 80 + "…", "is text that is no category", KINDS)),
        ({"senior": True}, ("senior", True, "is a boolean that is no category", "one of 0, 1")),
        ({"senior": 1.5}, ("senior", 1.5, "is a number, not a category", "one of 0, 1")),
        ({"senior": 2.0}, ("senior", 2.0, "is a number, not a category", "one of 0, 1")),
        ({"senior": "2"}, ("senior", "2", "is text that is no category", "one of 0, 1")),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert problems({**GOOD, **change}) == [(0, *expected)]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("2009-12-31", "is before 2010-01-01"),
        ("2031-01-01T00:00:01", "is after 2030-12-31"),
        ("2020-02-30", "is not an ISO 8601 date"),
        ("yesterday", "is not an ISO 8601 date"),
        ("0001-01-01T00:00:00+23:00", "is before 2010-01-01"),
        (20200101, "is a whole number, not a date"),
    ],
)
def test_a_wrong_date_is_named(value: Any, problem: str) -> None:
    allowed = "an ISO 8601 date from 2010-01-01 to 2030-12-31; null or left out if it is not known"
    assert problems({**GOOD, "since": value}) == [(0, "since", value, problem, allowed)]


def test_a_boolean_category_takes_no_number() -> None:
    allowed = "one of true, false; null or left out if it is not known"
    assert problems({**GOOD, "class": 1}) == [(0, "class", 1, "is a whole number that is no category", allowed)]


def test_a_missing_and_an_unknown_field_are_named() -> None:
    row = {("tenur" if name == "tenure" else name): value for name, value in GOOD.items()}
    fields = "the fields tenure, fee in cents, gehälter, contract, senior, class, since"
    assert problems(row) == [
        (0, "tenure", None, "is missing", MONTHS),
        (0, "tenur", 12, "is no field; did you mean 'tenure'?", fields),
    ]


def test_every_wrong_row_is_named_and_no_good_one() -> None:
    found = problems([GOOD, {**GOOD, "tenure": -1, "senior": 2}, GOOD, 7, {**GOOD, "contract": ""}])
    assert [(row, field) for row, field, *_ in found] == [(1, "tenure"), (1, "senior"), (3, None), (4, "contract")]
    assert str(refusal([GOOD, {}])) == "1 of 2 rows are wrong"


def test_a_batch_full_of_errors_names_every_row_but_stays_short() -> None:
    found = problems([{"nothing": 1}] * 100)
    assert {row for row, *_ in found} == set(range(100))
    assert len(found) < 220


def test_only_a_few_unknown_fields_get_a_guess() -> None:
    """Only a few unknown fields get a guess, because a guess is expensive when there are many fields."""
    found = problems({**GOOD, **{f"tenure{place}": 1 for place in range(300)}})
    assert [said for *_, said, _ in found].count("is no field; did you mean 'tenure'?") == MAX_GUESSES


def test_a_wide_contract_is_not_repeated_with_every_problem() -> None:
    """A contract of many fields is not repeated whole with every problem."""
    features: dict[str, Feature] = {f"f{n}": NumberFeature(type="number", min=0, max=1) for n in range(500)}
    contract = Contract(
        name="wide",
        features=features,
        encoding=fit_encoding(features, {name: [0.0, 1.0] for name in features}),
        target=Target(name="y", positive="1", negative="0"),
    )
    row = dict.fromkeys(features, 1) | {"g": 1}
    (problem,) = refusal(row, RowDecoder(contract)).details["problems"]
    assert problem["allowed"].startswith("the fields f0, f1, ")
    assert problem["allowed"].endswith("f19 and 480 more, see /schema")


def test_a_row_of_very_many_unknown_fields_stays_short() -> None:
    assert len(problems({**GOOD, **{f"x{place}": 1 for place in range(3000)}})) == 100


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON: Expecting value at line 1, column 1"),
        (b"{", "the body is not JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"tenure": 1,}', "the body is not JSON: "),
        (b"{} {}", "the body is not JSON: Extra data at line 1, column 4"),
        (b"\xff\xfe{", "the body is not UTF-8: byte 0 cannot be read"),
        ("{}".encode("utf-16"), "the body is not UTF-8: byte 0"),
        (b"\xef\xbb\xbf{}", "the body is not JSON: Unexpected UTF-8 BOM"),
        (b"[" * 60000, "the body is nested too deeply"),
        (b'{"a":' * 10000, "the body is nested too deeply"),
        (b"1" * 5000, "the body holds a number with too many digits"),
    ],
)
def test_a_body_that_is_not_json_says_where(body: bytes, message: str) -> None:
    refused = refusal(body)
    assert (refused.status, refused.reason) == (400, "bad_json")
    assert str(refused).startswith(message)


@pytest.mark.parametrize("document", [None, 1, "text", True, [[]], [None]])
def test_what_is_no_row_is_refused(document: Any) -> None:
    assert problems(document)[0][3] == "is not an object"


def test_an_empty_and_a_long_batch_are_refused() -> None:
    assert (refusal([]).status, refusal([]).reason) == (422, "empty_batch")
    long = refusal([GOOD] * 101)
    assert (long.status, long.reason) == (422, "batch_too_long")
    assert str(long) == "101 rows are too many; send 1 to 100 rows"
    assert len(DECODER.decode(json.dumps([GOOD] * 100).encode())[0]) == 100


def test_half_a_surrogate_pair_is_no_accident() -> None:
    body = json.dumps({**GOOD, "contract": "SURROGATE"}).replace("SURROGATE", "\\ud800").encode()
    assert refusal(body).details["problems"][0]["value"] == "\ud800"


@pytest.mark.parametrize(
    "features",
    [
        {'a "quoted"\\ name\n': NumberFeature(type="number", min=0, max=1)},
        {"huge": CategoryFeature(type="category", values=(2**70, 1, True))},
        {"one": CategoryFeature(type="category", values=(True,))},
        {"mixed": CategoryFeature(type="category", values=(True, 1, "1 "))},
    ],
)
def test_odd_contracts_are_decoded_the_slow_way(features: dict[str, Feature]) -> None:
    encoding = fit_encoding(features, {name: [0.5] for name in features})
    target = Target(name="t", positive="1", negative="0")
    decoder = RowDecoder(Contract(name="odd", features=features, encoding=encoding, target=target))
    (name, feature), *_ = features.items()
    good = 0.5 if isinstance(feature, NumberFeature) else getattr(feature, "values")[0]  # noqa: B009 -- not the dict's
    assert decoder.decode(json.dumps({name: good}).encode()) == ([(good,)], True)
    assert refusal({name: "no such value"}, decoder).status == 422


values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 130),
    st.integers(),
    st.floats(),
    st.sampled_from(["One year", "0", "1", "true", "2020-01-01", "2020-01-01T10:00:00Z", "2040-01-01", "20200101"]),
    st.text(max_size=5),
    st.just([]),
)
changed_rows = st.dictionaries(st.sampled_from([*FEATURES, "unknown"]), values, max_size=3).map(
    lambda some: GOOD | some
)


@given(changed_rows)
def test_the_fast_and_the_slow_way_agree(row: dict[str, Any]) -> None:
    body = json.dumps(row).encode()
    try:
        slow: Any = Examiner(small_contract(), lambda _place, _rows: None).rows([json.loads(body)])
    except Refused as refused:
        slow = refused.details["problems"]
    try:
        fast: Any = DECODER.decode(body)[0]
    except Refused as refused:
        fast = refused.details["problems"]
    # NaN differs from itself, so texts are compared.
    assert repr(fast).replace(".0,", ",") == repr(slow).replace(".0,", ",")


def contract_of(features: dict[str, Feature]) -> Contract:
    """A contract of these features, fitted on a gap or an unlisted value."""
    encoding = fit_encoding(features, {name: [None] for name in features})
    return Contract(name="s", features=features, encoding=encoding, target=Target(name="t", positive="1", negative="0"))


@pytest.mark.parametrize("value", [1.0, "1.0", "1", "+1", "1."])
def test_a_whole_number_category_has_many_spellings(value: Any) -> None:
    """Clients whose column has gaps send 1 as 1.0."""
    rows, _ = DECODER.decode(json.dumps({**GOOD, "senior": value}).encode())
    assert rows == [tuple({**GOOD, "senior": 1}.values())]
    assert [type(cell) for cell in rows[0]] == [type(cell) for cell in {**GOOD, "senior": 1}.values()]


def test_a_text_that_is_listed_is_not_read_as_a_number() -> None:
    decoder = RowDecoder(contract_of({"kind": CategoryFeature(type="category", values=(1, "1.0", "2"))}))
    assert decoder.decode(b'{"kind": "1.0"}')[0] == [("1.0",)]
    assert decoder.decode(b'{"kind": 1.0}')[0] == [(1,)]
    assert decoder.decode(b'{"kind": "2"}')[0] == [("2",)]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [GOOD]},
        {"inputs": [{"name": "x", "data": [1]}]},
        {"dataframe_split": {"columns": [], "data": []}},
        {"dataframe_records": [GOOD]},
        {"columns": ["tenure"], "index": [0], "data": [[1]]},
    ],
)
def test_a_body_for_another_server_gets_one_sentence(body: Any) -> None:
    refused = refusal(body)
    assert (refused.status, refused.reason, refused.details) == (422, "wrong_values", {})
    assert "send a row as one object with the fields " in str(refused)


OPEN: dict[str, Feature] = {
    "plan": CategoryFeature(type="category", values=("basic", 7), unknown="other"),
    "size": NumberFeature(type="number", min=0, max=10, outside="clip"),
    "since": DateFeature(type="date", min=date(2020, 1, 1), max=date(2025, 1, 1), outside="clip", missing="impute"),
}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"plan": "basic", "size": 3, "since": "2024-01-31"}, ("basic", 3, "2024-01-31")),
        ({"plan": "gold", "size": -1e9, "since": "1900-01-01"}, ("gold", 0, "2020-01-01")),
        ({"plan": True, "size": 11, "since": "9999-12-31"}, (True, 10, "2025-01-01")),
        ({"plan": 7.0, "size": 10, "since": None}, (7, 10, None)),
    ],
)
def test_an_open_contract_takes_other_values(sent: dict[str, Any], read: tuple[Any, ...]) -> None:
    decoder = RowDecoder(contract_of(OPEN))
    assert decoder.decode(json.dumps(sent).encode()) == ([read], True)
    assert decoder.decode(json.dumps([sent] * 3).encode()) == ([read] * 3, False)


@pytest.mark.parametrize(
    "sent",
    [
        {"plan": [1], "size": 1, "since": None},
        {"plan": 1.5, "size": 1, "since": None},
        {"plan": None, "size": 1, "since": None},
        {"plan": "a", "size": "1", "since": None},
        {"plan": "a", "size": float("inf"), "since": None},
        {"plan": "a", "size": 1, "since": "never"},
    ],
)
def test_an_open_contract_refuses_what_is_no_value(sent: dict[str, Any]) -> None:
    assert len(refusal(sent, RowDecoder(contract_of(OPEN))).details["problems"]) == 1


def test_rows_that_a_rule_was_needed_for_are_counted() -> None:
    """By feature; a listed value in another spelling, a value within the bounds and a gap need none."""
    counted: dict[int, int] = {}

    def by_rule(place: int, rows: int) -> None:
        counted[place] = counted.get(place, 0) + rows

    decoder = RowDecoder(contract_of(OPEN), by_rule)
    plain = {"plan": 7.0, "size": 10, "since": None}
    decoder.decode(json.dumps([plain, {**plain, "plan": "gold"}, {**plain, "plan": True, "size": 10.5}]).encode())
    assert [(tuple(OPEN)[place], rows) for place, rows in counted.items()] == [("plan", 2), ("size", 1)]
    decoder.decode(json.dumps({**plain, "since": "1900-01-01"}).encode())
    assert counted == {0: 2, 1: 1, 2: 1}
