"""Two moments of a registry are compared by everything that it says of its versions."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from components.registry.contents import UnreadableRegistryError, differences, read_contents, told
from components.registry.model_registry import connect
from tests.components.empty_store import empty_store


@pytest.fixture
def uri(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with two versions, of which one has an alias and a tag."""
    made = empty_store(tmp_path_factory, tmp_path / "m.db")
    client = connect(made)
    client.create_registered_model("small")
    for number in ("1", "2"):
        client.create_model_version("small", f"s3://bucket/{number}", tags={"canario.package": number})
    client.set_registered_model_alias("small", "champion", "1")
    return made


def test_the_contents_are_every_version_with_its_tags(uri: str) -> None:
    contents = read_contents(uri)
    assert told(contents) == "1 models with 2 versions"
    assert contents["small"]["aliases"] == {"champion": "1"}
    found = {number: (one["source"], one["tags"]) for number, one in contents["small"]["versions"].items()}
    assert found == {number: (f"s3://bucket/{number}", {"canario.package": number}) for number in ("1", "2")}
    assert differences(contents, read_contents(uri)) == []


def test_whatever_changes_is_told(uri: str) -> None:
    before, client = read_contents(uri), connect(uri)
    client.set_registered_model_alias("small", "champion", "2")
    client.set_model_version_tag("small", "2", "canario.package", "other")
    client.delete_model_version("small", "1")
    lines = differences(before, read_contents(uri))
    assert [line.partition(": {")[0].partition(": 1 became")[0] for line in lines] == [
        "small: aliases champion",
        "small: versions 1",
        "small: versions 2",
    ]
    assert differences(before, {}) != [], "an empty registry is no equal one"


def test_a_server_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(UnreadableRegistryError, match="refused"):
            read_contents(f"http://127.0.0.1:{nobody.getsockname()[1]}")
