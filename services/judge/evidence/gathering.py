"""Gathers the evidence of the current rollout from the samples of a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from services.judge.evidence.arrivals import arrivals
from services.judge.evidence.beyond import blind_spans
from services.judge.evidence.counts import (
    IN_FLIGHT,
    REQUESTS_AT,
    WORDS,
    Evidence,
    HoldoutShift,
    LiveExpectation,
    Outlier,
)
from services.judge.evidence.expectation import expectation_of
from services.judge.evidence.exposition import Reading
from services.judge.evidence.gateway import gateway_counts, told, without_absent
from services.judge.evidence.labels import LabelledAnswers, labelled_answers
from services.judge.evidence.outliers import unlike, without
from services.judge.evidence.same_inputs import differing, read_inputs
from services.judge.evidence.series import Replica, Series
from services.judge.evidence.strata import Beside, counted_since, strata
from services.judge.evidence.warming import UNTIMED, Timing


def evidence_at(series: Series, now: float, stale_seconds: float, timing: Timing = UNTIMED) -> Evidence:
    """The evidence so far. A side is missing if none of its replicas was read in the last `stale_seconds`."""
    began = series.began()
    weight = series.weights[-1] if series.weights else 0.0
    named = {"champion": dict(series.side("champion")), "canary": dict(series.side("canary"))}
    champions, canaries = (list(named[side].values()) for side in ("champion", "canary"))
    problems = [
        *series.problems,
        *_weight_problems(series, now, stale_seconds),
        *_silent("canary", canaries, now, stale_seconds),
        *_silent("champion", champions, now, stale_seconds),
        *_too_many_labels("canary", canaries),
        *_too_many_labels("champion", champions),
    ]
    holdout, doubt = _holdout(canaries, champions)
    found = Evidence(
        weight=weight, elapsed_seconds=0.0 if began is None else now - began, holdout=holdout,
        problems=(*problems, *doubt), replicas=(len(champions), len(canaries)),
        gateway=told(series, now, stale_seconds),
        answers=_newest(canaries).answers if canaries else WORDS,
    )  # fmt: skip
    if began is None:
        return found
    if holdout is not None and not _same_package(canaries, champions):
        found = replace(found, expectation=_expected(series, began, champions, canaries))
    return _counted(found, series, began, named, now, stale_seconds, timing)


def _expected(
    series: Series, began: float, champions: Sequence[Replica], canaries: Sequence[Replica]
) -> LiveExpectation | None:
    """What the hold-out lets expect of the canary's inputs, and whether these are the champion's as well."""
    expected = expectation_of(canaries)
    if expected is None:
        return None
    return replace(expected, differing=differing(read_inputs(series, began, champions, canaries)))


def _counted(
    found: Evidence,
    series: Series,
    began: float,
    named: dict[str, dict[str, Replica]],
    now: float,
    stale_seconds: float,
    timing: Timing,
) -> Evidence:
    """The evidence with its counts by weight, and those without each replica that is unlike the others of its side."""

    def labelled(champions: list[Replica], canaries: list[Replica]) -> LabelledAnswers | None:
        return labelled_answers(series, began, champions, canaries, now, stale_seconds, timing.mature_seconds)

    champions, canaries = (list(named[side].values()) for side in ("champion", "canary"))
    gateway = gateway_counts(series)
    blind = blind_spans(series, "champion", champions), blind_spans(series, "canary", canaries)
    counted_beside = labelled(champions, canaries)
    whole = Beside(counted_beside, arrivals(series, began, champions, canaries, now, stale_seconds), gateway, blind)
    outliers = []
    for at, (side, replicas) in enumerate(named.items()):
        for name, present in without_absent(gateway, began, at, replicas):
            parts = strata(series, began, champions, canaries, timing, replace(whole, arrivals=None, gateway=present))
            outliers.append(Outlier(name, side, "error_ratio", parts))
        counted = {name: counted_since(series, began, one) for name, one in replicas.items()}
        for name, signal in unlike(counted):
            part = counted[name][REQUESTS_AT] / sum(row[REQUESTS_AT] for row in counted.values())
            theirs, ours = ([one for one in each if one is not replicas[name]] for each in (champions, canaries))
            beside = Beside(labelled(theirs, ours), gateway=gateway, blind=blind)
            parts = strata(series, began, theirs, ours, timing, beside)
            outliers.append(Outlier(name, side, signal, tuple(without(one, side, part) for one in parts)))
    return replace(
        found,
        strata=strata(series, began, champions, canaries, timing, whole),
        outliers=tuple(outliers),
        remarks=tuple(_remarks(whole, timing)),
    )


def _remarks(beside: Beside, timing: Timing) -> Iterator[str]:
    """Sentences about what is judged in another way than usual, or not yet."""
    if beside.labels is None:
        yield "labels count when they come, for a replica does not tell when their answers were given"
    elif beside.labels.immature:
        age = f"{timing.mature_seconds / 60:g} minutes"
        yield f"{beside.labels.immature:,.0f} answers are younger than {age}, so their labels do not count yet"


def _weight_problems(series: Series, now: float, stale_seconds: float) -> list[str]:
    if not series.weights:
        return ["the canary's weight is not known: nothing exports it"]
    age = now - series.weight_times[-1]
    return [f"the canary's weight was last read {age:.0f} s ago"] if age > stale_seconds else []


def _silent(side: str, replicas: Sequence[Replica], now: float, stale_seconds: float) -> list[str]:
    if not replicas:
        return [f"no {side} is among the targets that could be read"]
    age = now - max(replica.times[-1] for replica in replicas)
    return [f"no replica of the {side} could be read for {age:.0f} s"] if age > stale_seconds else []


def _too_many_labels(side: str, replicas: Iterable[Replica]) -> list[str]:
    """The problem of replicas that count labels twice; over their whole life, because labels come late."""
    lives = [replica.readings[-1].counts for replica in replicas]
    sums = [(sum(counts.losses), sum(counts.scores)) for counts in lives if counts.losses and counts.scores]
    return [
        f"a replica of the {side} counts {labels:,.0f} labels for {scores:,.0f} scores; a label belongs to one score"
        for labels, scores in sums
        if labels > scores + IN_FLIGHT
    ]


def _newest(replicas: Sequence[Replica]) -> Reading:
    """The last reading of any of them."""
    return max(replicas, key=lambda replica: replica.times[-1]).readings[-1]


def _same_package(canaries: Sequence[Replica], champions: Sequence[Replica]) -> bool:
    """Whether the canary is the champion's own package under other settings: its scores must not move."""
    canary = _newest(canaries)
    return bool(canary.package) and canary.package in {replica.readings[-1].package for replica in champions}


def _holdout(canaries: Sequence[Replica], champions: Sequence[Replica]) -> tuple[HoldoutShift | None, list[str]]:
    """The canary's shift on the hold-out, and the problems that forbid its use."""
    if not canaries or not champions:
        return None, []
    canary = _newest(canaries)
    live = {replica.readings[-1].package for replica in champions}
    if len(live) > 1:
        return None, [f"the champion's replicas serve different packages: {', '.join(sorted(live))}"]
    if _same_package(canaries, champions):
        nothing = (0.0,) * canary.answers.bins
        return HoldoutShift(nothing, nothing, canary.answers), []
    if canary.champion and canary.champion not in live:
        return None, [
            f"the canary was compared on the hold-out with {canary.champion}, but the champion that is live is"
            f" {', '.join(live) or 'unknown'}; train it again against the live champion"
        ]
    return canary.holdout, []
