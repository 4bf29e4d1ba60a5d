"""What callers send: rows of the service's own table, some of them in batches, some of them wrong."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.spec.contract import Feature, NumberFeature, Spec
from components.spec.values import category_text
from components.table.cells import read_table
from components.table.examples import Examples, examples_of
from components.table.requests import requests_of
from components.table.target import negative_word, positive_word
from components.table.wording import reading_of

_LARGEST_BATCH = 20

Kind = Literal["single", "batch", "wrong"]


@dataclass(frozen=True)
class Request:
    """One body for /predict, and the true labels of its rows; a wrong one must be refused."""

    kind: Kind
    body: bytes
    labels: tuple[str | float, ...]


@dataclass(frozen=True)
class Rows:
    """The table as callers have it: each row's JSON, and its true label."""

    bodies: tuple[bytes, ...]
    labels: tuple[str | float, ...]
    wrong: tuple[bytes, ...]


def load_rows(spec: Spec, table: Path | None) -> Rows:
    """The rows of a table, by default the spec's own.

    Raises:
        DataError: the table does not fit the spec.
    """
    examples = examples_of(read_table(str(table) if table else spec.data.uri, reading_of(spec)), spec)
    requests = requests_of(examples, spec.features)
    labels = truths(examples, spec)
    bodies = tuple(json.dumps(row, ensure_ascii=False).encode() for row in requests)
    return Rows(bodies, labels, tuple(wrong_bodies(requests[0], spec.features)))


def truths(examples: Examples, spec: Spec) -> tuple[str | float, ...]:
    """What feedback says of each row: a word, or a number."""
    labels: list[float] = examples.labels.tolist()
    if spec.data.task == "regression":
        return tuple(labels)
    if spec.data.task == "multiclass":
        return tuple(category_text(spec.data.classes[int(place)]) for place in labels)
    positive, negative = positive_word(spec.data), negative_word(examples.frame, spec.data)
    return tuple(positive if label else negative for label in labels)


def wrong_bodies(row: dict[str, Any], features: dict[str, Feature]) -> Iterator[bytes]:
    """Bodies that must be refused with a 4xx: not JSON, nothing, a field too many, one too few, a wrong value."""
    yield b'{"unfinished": '
    yield b"[]"
    yield json.dumps(row | {"no such field": 1}).encode()
    name, feature = next(iter(features.items()))
    yield json.dumps(row | {name: {"a": "mapping"}}).encode()
    yield json.dumps(row | {name: _outside(feature)}).encode()


def _outside(feature: Feature) -> float | str:
    """A value that the feature does not allow; a number above its range, where JSON has such a number."""
    if isinstance(feature, NumberFeature):
        above = feature.max + max(1.0, abs(feature.max))  # adding 1 alone changes no number beyond 2**53
        return above if math.isfinite(above) else "no such value"
    return "no such value"


def requests_from(rows: Rows, seed: int, batch_share: float, wrong_share: float) -> Iterator[Request]:
    """Requests without end, the same ones for the same seed."""
    chance = random.Random(seed)
    count = len(rows.bodies)
    while True:
        kind = chance.random()
        if kind < wrong_share:
            yield Request("wrong", chance.choice(rows.wrong), ())
        elif kind < wrong_share + batch_share:
            picked = [chance.randrange(count) for _ in range(chance.randint(2, _LARGEST_BATCH))]
            body = b"[" + b",".join(rows.bodies[row] for row in picked) + b"]"
            yield Request("batch", body, tuple(rows.labels[row] for row in picked))
        else:
            row = chance.randrange(count)
            yield Request("single", rows.bodies[row], (rows.labels[row],))
