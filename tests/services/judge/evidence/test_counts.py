from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.judge.evidence.counts import BINS, Counts, Evidence, Stratum, merge_strata
from tests.services.judge.builders import counts, evidence, stratum


def test_a_row_and_back_is_the_same() -> None:
    known = counts(100, errors=3, slow=2, labels=40)
    assert Counts.from_vector(known.vector()) == known


@pytest.mark.parametrize("missing", ["requests", "errors", "slow", "scores", "losses", "slower"])
def test_a_missing_metric_stays_missing_and_is_not_zero(missing: str) -> None:
    whole = counts(100, labels=40)
    known = Counts(**{**vars(whole), missing: None})
    assert getattr(Counts.from_vector(known.vector()), missing) is None
    assert getattr(known + whole, missing) is None


def test_counts_add_up() -> None:
    assert (counts(100, errors=3) + counts(50, errors=1)).errors == 4


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (Counts(10, 11), "the canary counts 11 errors in 10 requests; a part cannot exceed the whole"),
        (Counts(10, 0, 12), "the canary counts 12 slow requests in 10 requests; a part cannot exceed the whole"),
        (
            Counts(10, 0, 1, slower=(10, 10, 1, 11)),
            "the canary counts 11 requests slower than 4 x the objective in 10 requests;"
            " a part cannot exceed the whole",
        ),
        (Counts(-1, 0), "the canary's counts hold a negative or infinite number; a counter can only rise"),
        (Counts(math.inf, 0), "the canary's counts hold a negative or infinite number; a counter can only rise"),
    ],
)
def test_counts_that_contradict_themselves_say_how(wrong: Counts, sentence: str) -> None:
    assert Evidence((Stratum(10, counts(90), wrong),)).contradictions() == [sentence]


def test_sound_counts_have_no_fault() -> None:
    assert evidence(stratum(counts(10, errors=10), counts(90))).contradictions() == []


@pytest.mark.parametrize(
    ("canary", "champion", "doubted"),
    [
        (1000, 9000, False),
        (600, 9400, False),
        (400, 9600, True),
        (2500, 7500, True),
        (0, 10_000, True),
        (0, 900, False),
    ],
)
def test_a_weight_is_doubted_once_chance_cannot_explain_it(canary: float, champion: float, doubted: bool) -> None:
    """A weight is doubted once chance cannot explain the share that the canary answered."""
    doubts = evidence(stratum(counts(canary), counts(champion))).doubts()
    assert bool(doubts) == doubted
    if canary == 400:
        assert doubts[0].startswith("at a weight of 10 % the canary answered 4.0% of 10,000 requests;")


def test_strata_of_one_weight_are_merged_and_others_kept_apart() -> None:
    merged = merge_strata(
        [stratum(counts(1), counts(9)), stratum(counts(2), counts(8), weight=20), stratum(counts(3), counts(27))]
    )
    assert [(one.weight, one.canary.requests, one.champion.requests) for one in merged] == [(10, 4, 36), (20, 2, 8)]


@given(st.lists(st.tuples(st.sampled_from([10.0, 20.0]), st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_evidence_adds_up_the_same_in_any_order_and_pieces(pieces: list[tuple[float, int, int]]) -> None:
    """Evidence is the same in whatever order and pieces it is added."""
    parts = [evidence(stratum(counts(c), counts(b), weight)) for weight, c, b in pieces]
    forward, backward = evidence(), evidence()
    for part in parts:
        forward = forward + part
    for part in reversed(parts):
        backward = part + backward
    assert [s.canary.requests for s in forward.strata] == [s.canary.requests for s in backward.strata]
    for weight in {weight for weight, _, _ in pieces}:
        found = next(s for s in forward.strata if s.weight == weight)
        assert found.canary.requests == sum(c for w, c, _ in pieces if w == weight)


def test_there_are_as_many_bins_as_edges() -> None:
    assert BINS == 20
