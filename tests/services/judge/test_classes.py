"""Answers with classes: the judge weighs the share of each class beside the bins of the largest probability."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from components.spec.contract import Rollout
from services import telemetry
from services.judge.evidence.counts import (
    BINS,
    CLASSES_AT,
    COLUMNS,
    AnswerKind,
    Counts,
    Evidence,
    HoldoutShift,
    Stratum,
)
from services.judge.evidence.exposition import parse_page, read_replica
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.outliers import unlike
from services.judge.evidence.series import Replica, Series
from services.judge.statistics.signal_result import SignalResult
from services.judge.statistics.signals import judged_signals
from services.judge.verdict import Verdict, judge
from tests.services.judge.builders import counts
from tests.services.judge.builders import evidence as of_words
from tests.services.judge.pages import replica_page

#: Three classes of which one is rare.
SHARES = (0.6, 0.3, 0.1)
NAMES = ("oak", "pine", "yew")


def kind(classes: int) -> AnswerKind:
    names = NAMES if classes == len(NAMES) else tuple(f"class {place}" for place in range(classes))
    return AnswerKind(loss="Brier loss over classes", classes=names)


def side(requests: float, shares: tuple[float, ...], labels: float = 0.0) -> Counts:
    return replace(counts(requests, labels=labels), classes=tuple(requests * share for share in shares))


def holdout(classes: int) -> HoldoutShift:
    bins = BINS + classes
    return HoldoutShift((0.0,) * bins, (0.003,) * bins, kind(classes))


def verdict(
    canary: tuple[float, ...], champion: tuple[float, ...], requests: float = 40_000, weight: float = 50
) -> Verdict:
    sides = side(requests, canary, requests / 2), side(requests, champion, requests / 2)
    found = Evidence(
        (Stratum(weight, sides[1], sides[0]),), weight, 60.0, holdout(len(champion)), answers=kind(len(champion))
    )
    return judge(found, Rollout())


def scores(found: Verdict) -> SignalResult:
    return next(finding for finding in found.findings if finding.name == "score_shift")


def test_swapped_classes_are_harm_and_the_class_is_named() -> None:
    """The largest probability is spread as before; only the classes have changed places."""
    found = verdict((SHARES[2], SHARES[0], SHARES[1]), SHARES)
    assert found.verdict == "fail"
    finding = scores(found)
    assert (finding.state, finding.edge, finding.answer_class) == ("harm", None, "oak")
    assert "10.0 % of the canary's 40,000 answers are 'oak' against 60.0 %" in finding.reason


def test_a_canary_with_the_champions_classes_is_promoted() -> None:
    found = verdict(SHARES, SHARES)
    assert found.verdict == "pass"
    assert scores(found).state == "safe"


def test_a_shift_that_the_hold_out_showed_is_no_harm() -> None:
    shown = holdout(3)
    shown = replace(shown, shift=(*shown.shift[:BINS], -0.1, 0.1, 0.0))
    moved = (0.5, 0.4, 0.1)
    sides = side(40_000, moved), side(40_000, SHARES)
    found = judge(Evidence((Stratum(50, sides[1], sides[0]),), 50, 60.0, shown, answers=kind(3)), Rollout())
    assert scores(found).state == "safe"


def test_a_replica_that_tells_no_classes_lets_nothing_pass() -> None:
    sides = counts(40_000), side(40_000, SHARES)
    found = judge(Evidence((Stratum(50, sides[1], sides[0]),), 50, 60.0, holdout(3), answers=kind(3)), Rollout())
    assert found.verdict == "wait"
    assert scores(found).reason == "score_shift cannot be judged: the canary's counters for it are missing"


def test_the_false_alarm_is_shared_over_bins_and_classes() -> None:
    """With three classes the 38 sides of the bins in order become 44, each with an equal part."""
    rollout = Rollout()
    signal = next(one for one in judged_signals(rollout.harm, 0.01, holdout(3)) if one.name == "score_shift")
    plain = next(one for one in judged_signals(rollout.harm, 0.01, HoldoutShift((0.0,) * BINS, (0.003,) * BINS))
                 if one.name == "score_shift")  # fmt: skip
    assert (len(signal.centres), len(plain.centres)) == (BINS - 1 + 3, BINS - 1)
    table = np.zeros((1, COLUMNS + 3))
    table[:, :COLUMNS] = counts(1000).vector()
    table[:, CLASSES_AT] = [600, 300, 100]
    selected = signal.select(table)
    assert selected.shape == (1, BINS + 2, 2)
    assert selected[0, -3:, 1].tolist() == [600, 300, 100]
    assert np.array_equal(selected[:, : BINS - 1], plain.select(table[:, :COLUMNS]))


def test_decisions_about_words_are_written_as_before() -> None:
    words = judge(of_words(Stratum(10, counts(900), counts(100))), Rollout()).to_dict()
    assert not any("answer_class" in signal for signal in words["signals"])
    classes = json.loads(json.dumps(verdict(SHARES, SHARES).to_dict()))
    assert [signal["answer_class"] for signal in classes["signals"] if "answer_class" in signal] in (
        ["oak"],
        ["pine"],
        ["yew"],
        [],
    )


def class_page(requests: int, classes: tuple[int, ...], version: str, package: str, champion: str = "") -> str:
    """A replica's page that has classes beside the bins in order, and tells their names."""
    labels = f'service="churn",version="{version}"'
    lines = []
    for place, number in enumerate(classes):
        mine = f'{labels},bin="label:{place}"'
        lines += [
            f"{telemetry.SCORES}{{{mine}}} {number}", f"{telemetry.HOLDOUT_SHIFT}{{{mine}}} 0",
            f"{telemetry.HOLDOUT_SHIFT_ERROR}{{{mine}}} 0.002",
            f'{telemetry.SCORE_CLASS}{{{mine},class="{NAMES[place]}"}} 1',
        ]  # fmt: skip
    return replica_page(requests, version=version, package=package, champion=champion) + "\n".join(lines) + "\n"


def read(page: str, at: float):
    found = read_replica(parse_page(page), "churn", at)
    assert found is not None
    return found


def test_a_page_tells_each_class_and_its_name() -> None:
    found = read(class_page(10, (6, 3, 1), "2", "sha256:two", "sha256:one"), 0)
    assert found.counts.classes == (6, 3, 1)
    assert found.answers.classes == NAMES
    assert found.holdout is not None
    assert found.holdout.shift == (0.01,) * BINS + (0,) * 3


@pytest.mark.parametrize("name", ["label:x", "label:", "label:100", "label:-1", "0label:1"])
def test_a_bin_that_is_no_class_is_left_out(name: str) -> None:
    page = replica_page(10) + f'{telemetry.SCORES}{{service="churn",version="1",bin="{name}"}} 7\n'
    assert read(page, 0).counts == read(replica_page(10), 0).counts


def test_a_hold_out_without_one_of_the_classes_is_no_hold_out() -> None:
    page = class_page(10, (6, 3, 1), "2", "sha256:two", "sha256:one")
    shorter = "\n".join(
        line for line in page.splitlines() if not (telemetry.HOLDOUT_SHIFT + "{" in line and "label:2" in line)
    )
    assert read(shorter + "\n", 0).holdout is None


def test_classes_are_gathered_by_weight_from_both_sides() -> None:
    series = Series()
    pages = {
        "champion": ("1", "sha256:one", "", (60, 30, 10)),
        "canary": ("2", "sha256:two", "sha256:one", (10, 60, 30)),
    }
    for role, (version, package, champion, classes) in pages.items():
        replica = Replica(role)  # type: ignore[arg-type]  # one of both
        for look in range(3):
            page = class_page(100 * look, tuple(look * number for number in classes), version, package, champion)
            replica.add(look * 10.0, read(page, look * 10.0))
        series.replicas[role] = replica
    for at in range(0, 31, 5):
        series.add_weight(float(at), 50.0 if at else 0.0)
    found = evidence_at(series, 20.0, 30.0)
    assert not found.problems
    stratum = found.strata[0]
    assert (stratum.champion.classes, stratum.canary.classes) == ((60, 30, 10), (10, 60, 30))
    assert found.holdout is not None
    assert found.answers.classes == NAMES


def test_a_replica_whose_classes_are_unlike_the_others_is_found() -> None:
    rows = {"a": side(1000, SHARES).vector(), "b": side(1000, SHARES).vector(), "c": side(1000, SHARES[::-1]).vector()}
    assert list(unlike(rows)) == [("c", "score_shift")]
    assert list(unlike({**rows, "c": side(1000, SHARES).vector()})) == []


def test_sides_with_other_numbers_of_classes_add_up() -> None:
    both = side(10, SHARES) + counts(5)
    assert both.classes == pytest.approx((6, 3, 1))
    assert both.requests == 15


def test_a_hundred_classes_are_judged_fast() -> None:
    """Two looks at a hundred classes take less processor time than there is between two looks."""
    shares = (0.3, *(0.7 / 99,) * 99)
    began = time.process_time()
    assert verdict(shares, shares).verdict == "pass"
    assert verdict(shares[::-1], shares).verdict == "fail"
    assert time.process_time() - began < Rollout().interval_seconds
