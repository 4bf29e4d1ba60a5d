"""The server's counters, as plain numbers in shared memory, and their text for Prometheus.

An increment is a single store; a client library's costs a lock and a memory-mapped
write. With several workers the text is the sum over all workers.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from components.package.answers import AbsoluteError, ClassTarget
from components.package.model_package import Contract, Package
from services import telemetry
from services.model_server.adapting import rules_of
from services.model_server.errors import REASONS, Reason
from services.model_server.feedback.grading import grader_of
from services.model_server.rings import Ring, ring_bytes, ring_sums

#: Upper bounds of the latency histogram, in seconds.
LATENCY_BUCKETS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, float("inf"),
)  # fmt: skip

# The place of each number in a slot. The two reasons to drop a row of the log
# have a number each, because two threads count them.
_REQUESTS, _ERRORS, _SLOW, _LATENCY_SUM, _DROPPED_FULL, _DROPPED_DISK, _SHADOWED, _ROWS = range(8)
_FEEDBACK: Final = _ROWS + 1
_REFUSED: Final = _FEEDBACK + len(telemetry.FEEDBACK_MATCHED)
_LATENCY: Final = _REFUSED + len(REASONS)
# Requests by the number of `SLOWER_TIMES` that they exceed.
_SLOWER: Final = _LATENCY + len(LATENCY_BUCKETS)
_CAPPED: Final = _SLOWER + 1 + len(telemetry.SLOWER_TIMES)
# What follows depends on the contract: answers by bin, then labels by cell.
_SCORES: Final = _CAPPED + 1

_SCORES_HELP: Final = "Requests by the bins of their scores; each row of a request counts 1 / its rows."
_LABELS_HELP: Final = "Requests whose labels came back, by score bin and label; each row counts 1 / its request's rows."


@dataclass(frozen=True)
class CounterLayout:
    """What is counted of a contract's requests.

    Attributes:
        bins: names of the answers' bins.
        groups: bins that each row is in.
        cells: names of the labels' cells.
        rules: features that take other values than those listed, with their rules.
    """

    bins: tuple[str, ...]
    groups: int
    cells: tuple[tuple[str, str], ...]
    rules: tuple[tuple[str, str], ...]

    @property
    def labels(self) -> int:
        """The place of the first cell of labels."""
        return _SCORES + len(self.bins)

    @property
    def adapted(self) -> int:
        """The place of the first feature with a rule."""
        return self.labels + len(self.cells)

    @property
    def plain_bytes(self) -> int:
        """Bytes of one worker's numbers without the arrivals."""
        return 8 * (self.adapted + len(self.rules))

    @property
    def bytes(self) -> int:
        """Bytes of one worker's numbers: the plain ones, and the arrivals by slots of time."""
        return self.plain_bytes + ring_bytes(telemetry.ARRIVED_SLOTS, 1)


def layout_of(contract: Contract) -> CounterLayout:
    """What is counted of a contract's requests."""
    rules = tuple(rules_of(contract.features).items())
    return CounterLayout(contract.counted.names, contract.counted.groups, grader_of(contract).cells, rules)


class Counters:
    """This worker's numbers."""

    def __init__(self, memory: memoryview, slow_seconds: float, layout: CounterLayout) -> None:
        """`memory` holds the layout's bytes; a request that takes longer than `slow_seconds` is slow."""
        self._values = memory[: layout.plain_bytes].cast("d")
        self._arrivals, self._groups = _arrivals(memory, layout), layout.groups
        self._labels, self._adapted = layout.labels, layout.adapted
        self._slow_seconds = slow_seconds
        self._slower_seconds = tuple(float(times) * slow_seconds for times in telemetry.SLOWER_TIMES)

    def request(self, seconds: float, *, error: bool) -> None:
        """Counts a predict request answered with 2xx, or with 5xx if `error`."""
        values = self._values
        values[_REQUESTS] += 1
        values[_LATENCY_SUM] += seconds
        values[_LATENCY + bisect_left(LATENCY_BUCKETS, seconds)] += 1
        if error:
            values[_ERRORS] += 1
        if seconds > self._slow_seconds:
            values[_SLOW] += 1
        values[_SLOWER + bisect_left(self._slower_seconds, seconds)] += 1

    def arrived(self, at: float, now: float) -> None:
        """Counts a predict request that arrived at `at` and is answered `now`, with any status; in unix seconds."""
        turn = int(at // telemetry.ARRIVED_SECONDS)
        self._arrivals.add(turn, int(now // telemetry.ARRIVED_SECONDS), 0, 1)

    def scores(self, bins: Sequence[int]) -> None:
        """Counts the bins of one answer; all its rows together count one in each group of bins."""
        values = self._values
        rows = len(bins) / self._groups
        values[_ROWS] += rows
        weight = 1 / rows
        for place in bins:
            values[_SCORES + place] += weight

    def labels(self, cells: Sequence[tuple[int, float]], rows: int) -> None:
        """Counts the labels of one answer's rows by their cells; all its rows together count one."""
        values, first = self._values, self._labels
        for place, part in cells:
            values[first + place] += part / rows

    def capped(self, rows: int) -> None:
        """Counts labelled rows whose loss was cut to 1."""
        self._values[_CAPPED] += rows

    def adapted(self, place: int, rows: int) -> None:
        """Counts rows whose value was read by a feature's rule; `place` is the feature's among those with one."""
        self._values[self._adapted + place] += rows

    def shadow_answered(self) -> None:
        """Counts an answered copy of another version's request."""
        self._values[_SHADOWED] += 1

    def refused(self, reason: Reason) -> None:
        """Counts a request that got a 4xx."""
        self._values[_REFUSED + REASONS.index(reason)] += 1

    def feedback(self, rows: int, matched: telemetry.Matched) -> None:
        """Counts rows of feedback by outcome."""
        self._values[_FEEDBACK + telemetry.FEEDBACK_MATCHED.index(matched)] += rows

    def dropped_full(self, rows: int) -> None:
        """Counts rows that found the log's queue full."""
        self._values[_DROPPED_FULL] += rows

    def dropped_disk(self, rows: int) -> None:
        """Counts rows that the disk refused."""
        self._values[_DROPPED_DISK] += rows


def _arrivals(memory: memoryview, layout: CounterLayout) -> Ring:
    return Ring(memory[layout.plain_bytes :], telemetry.ARRIVED_SLOTS, 1)


class Exposition(Collector):
    """The numbers of all workers under the names of `services.telemetry`; every label value exists from the start."""

    def __init__(
        self,
        memories: Sequence[memoryview],
        package: Package,
        service: str,
        version: str,
        shadow: Collector | None = None,
        more: Callable[[], str] = lambda: "",
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`shadow` holds the metrics about a candidate, on a server that asks one.

        `more` gives the text of further metrics, and `wall` unix seconds.
        """
        self._layout = layout_of(package.contract)
        self._memories = [memory[: self._layout.plain_bytes].cast("d") for memory in memories]
        self._arrivals = [_arrivals(memory, self._layout) for memory in memories]
        self._more, self._wall = more, wall
        self._package = package
        self._labels = (service, version)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        if shadow is not None:
            self._registry.register(shadow)

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry) + self._more().encode()

    def collect(self) -> Iterator[Metric]:
        """Every metric, summed over the workers."""
        totals = [sum(values) for values in zip(*self._memories, strict=True)]
        dropped = totals[_DROPPED_FULL] + totals[_DROPPED_DISK]
        yield self._counter(telemetry.REQUESTS, "Predict requests answered with 2xx or 5xx.", totals[_REQUESTS])
        yield self._counter(telemetry.ERRORS, "Of those, answered with 5xx.", totals[_ERRORS])
        yield self._counter(telemetry.SLOW, "Of those, slower than the objective.", totals[_SLOW])
        yield self._counter(telemetry.ROWS, "Rows answered with a score.", totals[_ROWS])
        yield self._counter(telemetry.LOG_DROPPED, "Rows that the prediction log dropped.", dropped)
        yield self._counter(telemetry.SHADOW_ANSWERED, "Copies of requests answered.", totals[_SHADOWED])
        yield self._latency(totals)
        yield self._slower(totals)
        yield self._arrived()
        yield from self._families(totals)
        yield from self._gauges()
        yield from self._loss()
        yield from self._of_numbers(totals)
        yield from self._of_classes()

    def _counter(self, name: str, help_text: str, value: float) -> Metric:
        family = CounterMetricFamily(name, help_text, labels=telemetry.VERSION_LABELS)
        family.add_metric(self._labels, value)
        return family

    def _latency(self, totals: list[float]) -> Metric:
        counts = totals[_LATENCY : _LATENCY + len(LATENCY_BUCKETS)]
        buckets = [
            ("+Inf" if bound == float("inf") else str(bound), sum(counts[: place + 1]))
            for place, bound in enumerate(LATENCY_BUCKETS)
        ]
        text = "From a predict request's last byte to its answer."
        family = HistogramMetricFamily(telemetry.LATENCY, text, labels=telemetry.VERSION_LABELS)
        family.add_metric(self._labels, buckets, totals[_LATENCY_SUM])
        return family

    def _slower(self, totals: list[float]) -> Metric:
        labels = (*telemetry.VERSION_LABELS, "times")
        family = CounterMetricFamily(
            telemetry.SLOWER, "Requests slower than so many times the objective.", labels=labels
        )
        for place, times in enumerate(telemetry.SLOWER_TIMES, _SLOWER + 1):
            family.add_metric((*self._labels, times), sum(totals[place:_CAPPED]))
        return family

    def _arrived(self) -> Metric:
        labels = (*telemetry.VERSION_LABELS, "slot")
        family = GaugeMetricFamily(telemetry.ARRIVED, "Answered requests by the slot of their arrival.", labels=labels)
        for slot, (count,) in enumerate(ring_sums(self._arrivals, self._newest)):
            family.add_metric((*self._labels, str(slot)), count)
        return family

    def _newest(self) -> int:
        return int(self._wall() // telemetry.ARRIVED_SECONDS)

    def _families(self, totals: list[float]) -> Iterator[Metric]:
        names = telemetry.VERSION_LABELS
        refused = CounterMetricFamily(telemetry.REFUSED, "Requests refused with 4xx.", labels=(*names, "reason"))
        for place, reason in enumerate(REASONS):
            refused.add_metric((*self._labels, reason), totals[_REFUSED + place])
        feedback = CounterMetricFamily(telemetry.FEEDBACK, "Rows of feedback.", labels=(*names, "matched"))
        for place, matched in enumerate(telemetry.FEEDBACK_MATCHED):
            feedback.add_metric((*self._labels, matched), totals[_FEEDBACK + place])
        scores = CounterMetricFamily(telemetry.SCORES, _SCORES_HELP, labels=(*names, "bin"))
        labels = CounterMetricFamily(telemetry.LABELS, _LABELS_HELP, labels=(*names, "bin", "label"))
        for place, name in enumerate(self._layout.bins, _SCORES):
            scores.add_metric((*self._labels, name), totals[place])
        for place, cell in enumerate(self._layout.cells, self._layout.labels):
            labels.add_metric((*self._labels, *cell), totals[place])
        yield from (refused, feedback, scores, labels)
        if self._layout.rules:
            adapted = CounterMetricFamily(telemetry.ADAPTED, "Rows read by a rule.", labels=(*names, "feature", "rule"))
            for place, rule in enumerate(self._layout.rules, self._layout.adapted):
                adapted.add_metric((*self._labels, *rule), totals[place])
            yield adapted

    def _loss(self) -> Iterator[Metric]:
        loss = self._package.contract.loss
        if loss is not None:
            info = GaugeMetricFamily(telemetry.LABEL_LOSS, "The loss.", labels=(*telemetry.VERSION_LABELS, "loss"))
            info.add_metric((*self._labels, loss.words), 1)
            yield info

    def _of_numbers(self, totals: list[float]) -> Iterator[Metric]:
        """What a judge and people have to know where answers are numbers: the bins' edges, and capped losses."""
        contract = self._package.contract
        if not isinstance(contract.loss, AbsoluteError):
            return
        edges = GaugeMetricFamily(
            telemetry.SCORE_EDGE, "Upper edge of a bin.", labels=(*telemetry.VERSION_LABELS, "bin")
        )
        for name, edge in zip(self._layout.bins, contract.counted.edges, strict=True):
            edges.add_metric((*self._labels, name), edge)
        yield edges
        yield self._counter(telemetry.LABELS_CAPPED, "Labelled rows whose loss was cut to 1.", totals[_CAPPED])

    def _of_classes(self) -> Iterator[Metric]:
        """The classes that bins count, where answers have classes."""
        target = self._package.contract.target
        if not isinstance(target, ClassTarget):
            return
        named = GaugeMetricFamily(
            telemetry.SCORE_CLASS, "The class that a bin counts.", labels=(*telemetry.VERSION_LABELS, "bin", "class")
        )
        ordered = len(self._layout.bins) - len(target.classes)
        for name, word in zip(self._layout.bins[ordered:], target.classes, strict=True):
            named.add_metric((*self._labels, name, word), 1)
        yield named

    def _gauges(self) -> Iterator[Metric]:
        names, holdout = telemetry.VERSION_LABELS, self._package.holdout
        info = GaugeMetricFamily(telemetry.MODEL_INFO, "The model.", labels=(*names, "package", "champion"))
        info.add_metric((*self._labels, self._package.digest, holdout.champion or ""), 1)
        yield info
        shift = GaugeMetricFamily(telemetry.HOLDOUT_SHIFT, "Shift of scores on the hold-out.", labels=(*names, "bin"))
        error = GaugeMetricFamily(telemetry.HOLDOUT_SHIFT_ERROR, "Its standard error.", labels=(*names, "bin"))
        for place, name in enumerate(self._layout.bins):
            shift.add_metric((*self._labels, name), holdout.shift[place])
            error.add_metric((*self._labels, name), holdout.shift_error[place])
        yield from (shift, error)
