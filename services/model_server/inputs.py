"""Counts live inputs, by waves of their values and by the bins of the package's population.

The bins tell what live inputs let expect of this version's scores; the waves let a judge see whether two versions get
the same inputs.

Each answered request counts with one of its rows, picked at random, so that a batch costs no more than one row. After
the first thousand requests ever fewer are counted, in the end one in 8 (of the waves one in 32), picked at random, too:
each stands for as many requests as were passed over, so that none weighs more in a mean than another. They cost about
one percent of a request's time.
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
from services.model_server.waves import point_of

#: The most features whose waves are told.
MOST_FEATURES: Final = 128
#: A worker's numbers: rows with a value unlike any of the hold-out's; all rows whose bins are counted, and the squares
#: of how many requests each stands for; the same of those whose waves are. Then each bin, and each feature's waves.
_UNLIKE, _BINNED, _BINNED_SQUARES, _COUNTED, _SQUARES, _BINS = range(6)
_WAVES = _BINS + MOST_BINS
#: So many requests of a worker are counted all; later ones stand for up to so many.
_ALL_OF, _MOST, _MOST_WAVES = 1024, 8.0, 32.0
#: Bytes of one worker's numbers.
INPUT_BYTES: Final = 8 * (_WAVES + MOST_FEATURES * len(telemetry.WAVES))


class LiveInputs:
    """This worker's numbers; it counts no bins where the package has no population."""

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
        self._points = [point_of(feature) for feature in package.contract.features.values()][:MOST_FEATURES]

    def count(self, rows: Sequence[Row]) -> None:
        """Counts one of the rows of an answered request, or passes it over."""
        self._seen += 1
        passed = max(self._seen / _ALL_OF, 1.0)
        each, drawn = min(passed, _MOST), random.random()  # noqa: S311 -- no secret
        if drawn * each >= 1:
            return
        row = rows[0] if len(rows) == 1 else random.choice(rows)  # noqa: S311 -- no secret
        if drawn * (each_wave := min(passed, _MOST_WAVES)) < 1:
            self._add_waves(row, each_wave)
        if self._finders:
            self._add_bins(row, each)

    def _add_bins(self, row: Row, each: float) -> None:
        values = self._values
        values[_BINNED] += each
        values[_BINNED_SQUARES] += each * each
        found = [find(row[place]) for place, find in self._finders]
        if -1 in found:
            values[_UNLIKE] += each
            return
        for place in found:
            values[place] += each

    def _add_waves(self, row: Row, each: float) -> None:
        values, place = self._values, _WAVES
        values[_COUNTED] += each
        values[_SQUARES] += each * each
        for value, point in zip(row, self._points, strict=False):
            once = point(value)
            twice = once * once
            fourth = twice * twice
            values[place] += each * once.real
            values[place + 1] += each * once.imag
            values[place + 2] += each * fourth.real
            values[place + 3] += each * fourth.imag
            place += 4


class LiveInputsPage:
    """What all workers' inputs are like and let expect, named as in `services.telemetry`, in Prometheus's format."""

    def __init__(self, memories: Sequence[memoryview], package: Package, service: str, version: str) -> None:
        """Each of `memories` holds `INPUT_BYTES`."""
        self._memories = [memory[:INPUT_BYTES].cast("d") for memory in memories]
        self._expected = None if package.population is None else ExpectedShift(package.population)
        self._bins = package.contract.counted.names
        self._features = list(package.contract.features)[:MOST_FEATURES]
        self._labels = f'service="{escaped(service)}",version="{version}"'

    def text(self) -> str:
        """The metrics; without bins where the package has no population."""
        numbers = [sum(values) for values in zip(*self._memories, strict=True)]
        lines = self._counted(numbers)
        if self._expected is not None:
            lines += self._binned(self._expected, numbers)
        return "\n".join(lines) + "\n"

    def _counted(self, numbers: Sequence[float]) -> list[str]:
        waves = {
            f'{self._labels},feature="{escaped(name)}",wave="{wave}"': numbers[_WAVES + 4 * place + at]
            for place, name in enumerate(self._features)
            for at, wave in enumerate(telemetry.WAVES)
        }
        return [
            *family(telemetry.INPUTS_COUNTED, "gauge", "Requests that the counted inputs stand for.",
                    {self._labels: numbers[_COUNTED]}),
            *family(telemetry.INPUTS_SQUARES, "gauge", "The sum of the squares of how many each stands for.",
                    {self._labels: numbers[_SQUARES]}),
            *family(telemetry.INPUTS_WAVES, "gauge", "The sum of a wave of each counted input.", waves),
        ]  # fmt: skip

    def _binned(self, expected: ExpectedShift, numbers: Sequence[float]) -> list[str]:
        each = numbers[_BINNED] / numbers[_BINNED_SQUARES] if numbers[_BINNED_SQUARES] else 1.0
        live = expected.of(numbers[_BINS:_WAVES], each)
        lines = family(telemetry.INPUTS, "counter", "Requests with a row by the hold-out's bins.",
                       {self._labels: 0.0 if live is None else live.inputs})  # fmt: skip
        lines += family(telemetry.INPUTS_UNLIKE, "counter", "Requests with a row unlike the hold-out's.",
                        {self._labels: numbers[_UNLIKE]})  # fmt: skip
        return [*lines, *([] if live is None else self._expectation(live))]

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
