"""How long callers waited, whom the event loop could not see: with real loops, busy for known times."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

from services.model_server.turns import Turns
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_package import GOOD

_BUSY = 0.02


async def _answered(turns: Turns) -> float:
    """What one request is measured at, whose answer keeps the loop busy."""
    came = turns.came()
    time.sleep(_BUSY)  # noqa: ASYNC251 -- a model computes, and the loop stands still
    return time.perf_counter() - came


def test_requests_that_were_found_together_wait_for_each_other() -> None:
    async def together() -> list[float]:
        turns = Turns()
        return await asyncio.gather(*(_answered(turns) for _ in range(10)))

    assert asyncio.run(together()) == pytest.approx([_BUSY * n for n in range(1, 11)], rel=0.3)


def test_a_request_that_came_while_the_loop_was_busy_waited_for_half_of_it_as_may_be() -> None:
    async def after(seconds: float) -> float:
        """A request that comes so long after five others did, by another thread as by a socket."""
        turns, loop = Turns(), asyncio.get_running_loop()
        answered: asyncio.Future[float] = loop.create_future()

        async def answer() -> None:
            answered.set_result(await _answered(turns))

        come = threading.Timer(seconds, lambda: loop.call_soon_threadsafe(loop.create_task, answer()))
        come.start()
        await asyncio.gather(*(_answered(turns) for _ in range(5)))
        return await answered

    assert asyncio.run(after(_BUSY)) == pytest.approx(_BUSY * (5 / 2 + 1), rel=0.3)
    assert asyncio.run(after(_BUSY * 6)) == pytest.approx(_BUSY, rel=0.3), "the loop had rested"


def test_one_request_after_the_other_waits_for_nobody() -> None:
    async def alone() -> list[float]:
        turns, measured = Turns(), []
        for _ in range(5):
            measured.append(await _answered(turns))
            await asyncio.sleep(0.001)
        return measured

    assert asyncio.run(alone()) == pytest.approx([_BUSY] * 5, rel=0.3)


def test_a_server_that_is_too_slow_for_its_callers_says_that_they_waited(
    serve: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer is within the objective of 50 ms, and of twenty callers at once seventeen waited longer."""
    server = serve()
    compute = server.app._model.scores

    def scores(encoded: object) -> list[float]:
        time.sleep(_BUSY)
        return compute(encoded)  # type: ignore[arg-type]

    monkeypatch.setattr(server.app._model, "scores", scores)
    asyncio.run(_all_at_once(server, 20))
    metrics = server.metrics()
    assert metrics["canario_requests_total"] == 20
    assert 16 <= metrics["canario_slow_total"] <= 18


async def _all_at_once(server: Caller, callers: int) -> None:
    body = json.dumps(GOOD).encode()
    await asyncio.gather(*(server.ask("POST", "/predict", (body,)) for _ in range(callers)))
