"""A folder as a demo leaves it: events, verdicts and a package by the real parts, traffic and metrics by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluation.result import (
    CalibrationBin,
    Comparison,
    Evaluation,
    Fairness,
    GateResult,
    Group,
    Interval,
    Speed,
)
from components.models.usage import DeviceUsage, Usage
from components.spec.contract import SCORE_EDGES, Rollout
from k8s.twin.events import Event
from k8s.twin.summary import CommitSummary, Decision, RequestCount, Story, VersionFate, write_summary
from services.judge.evidence.counts import BINS, Counts, Evidence, HoldoutShift, Stratum, merge_strata
from services.judge.evidence.exposition import PARTS
from services.judge.verdict import judge, next_weight
from tests.small_package import write_small_package

#: 14 November 2023, 22:13 UTC.
STARTED = 1_700_000_000.0
RATE = 300
#: Seconds between two looks of the judge.
EVERY = 5
ROLLOUT = Rollout(step_weight=20)
FIRST = int(next_weight(0, ROLLOUT))
EVEN = HoldoutShift(shift=(0.0,) * BINS, shift_error=(0.004,) * BINS)
GOOD = np.full(BINS, 1 / BINS)
#: Most scores of the bad version are low.
BAD = np.array([0.16] + [0.84 / (BINS - 1)] * (BINS - 1))


def counts(generator: np.random.Generator, requests: int, scores: np.ndarray) -> Counts:
    """What one side answered in a second; a fifth of the answers get a label."""
    drawn = generator.multinomial(requests, scores)
    middles = np.array(SCORE_EDGES) - 0.02
    labelled = drawn // 5 + (generator.random(BINS) < 0.5)
    positive = generator.binomial(labelled, np.clip(middles, 0.01, 0.99))
    losses = np.stack([labelled - positive, positive], axis=-1).ravel() @ PARTS
    slow = float(generator.binomial(requests, 0.002))
    return Counts(float(requests), 0.0, slow, tuple(map(float, drawn)), tuple(losses.tolist()))


def rollout(
    version: str, begin: float, scores: np.ndarray, seed: int, rules: Rollout = ROLLOUT
) -> tuple[list[Event], list[dict[str, Any]], float]:
    """A rollout as the twin runs it, judged every second; its events, verdicts and end."""
    generator = np.random.default_rng(seed)
    events = [Event(begin, "weight", version, FIRST)]
    looks: list[dict[str, Any]] = []
    strata: tuple[Stratum, ...] = ()
    weight, at = FIRST, begin
    while True:
        at += 1.0
        canary = int(RATE * weight / 100)
        new = Stratum(weight, counts(generator, RATE - canary, GOOD), counts(generator, canary, scores))
        strata = merge_strata((*strata, new))
        if int(at - begin) % EVERY:
            continue
        said = judge(Evidence(strata, weight, at - begin, EVEN), rules)
        looks.append({"at": at, "version": version, "weight": weight, "verdict": said.to_dict()})
        events.append(Event(at, "decision", version, weight, "Progressing", said.verdict, said.reason, said.to_dict()))
        if said.must_go:
            return [*events, Event(at, "weight", version, 0)], looks, at
        if said.verdict == "pass" and said.next_weight == 100:
            return [*events, Event(at, "weight", version, 100, "Promoting")], looks, at
        if said.verdict == "pass":
            weight = int(said.next_weight)
            events.append(Event(at, "weight", version, weight, "Progressing"))


def traffic(events: list[Event], until: float) -> list[dict[str, Any]]:
    """A line for each second, true to the weights."""
    generator = np.random.default_rng(5)
    routed = [event for event in events if event.kind == "weight"]
    champion, canary, weight, lines = "", "", 0, []
    for at in np.arange(STARTED + 40.0, until, 1.0):
        for event in [event for event in routed if at - 1 < event.at <= at]:
            canary, weight = event.version, event.weight
            if weight == 100:
                champion, canary, weight = event.version, "", 0
        shares = {champion or "1": 100 - weight, **({canary: weight} if weight else {})}
        answered = {version: _answered(generator, RATE * share // 100, version) for version, share in shares.items()}
        lines.append({"at": at, "seconds": 1.0, "versions": answered})
    return lines


def _answered(generator: np.random.Generator, requests: int, version: str) -> dict[str, Any]:
    probability = 0.12 if version == "3" else 0.26
    return {
        "requests": requests,
        "failed": 0,
        "p50_ms": 2.1,
        "p99_ms": round(float(generator.gamma(9, 1.2)), 2),
        "mean_probability": round(float(generator.normal(probability, 0.15 / requests**0.5)), 4),
    }


def around(value: float, half: float = 0.02) -> Interval:
    return Interval(value=value, low=value - half, high=value + half)


def evaluation(feature: str = "tenure", champion: str | None = None) -> dict[str, Any]:
    """`evaluation.json` as `pipelines.local` writes it."""
    metrics = {
        "roc_auc": around(0.8712),
        "brier_score": around(0.1309, 0.01),
        "calibration_error": around(0.0341, 0.01),
    }
    differences = {"roc_auc": around(0.0123, 0.01), "brier_score": around(-0.0044, 0.006)}
    before = {"roc_auc": around(0.8589), "brier_score": around(0.1353, 0.01)}
    flat = (0.0,) * BINS
    measured = Evaluation(
        candidate="gradient_boosting",
        rows=1460,
        positives=411,
        metrics=metrics,
        champion=Comparison(package=champion, metrics=before, difference=differences, shift=flat, shift_error=flat)
        if champion
        else None,
        calibration=tuple(CalibrationBin(predicted=p / 10, observed=p / 10 + 0.02, rows=146) for p in range(10)),
        roc=((0.0, 0.0), (0.2, 0.8), (1.0, 1.0)),
        scores=(73,) * BINS,
        fairness=(
            Fairness(
                by=feature,
                groups=(
                    Group(value="0", rows=1200, positives=300, true_positive_ratio=0.52, named_positive_ratio=0.2),
                    Group(value="1", rows=260, positives=111, true_positive_ratio=0.64, named_positive_ratio=0.4),
                ),
                gap=0.12,
            ),
        ),
        invariance=(),
        direction=(),
        speed=Speed(p50_ms=0.03, p99_ms=0.071),
        package_mib=0.13,
        gates=(
            GateResult(gate="roc_auc", value=0.8712, limit="at least 0.82", passed=True),
            GateResult(gate=f"fairness by {feature}", value=0.12, limit="at most 0.25", passed=True),
        ),
    )
    trials = [
        {"number": n, "candidate": kind, "parameters": {}, "scores": [m - 0.01, m + 0.01], "mean": m, "seconds": 1.0}
        for n, (kind, m) in enumerate((("gradient_boosting", 0.86), ("logistic_regression", 0.84)))
    ]
    used = Usage(
        accelerator="gpu",
        count=1,
        devices=DeviceUsage(names=("NVIDIA L4",), busy_mean=0.43, busy_max=0.98, memory_peak_mib=5120.0),
        memory_peak_mib=812.4,
        cpu_seconds=14.0,
        seconds=9.0,
    )
    importance = [{"feature": feature, "loss": around(0.04, 0.004).model_dump()}]
    search = {"metric": "roc_auc", "rows": 5600, "planned": 2, "trials": trials, "usage": used.model_dump()}
    return {**measured.model_dump(), "search": search, "importance": importance}


def write_demo(home: Path, *, service: str = "churn", feature: str = "tenure", undecided: bool = False) -> Path:
    """A demo that went right: version 2 promoted, version 3 rolled back; or, after a short deadline, undecided."""
    first = [Event(STARTED + 38.0, "weight", "1", 100, "Initializing")]
    second, looks2, end = rollout("2", STARTED + 75.0, GOOD, seed=2)
    rules = ROLLOUT.model_copy(update={"deadline_minutes": 0.25}) if undecided else ROLLOUT
    third, looks3, end = rollout("3", end + 35.0, GOOD if undecided else BAD, seed=3, rules=rules)
    events = [*first, *second, *third]
    write_lines(home / "twin" / "events.jsonl", [asdict(event) for event in events])
    write_lines(home / "record" / "verdicts.jsonl", [*looks2, *looks3])
    write_lines(home / "record" / "traffic" / "seconds.jsonl", traffic(events, end + 9))
    (home / "record" / "clock.json").write_text(json.dumps({"started": STARTED}))
    digests = write_versions(home, feature)
    write_summary(story(service, events, digests, end + 10), home / "summary.json")
    return home


def write_versions(home: Path, feature: str) -> list[str]:
    """One small package that all three versions share, and what their training left."""
    package = write_small_package(home / "store" / "packages" / "small")
    for version in ("1", "2", "3"):
        folder = home / "versions" / version
        folder.mkdir(parents=True)
        snapshot = {"digest": package.receipt.data, "rows": 7043, "uri": "x"}
        result = {
            "status": "ok",
            "package": str(package.path.relative_to(home)),
            "digest": package.digest,
            "snapshot": snapshot,
        }
        (folder / "result.json").write_text(json.dumps(result))
        champion = package.digest if version != "1" else None
        (folder / "evaluation.json").write_text(json.dumps(evaluation(feature, champion)))
    return [package.digest] * 3


def story(service: str, events: list[Event], digests: list[str], end: float) -> Story:
    decisions = tuple(
        Decision(event.at - STARTED, event.version, event.weight, event.verdict, event.reason, {})
        for event in events
        if event.kind == "decision"
    )
    undecided = decisions[-1].verdict == "undecided"
    last = "undecided" if undecided else "rolled-back"
    why = f'Revert "Deploy {service} 3"\n\n{decisions[-1].reason}\n'
    if undecided:
        why += f"\nUndecided: {service} 3 {digests[-1]}\n"
    return Story(
        service=service,
        fault="wrong-unit",
        explanation="the model reads an amount in cents",
        ending="rolled-back",
        seconds=end - STARTED,
        versions=tuple(
            VersionFate(str(n), digest, fate)  # type: ignore[arg-type]
            for n, digest, fate in zip((1, 2, 3), digests, ("champion", "promoted", last), strict=True)
        ),
        decisions=decisions,
        requests={"1": RequestCount(16111, 0), "2": RequestCount(14222, 0), "3": RequestCount(333, 0)},
        commits=(
            CommitSummary("1a" * 20, f"Deploy {service} 1"),
            CommitSummary("2b" * 20, f"Deploy {service} 2"),
            CommitSummary("3c" * 20, f"Deploy {service} 3"),
            CommitSummary("4d" * 20, why),
        ),
        tree_equals_last_good=True,
        champion="2",
    )


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
