"""How long callers waited, whom the event loop could not see: with a real loop, busy for known times."""

from __future__ import annotations

import asyncio
import json

import pytest

from services.model_server.arrival_clock import ArrivalClock
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_package import GOOD

_BUSY = 0.02


class _Loop:
    """A loop's work on a clock of its own, which moves while an answer is computed and while the loop rests."""

    def __init__(self) -> None:
        self.now = 100.0
        self._turns = ArrivalClock(lambda: self.now)

    async def answered(self) -> float:
        """What one request is measured at, whose answer keeps the loop busy."""
        came = self._turns.arrived_at()
        self.now += _BUSY
        return self.now - came

    async def rest(self) -> None:
        """The loop looks for requests, and finds none for a while."""
        await asyncio.sleep(0.001)
        self.now += _BUSY


def test_requests_that_were_found_together_wait_for_each_other() -> None:
    async def together() -> list[float]:
        loop = _Loop()
        return await asyncio.gather(*(loop.answered() for _ in range(10)))

    assert asyncio.run(together()) == pytest.approx([_BUSY * n for n in range(1, 11)])


@pytest.mark.parametrize(("rests", "waited"), [(False, 5 / 2), (True, 0)])
def test_a_request_during_a_busy_loop_waited_for_half_of_it(rests: bool, waited: float) -> None:
    """A request that came while the loop was busy counts as waiting for half of that time."""

    async def after_five() -> float:
        loop = _Loop()
        come = asyncio.get_running_loop().create_future()

        async def last_of_five() -> None:
            await loop.answered()
            # The loop takes it up when this turn is over, as it does what it finds at a socket then.
            asyncio.get_running_loop().call_soon(come.set_result, None)

        await asyncio.gather(*(loop.answered() for _ in range(4)), last_of_five())
        await come
        if rests:
            await loop.rest()
        return await loop.answered()

    assert asyncio.run(after_five()) == pytest.approx(_BUSY * (waited + 1))


def test_one_request_after_the_other_waits_for_nobody() -> None:
    async def alone() -> list[float]:
        loop, measured = _Loop(), []
        for _ in range(5):
            measured.append(await loop.answered())
            await loop.rest()
        return measured

    assert asyncio.run(alone()) == pytest.approx([_BUSY] * 5)


def test_a_slow_server_says_that_its_callers_waited(serve: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is within the objective of 50 ms, and of twenty callers at once eighteen waited longer."""
    now = [100.0]
    server = serve(clock=lambda: now[0])
    compute = server.app._model.scores

    def scores(encoded: object) -> list[float]:
        now[0] += _BUSY
        return compute(encoded)  # type: ignore[arg-type]

    monkeypatch.setattr(server.app._model, "scores", scores)
    asyncio.run(_all_at_once(server, 20))
    metrics = server.metrics()
    assert metrics["canario_requests_total"] == 20
    assert metrics["canario_slow_total"] == 18


async def _all_at_once(server: Caller, callers: int) -> None:
    body = json.dumps(GOOD).encode()
    await asyncio.gather(*(server.ask("POST", "/predict", (body,)) for _ in range(callers)))
