"""What callers send comes from the table, in the unit that callers send."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from components.errors import DataError
from components.features.encoding import fit_encoding
from components.package.answers import Target
from components.package.model_package import Contract
from components.spec.contract import Feature, NumberFeature, Spec
from components.spec.reading.loading import load_spec, parse_spec
from services.model_server.decoding import RowDecoder
from services.model_server.errors import Refused
from tests.load.callers import Request, load_rows, requests_from, wrong_bodies

_SPEC = """
name: pay
data: {uri: pay.csv, target: left, positive: "ja"}
features:
  wage: {type: number, min: 0, max: 900000, factor: 0.01, missing: allowed}
  kind: {type: category, values: [a, 1]}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    (tmp_path / "service.yaml").write_text(_SPEC)
    (tmp_path / "pay.csv").write_text("wage,kind,left\n12.5,a,ja\n,1,nein\n")
    return load_spec(tmp_path / "service.yaml")


def _some(spec: Spec, count: int, **shares: float) -> list[Request]:
    wanted = {"batch_share": 0.0, "wrong_share": 0.0} | shares
    return list(itertools.islice(requests_from(load_rows(spec, None), 3, **wanted), count))


def test_rows_are_sent_as_callers_have_them(spec: Spec) -> None:
    rows = load_rows(spec, None)
    assert [json.loads(body) for body in rows.bodies] == [{"wage": 1250.0, "kind": "a"}, {"wage": None, "kind": 1}]
    assert rows.labels == ("ja", "nein")


def test_another_table_may_be_named(spec: Spec, tmp_path: Path) -> None:
    other = tmp_path / "holdout.csv"
    other.write_text("wage,kind,left\n1,a,nein\n2,a,ja\n")
    assert load_rows(spec, other).labels == ("nein", "ja")
    with pytest.raises(DataError, match=r"nothing\.csv"):
        load_rows(spec, tmp_path / "nothing.csv")


def test_single_requests_know_their_label(spec: Spec) -> None:
    labels = {b'"a"': "ja", b": 1}": "nein"}
    for request in _some(spec, 50):
        assert request.kind == "single"
        assert request.labels == (next(label for part, label in labels.items() if part in request.body),)


def test_a_batch_has_a_label_for_each_row(spec: Spec) -> None:
    for request in _some(spec, 50, batch_share=1.0):
        assert 2 <= len(json.loads(request.body)) == len(request.labels) <= 20


def test_shares_are_kept_and_the_same_seed_sends_the_same(spec: Spec) -> None:
    kinds = Counter(request.kind for request in _some(spec, 4000, batch_share=0.1, wrong_share=0.05))
    assert kinds["batch"] == pytest.approx(400, abs=80)
    assert kinds["wrong"] == pytest.approx(200, abs=60)
    assert _some(spec, 100, batch_share=0.1) == _some(spec, 100, batch_share=0.1)


def test_wrong_requests_are_wrong_in_different_ways(spec: Spec) -> None:
    bodies = {request.body for request in _some(spec, 200, wrong_share=1.0)}
    assert b"[]" in bodies
    assert any(b"no such field" in body for body in bodies)
    assert any(b"1800000" in body for body in bodies)
    assert len(bodies) == 5


def test_a_category_that_comes_first_gets_an_unknown_value() -> None:
    """A first feature that is a category gets a value that does not exist."""
    features = parse_spec(_SPEC.replace("wage: {", "z: {").replace("  kind", "  a"), "spec").features
    reversed_features = dict(reversed(features.items()))
    assert any(b"no such value" in body for body in wrong_bodies({"z": 1, "a": "a"}, reversed_features))


@pytest.mark.parametrize("largest", [-5.0, 0.0, 2.0**53, 1e20, 1.7e308])
def test_the_server_refuses_every_wrong_request_at_any_size(largest: float) -> None:
    """The server refuses every wrong request, however large the numbers are."""
    features: dict[str, Feature] = {"x": NumberFeature(type="number", min=-1e300, max=largest)}
    contract = Contract(
        name="n", features=features, encoding=fit_encoding(features, {"x": [0.0, -9.0]}),
        target=Target(name="y", positive="1", negative="0"),
    )  # fmt: skip
    for body in wrong_bodies({"x": largest}, features):
        with pytest.raises(Refused):
            RowDecoder(contract).decode(body)
