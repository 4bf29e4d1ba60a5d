"""The text that a revert gives as its reason."""

from __future__ import annotations

from services.judge.actions.revert_reason import revert_reason


def test_the_reason_has_the_sentence_and_the_numbers() -> None:
    signals = [{"name": "error_ratio", "state": "harm", "canary": 0.0512345, "lower": None}, {"name": "slow"}]
    assert revert_reason("fail: 5 % errors", signals) == (
        "fail: 5 % errors\n\n- error_ratio: state harm, canary 0.05123\n- slow: "
    )
    assert revert_reason("it did not start", []) == "it did not start"
