"""Reads one replica's counts, and the canary's weight, from a /metrics page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from services import telemetry
from services.judge.evidence.counts import BINS, LABELS_AT, SLOWER_AT, Counts, HoldoutShift

_TOTALS = {telemetry.REQUESTS: 0, telemetry.ERRORS: 1, telemetry.SLOW: 2}
_LABELS = ("negative", "positive")


@dataclass(frozen=True)
class Reading:
    """One replica at one moment. `champion` is the package compared with on its hold-out, or empty."""

    counts: Counts
    version: str = ""
    package: str = ""
    champion: str = ""
    holdout: HoldoutShift | None = None


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


def read_replica(samples: Iterable[MetricSample], service: str) -> Reading | None:
    """The reading of a replica of `service`; None if the page has no metrics of that service."""
    mine = [sample for sample in samples if sample.labels.get("service") == service]
    if not any(sample.name in (telemetry.REQUESTS, telemetry.MODEL_INFO) for sample in mine):
        return None
    info = next((sample.labels for sample in mine if sample.name == telemetry.MODEL_INFO), {})
    version = next((sample.labels["version"] for sample in mine if "version" in sample.labels), "")
    return Reading(
        _counts(mine), version, info.get("package", ""), info.get("champion", ""), _holdout(mine, info.get("champion"))
    )


def read_weight(samples: Iterable[MetricSample], service: str) -> float | None:
    """The canary's weight in percent, found by the twin's label `service` or Flagger's label `workload`; else None."""
    for sample in samples:
        if sample.name == telemetry.CANARY_WEIGHT and service in (
            sample.labels.get("service"), sample.labels.get("workload"),
        ):  # fmt: skip
            return sample.value
    return None


def _counts(samples: list[MetricSample]) -> Counts:
    row = np.full(Counts().vector().shape, np.nan)
    for sample in samples:
        column = _column(sample)
        if column is not None:
            row[column] = sample.value + (0.0 if np.isnan(row[column]) else row[column])
    for part in (slice(3, 3 + BINS), LABELS_AT):
        if not np.isnan(row[part]).all():
            row[part] = np.nan_to_num(row[part])
    return Counts.from_vector(row)


def _column(sample: MetricSample) -> int | None:
    if sample.name in _TOTALS:
        return _TOTALS[sample.name]
    if sample.name == telemetry.SLOWER and sample.labels.get("times") in telemetry.SLOWER_TIMES:
        return SLOWER_AT.start + telemetry.SLOWER_TIMES.index(sample.labels["times"])
    score_bin = sample.labels.get("bin", "")
    if not score_bin.isdecimal() or int(score_bin) >= BINS:
        return None
    if sample.name == telemetry.SCORES:
        return 3 + int(score_bin)
    if sample.name == telemetry.LABELS and sample.labels.get("label") in _LABELS:
        return 3 + BINS + 2 * int(score_bin) + _LABELS.index(sample.labels["label"])
    return None


def _holdout(samples: list[MetricSample], champion: str | None) -> HoldoutShift | None:
    """The shift on the hold-out; None without a champion to compare with, or if a bin is missing."""
    if not champion:
        return None
    shift, error = _by_bin(samples, telemetry.HOLDOUT_SHIFT), _by_bin(samples, telemetry.HOLDOUT_SHIFT_ERROR)
    return HoldoutShift(shift, error) if shift and error else None


def _by_bin(samples: list[MetricSample], name: str) -> tuple[float, ...]:
    found = {sample.labels.get("bin"): sample.value for sample in samples if sample.name == name}
    numbers = tuple(found.get(str(score_bin), np.nan) for score_bin in range(BINS))
    return () if np.isnan(numbers).any() else numbers
