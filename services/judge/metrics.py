"""The judge's own /metrics: its current verdicts, their evidence, and counts of its answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services import telemetry
from services.judge.verdict import Decision, Verdict
from services.judge.webhook import Subject

#: The labels that name the subject; `namespace` is empty outside a cluster.
_PLACE = ("service", "namespace")


def page(verdicts: Mapping[Subject, Verdict], answers: Counter[tuple[Subject, str, str]]) -> bytes:
    """The page in Prometheus's text format; `answers` counts by subject, question and answer (yes or no)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(verdicts, answers))
    return generate_latest(registry)


class _Page(Collector):
    def __init__(self, verdicts: Mapping[Subject, Verdict], answers: Counter[tuple[Subject, str, str]]) -> None:
        self._verdicts, self._answers = verdicts, answers

    def collect(self) -> Iterator[Metric]:
        """The three families."""
        said = GaugeMetricFamily(telemetry.JUDGE_VERDICT, "What the judge says now.", labels=(*_PLACE, "verdict"))
        evidence = GaugeMetricFamily(
            telemetry.JUDGE_LOG_EVIDENCE, "Logarithm of the evidence.", labels=(*_PLACE, "signal", "of")
        )
        for subject, verdict in self._verdicts.items():
            for word in get_args(Decision):
                said.add_metric((*subject, word), float(word == verdict.verdict))
            for finding in verdict.findings:
                evidence.add_metric((*subject, finding.name, "harm"), math.log(finding.e_harm))
                evidence.add_metric((*subject, finding.name, "safe"), math.log(finding.e_safe))
        yield from (said, evidence)
        answers = CounterMetricFamily(
            telemetry.JUDGE_ANSWERS, "Flagger's questions, answered.", labels=(*_PLACE, "question", "answer")
        )
        for (subject, question, answer), number in self._answers.items():
            answers.add_metric((*subject, question, answer), number)
        yield answers
