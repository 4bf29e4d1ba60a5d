"""A spec goes through a parameter's text unchanged, however large it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.errors import SpecError, StoreError
from components.spec.reading.loading import load_spec
from components.store.content import Store
from components.store.packed import LARGEST_TEXT, pack_spec, portable, unpack_spec
from components.store.reading import keep_spec
from tests.components.small_table import small_spec
from tests.components.spec.large_specs import long_spec, wide_spec
from tests.repo.tree import ROOT


@pytest.mark.parametrize("path", sorted((ROOT / "services").glob("*/service.yaml")), ids=lambda path: path.parent.name)
def test_the_specs_of_services_survive_and_are_short(path: Path) -> None:
    spec = portable(load_spec(path))
    text = pack_spec(spec)
    assert re.fullmatch(r"zlib:[A-Za-z0-9+/=]+", text)
    assert len(text) < 3000
    assert unpack_spec(text, "nowhere") == spec


def test_the_same_spec_gives_the_same_text_on_every_machine() -> None:
    here, there = (small_spec(data={**small_spec().data.model_dump(), "uri": f"{p}/t.csv"}) for p in ("/a", "/b/c"))
    assert pack_spec(portable(here)) == pack_spec(portable(there))
    assert pack_spec(portable(small_spec(resources={"train": {}}))) == pack_spec(portable(small_spec()))


def test_hundreds_of_features_fit() -> None:
    spec = wide_spec(200)
    assert pack_spec(spec).startswith("zlib:")
    assert unpack_spec(pack_spec(spec), "nowhere") == spec


def test_a_larger_spec_is_named_by_its_address(tmp_path: Path) -> None:
    spec = long_spec()
    text = pack_spec(spec)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", text)
    with pytest.raises(StoreError, match="is not in the store"):
        unpack_spec(text, str(tmp_path))
    assert keep_spec(Store(str(tmp_path)), spec) == text
    assert unpack_spec(text, str(tmp_path)) == spec


def test_a_spec_as_json_is_taken() -> None:
    assert unpack_spec(small_spec().model_dump_json(), "nowhere") == small_spec()


@pytest.mark.parametrize("text", ["", "zlib:", "zlib:????", "{}", pack_spec(small_spec())[:-9], "sha1:0"])
def test_a_text_that_is_no_spec_gets_a_sentence(text: str) -> None:
    with pytest.raises(SpecError, match="the spec that the pipeline got is"):
        unpack_spec(text, "nowhere")


def test_no_text_is_longer_than_the_largest() -> None:
    texts = [pack_spec(small_spec(purpose=long_spec().purpose[:length])) for length in range(1000, 40_000, 3000)]
    assert all(len(text) <= LARGEST_TEXT for text in texts)
    assert max(len(text) for text in texts) > LARGEST_TEXT // 2
    assert {text[:5] for text in texts} == {"zlib:", "sha25"}
