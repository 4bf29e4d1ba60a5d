from __future__ import annotations

import pytest

from components.spec.contract import Rollout
from components.spec.traffic_settings import TRAFFIC_SETTINGS, longest_label_delay_seconds, weight_count


def test_the_usual_setting_is_the_default() -> None:
    assert TRAFFIC_SETTINGS["usual"] == Rollout()


@pytest.mark.parametrize(("step", "largest", "number"), [(10, 50, 5), (50, 50, 1), (30, 50, 2), (1, 100, 100)])
def test_weights_are_counted(step: int, largest: int, number: int) -> None:
    assert weight_count(Rollout(step_weight=step, max_weight=largest)) == number


def test_labels_have_a_part_of_the_deadline_for_each_weight() -> None:
    assert longest_label_delay_seconds(Rollout()) == 12 * 60


def test_labels_are_counted_while_their_answer_is_remembered() -> None:
    low = TRAFFIC_SETTINGS["low"]
    assert longest_label_delay_seconds(low) == 127 * 900
    assert longest_label_delay_seconds(low) < low.deadline_minutes * 60
