"""Reads one replica's counts, and the canary's weight, from a /metrics page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from components.spec.contract import BRIER_LOSSES, CLASS_BIN, SCORE_EDGES
from components.spec.tasks import MOST_CLASSES
from services import telemetry
from services.judge.evidence.counts import (
    BINS,
    CLASSES_AT,
    COLUMNS,
    ERRORS_AT,
    LOSSES,
    LOSSES_AT,
    REQUESTS_AT,
    SCORES_AT,
    SLOW_AT,
    SLOWER_AT,
    TIMED_AT,
    WORDS,
    AnswerKind,
    Counts,
    HoldoutShift,
    LiveExpectation,
)
from services.judge.evidence.slots import Row, SlotNumber, Slotted, slotted

_TOTALS = {telemetry.REQUESTS: REQUESTS_AT, telemetry.ERRORS: ERRORS_AT, telemetry.SLOW: SLOW_AT}
_LABELS = ("negative", "positive")
#: The label of a loss that a server tells itself, since its task has no score and word to tell it by.
_LOSS = "loss"
#: The metrics by bin of what the hold-out lets expect.
EXPECTED = (telemetry.EXPECTED_SHIFT, telemetry.EXPECTED_SHIFT_ERROR, telemetry.EXPECTED_SHIFT_SAMPLED)


@dataclass(frozen=True)
class InputSums:
    """What a replica's inputs are like, since it started, as sums over a sample of them.

    They stand for `number` requests; `squares` is the sum of the squares of how many each of them stands for. `waves`
    has one sum for each of `WAVES`, by feature.
    """

    number: float
    squares: float
    waves: Mapping[str, Row]


@dataclass(frozen=True)
class Reading:
    """One replica at one moment. `champion` is the package compared with on its hold-out, or empty.

    `expectation` is what its hold-out lets expect of its inputs so far, and `inputs` is what they are like, if it
    tells. `slotted` is what the replica tells by slots of time; None if its page was not read for that.
    """

    counts: Counts
    version: str = ""
    package: str = ""
    champion: str = ""
    holdout: HoldoutShift | None = None
    slotted: Slotted | None = None
    expectation: LiveExpectation | None = None
    inputs: InputSums | None = None
    answers: AnswerKind = WORDS


@dataclass(frozen=True)
class MetricSample:
    """One number of a page: the metric's name, its labels and its value."""

    name: str
    labels: dict[str, str]
    value: float


def parse_page(text: str) -> list[MetricSample]:
    """Every sample of a page in Prometheus's text format.

    Raises:
        ValueError: the text is not in that format.
    """
    return [
        MetricSample(sample.name, sample.labels, float(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def read_replica(samples: Iterable[MetricSample], service: str, at: float) -> Reading | None:
    """The reading of a replica of `service` at a time (Unix seconds); None if the page has no metrics of it."""
    mine = [sample for sample in samples if sample.labels.get("service") == service]
    if not any(sample.name in (telemetry.REQUESTS, telemetry.MODEL_INFO) for sample in mine):
        return None
    info = next((sample.labels for sample in mine if sample.name == telemetry.MODEL_INFO), {})
    version = next((sample.labels["version"] for sample in mine if "version" in sample.labels), "")
    return Reading(
        _counts(mine), version, info.get("package", ""), info.get("champion", ""), _holdout(mine, info.get("champion")),
        _slotted(mine, at), _expectation(mine), _inputs(mine), _answers(mine),
    )  # fmt: skip


def read_weight(samples: Iterable[MetricSample], service: str) -> float | None:
    """The canary's weight in percent, found by the twin's label `service` or Flagger's label `workload`; else None."""
    for sample in samples:
        if sample.name == telemetry.CANARY_WEIGHT and service in (
            sample.labels.get("service"), sample.labels.get("workload"),
        ):  # fmt: skip
            return sample.value
    return None


def _counts(samples: list[MetricSample]) -> Counts:
    row = np.full(COLUMNS + _classes(samples, telemetry.SCORES), np.nan)
    labels = np.full(2 * BINS, np.nan)
    for sample in samples:
        for numbers, column in ((row, _column(sample)), (labels, _label(sample))):
            if column is not None:
                numbers[column] = sample.value + (0.0 if np.isnan(numbers[column]) else numbers[column])
    row[CLASSES_AT] = np.nan_to_num(row[CLASSES_AT])
    for part in (row[SCORES_AT], row[LOSSES_AT], labels):
        if not np.isnan(part).all():
            part[:] = np.nan_to_num(part)
    if np.isnan(row[LOSSES_AT]).all():
        row[LOSSES_AT] = labels @ PARTS
    row[TIMED_AT] = row[REQUESTS_AT]
    return Counts.from_vector(row)


def _column(sample: MetricSample) -> int | None:
    if sample.name == telemetry.SLOWER and sample.labels.get("times") in telemetry.SLOWER_TIMES:
        return SLOWER_AT.start + telemetry.SLOWER_TIMES.index(sample.labels["times"])
    if sample.name == telemetry.SCORES:
        score_bin, place = _bin(sample), _class(sample)
        if place is not None:
            return COLUMNS + place
        return None if score_bin is None else SCORES_AT.start + score_bin
    if sample.name == telemetry.LABELS and sample.labels.get("label") == _LOSS:
        loss = _bin(sample)
        return LOSSES_AT.start + loss if loss is not None and loss < LOSSES else None
    return _TOTALS.get(sample.name)


def _label(sample: MetricSample) -> int | None:
    """The place of a sample among the labels by score bin and (negative, positive)."""
    score_bin = _bin(sample)
    if sample.name != telemetry.LABELS or score_bin is None or sample.labels.get("label") not in _LABELS:
        return None
    return 2 * score_bin + _LABELS.index(sample.labels["label"])


def _bin(sample: MetricSample) -> int | None:
    score_bin = sample.labels.get("bin", "")
    return int(score_bin) if score_bin.isdecimal() and int(score_bin) < BINS else None


def _class(sample: MetricSample) -> int | None:
    """The number of the class that a sample's bin counts; None if it is that of no class."""
    name = sample.labels.get("bin", "")
    number = name.removeprefix(CLASS_BIN)
    return int(number) if number != name and number.isdecimal() and int(number) < MOST_CLASSES else None


def _classes(samples: Iterable[MetricSample], name: str) -> int:
    """The number of classes of a metric by bin: one more than the last that has one."""
    return max((place + 1 for one in samples if one.name == name and (place := _class(one)) is not None), default=0)


def _parts() -> Row:
    """The parts of `LABEL_LOSSES` that an answer of each score bin and label counts for; (2 * BINS, LOSSES).

    Its loss is the mean of the two that it lies between, weighted with these parts.
    """
    losses = np.array(telemetry.LABEL_LOSSES)
    return np.stack([np.interp(BRIER_LOSSES, losses, np.eye(LOSSES)[loss]) for loss in range(LOSSES)], axis=1)


#: Its rows are in the order of `BRIER_LOSSES`.
PARTS = _parts()


def _slotted(samples: Iterable[MetricSample], at: float) -> Slotted:
    named: dict[str, list[MetricSample]] = {}
    for sample in samples:
        named.setdefault(sample.name, []).append(sample)
    seconds = next((sample.value for sample in named.get(telemetry.LABEL_SLOT_SECONDS, ())), 0.0)
    labelled = (*named.get(telemetry.LABELLED, ()), *named.get(telemetry.REMEMBERED, ()))
    return slotted(at, seconds, _slot_numbers(labelled), _slot_numbers(named.get(telemetry.ARRIVED, ())))


def _slot_numbers(samples: Iterable[MetricSample]) -> Iterator[SlotNumber]:
    for sample in samples:
        slot, loss = sample.labels.get("slot", ""), sample.labels.get("loss")
        if slot.isdecimal() and (loss is None or (loss.isdecimal() and int(loss) < LOSSES)):
            yield SlotNumber(int(slot), None if loss is None else int(loss), sample.value)


def _holdout(samples: list[MetricSample], champion: str | None) -> HoldoutShift | None:
    """The shift on the hold-out; None without a champion to compare with, or if a bin is missing."""
    if not champion:
        return None
    shift, error = _by_bin(samples, telemetry.HOLDOUT_SHIFT), _by_bin(samples, telemetry.HOLDOUT_SHIFT_ERROR)
    answers = _answers(samples)
    return HoldoutShift(shift, error, answers) if len(shift) == len(error) == answers.bins else None


def _answers(samples: list[MetricSample]) -> AnswerKind:
    """What the answers are: a page that does not tell has the probability of one of two words."""
    edges = _by_bin(samples, telemetry.SCORE_EDGE)
    named = {sample.labels.get("bin"): sample.labels.get("class", "") for sample in samples
             if sample.name == telemetry.SCORE_CLASS}  # fmt: skip
    bins = (f"{CLASS_BIN}{place}" for place in range(_classes(samples, telemetry.SCORES)))
    loss = next((sample.labels.get("loss", "") for sample in samples if sample.name == telemetry.LABEL_LOSS), "")
    return AnswerKind(edges or SCORE_EDGES, loss or WORDS.loss, tuple(named.get(one) or one for one in bins))


def _expectation(samples: list[MetricSample]) -> LiveExpectation | None:
    """What is expected of the replica's inputs; None if it does not tell, or has had none, or if a bin is missing."""
    named = (telemetry.INPUTS, telemetry.INPUTS_UNLIKE)
    totals = {sample.name: sample.value for sample in samples if sample.name in named}
    shift, unexplained, sampled = (_by_bin(samples, name) for name in EXPECTED)
    if len(totals) == 2 and not totals[telemetry.INPUTS] and totals[telemetry.INPUTS_UNLIKE]:
        return LiveExpectation(0.0, totals[telemetry.INPUTS_UNLIKE], (), (), (), ())
    if len(totals) < 2 or not (shift and unexplained and sampled):
        return None
    by_feature = (sample for sample in samples if sample.name == telemetry.INPUTS_DISTANCE)
    far = sorted((sample.labels.get("feature", ""), sample.value) for sample in by_feature)
    inputs, unlike = totals[telemetry.INPUTS], totals[telemetry.INPUTS_UNLIKE]
    return LiveExpectation(inputs, unlike, shift, unexplained, sampled, tuple(far))


def _inputs(samples: list[MetricSample]) -> InputSums | None:
    """What the replica's inputs are like; None if it does not tell."""
    named = (telemetry.INPUTS_COUNTED, telemetry.INPUTS_SQUARES)
    totals = {sample.name: sample.value for sample in samples if sample.name in named}
    if len(totals) < 2:
        return None
    waves: dict[str, Row] = {}
    for sample in samples:
        if sample.name == telemetry.INPUTS_WAVES and sample.labels.get("wave") in telemetry.WAVES:
            row = waves.setdefault(sample.labels.get("feature", ""), np.zeros(len(telemetry.WAVES)))
            row[telemetry.WAVES.index(sample.labels["wave"])] = sample.value
    return InputSums(totals[telemetry.INPUTS_COUNTED], totals[telemetry.INPUTS_SQUARES], waves)


def _by_bin(samples: list[MetricSample], name: str) -> tuple[float, ...]:
    found = {sample.labels.get("bin"): sample.value for sample in samples if sample.name == name}
    bins = (*map(str, range(BINS)), *(f"{CLASS_BIN}{place}" for place in range(_classes(samples, name))))
    numbers = tuple(found.get(one, np.nan) for one in bins)
    return () if np.isnan(numbers).any() else numbers
