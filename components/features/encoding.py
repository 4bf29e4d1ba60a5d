"""The only feature pipeline: a row's values to the numbers that the graph reads.

Training encodes whole tables, the model server encodes the rows of a request;
both go through the same description, which travels in the package. Scaling is
float64 and outside the graph, because a converter's float32 scaling moved
random forests by 0.125.

For each feature, in the spec's order:

- number, date: the value in the table's unit (dates are days since 1970-01-01
  UTC), the nearer bound where it is outside and `outside: clip`, the training
  median where it is missing, then `(x - mean) / std`;
- category: one column a value, 1 for the value that is given, and one for all
  others where `unknown: other`; the most frequent one where it is missing and
  `missing: impute`;
- and, where `missing: allowed` or `indicator`, one more column that is 1 when it
  is missing.

`factor` turns what callers send into the table's unit, so only rows of a
request are multiplied by it.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.errors import DataError
from components.spec.contract import CategoryFeature, ClosedModel, DateFeature, Feature, NumberFeature
from components.spec.values import (
    CategoryValue,
    category_text,
    cell_days,
    cell_text,
    is_missing,
    moments_to_days,
)
from components.spec.views import table_bounds

#: A table: column name to its cells; a missing cell is None or NaN (NaT in a datetime64 array).
Table = Mapping[str, Sequence[Any] | NDArray[Any]]
#: The value of one feature in a request; None if it is missing.
RequestValue = float | int | str | bool | None

_FLOAT = struct.Struct("<f")
#: Beyond this a float32 is infinite, which no graph was trained on.
_FLOAT32_MAX = float(np.finfo(np.float32).max)
#: From this many rows, encoding by feature is faster than by row.
_BATCH_ROWS = 16


class Scaled(ClosedModel):
    """A number or a date; `fill`, `mean`, `std` and the bounds of `clip` are in the table's unit (days for a date)."""

    kind: Literal["number", "date"]
    factor: float
    fill: float
    mean: float
    std: float = Field(gt=0)
    indicator: bool
    clip: tuple[float, float] | None = Field(default=None, exclude_if=lambda clip: clip is None)


class OneHot(ClosedModel):
    """A category; the encoded columns stand in the order of `values`, and last that of `other`, any value not listed.

    `fill` stands for a missing value; None: no column is 1.
    """

    kind: Literal["category"]
    values: Annotated[tuple[CategoryValue, ...], Field(min_length=1)]
    indicator: bool
    other: bool = Field(default=False, exclude_if=lambda other: not other)
    fill: CategoryValue | None = Field(default=None, exclude_if=lambda fill: fill is None)

    @property
    def size(self) -> int:
        """Columns without the one for missing values."""
        return len(self.values) + self.other

    @property
    def filled(self) -> int:
        """The place of `fill` among the columns, -1 if there is none."""
        return -1 if self.fill is None else [*map(category_text, self.values)].index(category_text(self.fill))


class Encoding(ClosedModel):
    """How each feature becomes columns; part of `contract.json`."""

    features: dict[str, Annotated[Scaled | OneHot, Field(discriminator="kind")]]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the encoded columns, in order, for people."""
        names: list[str] = []
        for name, rule in self.features.items():
            names += [name] if isinstance(rule, Scaled) else [f"{name}={category_text(v)}" for v in rule.values]
            names += [f"{name} is another"] if isinstance(rule, OneHot) and rule.other else []
            names += [f"{name} is missing"] if rule.indicator else []
        return tuple(names)

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.columns)


def fit_encoding(features: Mapping[str, Feature], table: Table) -> Encoding:
    """The encoding of these features, with medians, means and deviations of a training table.

    Raises:
        DataError: a column is missing, or a cell is not a number or date.
    """
    return Encoding(features={name: _fit(name, feature, table) for name, feature in features.items()})


def _fit(name: str, feature: Feature, table: Table) -> Scaled | OneHot:
    indicator = feature.has_indicator
    if isinstance(feature, CategoryFeature):
        usual = _usual(name, feature, table) if feature.missing == "impute" else None
        other = feature.unknown == "other"
        return OneHot(kind="category", values=feature.values, indicator=indicator, other=other, fill=usual)
    clip = table_bounds(feature) if feature.outside == "clip" else None
    cells = _clipped(numbers(feature, name, table), clip)
    known = cells[~np.isnan(cells)]
    fill = float(np.median(known)) if known.size else 0.0
    filled = np.where(np.isnan(cells), fill, cells)
    mean, std = _scale(name, filled)
    # A constant column has no scale, but rounding leaves a tiny deviation.
    if std <= 1e-12 * max(1.0, abs(mean)):
        std = 1.0
    factor = feature.factor if isinstance(feature, NumberFeature) else 1.0
    return Scaled(kind=feature.type, factor=factor, fill=fill, mean=mean, std=std, indicator=indicator, clip=clip)


def _scale(name: str, cells: NDArray[np.float64]) -> tuple[float, float]:
    if not cells.size:
        return 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(cells.mean()), float(cells.std())
    if not (math.isfinite(mean) and math.isfinite(std)):
        row = int(np.argmax(np.abs(cells)))
        raise DataError(
            f"column {name!r}, row {row + 1}: {cells[row]:g} is too large to compute with; leave such cells empty, or "
            "name them in data.missing_values"
        )
    return mean, std


def _usual(name: str, feature: CategoryFeature, table: Table) -> CategoryValue:
    """The listed value that stands in most rows, the first of equal ones."""
    texts = [cell_text(cell) for cell in _column(name, table).tolist() if not is_missing(cell)]
    counts = Counter(texts)
    return max(feature.values, key=lambda value: counts[category_text(value)])


def _clipped(cells: NDArray[np.float64], clip: tuple[float, float] | None) -> NDArray[np.float64]:
    return cells if clip is None else np.clip(cells, *clip)


def numbers(feature: NumberFeature | DateFeature | Scaled, name: str, table: Table) -> NDArray[np.float64]:
    """A column of a table as float64 (days for a date), NaN where it is missing.

    Raises:
        DataError: a cell is not a number or date; names the first one.
    """
    cells = _column(name, table)
    is_date = isinstance(feature, DateFeature) or (isinstance(feature, Scaled) and feature.kind == "date")
    try:
        values = _days(cells) if is_date else np.asarray(cells, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        kind = "an ISO 8601 date" if is_date else "a number"
        raise DataError(f"column {name!r}: a cell is not {kind}: {error}") from error
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise DataError(f"column {name!r}, row {infinite[0]}: {values[infinite[0]]} is not finite; leave it empty")
    return values


def _column(name: str, table: Table) -> NDArray[Any]:
    if name not in table:
        raise DataError(f"column {name!r} is not in the table; it has {', '.join(map(str, table))}")
    return np.asarray(table[name])


def _days(cells: NDArray[Any]) -> NDArray[np.float64]:
    if np.issubdtype(cells.dtype, np.datetime64):
        return moments_to_days(cells)
    return np.array([np.nan if is_missing(cell) else cell_days(cell) for cell in cells.tolist()], dtype=np.float64)


def encode_table(encoding: Encoding, table: Table) -> NDArray[np.float32]:
    """A whole table in the table's own unit -> float32 [rows, width].

    Raises:
        DataError: a column is missing, or a cell has the wrong kind or an unknown category.
    """
    blocks: list[NDArray[np.float64]] = []
    for name, rule in encoding.features.items():
        block, missing = _encode_column(name, rule, table)
        blocks.append(block)
        if rule.indicator:
            blocks.append(missing.astype(np.float64)[:, None])
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _encode_column(name: str, rule: Scaled | OneHot, table: Table) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    if isinstance(rule, Scaled):
        cells = _clipped(numbers(rule, name, table), rule.clip)
        missing = np.isnan(cells)
        scaled = (np.where(missing, rule.fill, cells) - rule.mean) / rule.std
        return np.clip(scaled, -_FLOAT32_MAX, _FLOAT32_MAX)[:, None], missing
    places = _places(name, rule, table)
    missing = places < 0
    places = np.where(missing, rule.filled, places)
    one_hot = np.zeros((len(places), rule.size))
    known = np.flatnonzero(places >= 0)
    one_hot[known, places[known]] = 1.0
    return one_hot, missing


def _places(name: str, rule: OneHot, table: Table) -> NDArray[np.intp]:
    """Index into `values` of each cell, -1 where it is missing."""
    index = {category_text(value): place for place, value in enumerate(rule.values)}
    other = len(index) if rule.other else None
    places = []
    for row, cell in enumerate(_column(name, table).tolist()):
        text = None if is_missing(cell) else cell_text(cell)
        place = -1 if text is None else index.get(text, other)
        if place is None:
            raise DataError(f"column {name!r}, row {row}: {text!r} is unknown; allowed: {', '.join(index)}")
        places.append(place)
    return np.array(places, dtype=np.intp)


class RowEncoder:
    """Encodes the rows of a request, in some microseconds a row.

    Every category's columns are bytes made beforehand, so a row costs a few
    look-ups and one join; a batch is encoded feature by feature. Values are
    not checked here, since the server's decoder checks them.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.names = tuple(encoding.features)
        self.width = encoding.width
        self._parts = tuple(_part(rule) for rule in encoding.features.values())
        self._blocks = tuple(map(_block, encoding.features.values(), self._parts))

    def encode(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """Rows of values in the order of `names`, in the unit that callers send -> float32 [rows, width].

        Raises:
            KeyError: a value is not among a category's.
            ValueError: a text is not a date.
        """
        if len(rows) >= _BATCH_ROWS:
            columns = zip(*rows, strict=True)
            return np.concatenate([block(column) for block, column in zip(self._blocks, columns, strict=True)], axis=1)
        parts = self._parts
        encoded = bytearray().join([part(value) for row in rows for part, value in zip(parts, row, strict=True)])
        return np.frombuffer(encoded, dtype=np.float32).reshape(len(rows), self.width)


def encode_rows(encoding: Encoding, rows: Sequence[Mapping[str, RequestValue]]) -> NDArray[np.float32]:
    """Rows as a request sends them -> float32 [rows, width]; a feature that is left out is missing."""
    encoder = RowEncoder(encoding)
    return encoder.encode([[row.get(name) for name in encoder.names] for row in rows])


def _part(rule: Scaled | OneHot) -> Callable[[Any], bytes]:
    if isinstance(rule, OneHot):
        return _category_part(rule)
    return _date_part(rule) if rule.kind == "date" else _number_part(rule)


def _block(rule: Scaled | OneHot, part: Callable[[Any], bytes]) -> Callable[[Sequence[Any]], NDArray[np.float32]]:
    """A function from a feature's values in a batch to its columns."""
    if isinstance(rule, Scaled) and rule.kind == "number":
        return partial(_number_block, rule)

    def block(values: Sequence[Any]) -> NDArray[np.float32]:
        return np.frombuffer(b"".join(map(part, values)), dtype=np.float32).reshape(len(values), -1)

    return block


def _number_block(rule: Scaled, values: Sequence[float | None]) -> NDArray[np.float32]:
    cells = np.array(values, dtype=np.float64)
    missing = np.isnan(cells)
    scaled = (np.where(missing, rule.fill, cells * rule.factor) - rule.mean) / rule.std
    clipped = np.clip(scaled, -_FLOAT32_MAX, _FLOAT32_MAX)
    return (
        np.stack((clipped, missing), axis=1, dtype=np.float32, casting="unsafe")
        if rule.indicator
        else clipped.astype(np.float32)[:, None]
    )


def _category_part(rule: OneHot) -> Callable[[Any], bytes]:
    columns = _columns_of(rule)
    table = _Columns(zip(rule.values, columns, strict=False), columns[-1] if rule.other else None)
    gap = np.zeros(rule.size + rule.indicator, dtype=np.float32)
    gap[[rule.filled] if rule.filled >= 0 else []] = 1.0
    gap[rule.size :] = 1.0
    table[None] = gap.tobytes()
    if {bool, int} <= {type(value) for value in rule.values}:
        return _mixed_part(rule, table[None])
    return table.__getitem__


class _Columns(dict[Any, bytes]):
    """The columns of each value; those of `other` for any that is not listed.

    Raises:
        KeyError: a value is not listed, and there is no `other`.
    """

    def __init__(self, listed: Iterable[tuple[Any, bytes]], other: bytes | None) -> None:
        super().__init__(listed)
        self._other = other

    def __missing__(self, value: Any) -> bytes:
        if self._other is None:
            raise KeyError(value)
        return self._other


def _columns_of(rule: OneHot) -> list[bytes]:
    """The columns of each listed value, and last of another one if the rule has such a column."""
    size = rule.size + rule.indicator
    return [np.eye(1, size, place, dtype=np.float32).tobytes() for place in range(rule.size)]


def _mixed_part(rule: OneHot, gap: bytes) -> Callable[[Any], bytes]:
    """Looks values up by text, since `true` and 1 are one key to Python and may both be values."""
    columns = _columns_of(rule)
    table = _Columns(zip(map(category_text, rule.values), columns, strict=False), columns[-1] if rule.other else None)
    return lambda value: gap if value is None else table[category_text(value)]


def _number_part(rule: Scaled) -> Callable[[float | None], bytes]:
    pack, factor, mean, std = _FLOAT.pack, rule.factor, rule.mean, rule.std
    present, gap = _tails(rule)

    def part(value: float | None) -> bytes:
        if value is None:
            return gap
        scaled = (value * factor - mean) / std
        try:
            return pack(scaled) + present
        except OverflowError:
            return pack(math.copysign(_FLOAT32_MAX, scaled)) + present

    return part


def _date_part(rule: Scaled) -> Callable[[str | None], bytes]:
    pack, mean, std = _FLOAT.pack, rule.mean, rule.std
    present, gap = _tails(rule)

    def part(value: str | None) -> bytes:
        return gap if value is None else pack((cell_days(value) - mean) / std) + present

    return part


def _tails(rule: Scaled) -> tuple[bytes, bytes]:
    """The bytes after a number that is given, and all bytes of one that is missing."""
    filled = _FLOAT.pack((rule.fill - rule.mean) / rule.std)
    return (_FLOAT.pack(0.0), filled + _FLOAT.pack(1.0)) if rule.indicator else (b"", filled)
