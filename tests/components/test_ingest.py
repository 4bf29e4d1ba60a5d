from __future__ import annotations

import hashlib
from pathlib import Path

import fsspec
import pytest

from components.errors import DataError
from components.ingest import take_snapshot
from components.table.cells import table_bytes
from tests.components.small_table import csv_of, read_back, small_frame, small_spec

SPEC = small_spec()


def test_a_snapshot_names_the_bytes_read_and_the_bytes_kept(tmp_path: Path) -> None:
    """A snapshot names the bytes that were read and the bytes that were kept."""
    source = tmp_path / "t.csv"
    source.write_bytes(csv_of(small_frame(60)))
    taken = take_snapshot(str(source), SPEC)
    assert taken.rows == 60
    assert taken.source_digest == "sha256:" + hashlib.sha256(source.read_bytes()).hexdigest()
    assert "sha256:" + hashlib.sha256(taken.content).hexdigest() == taken.digest


def test_every_place_and_format_of_one_table_gives_one_snapshot(tmp_path: Path) -> None:
    frame = small_frame(60)
    (tmp_path / "t.csv").write_bytes(csv_of(frame))
    (tmp_path / "t.parquet").write_bytes(table_bytes(read_back(frame)))
    with fsspec.open("memory://tables/t.csv", "wb") as file:
        file.write(csv_of(frame))
    uris = [
        str(tmp_path / "t.csv"),
        (tmp_path / "t.csv").as_uri(),
        str(tmp_path / "t.parquet"),
        "memory://tables/t.csv",
    ]
    assert len({take_snapshot(uri, SPEC).digest for uri in uris}) == 1


def test_one_changed_cell_is_another_snapshot(tmp_path: Path) -> None:
    frame = small_frame(60)
    digests = []
    for spend in (1.0, 1.01):
        frame.loc[7, "spend"] = spend
        (tmp_path / "t.csv").write_bytes(csv_of(frame))
        digests.append(take_snapshot(str(tmp_path / "t.csv"), SPEC).digest)
    assert digests[0] != digests[1]


@pytest.mark.parametrize(("uri", "protocol"), [("s3://bucket/t.csv", "s3"), ("gs://bucket/t.csv", "gs")])
def test_object_stores_have_a_driver(uri: str, protocol: str) -> None:
    assert protocol in fsspec.get_filesystem_class(protocol).protocol
    assert fsspec.utils.get_protocol(uri) == protocol


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"left,spend\n", "the table has no rows"),
        (b"spend\n1\n", "column 'left', the target, is not in the table"),
        (b"left,spend\nyes,1\nyes,2\n", "one class only"),
        (b"left,spend\nyes,1\nno,2\nmaybe,3\n", "3 classes"),
        (b"left,left\nyes,no\n", "stand twice"),
    ],
)
def test_a_table_that_teaches_nothing_is_refused_with_its_name(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        take_snapshot(str(path), SPEC)
    assert str(path) in str(caught.value)


def test_a_table_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"/nowhere/t\.csv: cannot be read"):
        take_snapshot("/nowhere/t.csv", SPEC)
