"""The time in the shadow before a canary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.spec.contract import Harm, Rollout, Shadow
from services.judge.plan.before import ShadowFigures, shadow_figures, shadow_words
from services.judge.plan.playing import AssumedTraffic
from services.judge.simulate.world import champion

HALF = Rollout(strategy="shadow-then-canary", shadow=Shadow(ratio=0.5))
TRAFFIC = AssumedTraffic(10.0, 0.5, 300.0, champion())


def figures(rollout: Rollout = HALF, traffic: AssumedTraffic = TRAFFIC) -> ShadowFigures:
    return shadow_figures(rollout, traffic, 40, 7)


@pytest.fixture(scope="module")
def usual() -> ShadowFigures:
    return figures()


def test_copies_take_their_time_and_labels_come_later(usual: ShadowFigures) -> None:
    """5 copies a second; of labels half come back, five minutes later; and half a look until it is noticed."""
    assert set(usual.seconds) == {"score_shift", "label_loss"}
    assert usual.seconds["score_shift"] == pytest.approx(usual.copies["score_shift"] / 5 + 15)
    assert usual.seconds["label_loss"] == pytest.approx(usual.copies["label_loss"] / 5 + 300 + 15)
    assert (usual.longest, usual.fits) == (usual.seconds["label_loss"], True)


def test_half_the_labels_take_twice_the_copies(usual: ShadowFigures) -> None:
    few = figures(traffic=replace(TRAFFIC, labelled=0.25))
    assert few.copies["label_loss"] == pytest.approx(2 * usual.copies["label_loss"])


def test_the_sentence_names_each_signal_and_the_deadline(usual: ShadowFigures) -> None:
    words = shadow_words(usual, 10, HALF)
    assert words.startswith(
        "Before that, in the shadow, 50 % of the requests are copied. Nine in ten equal versions pass it:"
    )
    assert words.endswith("(its deadline is 60 min).")


def test_too_little_traffic_says_how_much_would_do() -> None:
    few = figures(traffic=replace(TRAFFIC, rate=0.1))
    assert not few.fits
    assert "It does not fit. Copy more (shadow.ratio), or take 0.5" in shadow_words(few, 0.1, HALF)


def test_without_any_label_no_rate_fits() -> None:
    none = figures(replace_harm(HALF), replace(TRAFFIC, labelled=0.0))
    assert "label_loss within no time" in shadow_words(none, 10, HALF)
    assert "It does not fit at any rate" in shadow_words(none, 10, HALF)


def test_labels_that_come_too_late_are_told() -> None:
    late = figures(traffic=replace(TRAFFIC, label_delay_seconds=4000.0))
    assert shadow_words(late, 10, HALF).endswith("It does not fit. Labels come too late for it.")


def replace_harm(rollout: Rollout) -> Rollout:
    """Judged by labels alone."""
    return rollout.model_copy(update={"harm": Harm(score_shift=None)})
