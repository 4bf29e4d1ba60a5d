"""What a cluster does to replicas, traffic and scrapes while a rollout lasts; none of it is the version's doing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.judge.simulate.fleet import Side, SimulatedReplica

#: Seconds between two replicas of a rolling restart, and from one scaling to the next.
_ROLLING_SECONDS = 20
#: The load swings by up to half in so many seconds, as a day does in a day.
_SWING_SECONDS = 600
_SWING = 0.5
#: A burst lasts so many seconds of each minute, with so many times the traffic.
_BURST_SECONDS, _BURST = 3, 5.0
_FAILS_SECONDS = 5
#: A replica's node fails at this second, and the replica is dead for so long.
_DIES_AT, _DEAD_SECONDS = 150, 20
#: Of so many seconds, a side has no replica for the first ones.
_CRASHES_EVERY, _CRASH_SECONDS = 60, 2


@dataclass(frozen=True)
class Operations:
    """What happens to both sides alike, or to good replicas.

    Nodes' clocks differ by up to `clocks` seconds either way. A scrape fails with the probability `missed`. The
    champion's replicas are restarted one after another from the second `restarted_at` on. With `scaled`, both sides
    have one to three times their replicas as the load swings. One replica of the canary is not ready for
    `unready` seconds from the second 100 on. With `bursts`, callers come in bursts. At the second `fails_at` something
    fails that both sides need, and everybody gets errors for five seconds. The first replica of the side `killed` dies
    once, and the gateway goes on to send it requests until it is back. All replicas of the side `crashing` end together
    each minute, and for two seconds none of them is ready.
    """

    clocks: float = 0.0
    missed: float = 0.0
    restarted_at: int = 0
    scaled: bool = False
    unready: int = 0
    bursts: bool = False
    fails_at: int = 0
    killed: str = ""
    crashing: str = ""

    def load(self, now: int) -> float:
        """The traffic of this second, as a multiple of its mean."""
        swing = 1 + _SWING * math.sin(2 * math.pi * now / _SWING_SECONDS) if self.scaled else 1.0
        return swing * (_BURST if self.bursts and now % 60 < _BURST_SECONDS else 1.0)

    def fails(self, now: int) -> bool:
        """Whether both sides answer nothing but errors in this second."""
        return bool(self.fails_at) and 0 <= now - self.fails_at < _FAILS_SECONDS

    def before(self, now: int, champion: Side, canary: Side) -> None:
        """What happens to the replicas at the start of this second."""
        turn, rest = divmod(now - self.restarted_at, _ROLLING_SECONDS)
        if self.restarted_at and rest == 0 and 0 <= turn < len(champion.replicas):
            champion.add()
            champion.remove(0)
        if self.scaled and now % _ROLLING_SECONDS == 0:
            for side in (champion, canary):
                side.scale(math.ceil(side.wanted * self.load(now) / (1 - _SWING)))
        for side in (champion, canary):
            if side.role == self.killed:
                _kill(now, side.replicas[0])
            if side.role == self.crashing:
                _crash(now, side)
        if self.unready and len(canary.replicas) > 1:
            canary.replicas[0].ready = not 100 <= now < 100 + self.unready


def _kill(now: int, replica: SimulatedReplica) -> None:
    """Ends a replica without a warning, and starts it anew."""
    replica.dead = 0 <= now - _DIES_AT < _DEAD_SECONDS
    if replica.dead:
        replica.starts_anew()


def _crash(now: int, side: Side) -> None:
    gone = now % _CRASHES_EVERY < _CRASH_SECONDS
    for replica in side.replicas:
        replica.ready, replica.dead = not gone, gone
        if gone:
            replica.starts_anew()
