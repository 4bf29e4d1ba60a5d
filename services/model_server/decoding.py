"""Decodes a request's body into rows of values, fast if the body is right.

msgspec decodes and checks types, ranges and categories in one pass of C. Only if
that fails is the body read again, slowly, to list every problem.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Union

import msgspec

from components.package.model_package import Contract
from components.spec.contract import CategoryFeature, DateFeature, Feature, NumberFeature
from components.spec.values import cell_days, days_since_epoch
from services.model_server.errors import Refused
from services.model_server.problems import Examiner

#: One row: values in the contract's order, None where one is missing.
Row = tuple[Any, ...]


#: Keys around rows in the bodies that other model servers take.
_DIALECTS: Final = {
    "instances": "the way of TensorFlow Serving and KServe's first protocol",
    "inputs": "the way of MLflow and KServe's second protocol",
    "dataframe_split": "the way of MLflow",
    "dataframe_records": "the way of MLflow",
    "data": "the way of Seldon and Azure ML",
    "input_data": "the way of Azure ML and watsonx",
    "columns": "the way of pandas' split",
    "rows": "the way of other servers",
    "signature_name": "the way of TensorFlow Serving",
}


class RowDecoder:
    """Decodes the bodies of predict requests for one contract."""

    def __init__(self, contract: Contract, count: Callable[[int, int], None] = lambda _place, _rows: None) -> None:
        """`count` counts rows by the place of a feature in `rules_of`: its rule says how their value was read."""
        self._names = frozenset(contract.features)
        first = ", ".join(list(contract.features)[:3])
        self._example = (
            f"the field{'s' if len(self._names) > 1 else ''} {first}{' ...' if len(self._names) > 3 else ''}"
        )
        self._limit = contract.limits.max_batch_rows
        self._examiner = Examiner(contract, count)
        self._typed = _typed_decoder(contract)
        self._dates = tuple(
            (place, days_since_epoch(feature.min), days_since_epoch(feature.max))
            for place, feature in enumerate(contract.features.values())
            if isinstance(feature, DateFeature)
        )

    def decode(self, body: bytes) -> tuple[list[Row], bool]:
        """The rows, and True if the body was one object rather than a list.

        Raises:
            Refused: the body is not JSON, or breaks the contract; every wrong row is named.
        """
        try:
            document = self._typed(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._examine(body)
        single = type(document) is not list
        rows = [msgspec.structs.astuple(row) for row in ((document,) if single else document)]
        if self._dates and not self._dates_are_in_range(rows):
            return self._examine(body)
        return rows, single

    def _dates_are_in_range(self, rows: list[tuple[Any, ...]]) -> bool:
        try:
            return all(
                row[place] is None or low <= cell_days(row[place]) <= high
                for row in rows
                for place, low, high in self._dates
            )
        except (ValueError, OverflowError):
            return False

    def _examine(self, body: bytes) -> tuple[list[Row], bool]:
        document = json_document(body)
        self._refuse_dialect(document)
        rows = document if isinstance(document, list) else [document]
        if not rows:
            raise Refused(422, "empty_batch", f"the list is empty; send 1 to {self._limit} rows")
        if len(rows) > self._limit:
            raise Refused(422, "batch_too_long", f"{len(rows)} rows are too many; send 1 to {self._limit} rows")
        return self._examiner.rows(rows), not isinstance(document, list)

    def _refuse_dialect(self, document: Any) -> None:
        """Says in one sentence that the body is meant for another server, rather than that each field is missing."""
        if not isinstance(document, dict) or not document or self._names & document.keys():
            return
        found = sorted(document.keys() & _DIALECTS.keys())
        if found:
            raise Refused(
                422,
                "wrong_values",
                f"{found[0]!r} is {_DIALECTS[found[0]]}; send a row as one object with {self._example}, or a list of "
                "rows",
            )


def json_document(body: bytes) -> Any:
    """The document in a body, parsed by Python's own reader, whose messages name a position.

    Raises:
        Refused: the body is not JSON.
    """
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused(400, "bad_json", f"the body is not UTF-8: byte {error.start} cannot be read") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refused(400, "bad_json", f"the body is not JSON: {error.msg} at {where}") from error
    except RecursionError as error:
        raise Refused(400, "bad_json", "the body is nested too deeply; a row is one flat object") from error
    except ValueError as error:  # a whole number of more than 4,300 digits
        raise Refused(400, "bad_json", "the body holds a number with too many digits") from error


def _typed_decoder(contract: Contract) -> Callable[[bytes], Any]:
    """msgspec's decoder of a row or a list of rows; a decoder that always fails if msgspec has no such type."""
    attributes = {f"f{place}": name for place, name in enumerate(contract.features)}
    try:
        fields = [
            _field(attribute, feature)
            for attribute, feature in zip(attributes, contract.features.values(), strict=True)
        ]
        row: Any = msgspec.defstruct(
            "Row", fields, rename=attributes, forbid_unknown_fields=True, kw_only=True, gc=False
        )
        batch = Annotated[list[row], msgspec.Meta(min_length=1, max_length=contract.limits.max_batch_rows)]
        return msgspec.json.Decoder(Union[row, batch]).decode  # noqa: UP007 -- built at run time
    except (TypeError, ValueError):
        # msgspec has no type for names with quotes and numbers beyond 64 bits; the slow path reads them.
        return _never


def _never(_body: bytes) -> Any:
    raise msgspec.DecodeError("this contract has no msgspec type")


def _field(attribute: str, feature: Feature) -> Any:
    kind = _type_of(feature)
    return (attribute, kind | None, None) if feature.optional else (attribute, kind)


def _type_of(feature: Feature) -> Any:
    if isinstance(feature, NumberFeature):
        return Annotated[float, msgspec.Meta(ge=feature.min, le=feature.max)]
    return _category_type(feature) if isinstance(feature, CategoryFeature) else str


def _category_type(feature: CategoryFeature) -> Any:
    booleans = {value for value in feature.values if isinstance(value, bool)}
    others = tuple(value for value in feature.values if not isinstance(value, bool))
    if len(booleans) == 1:
        raise TypeError("msgspec has no type for one boolean of the two")
    literal = Literal[others] if others else None
    if booleans:
        return bool if literal is None else Union[bool, literal]  # noqa: UP007 -- built at run time
    return literal
