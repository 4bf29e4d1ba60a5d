from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.spec.reading.strict_yaml import load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: true", {"a": True}),
        ("a: 'Yes'", {"a": "Yes"}),
        ("a: [0, -1, +2, 12]", {"a": [0, -1, 2, 12]}),
        ("a: ['010', \"12:30\"]", {"a": ["010", "12:30"]}),
        ("a: 2024-02-29", {"a": date(2024, 2, 29)}),
        ("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}", {"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}}),
        ("a: {b: 1}\nc: {b: 2}", {"a": {"b": 1}, "c": {"b": 2}}),
    ],
)
def test_what_means_what_it_looks_like_is_read(text: str, value: object) -> None:
    assert load_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice"),
        ("a:\n  b: 1\n  b: 1", "line 3: the key 'b' stands twice"),
        ("a: [{b: 1, 'b': 2}]", "line 1: the key 'b' stands twice"),
        ("a: Yes", 'line 1: Yes without quotes means true; write "Yes" for the word, or true'),
        ("a: [x,\n off]", 'line 2: off without quotes means false; write "off" for the word, or false'),
        ("on: 1", "line 1: on without quotes means true"),
        ("zip: 01067", 'line 1: 01067 without quotes is read as another number; write "01067" for text'),
        ("at: 12:30", 'line 1: 12:30 without quotes is read as another number; write "12:30" for text'),
        ("a: 0x1F", "line 1: 0x1F without quotes is read as another number"),
        ("a: 1_000", "line 1: 1_000 without quotes is read as another number"),
        ("a: 2024-02-30", "line 1: 2024-02-30 is no day or time"),
        (f"a: {'9' * 5000}", "line 1: a whole number of 5000 digits is too long"),
        ("? [a]\n: 1", "line 1: a key is one word or a text in quotes"),
        ("a: [", "line 1: not YAML: while parsing a flow node"),
        ("a: \x00", "not YAML: unacceptable character"),
        ("[" * 5000, "nested too deeply"),
        ("a: !!python/name:os.system x", "could not determine a constructor"),
    ],
)
def test_what_would_be_misread_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        load_yaml(text)


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(_PLAIN)
def test_what_yaml_writes_is_read_the_same(tree: Any) -> None:
    assert load_yaml(yaml.safe_dump(tree)) == tree
