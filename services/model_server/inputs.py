"""Counts live inputs by the bins of the package's population, and tells what they let expect of this version's scores.

Each answered request counts with one of its rows, picked at random, so that a batch costs no more than one row. After
the first thousand requests one in eight is counted, picked at random, too: a mean over them is as good, and they cost
less than one percent of a request's time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from components.package.model_package import Package
from components.package.population import MOST_BINS, ExpectedShift, LiveShift
from components.spec.contract import CategoryFeature
from services import telemetry
from services.model_server.decoding import Row
from services.model_server.metrics_text import escaped, family

#: A worker's numbers: rows with a value unlike any of the hold-out's, then one number for each bin.
_UNLIKE, _BINS = 0, 1
#: So many requests of a worker are counted all; of those that follow, one in 2 to the power of so many.
_ALL_OF, _THINNED_BITS = 1024, 3
#: Bytes of one worker's numbers.
INPUT_BYTES: Final = 8 * (_BINS + MOST_BINS)


class LiveInputs:
    """This worker's numbers; it counts nothing where the package has no population."""

    def __init__(self, memory: memoryview, package: Package) -> None:
        """`memory` holds `INPUT_BYTES`."""
        self._values = memory[:INPUT_BYTES].cast("d")
        self._seen, self._finders = 0, []
        places, first = list(package.contract.features), _BINS
        for name, counted in package.population.features.items() if package.population else ():
            feature = package.contract.features[name]
            allowed = feature.values if isinstance(feature, CategoryFeature) else ()
            self._finders.append((places.index(name), counted.bins.finder(first, allowed)))
            first += counted.bins.number

    def count(self, rows: Sequence[Row]) -> None:
        """Counts one of the rows of an answered request."""
        self._seen += 1
        if not self._finders or (self._seen > _ALL_OF and random.getrandbits(_THINNED_BITS)):
            return
        row = rows[0] if len(rows) == 1 else random.choice(rows)  # noqa: S311 -- no secret
        found = [find(row[place]) for place, find in self._finders]
        values = self._values
        if -1 in found:
            values[_UNLIKE] += 1
            return
        for place in found:
            values[place] += 1


class LiveInputsPage:
    """What all workers' inputs let expect, under the names of `services.telemetry`, in Prometheus's text format."""

    def __init__(self, memories: Sequence[memoryview], package: Package, service: str, version: str) -> None:
        """Each of `memories` holds `INPUT_BYTES`."""
        self._memories = [memory[:INPUT_BYTES].cast("d") for memory in memories]
        self._expected = None if package.population is None else ExpectedShift(package.population)
        self._bins = package.contract.counted.names
        self._labels = f'service="{escaped(service)}",version="{version}"'

    def text(self) -> str:
        """The metrics; empty where the package has no population."""
        if self._expected is None:
            return ""
        unlike, *counts = (sum(values) for values in zip(*self._memories, strict=True))
        live = self._expected.of(counts)
        lines = family(telemetry.INPUTS, "counter", "Requests with a row by the hold-out's bins.",
                        {self._labels: 0.0 if live is None else live.inputs})  # fmt: skip
        lines += family(telemetry.INPUTS_UNLIKE, "counter", "Requests with a row unlike the hold-out's.",
                         {self._labels: unlike})  # fmt: skip
        return "\n".join([*lines, *([] if live is None else self._expectation(live))]) + "\n"

    def _expectation(self, live: LiveShift) -> list[str]:
        by_feature = {f'{self._labels},feature="{escaped(name)}"': far for name, far in live.distance.items()}
        lines = family(telemetry.INPUTS_DISTANCE, "gauge", "How far inputs are from the hold-out.", by_feature)
        for name, text, numbers in (
            (telemetry.EXPECTED_SHIFT, "Shift of scores that the hold-out lets expect of the inputs.", live.shift),
            (telemetry.EXPECTED_SHIFT_ERROR, "Its standard error for want of rows.", live.unexplained),
            (telemetry.EXPECTED_SHIFT_SAMPLED, "Its standard error for want of inputs.", live.sampled),
        ):
            named = zip(self._bins, numbers, strict=True)
            by_bin = {f'{self._labels},bin="{name}"': number for name, number in named}
            lines += family(name, "gauge", text, by_bin)
        return lines
