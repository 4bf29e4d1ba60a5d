"""The record of a built image describes the image and reads back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ImageRecordError
from components.image.record import BuiltImage, read_record, write_record


def test_the_record_stands_under_the_last_part_of_the_name(tmp_path: Path) -> None:
    image = BuiltImage(
        name="registry.local/canario/churn",
        tag="0123",
        digest="sha256:1",
        id="sha256:3",
        package="sha256:2",
        size_bytes=5,
        base="python",
    )
    path = write_record(tmp_path / "images", image)
    assert path == tmp_path / "images" / "churn.json"
    assert json.loads(path.read_text()) == {
        "name": "registry.local/canario/churn",
        "tag": "0123",
        "digest": "sha256:1",
        "id": "sha256:3",
        "package": "sha256:2",
        "size_bytes": 5,
        "base": "python",
    }
    assert [file.name for file in path.parent.iterdir()] == ["churn.json"]
    assert read_record(path) == image


def test_a_published_image_has_its_digest_in_the_record(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    image = BuiltImage(name="host/churn", tag="1", package=None, published=digest)
    assert json.loads(write_record(tmp_path, image).read_text())["published"] == digest


@pytest.mark.parametrize(("text", "word"), [(None, "is not there"), ("{}", "is broken"), ("no", "is broken")])
def test_a_record_that_cannot_be_read_is_said(tmp_path: Path, text: str | None, word: str) -> None:
    path = tmp_path / "churn.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ImageRecordError, match=word):
        read_record(path)
