"""The server's description of itself: `/schema`, `/openapi.json` and the page `/docs`."""

from __future__ import annotations

import html
import json
from importlib import resources
from typing import Any, Final

from components.package.answers import ClassTarget, NumberTarget, outputs_of
from components.package.model_package import Contract, Package
from components.spec.contract import CategoryFeature, Feature, NumberFeature
from services import telemetry
from services.model_server.feedback.handler import MAX_MESSAGES
from services.model_server.feedback.truth import truth_of
from services.model_server.problems import allowed_text
from services.model_server.wording import wording_of

#: Files of the Swagger UI that comes with BentoML, so that `/docs` needs no network.
SWAGGER_FILES: Final = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


def swagger_file(name: str) -> bytes:
    """A file of the Swagger UI."""
    return (resources.files("bentoml._internal.server") / "static_content" / name).read_bytes()


def docs_page(title: str) -> str:
    """The page that shows `/openapi.json`."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({{url: "openapi.json", dom_id: "#ui", validatorUrl: null}})</script>
</body>
</html>
"""


def schema(package: Package, service: str, version: str) -> dict[str, Any]:
    """The contract in the form that callers need."""
    contract = package.contract
    return {
        "service": service,
        "version": version,
        "package": package.digest,
        "description": contract.description,
        "fields": [
            {"name": name, **feature.model_dump(mode="json", exclude={"factor"}), "allowed": allowed_text(feature)}
            for name, feature in contract.features.items()
        ],
        "target": contract.target.model_dump(),
        **({"threshold": contract.threshold} if contract.task == "binary" else {"task": contract.task}),
        **({"decision": contract.decision.model_dump(exclude_none=True)} if contract.decision else {}),
        **({"interval": contract.interval.model_dump()} if contract.interval else {}),
        "limits": contract.limits.model_dump(),
        "objectives": contract.objectives.model_dump(),
        "example": package.golden[0].request,
        "json_schema": _row(package),
    }


def openapi(package: Package, service: str, version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of every route, with the model's own fields and an example."""
    contract = package.contract
    description = f"{contract.description}\n\nPackage `{package.digest}`.".strip()
    return {
        "openapi": "3.1.0",
        "info": {"title": service, "version": version, "description": description},
        "paths": {
            "/predict": {"post": _predict(package, version)},
            "/feedback": {"post": _feedback(package)},
            **{path: {"get": _get(text)} for path, text in _PLAIN_ROUTES.items()},
        },
        "components": {
            "schemas": {"Row": _row(package), "Answer": _answer(package), "Outcome": _OUTCOME, "Refusal": _REFUSAL}
        },
    }


_PLAIN_ROUTES: Final = {
    "/schema": "What callers may send.",
    "/healthz": "200 while the process lives.",
    "/readyz": "200 while the golden requests are answered right and the server takes traffic, else 503.",
    "/metrics": "Metrics in Prometheus's text format.",
}

_REFUSAL: Final = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {"type": "string"},
        "request_id": {"type": "string"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": "integer"},
                    "field": {"type": ["string", "null"]},
                    "value": {},
                    "problem": {"type": "string"},
                    "allowed": {"type": "string"},
                },
            },
        },
    },
}

#: The outcome of one feedback message.
_OUTCOME: Final = {
    "type": "object",
    "required": ["request_id", "matched"],
    "properties": {
        "request_id": {"type": "string"},
        "matched": {"type": "boolean", "description": "Whether its labels count."},
        "problem": {"type": "string", "description": "Why they do not, though its request is known."},
    },
}


def _one_or_many(reference: str, limit: int) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{reference}"}
    return {"oneOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": limit}]}


def _json(schema_: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema_, **more}}


def _refusals(*statuses: int) -> dict[str, Any]:
    texts = {400: "Not JSON.", 413: "The body is too large.", 422: "Values that are not allowed; each is named."}
    content = _json({"$ref": "#/components/schemas/Refusal"})
    return {str(status): {"description": texts[status], "content": content} for status in statuses}


def _predict(package: Package, version: str) -> dict[str, Any]:
    contract, golden = package.contract, package.golden[0]
    limit = contract.limits.max_batch_rows
    answer = _example(package, version)
    headers = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in (
            (telemetry.REQUEST_ID_HEADER, "Names this answer in feedback."),
            (telemetry.RECEIPT_HEADER, "Digest of the model package."),
            (telemetry.VERSION_HEADER, "The model's version."),
        )
    }
    good = {
        "description": "One answer a row, in the order of the rows.",
        "headers": headers,
        "content": _json(_one_or_many("Answer", limit), example=answer),
    }
    identifier = {
        "name": telemetry.REQUEST_ID_HEADER, "in": "header", "schema": {"type": "string", "maxLength": 128},
    }  # fmt: skip
    return {
        "summary": _question(contract),
        "operationId": "predict",
        "description": "Of a key that stands twice in a row, the last value counts. The body may be gzipped.",
        "parameters": [identifier],
        "requestBody": {"required": True, "content": _json(_one_or_many("Row", limit), example=golden.request)},
        "responses": {"200": good, **_refusals(400, 413, 422)},
    }


def _feedback(package: Package) -> dict[str, Any]:
    truth = truth_of(package.contract)
    label = truth.schema()
    labels = {"oneOf": [label, {"type": "array", "items": label}]}
    message = {
        "type": "object",
        "required": ["request_id", truth.field],
        "properties": {"request_id": {"type": "string"}, truth.field: labels},
    }
    body = {"oneOf": [message, {"type": "array", "items": message, "minItems": 1, "maxItems": MAX_MESSAGES}]}
    outcomes = _json(_one_or_many("Outcome", MAX_MESSAGES))
    true = label["enum"][0] if "enum" in label else outputs_of([package.golden[0].answer]).item(0)
    example = {"request_id": "0f3a9c51d2e84b77a1c06e5d93b8f42a", truth.field: true}
    return {
        "summary": f"The true {truth.field} of an earlier request's rows",
        "operationId": "feedback",
        "requestBody": {"required": True, "content": _json(body, example=example)},
        "responses": {
            "200": {"description": "Each request is known; its labels count.", "content": outcomes},
            "202": {
                "description": "A request is not known (any more); the label is kept for a later join.",
                "content": outcomes,
            },
            "409": {
                "description": "A label contradicts the first one of its answer, which stands; `problem` says which."
                " Every other message is taken.",
                "content": outcomes,
            },
            **_refusals(400, 413, 422),
        },
    }


def _get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary}}}


def _question(contract: Contract) -> str:
    target = contract.target
    if isinstance(target, NumberTarget):
        return f"{target.name}{f' in {target.unit}' if target.unit else ''}, with an interval"
    if isinstance(target, ClassTarget):
        return f"The probability of each class of {target.name}"
    return f"The probability of {target.name} = {target.positive}"


def _example(package: Package, version: str) -> dict[str, Any]:
    """The first golden request's answer; a number with its interval, as the server words it."""
    contract, golden = package.contract, package.golden[0].answer
    if contract.task != "regression":
        return {**golden.model_dump(), "version": version}
    worded = wording_of(contract, version)
    answer: dict[str, Any] = json.loads(worded.answer(worded.scores(outputs_of([golden])), single=True))
    return answer


def _answer(package: Package) -> dict[str, Any]:
    fields = _answer_fields(package.contract)
    return {
        "type": "object",
        "required": [*fields, "version"],
        "properties": {**fields, "version": {"type": "string"}},
    }


def _answer_fields(contract: Contract) -> dict[str, Any]:
    target, probability = contract.target, {"type": "number", "minimum": 0, "maximum": 1}
    if isinstance(target, NumberTarget):
        return {"value": {"type": "number", "description": _unit(target)}, "interval": _interval(contract, target)}
    if isinstance(target, ClassTarget):
        each = {
            "type": "object",
            "required": list(target.classes),
            "properties": dict.fromkeys(target.classes, probability),
        }
        return {"probabilities": each, "label": {"type": "string", "enum": list(target.classes)}}
    words = {"probability": probability, "label": {"type": "string", "enum": [target.positive, target.negative]}}
    return words | ({"decision": _decision(contract)} if contract.decision else {})


def _decision(contract: Contract) -> dict[str, Any]:
    return {"type": "boolean", "description": f"Whether the probability is at least {contract.threshold:g}."}


def _unit(target: NumberTarget) -> str:
    return f"{target.name} in {target.unit}" if target.unit else target.name


def _interval(contract: Contract, target: NumberTarget) -> dict[str, Any]:
    known = contract.interval
    held = (
        f"; it held {known.coverage.value:.1%} of {known.coverage.rows:,} rows that it was not made from"
        if known
        else ""
    )
    return {
        "type": "object",
        "description": f"Holds the true {target.name} in a share `level` of rows{held}.",
        "required": ["low", "high", "level"],
        "properties": {name: {"type": "number"} for name in ("low", "high", "level")},
    }


def _row(package: Package) -> dict[str, Any]:
    features = package.contract.features
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, feature in features.items() if not feature.optional],
        "properties": {name: _field(feature) for name, feature in features.items()},
        "example": package.golden[0].request,
    }


def _field(feature: Feature) -> dict[str, Any]:
    described = {"description": allowed_text(feature)}
    nullable = feature.optional
    if isinstance(feature, NumberFeature):
        kind = ["number", "null"] if nullable else "number"
        bounds = {} if feature.outside == "clip" else {"minimum": feature.min, "maximum": feature.max}
        return {**described, "type": kind, **bounds}
    if isinstance(feature, CategoryFeature) and feature.unknown == "other":
        return {**described, "type": ["string", "integer", "boolean", *(["null"] if nullable else [])]}
    if isinstance(feature, CategoryFeature):
        return {**described, "enum": [*feature.values, *([None] if nullable else [])]}
    return {**described, "type": ["string", "null"] if nullable else "string", "format": "date"}
