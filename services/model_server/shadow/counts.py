"""A server's counts about its shadow candidate: answers compared and different, by slice, score and label; losses.

The numbers belong to one candidate. When another version answers, they start from zero again, like
those of a restarted server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, get_args

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from components.package.model_package import Contract
from components.spec.contract import SCORE_EDGES, CategoryFeature
from components.spec.values import category_text
from services import telemetry
from services.model_server.decoding import Row
from services.model_server.errors import SettingsError

#: The reasons why an answer of the candidate could not be compared.
Failure = Literal["unreachable", "timeout", "status", "answer"]
FAILURES: Final[tuple[Failure, ...]] = get_args(Failure)
#: Features with more values are not sliced unless the settings name them.
MANY_VALUES: Final = 20

#: UTF-8 bytes for the candidate's version.
_NAME_BYTES: Final = 256
_COMPARED, _DIFFERENT, _DROPPED, _FAILED = range(4)
#: Edges that have scores on both sides: all but the last.
_EDGES: Final = len(SCORE_EDGES) - 1
_CROSSED: Final = _FAILED + len(FAILURES)
_LABELLED: Final = _CROSSED + len(telemetry.BELOW) * _EDGES
_SLICES: Final = _LABELLED + len(telemetry.SHADOW_DIFFERENCES)


#: The slice of all values that a contract takes and does not list.
ANOTHER: Final = "another value"


class Slices:
    """One slice for each value of each chosen category feature; the slice of missing values has an empty text."""

    def __init__(self, contract: Contract, names: Sequence[str]) -> None:
        """Slices by the features called `names`, by default those with at most `MANY_VALUES` values.

        Raises:
            SettingsError: a name is not a category feature.
        """
        self.labels: list[tuple[str, str]] = []
        self._places: list[tuple[int, dict[tuple[type, object], int], int]] = []
        features = list(contract.features)
        for name, feature in _chosen(contract, names).items():
            values = [*feature.values, *((None,) if feature.optional else ())]
            first = len(self.labels)
            # The key includes the type, because True equals 1.
            known = {(type(value), value): first + place for place, value in enumerate(values)}
            self._places.append((features.index(name), known, first + len(values)))
            self.labels += [(name, "" if value is None else category_text(value)) for value in values]
            self.labels += [(name, ANOTHER)] if feature.unknown == "other" else []

    def of(self, row: Row) -> list[int]:
        """The indices into `labels` of a row's slices."""
        return [known.get((type(row[place]), row[place]), another) for place, known, another in self._places]


def _chosen(contract: Contract, names: Sequence[str]) -> dict[str, CategoryFeature]:
    features = contract.features.items()
    categories = {name: feature for name, feature in features if isinstance(feature, CategoryFeature)}
    for name in names:
        if name not in categories:
            allowed = ", ".join(categories) or "none, for there is no category feature"
            raise SettingsError(f"CANARIO_SHADOW_SLICES: {name!r} is no category feature; allowed: {allowed}")
    if names:
        return {name: categories[name] for name in names}
    return {name: feature for name, feature in categories.items() if len(feature.values) <= MANY_VALUES}


def shadow_bytes(slices: Slices) -> int:
    """Bytes of one worker's numbers."""
    return _NAME_BYTES + 8 * (_SLICES + 2 * len(slices.labels))


class ShadowCounts:
    """This worker's numbers."""

    def __init__(self, memory: memoryview, slices: Slices) -> None:
        """`memory` holds `shadow_bytes`."""
        self._name = memory[:_NAME_BYTES]
        self._values = memory[_NAME_BYTES : shadow_bytes(slices)].cast("d")
        self._slices = slices
        self._candidate = candidate_in(memory)

    def compared(self, rows: Sequence[Row], different: Sequence[bool], candidate: str) -> None:
        """Counts a request that both versions answered.

        A request counts once in all, and once in each slice with any of its rows. It counts as different
        by the share of those rows that differ, because rows of one request are seldom independent.
        """
        if candidate != self._candidate:
            self._start_again(candidate)
        values, shift = self._values, len(self._slices.labels)
        values[_COMPARED] += 1
        values[_DIFFERENT] += sum(different) / len(different)
        if len(rows) == 1:
            for place in self._slices.of(rows[0]):
                values[_SLICES + place] += 1
                if different[0]:
                    values[_SLICES + shift + place] += 1
            return
        by_slice: dict[int, list[bool]] = {}
        for row, differs in zip(rows, different, strict=True):
            for place in self._slices.of(row):
                by_slice.setdefault(place, []).append(differs)
        for place, differing in by_slice.items():
            values[_SLICES + place] += 1
            values[_SLICES + shift + place] += sum(differing) / len(differing)

    def scored(self, ours: Sequence[int], theirs: Sequence[int]) -> None:
        """Counts the edges between the score bins of champion and candidate, row by row of a compared request."""
        part = 1 / len(ours)
        for mine, other in zip(ours, theirs, strict=True):
            if mine != other:
                first = _CROSSED + _EDGES * (mine < other)
                for edge in range(min(mine, other), max(mine, other)):
                    self._values[first + edge] += part

    def failed(self, reason: Failure, requests: int = 1) -> None:
        """Counts requests that the candidate did not answer as it should."""
        self._values[_FAILED + FAILURES.index(reason)] += requests

    def dropped(self) -> None:
        """Counts a request that found the queue full."""
        self._values[_DROPPED] += 1

    def _start_again(self, candidate: str) -> None:
        name = candidate.encode()[:_NAME_BYTES]
        # A reader in between finds numbers without a name rather than under a wrong name.
        self._name[:] = bytes(_NAME_BYTES)
        for place in range(len(self._values)):
            self._values[place] = 0
        self._name[: len(name)] = name
        self._candidate = candidate


def candidate_in(memory: memoryview) -> str:
    """The version that a worker's numbers are about; empty before the first answer."""
    return bytes(memory[:_NAME_BYTES]).rstrip(b"\0").decode(errors="replace")


def label_cells(memory: memoryview) -> memoryview[float]:
    """A worker's numbers of labelled requests, by `SHADOW_DIFFERENCES`."""
    cells = memory[_NAME_BYTES:][8 * _LABELLED : 8 * _SLICES]
    return cells.cast("d")


class ShadowExposition(Collector):
    """The numbers of all workers under the names of `services.telemetry`, by candidate."""

    def __init__(self, memories: Sequence[memoryview], slices: Slices, service: str, version: str) -> None:
        self._memories, self._slices = memories, slices
        self._labels = (service, version)

    def collect(self) -> Iterator[Metric]:
        """Every metric, summed over the workers that saw the same candidate."""
        totals = self._totals()
        yield self._family(telemetry.SHADOW_COMPARED, "Requests that both versions answered.", totals, _COMPARED)
        yield self._family(telemetry.SHADOW_DIFFERENT, "Of those, answered differently.", totals, _DIFFERENT)
        yield self._family(telemetry.SHADOW_DROPPED, "Requests not copied: the queue was full.", totals, _DROPPED)
        yield from self._pairs(totals)
        failed = self._empty(telemetry.SHADOW_FAILED, "Requests that the candidate did not answer.", "reason")
        slices = [
            self._empty(name, text, "feature", "value")
            for name, text in (
                (telemetry.SHADOW_SLICE_COMPARED, "Requests with a row in the slice that both versions answered."),
                (telemetry.SHADOW_SLICE_DIFFERENT, "Of those, answered differently."),
            )
        ]
        for candidate, values in totals.items():
            for place, reason in enumerate(FAILURES):
                failed.add_metric((*self._labels, candidate, reason), values[_FAILED + place])
            for place, slice_ in enumerate(self._slices.labels):
                for part, family in enumerate(slices):
                    family.add_metric(
                        (*self._labels, candidate, *slice_), values[_SLICES + part * len(self._slices.labels) + place]
                    )
        yield from (failed, *slices)

    def _pairs(self, totals: dict[str, list[float]]) -> Iterator[Metric]:
        crossed = self._empty(telemetry.SHADOW_CROSSED, "Requests scored on two sides of a bin's edge.", "bin", "below")
        labelled = self._empty(
            telemetry.SHADOW_LABELLED, "Labelled requests by the difference of their losses.", "difference"
        )
        for candidate, values in totals.items():
            for side, below in enumerate(telemetry.BELOW):
                for edge in range(_EDGES):
                    number = values[_CROSSED + side * _EDGES + edge]
                    crossed.add_metric((*self._labels, candidate, str(edge), below), number)
            for cell in range(len(telemetry.SHADOW_DIFFERENCES)):
                labelled.add_metric((*self._labels, candidate, str(cell)), values[_LABELLED + cell])
        yield from (crossed, labelled)

    def _totals(self) -> dict[str, list[float]]:
        """The totals by candidate; before the first answer the candidate's name is empty."""
        totals: dict[str, list[float]] = {}
        for memory in self._memories:
            candidate = candidate_in(memory)
            values = memory[_NAME_BYTES : shadow_bytes(self._slices)].cast("d").tolist()
            known = totals.get(candidate, [0.0] * len(values))
            totals[candidate] = [one + other for one, other in zip(known, values, strict=True)]
        # The zeros of a worker without a first answer are left out once another worker has an answer.
        if len(totals) > 1 and not any(totals.get("", [])):
            totals.pop("", None)
        return totals

    def _empty(self, name: str, text: str, *labels: str) -> CounterMetricFamily:
        return CounterMetricFamily(name, text, labels=(*telemetry.VERSION_LABELS, "candidate", *labels))

    def _family(self, name: str, text: str, totals: dict[str, list[float]], place: int) -> Metric:
        family = self._empty(name, text)
        for candidate, values in totals.items():
            family.add_metric((*self._labels, candidate), values[place])
        return family
