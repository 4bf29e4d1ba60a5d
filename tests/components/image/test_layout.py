"""The reader shows the files that a container sees, and checks every byte against its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.errors import LayoutError
from components.image.layout import blob, read_layout
from tests.components.image.layouts import Entry, layer, write_layout


def seen(folder: Path, *layers: Sequence[tuple[str, Entry]]) -> dict[str, bytes]:
    layout = read_layout(write_layout(folder / "layout", [layer(entries) for entries in layers]))
    return layout.contents(lambda name: name.startswith("app/"))


BELOW: list[tuple[str, Entry]] = [("app", None), ("app/a", b"1"), ("app/b/c", b"2"), ("etc/x", b"3")]


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ([], {"app/a": b"1", "app/b/c": b"2"}),
        ([("app/a", b"4")], {"app/a": b"4", "app/b/c": b"2"}),
        ([("./app/d", b"4")], {"app/a": b"1", "app/b/c": b"2", "app/d": b"4"}),
        ([("app/.wh.a", b"")], {"app/b/c": b"2"}),
        ([("app/.wh.b", b"")], {"app/a": b"1"}),
        ([("app/b", b"5")], {"app/a": b"1", "app/b": b"5"}),
        ([("app/.wh..wh..opq", b""), ("app/e", b"6")], {"app/e": b"6"}),
        # A whiteout applies to the layers below, not to its own.
        ([("app/a", b"7"), ("app/.wh.a", b"")], {"app/a": b"7", "app/b/c": b"2"}),
        ([("app/e", b"6"), ("app/.wh..wh..opq", b"")], {"app/e": b"6"}),
    ],
)
def test_a_layer_lies_over_the_one_before(
    tmp_path: Path, above: list[tuple[str, Entry]], expected: dict[str, bytes]
) -> None:
    assert seen(tmp_path, BELOW, above) == expected


@pytest.mark.parametrize("name", ["app/a", "app/b"])
def test_what_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    """A file behind a link is refused: a container would follow the link and see another file."""
    with pytest.raises(LayoutError, match=f"{name}: is or lies behind the link {name}"):
        seen(tmp_path, BELOW, [(name, "../etc")])


def test_what_lies_behind_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="app/a: is or lies behind the link app,"):
        seen(tmp_path, [("app", "etc"), ("app/a", b"2")])


def test_a_link_in_place_of_a_folder_takes_what_was_in_it(tmp_path: Path) -> None:
    assert seen(tmp_path, BELOW, [("app", "etc")]) == {}


def test_a_link_that_became_a_folder_again_is_none(tmp_path: Path) -> None:
    assert seen(tmp_path, [("app/b", "../etc")], [("app/b", None), ("app/b/c", b"2")])["app/b/c"] == b"2"


def test_a_flipped_byte_of_any_blob_is_refused(tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "layout", [layer(BELOW), layer([("app/z", b"8")])])
    blobs = sorted((folder / "blobs" / "sha256").iterdir())
    assert len(blobs) == 4
    for path in blobs:
        good = path.read_bytes()
        path.write_bytes(good[:20] + bytes([good[20] ^ 1]) + good[21:])
        with pytest.raises(LayoutError, match=f"{path.name}: was changed"):
            read_layout(folder).contents(lambda _: True)
        path.write_bytes(good)
    assert read_layout(folder).contents(lambda name: name == "app/z") == {"app/z": b"8"}


def test_a_layer_that_is_not_the_configurations_is_refused(tmp_path: Path) -> None:
    one = write_layout(tmp_path / "one", [layer(BELOW)])
    two = write_layout(tmp_path / "two", [layer([("app/z", b"8")])])
    first, second = read_layout(one), read_layout(two)
    manifest = json.loads(blob(one, first.manifest).read_bytes())
    manifest["layers"] = second.layers
    other = write_layout(tmp_path / "three", [layer([("app/z", b"8")])])
    (other / "blobs" / "sha256" / first.config.removeprefix("sha256:")).write_bytes(
        blob(one, first.config).read_bytes()
    )
    content = json.dumps(manifest).encode()
    digest = hashlib.sha256(content).hexdigest()
    (other / "blobs" / "sha256" / digest).write_bytes(content)
    (other / "index.json").write_text(json.dumps({"manifests": [{"digest": f"sha256:{digest}"}]}))
    with pytest.raises(LayoutError, match="and the configuration names"):
        read_layout(other).contents(lambda _: True)


def test_a_missing_blob_and_no_layout_at_all_are_said(tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "layout", [layer(BELOW)])
    layout = read_layout(folder)
    blob(folder, layout.layers[0]["digest"]).unlink()
    with pytest.raises(LayoutError, match="cannot be read"):
        layout.contents(lambda _: True)
    with pytest.raises(LayoutError, match=r"index\.json: is no document of an image"):
        read_layout(tmp_path)


def test_two_images_are_one_too_many(tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "layout", [layer(BELOW)])
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({"manifests": index["manifests"] * 2}))
    with pytest.raises(LayoutError, match="holds 2 images; one is wanted"):
        read_layout(folder)
