"""A table of this machine gets to the store once and whole, and who cannot write there is told so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import uploads
from pipelines.uploads import StoreFromHere, UploadError
from tests.pipelines.gcs_stand_in import gcs_server
from tests.pipelines.s3_stand_in import S3StandIn, s3_server

CONTENT = b"a,b\n1,2\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3StandIn]:
    with s3_server("me") as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        yield server


def test_a_table_is_written_once_under_its_digest(s3: S3StandIn, table: Path) -> None:
    said: list[str] = []
    store = StoreFromHere("s3://canario/store/", s3.url, said.append)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert store.keep_table(table) == store.keep_table(table) == f"s3://canario/store/tables/{digest}/t.csv"
    assert s3.objects == {f"canario/store/tables/{digest}/t.csv": CONTENT}
    assert len(s3.writes) == 1
    assert [line.partition(" s3://")[0] for line in said] == [
        f"t.csv: uploaded {len(CONTENT)} bytes to",
        "t.csv: is in the store already:",
    ]


def test_a_table_gets_to_googles_store(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gcs_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        uri = StoreFromHere("gs://canario/store", "", print).keep_table(table)
        assert server.objects == {uri.removeprefix("gs://"): CONTENT}
        assert StoreFromHere("gs://canario/store", "", print).size(uri) == len(CONTENT)


def test_the_servers_address_from_here_comes_first(s3: S3StandIn, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
    StoreFromHere("s3://canario", "http://only.in.the.cluster:9000", print).keep_table(table)
    assert len(s3.writes) == 1


def test_who_may_not_write_is_told(s3: S3StandIn, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "you")
    with pytest.raises(UploadError, match=r"s3://canario/other: cannot be written from this machine: .*DATA=s3://"):
        StoreFromHere("s3://canario/other", s3.url, print).keep_table(table)


def test_the_size_of_a_table_elsewhere_is_known(s3: S3StandIn) -> None:
    s3.objects["data/t.csv"] = CONTENT
    assert StoreFromHere("s3://canario", s3.url, print).size("s3://data/t.csv") == len(CONTENT)
    with pytest.raises(UploadError, match=r"s3://data/u\.csv: "):
        StoreFromHere("s3://canario", s3.url, print).size("s3://data/u.csv")


def test_a_folder_holds_whole_files_only(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StoreFromHere(f"file://{tmp_path}/store", "", print)

    def stop(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "replace", stop)
        with pytest.raises(UploadError, match="No space left on device"):
            store.keep_table(table)
    assert not any(path.is_file() for path in (tmp_path / "store").rglob("*"))
    assert Path(store.keep_table(table).removeprefix("file://")).read_bytes() == CONTENT


def test_progress_is_told_for_a_large_table(s3: S3StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_TOLD_BYTES", 1)
    path, said = tmp_path / "large.csv", list[str]()
    path.write_bytes(CONTENT * 1000)
    StoreFromHere("s3://canario", s3.url, said.append).keep_table(path)
    assert said[0] == f"large.csv: 100 % of {len(CONTENT) * 1000:,} bytes"
