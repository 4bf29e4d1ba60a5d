from __future__ import annotations

import gzip
import io
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.errors import DataError
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature
from components.spec.values import category_text, days_since_epoch
from components.table.cells import (
    category_column,
    date_column,
    feature_columns,
    name_rows,
    number_column,
    parse_table,
    read_table,
    table_bytes,
)
from components.table.wording import MISSING_MARKERS

LARGEST = float(np.finfo(np.float64).max)


def frame_of(text: str) -> pd.DataFrame:
    return parse_table(text.encode(), "t.csv").frame


def parquet_of(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def kinds(frame: pd.DataFrame) -> list[str]:
    return [str(kind) for kind in frame.dtypes]


# --- what a file may look like --------------------------------------------------


def test_csv_columns_are_numbers_booleans_or_text() -> None:
    frame = frame_of("a,b,c\n1,True,x\n2.5,false,\n")
    assert kinds(frame) == ["float64", "boolean", "str"]
    assert frame["a"].tolist() == [1.0, 2.5]
    assert frame["b"].tolist() == [True, False]
    assert frame["c"].isna().tolist() == [False, True]


def test_parquet_reads_as_the_same_csv_does() -> None:
    columns = {"n": [1, None, 3], "b": [True, None, False], "t": ["x", " y ", "NA"], "d": [date(2024, 1, 2)] * 3}
    from_parquet = parse_table(parquet_of(**columns), "t.parquet").frame
    from_csv = frame_of("n,b,t,d\n1,true,x,2024-01-02\n,,y,2024-01-02\n3,false,,2024-01-02\n")
    pd.testing.assert_frame_equal(from_parquet, from_csv)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found_in_the_header(delimiter: str) -> None:
    frame = frame_of(f'a{delimiter}"b, c"\n1{delimiter}2\n')
    assert list(frame.columns) == ["a", "b, c"]


def test_byte_order_mark_blank_lines_and_crlf_do_no_harm() -> None:
    frame = parse_table(b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4", "t.csv").frame
    assert frame.to_dict("list") == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert frame_of("\n\na,b\n1,2\n").to_dict("list") == {"a": [1.0], "b": [2.0]}


def test_odd_column_names_are_kept() -> None:
    frame = frame_of('"two\nlines","a ""quote""",größe, 顧客 ,\n1,2,3,4,5\n')
    assert list(frame.columns) == ["two\nlines", 'a "quote"', "größe", "顧客", "unnamed_5"]
    assert len(frame) == 1


def test_newlines_in_cells_are_kept() -> None:
    assert frame_of('a,b\n"x\ny",2\nz,3\n')["a"].tolist() == ["x\ny", "z"]


def test_header_without_rows_is_an_empty_table() -> None:
    assert frame_of("a,b\n").shape == (0, 2)


def test_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read_table(str(path)).to_dict("list") == {"a": [1.0], "b": [2.0]}
    assert read_table(path.as_uri()).to_dict("list") == {"a": [1.0], "b": [2.0]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"a,b,a,b\n1,2,3,4\n", r"columns \['a', 'b'\] stand twice"),
        (b"a, a\n1,2\n", r"columns \['a'\] stand twice"),
        (b"a,b\n1,2,3\n", r"the header has 2 cells, and row 1 has 3 \('1,2,3'\)"),
        (b"a,b\n\xff,1\n", r"UTF-8"),
        (b"a,b\n" + b"x,1\n" * 200 + b"\xff,1\n", r"UTF-8"),
        (b"PK\x03\x04\x00\x00", "not a CSV"),
        (b"PAR1 but no more", "not a CSV"),
    ],
)
def test_unusable_file_is_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        parse_table(content, "t.csv")
    assert str(caught.value).startswith("t.csv: ")


@pytest.mark.parametrize("uri", ["/no/such/table.csv", "nosuchscheme://table.csv"])
def test_file_that_cannot_be_opened_is_one_sentence(uri: str) -> None:
    with pytest.raises(DataError, match=f"{uri}: cannot be read: .* Name a CSV or Parquet file"):
        read_table(uri)


def test_errors_of_a_store_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"s3://bucket/t.csv: cannot be read: Unable to locate credentials"):
        read_table("s3://bucket/t.csv")


def test_no_name_is_one_sentence() -> None:
    with pytest.raises(DataError, match="no table is named"):
        read_table("")


# --- what a cell means ------------------------------------------------------------


@pytest.mark.parametrize("marker", MISSING_MARKERS)
def test_missing_markers_leave_a_column_numeric(marker: str) -> None:
    frame = frame_of(f"a,b\n1,x\n {marker} ,y\n")
    assert kinds(frame) == ["float64", "str"]
    assert frame["a"].isna().tolist() == [False, True]


def test_infinity_is_missing_in_a_csv_as_in_parquet() -> None:
    values = [1.5, np.inf, -np.inf, 2.0]
    written = pd.DataFrame({"a": values, "b": ["x"] * 4}).to_csv(index=False)
    in_parquet = parse_table(parquet_of(a=values, b=["x"] * 4), "t").frame
    pd.testing.assert_frame_equal(frame_of(written), in_parquet)
    assert in_parquet["a"].isna().tolist() == [False, True, True, False]


def test_notes_tell_what_was_read() -> None:
    table = parse_table(b'a,b,c,d\n?,"1,234",1e999,x\nNA,"5",2,\n', "t.csv")
    assert table.notes == (
        "a: ?, NA read as missing",
        "b: commas are read as thousands separators",
        "c: infinite cells read as missing: 1",
    )


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1", "-2", "+3", ".5", "1e3", "0", "0.25", "4."], [1, -2, 3, 0.5, 1000, 0, 0.25, 4]),
        (["1,234", "12", "1,234,567.5"], [1234, 12, 1234567.5]),
        (["1,5", "0,123", "7"], [1.5, 0.123, 7]),
    ],
)
def test_numbers(cells: list[str], numbers: list[float]) -> None:
    frame = frame_of("a|b\n" + "".join(f"{cell}|x\n" for cell in cells))
    assert frame["a"].tolist() == numbers


@pytest.mark.parametrize("cells", [["01067", "1"], ["1", "x"], ["1,23,4", "1"], ["12345678901234567890"], ["0x10"]])
def test_what_would_lose_something_as_a_number_stays_text(cells: list[str]) -> None:
    frame = frame_of("a|b\n" + "".join(f"{cell}|x\n" for cell in cells))
    assert frame["a"].tolist() == cells


def test_whole_column_missing_is_missing_of_every_type() -> None:
    empty = frame_of("a,b\n,1\n,2\n")["a"]
    assert category_column(empty).tolist() == [None, None]
    assert np.isnan(number_column(empty)).all()
    assert np.isnan(date_column(empty)).all()


def test_whole_floats_beside_missing_values_are_whole_categories() -> None:
    """Whole numbers that missing values turned into floats become whole categories again."""
    assert category_column(frame_of("a,b\n1,x\n,x\n")["a"]).tolist() == ["1", None]
    assert category_column(frame_of("a,b\n1.0,x\nunknown,x\n")["a"]).tolist() == ["1", "unknown"]


@given(st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.from_regex(r"\A[a-zA-ZäöüÄÖÜ_][a-z é]*[a-z]\Z")))
def test_a_category_cell_has_the_text_that_a_caller_sends(value: bool | int | str) -> None:
    """A category's cell has the same text as a caller's value, in CSV and in Parquet."""
    assume(str(value) not in MISSING_MARKERS and value not in {"true", "false"})
    in_csv = category_column(frame_of(f"a|b\n{value}|x\n")["a"])
    in_parquet = category_column(parse_table(parquet_of(a=[value, None]), "t").frame["a"])
    assert in_csv.tolist() == [category_text(value)]
    assert in_parquet.tolist() == [category_text(value), None]


_CELLS = st.sampled_from([*MISSING_MARKERS, "x", "True", "FALSE", "1", "1.0", "007", "+2", "1e3", ".5", "9" * 17, "-0"])


@given(st.lists(_CELLS, min_size=1), st.data())
def test_a_category_cell_has_one_text_in_every_part_of_a_table(cells: list[str], data: st.DataObject) -> None:
    part = data.draw(st.lists(st.sampled_from(range(len(cells))), min_size=1))
    whole = category_column(frame_of("a|b\n" + "".join(f"{cell}|x\n" for cell in cells))["a"])
    some = category_column(frame_of("a|b\n" + "".join(f"{cells[place]}|x\n" for place in part))["a"])
    assert some.tolist() == whole[part].tolist()


@given(st.lists(_CELLS, min_size=1), st.data())
def test_a_part_of_a_table_reads_back_as_itself(cells: list[str], data: st.DataObject) -> None:
    frame = frame_of("a|b\n" + "".join(f"{cell}|x\n" for cell in cells))
    part = frame.iloc[data.draw(st.lists(st.sampled_from(range(len(cells)))))].reset_index(drop=True)
    content = table_bytes(part)
    pd.testing.assert_frame_equal(parse_table(content, "t").frame, part)
    assert content == table_bytes(part.copy())


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < LARGEST), min_size=1))
def test_numbers_are_read_to_the_last_bit(numbers: list[float]) -> None:
    frame = frame_of("a,b\n" + "".join(f"{number!r},x\n" for number in numbers))
    assert number_column(frame["a"]).tolist() == numbers


@given(
    st.datetimes(
        datetime(1900, 1, 1),  # noqa: DTZ001 -- zones are drawn
        datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))]),
    )
)
def test_a_date_cell_is_the_days_that_a_caller_means(moment: datetime) -> None:
    cell = moment.isoformat()
    assert date_column(frame_of(f"a,b\n{cell},x\n")["a"]).tolist() == [days_since_epoch(moment)]


def test_dates_and_times_of_parquet() -> None:
    moment = datetime(2024, 1, 2, 6, tzinfo=UTC)
    frame = parse_table(parquet_of(day=[date(1970, 1, 3), None], at=[moment, None]), "t").frame
    assert date_column(frame["day"])[0] == 2
    assert date_column(frame["at"])[0] == days_since_epoch(moment)
    assert np.isnan(date_column(frame["day"])[1])


@pytest.mark.parametrize("cell", ["31/12/2024", "2024-13-01", "2024-02-30", "yesterday", "2024", "20240101", "5.0"])
def test_what_is_no_iso_date_is_refused_with_its_row(cell: str) -> None:
    cells = frame_of(f"when,b\n2024-01-01,x\n{cell},x\n")["when"]
    with pytest.raises(DataError, match=rf"when: '{cell}' is not an ISO 8601 day or time .*\(row 2\)"):
        date_column(cells)


def test_text_in_a_number_feature_is_refused_with_its_rows() -> None:
    cells = frame_of("a,b\n1,x\ntwo,x\n3,x\nfour,x\n")["a"]
    with pytest.raises(DataError, match=r"a: 'two' is not a number \(rows 2, 4\)"):
        number_column(cells)


def test_feature_columns_follow_the_spec_and_name_what_is_absent() -> None:
    frame = frame_of("n,c,d,other\n1,0,2024-01-01,x\n,1,,x\n")
    features: dict[str, Feature] = {
        "d": DateFeature(type="date", min=date(2020, 1, 1), max=date(2025, 1, 1)),
        "c": CategoryFeature(type="category", values=(0, 1)),
        "n": NumberFeature(type="number", min=0, max=1),
    }
    columns = feature_columns(frame, features)
    assert list(columns) == ["d", "c", "n"]
    assert columns["c"].tolist() == ["0", "1"]
    assert columns["d"][0] == (date(2024, 1, 1) - date(1970, 1, 1)).days
    assert math.isnan(columns["n"][1])
    with pytest.raises(DataError, match=r"columns \['n'\] are not in the table; it has \['c', 'd', 'other'\]"):
        feature_columns(frame.drop(columns="n"), features)


def test_unusual_parquet_columns_become_text() -> None:
    frame = parse_table(
        parquet_of(l=[[1], None], b=[b"\xff", None], t=[time(1, 2), None], i=[2**60, None], z=pa.nulls(2)), "t"
    ).frame
    assert kinds(frame) == ["str", "str", "str", "str", "float64"]
    assert frame["i"].tolist()[0] == "1152921504606846976"


def test_rows_are_named_from_one() -> None:
    assert name_rows([2]) == "row 3"
    assert name_rows(range(1000), most=2) == "rows 1, 2 and 998 more"
