from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.errors import SpecError
from components.spec.contract import CategoryFeature, Spec
from components.spec.reading.loading import json_schema, load_spec, parse_spec

ROOT = Path(__file__).parents[4]

SMALL = """\
name: loans
data: {uri: t.csv, target: late, positive: "Yes"}
features:
  amount: {type: number, min: 0, max: 10}
"""


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "s.yaml")
    return str(caught.value)


# --- files ------------------------------------------------------------------------------


def test_the_churn_spec_loads() -> None:
    spec = load_spec(ROOT / "services" / "churn" / "service.yaml")
    assert spec.name == "churn"
    assert spec.data.uri == str(ROOT / "services" / "churn" / "telco_churn.csv")
    assert len(spec.features) == 19


def test_a_path_is_taken_from_the_specs_folder_and_a_uri_is_kept(tmp_path: Path) -> None:
    """A path is made absolute from the folder of the spec, and a URI is kept as it is."""
    path = tmp_path / "service.yaml"
    path.write_text(SMALL)
    assert load_spec(path).data.uri == str(tmp_path / "t.csv")
    for uri in ("s3://bucket/t.parquet", "gs://bucket/t.csv", "file:///data/t.csv"):
        path.write_text(SMALL.replace("t.csv", uri))
        assert load_spec(path).data.uri == uri
    path.write_text(SMALL.replace("t.csv", "/data/t.csv"))
    assert load_spec(path).data.uri == "/data/t.csv"


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent.yaml: No such file.*`make new` writes a first spec"):
        load_spec(tmp_path / "absent.yaml")
    with pytest.raises(SpecError, match="Is a directory"):
        load_spec(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: gr\xf6sse")
    with pytest.raises(SpecError, match="utf-8"):
        load_spec(tmp_path / "latin.yaml")


def test_the_schema_for_editors_is_the_one_that_is_generated() -> None:
    written = json.loads((ROOT / "services" / "service.schema.json").read_text())
    generated = json.loads(json.dumps(json_schema()))
    assert written == generated, "run: python -m components.spec.reading.loading > services/service.schema.json"


# --- messages ------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["Yes", "no", "ON", "off"])
def test_a_word_that_yaml_takes_for_true_or_false_is_refused(word: str) -> None:
    said = refusal(SMALL.replace('"Yes"', word))
    assert said.startswith(f"s.yaml: line 2: {word} without quotes means ")
    assert f'write "{word}" for the word' in said


def test_a_word_in_quotes_and_true_are_taken() -> None:
    assert parse_spec(SMALL, "s.yaml").data.positive == "Yes"
    assert parse_spec(SMALL.replace('"Yes"', "true"), "s.yaml").data.positive is True
    assert parse_spec(SMALL.replace('"Yes"', "1"), "s.yaml").data.positive == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gatez: {}", "gatez: unknown key; did you mean 'gates'?"),
        ("gates: {roc_acu: {min: 0.5}}", "gates.roc_acu: unknown key; did you mean 'roc_auc'?"),
        ("gates: {roc_auc: {min: 0.5, mx: 1}}", "gates.roc_auc.mx: unknown key"),
        (
            "gates: {fairness: {by: [a], max_gap: 1}}",
            "gates.fairness.max_gap: unknown key; did you mean 'max_error_gap'?",
        ),
        ("rollout: {harm: {eror_ratio: 0.1}}", "rollout.harm.eror_ratio: unknown key; did you mean 'error_ratio'?"),
        ("split: {houldout: 0.1}", "split.houldout: unknown key; did you mean 'holdout'?"),
        (
            "gates: {behaviour: {direction: [{feature: amount, rises: true}]}}",
            "gates.behaviour.direction.0.rises: unknown key; did you mean 'raises'?",
        ),
        ("  rate: {type: number, min: 0, maxx: 1}", "features.rate.maxx: unknown key; did you mean 'max'?"),
        ("  kind: {type: category, value: [a]}", "features.kind.value: unknown key; did you mean 'values'?"),
        ("  number: {type: date, man: 2020-01-01}", "features.number.man: unknown key; did you mean 'min'?"),
        ("  x: {type: float}", "features.x: type 'float' is unknown; allowed: number, category or date"),
        ("  x: {min: 1}", "features.x: a feature needs a type: number, category or date"),
        ("  x: 5", "features.x: must be a mapping of keys to values (given: 5)"),
        ("  str: 5", "features.str: must be a mapping of keys to values (given: 5)"),
        ("  x: {type: number, min: 2, max: 1}", "features.x: min 2.0 is above max 1.0; swap them"),
        ("  x: {type: number, min: low, max: 1}", "features.x.min: must be a valid number"),
        ("  x: {type: number, min: 0}", "features.x.max: is missing; it has no default"),
        ("  x: {type: date, min: 2021-01-01, max: 2020-01-01}", "features.x: min 2021-01-01 is after max 2020-01-01"),
        ("  x: {type: date, min: 2020, max: 2021-01-01}", "features.x.min: a day or time is ISO 8601"),
        ("  x: {type: date, min: later, max: 2021-01-01}", "features.x.min: a day or time is ISO 8601"),
        ("  x: {type: category, values: []}", "features.x.values: needs at least one entry"),
        ("  x: {type: category, values: [a, 1.5]}", "features.x.values.1: a value is text in quotes, a whole number"),
        ("  5: {type: number, min: 0, max: 1}", "features.5: a key is text; write it in quotes"),
        ("scale: null", "scale: must be a mapping of keys to values"),
        ("split: {group: late}", "split: 'late' is the target; split by another column"),
    ],
)
def test_a_fault_is_named_with_its_place_and_what_is_allowed(line: str, said: str) -> None:
    assert said in refusal(SMALL + line)


def test_every_fault_is_named_and_none_twice() -> None:
    text = SMALL.replace("max: 10", "max: x, unit: 5") + "scale: {min: 0}\nlimit: {}\n"
    assert sorted(line.split(": ")[1] for line in refusal(text).splitlines()) == [
        "features.amount.max",
        "features.amount.unit",
        "limit",
        "scale.min",
    ]


def test_a_long_value_is_cut_in_the_message() -> None:
    said = refusal(SMALL + f"description: [{'very, ' * 1000}]")
    assert len(said) < 200


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n", "5"])
def test_what_is_no_mapping_is_told_the_keys(text: str) -> None:
    assert "a spec is a mapping with the keys name, description, data, features" in refusal(text)


@given(st.text(max_size=60))
def test_any_text_is_a_spec_or_a_spec_error(text: str) -> None:
    with pytest.raises(SpecError):
        parse_spec(text, "s.yaml")


_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.dates())
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(st.sampled_from(["features", *Spec.model_fields]), _TREES)
def test_any_tree_at_any_key_is_a_spec_or_a_spec_error(key: str, tree: Any) -> None:
    document = yaml.safe_load(SMALL)
    if key == "features":
        document["features"]["other"] = tree
    else:
        document[key] = tree
    with contextlib.suppress(SpecError):
        parse_spec(yaml.safe_dump(document), "s.yaml")


@given(st.lists(st.one_of(st.booleans(), st.integers(-(10**15), 10**15), st.text()), min_size=1, max_size=5))
def test_category_values_survive_yaml(values: list[Any]) -> None:
    document = yaml.safe_load(SMALL)
    document["features"] = {"kind": {"type": "category", "values": list({str(v).lower(): v for v in values}.values())}}
    feature = parse_spec(yaml.safe_dump(document), "s.yaml").features["kind"]
    assert isinstance(feature, CategoryFeature)
    assert list(feature.values) == document["features"]["kind"]["values"]
