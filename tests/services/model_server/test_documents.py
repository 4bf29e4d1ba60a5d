from __future__ import annotations

import re
from typing import Any

import pytest

from tests.services.model_server.conftest import Caller
from tests.small_package import FEATURES, GOOD


def test_openapi_has_the_models_fields_and_a_working_example(server: Caller) -> None:
    """The OpenAPI document has the model's own fields, and an example that the server answers."""
    document = server.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    row = document["components"]["schemas"]["Row"]
    assert list(row["properties"]) == list(FEATURES)
    assert row["required"] == ["tenure", "fee in cents", "contract", "senior"]
    assert row["properties"]["tenure"]["maximum"] == 120
    assert row["properties"]["contract"]["enum"] == ["Month-to-month", "One year", "Two year"]
    post = document["paths"]["/predict"]["post"]
    example = post["requestBody"]["content"]["application/json"]["example"]
    answer = server.predict(example)
    assert answer.status == 200
    shown = post["responses"]["200"]["content"]["application/json"]["example"]
    assert answer.json() == {**shown, "probability": pytest.approx(shown["probability"], abs=1e-6)}


def test_what_is_described_is_what_is_taken(server: Caller) -> None:
    row = server.get("/openapi.json").json()["components"]["schemas"]["Row"]
    good: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = [{**GOOD, "more": 1}]
    for name, field in row["properties"].items():
        without = {other: value for other, value in GOOD.items() if other != name}
        (wrong if name in row["required"] else good).append(without)
        nullable = None in field.get("enum", []) or "null" in field.get("type", [])
        (good if nullable else wrong).append({**GOOD, name: None})
        good += [{**GOOD, name: value} for value in field.get("enum", [])]
        good += [{**GOOD, name: field[bound]} for bound in ("minimum", "maximum") if bound in field]
        outside = [field["minimum"] - 1, field["maximum"] + 1] if "minimum" in field else ["no such value"]
        wrong += [{**GOOD, name: value} for value in outside]
    assert {server.predict(row).status for row in good} == {200}
    assert {server.predict(row).status for row in wrong} == {422}


def test_every_route_of_the_document_is_there(server: Caller) -> None:
    for path, methods in server.get("/openapi.json").json()["paths"].items():
        for method in methods:
            reply = server.call(method.upper(), path, (b"{",))
            assert reply is not None
            assert reply.status in (200, 400)


def test_the_schema_says_what_callers_may_send(server: Caller) -> None:
    schema = server.get("/schema").json()
    tenure = schema["fields"][0]
    assert tenure == {
        "name": "tenure", "type": "number", "unit": "months", "min": 0, "max": 120, "missing": "refused",
        "allowed": "a number from 0 to 120 (months)",
    }  # fmt: skip
    assert schema["target"] == {"name": "left", "positive": "Yes", "negative": "No"}
    assert schema["limits"] == {"max_body_bytes": 65536, "max_batch_rows": 100}
    assert server.predict(schema["example"]).status == 200


def test_the_docs_need_nothing_from_elsewhere(server: Caller) -> None:
    page = server.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    text = page.body.decode()
    assert "://" not in text
    files = re.findall(r'(?:src|href)="(docs/[^"]+)"', text)
    assert len(files) == 2
    for name in files:
        reply = server.get(f"/{name}")
        assert reply.status == 200
        assert len(reply.body) > 10_000
