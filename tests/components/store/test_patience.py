"""What comes back with time is waited for; what does not is told at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore import exceptions  # type: ignore[import-untyped]

from components.store.patience import passes_with_time, patiently


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> float:
        return self.now


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def ask() -> str:
        if left:
            raise left.pop()
        return "answer"

    return ask


def test_a_store_that_is_away_for_two_minutes_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    answer = patiently(failing(10, ConnectionRefusedError("refused")), "s3://x", sleep=clock.sleep, clock=clock.time)
    assert answer == "answer"
    assert clock.now > 120
    assert "s3://x: no answer (refused); trying again in 1 s" in capsys.readouterr().err


def test_patience_ends() -> None:
    clock = Clock()
    with pytest.raises(ConnectionRefusedError):
        patiently(failing(1000, ConnectionRefusedError()), "s3://x", seconds=300, sleep=clock.sleep, clock=clock.time)
    assert 270 < clock.now <= 300


def test_a_refusal_is_told_at_once() -> None:
    clock = Clock()
    with pytest.raises(PermissionError):
        patiently(failing(1, PermissionError("no")), "s3://x", sleep=clock.sleep, clock=clock.time)
    assert clock.now == 0


def of_botocore(status: int) -> Exception:
    answer = {"Error": {"Code": "X"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = exceptions.ClientError(answer, "PutObject")
    return error


def test_errors_of_the_libraries_are_told_apart() -> None:
    assert passes_with_time(exceptions.EndpointConnectionError(endpoint_url="http://x"))
    assert not passes_with_time(exceptions.NoCredentialsError())
    assert [passes_with_time(of_botocore(status)) for status in (403, 404, 429, 500, 503)] == [
        *(False, False),
        *(True, True, True),
    ]
    caused = OSError("unknown")
    caused.__cause__ = of_botocore(503)
    assert passes_with_time(caused)
    assert not passes_with_time(FileNotFoundError("x"))
    assert not passes_with_time(ValueError("x"))
