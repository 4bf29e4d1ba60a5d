from __future__ import annotations

import pytest

from components.spec.quantities import requests_a_second, seconds, time_text


@pytest.mark.parametrize(
    ("text", "number"), [("30s", 30), ("5m", 300), ("5min", 300), ("1.5h", 5400), ("3d", 259_200), ("0s", 0)]
)
def test_a_length_of_time_is_read(text: str, number: float) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["5", "", "m", "-5m", "5 minutes", "nan", "1e3s", "5m30s"])
def test_a_wrong_length_of_time_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="is no length of time; allowed are such as '30s', '5m', '2h' and '3d'"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("2", 2), ("0.5", 0.5), ("2/s", 2), ("30/min", 0.5), ("36/h", 0.01), ("864/day", 0.01)]
)
def test_a_rate_is_read(text: str, rate: float) -> None:
    assert requests_a_second(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["0", "0/day", "", "-1", "inf", "2/week", "many"])
def test_a_wrong_rate_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate above 0; allowed are such as '2'"):
        requests_a_second(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 s"),
        (90, "90 s"),
        (720, "12 min"),
        (3600, "60 min"),
        (12_600, "3.5 h"),
        (86_400, "24 h"),
        (14 * 86_400, "14 days"),
    ],
)
def test_a_time_is_told_in_the_unit_that_suits_it(number: float, text: str) -> None:
    assert time_text(number) == text


def test_a_time_is_told_in_a_given_unit() -> None:
    assert time_text(3960, "h") == "1.1 h"
