"""Cron's five fields, as Kubeflow's six, and when they fire."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from components.errors import SpecError
from pipelines.cron import read_cron


@pytest.mark.parametrize(
    ("five", "six"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("*/15 * * * *", "0 0,15,30,45 * * * *"),
        ("30 6 1 * *", "0 30 6 1 * *"),
        ("0 0 * * 7", "0 0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 0 * * 0,5,6"),
        ("0 0 * jan,JUL mon-fri", "0 0 0 * 1,7 1,2,3,4,5"),
        ("5 4 10/10 * *", "0 5 4 10,20,30 * *"),
    ],
)
def test_kubeflow_gets_six_fields(five: str, six: str) -> None:
    assert read_cron(five).six_fields() == six


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 3 * *", "has 4 fields; allowed are five: minute, hour"),
        ("0 0 3 * * *", "has 6 fields"),
        ("60 3 * * *", "minute '60' is wrong; allowed are numbers from 0 to 59"),
        ("0 3-1 * * *", "hour '3-1' is wrong"),
        ("0 3 0 * *", "day of the month '0' is wrong; allowed are numbers from 1 to 31"),
        ("0 3 * 13 *", "month '13' is wrong; allowed are numbers from 1 to 12 or jan, feb"),
        ("0 3 * * noday", "day of the week 'noday' is wrong"),
        ("*/0 3 * * *", r"minute '\*/0' is wrong"),
        ("*-3 3 * * *", r"minute '\*-3' is wrong"),
        ("1,,2 3 * * *", "minute '' is wrong"),
        ("@daily", "has 1 fields"),
        ("0 3 31 2 *", "never fires: no month has such a day"),
    ],
)
def test_a_wrong_schedule_gets_a_sentence(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_cron(text)


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("0 3 * * *", ["2026-02-28 03:00", "2026-03-01 03:00"]),
        ("*/30 22-23 * * *", ["2026-02-27 22:30", "2026-02-27 23:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 0 13 * fri", ["2026-03-06 00:00", "2026-03-13 00:00"]),
        ("0 0 1 * *", ["2026-03-01 00:00", "2026-04-01 00:00"]),
    ],
)
def test_the_next_moments(text: str, moments: list[str]) -> None:
    found = itertools.islice(read_cron(text).after(datetime(2026, 2, 27, 22, 0, tzinfo=UTC)), 2)
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in found] == moments
