from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.spec.contract import Rollout
from services.judge.plan.figures import RowFigures
from services.judge.plan.judging import planned_signals
from services.judge.plan.show import count_text, exposure_words, harm_words, headline, rate_text

ROW = RowFigures(None, 0.0, 100, (9000, 12_000), (3000, 7200), (0, 0), 0, 0.3, 0.0, 3.31)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (2, "2/s"),
        (3.31, "3.4/s"),
        (13.0001, "14/s"),
        (1000, "1,000/s"),
        (0.5, "30/min"),
        (100 / 86_400, "100/day"),
        (1 / 86_400, "1/day"),
        (0.1 / 86_400, "0.1/day"),
    ],
)
def test_a_rate_is_rounded_up_in_its_unit(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (4.44, "4.4"), (97.6, "98"), (999, "999"), (8053, "8.1k"), (112_000, "112k"), (2.5e6, "2.5M")],
)
def test_a_count_is_short(number: float, text: str) -> None:
    assert count_text(number) == text


def test_the_headline_says_what_is_lacking() -> None:
    assert headline("churn", Rollout(), 2.0, ROW) == (
        "churn at 2/s: the rollout does not fit. 30 % of equal canaries are promoted before the deadline of 60 min;"
        " nine in ten take up to 2 h, and the least rate is 3.4/s."
    )
    never = replace(ROW, seconds=(math.inf, math.inf), least_rate=None)
    assert headline("churn", Rollout(), 2.0, never).endswith("; no time is enough, and no rate would do.")
    good = replace(ROW, seconds=(1000, 1200))
    assert headline("churn", Rollout(), 2.0, good) == (
        "churn at 2/s: the rollout fits. Nine in ten equal canaries are promoted within 20 min, and the deadline is"
        " 60 min."
    )


def test_the_bound_of_what_callers_meet_is_stated() -> None:
    """At 2 x the margin of errors, 1 %, with half of the 36,000 requests that come at 10 a second in an hour."""
    errors = planned_signals(Rollout())[0]
    words = exposure_words([replace(ROW, signal=errors, times=2.0, exposed_at_most=180.0), ROW], Rollout())
    assert words.startswith(
        "Until the deadline, callers meet at most (harm of 2 x the margin): 180 errors. Except in 1 %"
    )
    assert exposure_words([ROW], Rollout()) == ""


def test_harm_that_outlasts_the_deadline_is_named() -> None:
    errors = planned_signals(Rollout())[0]
    late = replace(ROW, signal=errors, times=2.0)
    assert "may outlast the deadline in error_ratio: such a canary ends undecided" in harm_words([late], Rollout())
    assert harm_words([replace(late, seconds=(600, 1200)), replace(late, times=1.5)], Rollout()) == ""
    assert harm_words([replace(late, otherwise=0.5)], Rollout()) == (
        "Harm of 2 x the margin may be promoted in error_ratio: only more of it is told."
    )
