"""What the gateway answered itself counts as errors of the version that it was meant for, and nobody's twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import Evidence
from services.judge.evidence.gateway import gateway_counts
from services.judge.evidence.gateway_page import OWN_AT, PASSED_AT, ROUTE_FAILED_AT, UNCERTAIN_AT
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Role, Rows, Series
from services.judge.findings import findings_of
from services.judge.statistics.signal_result import SignalResult
from tests.services.judge.evidence.told import Told, gateway_row, replica, scraped, weights

ERRORS_ONLY = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None, lost_ratio=None))
#: Seconds from one scrape to the next, and of the last.
_STEP, _END = 10, 400
_SCRAPES = range(0, _END + 1, _STEP)
#: Both sides' requests a second that the servers answer, from 100 s on half of them by the canary.
_RATE = 90.0


@dataclass(frozen=True)
class GivenUp:
    """`rate` requests a second of a side between two times, which fail in a way that a page tells.

    `own` are answered by the gateway alone, `500` by it or a version, and `nowhere` had no replica to go to.
    """

    role: Role
    rate: float
    since: float = 0.0
    until: float = _END
    kind: Literal["own", "500", "nowhere"] = "own"

    def at(self, time: float) -> float:
        return self.rate * max(min(time, self.until) - self.since, 0.0)


def page(at: float, *given_up: GivenUp, passed: tuple[float, float] = (_RATE, _RATE), part: float = 1.0) -> Rows:
    """A page at a time of a gateway with a part of the traffic, of which each side gets so many good requests."""
    row = gateway_row((passed[0] * at, 0, 0), (passed[1] * max(at - 100, 0), 0, 0))
    for one in given_up:
        side, number = int(one.role == "canary"), one.at(at)
        row[ROUTE_FAILED_AT] += number
        if one.kind != "nowhere":
            row[PASSED_AT[side]] += number
            row[(UNCERTAIN_AT if one.kind == "500" else OWN_AT)[side]] += number
    return part * row


def rollout(*given_up: GivenUp, canaries: int = 1, told_until: float = _END) -> Series:
    """A canary with half of 180 requests a second from 100 s on, and a gateway that tells until a time."""
    told = {"champion": Told("champion", _RATE)}
    told |= {f"canary-{at}": Told("canary", _RATE / canaries, since=100) for at in range(canaries)}
    series = scraped(weights({0: 0, 100: 50}, _END), told, _SCRAPES)
    for at in _SCRAPES:
        if given_up and at <= told_until:
            series.add_gateway("traefik", at, page(at, *given_up))
    return series


def judged(series: Series) -> tuple[SignalResult, Evidence]:
    seen = evidence_at(series, _END, 60)
    return findings_of(seen, ERRORS_ONLY, 100.0)[0], seen


def test_what_the_gateway_gave_up_is_harm_of_its_side() -> None:
    """3 of 93 requests are lost, and the canary counts none of them."""
    finding, seen = judged(rollout(GivenUp("canary", 3, since=100)))
    (stratum,) = seen.strata
    assert (finding.state, finding.gave_up) == ("harm", (stratum.canary.errors, 0))
    assert stratum.canary.errors == pytest.approx(3 * (stratum.canary.requests or 0) / 93)
    assert "the gateway answered 900 of the canary's requests and 0 of the champion's itself" in finding.reason


def test_what_it_gave_up_of_both_alike_is_no_harm() -> None:
    finding, _ = judged(rollout(GivenUp("canary", 0.3), GivenUp("champion", 0.3)))
    assert finding.state == "safe"


def test_errors_of_both_kinds_add_up_and_none_counts_twice() -> None:
    series = rollout(GivenUp("canary", 10, since=100, kind="500"))  # 9 of them are the server's own
    series.replicas["canary-0"] = replica(Told("canary", _RATE, since=100, errors=0.1), _SCRAPES)
    _, seen = judged(series)
    (stratum,) = seen.strata
    seconds = stratum.gave_up[1]
    assert stratum.canary.requests == pytest.approx(91 * seconds)
    assert stratum.canary.errors == pytest.approx(10 * seconds)


def test_direct_callers_errors_hide_none_of_the_gateways() -> None:
    """9 requests a second of callers who go past the gateway end in a 500; 3 of the others are refused."""
    series = rollout(GivenUp("canary", 3, since=100))
    series.replicas["canary-0"] = replica(Told("canary", _RATE, since=100, errors=0.1), _SCRAPES)
    (stratum,) = judged(series)[1].strata
    assert stratum.gave_up[1] == pytest.approx(3 / 90 * ((stratum.canary.requests or 0) - stratum.gave_up[1]))


def test_requests_for_which_no_replica_was_ready_are_found() -> None:
    """For 60 s the canary has no endpoint: the gateway answers its 90 requests a second, and counts them for nobody."""
    series = rollout()
    down = {"champion": (_RATE, 0.0), "canary": (0.0, 0.0)}
    for at in _SCRAPES:
        away = min(max(at - 200, 0), 60)
        row = gateway_row((down["champion"][0] * at, 0, 0), (_RATE * max(at - 100 - away, 0), 0, 0))
        row[ROUTE_FAILED_AT] = _RATE * away
        series.add_gateway("traefik", at, row)
    finding, seen = judged(series)
    assert seen.strata[0].gave_up == pytest.approx((0, 90 * 60))
    assert finding.state == "harm"
    assert "had no replica to go to" in finding.reason


def test_a_champion_without_replicas_is_not_the_canarys_fault() -> None:
    series = rollout()
    for at in _SCRAPES:
        away = min(max(at - 200, 0), 60)
        row = gateway_row((_RATE * (at - away), 0, 0), (_RATE * max(at - 100, 0), 0, 0))
        row[ROUTE_FAILED_AT] = _RATE * away
        series.add_gateway("traefik", at, row)
    finding, seen = judged(series)
    assert seen.strata[0].gave_up == pytest.approx((90 * 60, 0))
    assert finding.state != "harm"


def test_a_page_that_is_no_snapshot_makes_no_errors() -> None:
    """The champion fails, and on each second page the route is ahead of the backends by 3 requests."""
    series = rollout()
    for number, at in enumerate(_SCRAPES):
        row = page(at, GivenUp("champion", 1))
        row[ROUTE_FAILED_AT] += 3 * (number % 2)
        series.add_gateway("traefik", at, row)
    counted = gateway_counts(series)
    assert [counted.failed(side, 0) for side in (0, 1)] == [_END, 0]


def test_what_it_does_not_count_by_route_is_said() -> None:
    """A Traefik that came with a cluster may not."""
    series = rollout()
    for at in _SCRAPES:
        row = page(at, GivenUp("canary", 0.1, since=100))
        row[ROUTE_FAILED_AT] = np.nan
        series.add_gateway("traefik", at, row)
    finding, seen = judged(series)
    assert (seen.gateway, finding.state) == ("in part", "safe")
    assert finding.reason.endswith("; it does not tell which it had no replica for")


def test_a_gateway_that_tells_nothing_is_said_and_stops_nothing() -> None:
    finding, seen = judged(rollout())
    assert (seen.gateway, finding.state, finding.gave_up) == ("silent", "safe", None)
    assert finding.reason.endswith("; the gateway does not tell which requests it answered itself")


def test_a_gateway_that_told_once_and_is_lost_is_no_data() -> None:
    finding, seen = judged(rollout(GivenUp("champion", 0), told_until=300))
    assert (seen.gateway, finding.state) == ("lost", "no data")
    assert "does not tell any more" in finding.reason


@pytest.mark.parametrize(
    ("there_until", "read_until", "gateway"),
    [(_END, 300, "lost"), (300, 300, "told"), (_END, _END, "told"), (_END, None, "lost")],
    ids=["unread", "gone", "read", "never read"],
)
def test_one_lost_replica_of_two_is_no_data(there_until: int, read_until: int | None, gateway: str) -> None:
    """Half of what the gateway answered itself is not known while one of its replicas is there and not read."""
    series = rollout()
    for at in _SCRAPES:
        series.add_gateway("one", at, page(at, part=0.5))
        series.gateway_is_there("one", at, read=True)
        if at <= there_until:
            read = read_until is not None and at <= read_until
            series.gateway_is_there("two", at, read=read)
            if read:
                series.add_gateway("two", at, page(at, part=0.5))
    finding, seen = judged(series)
    assert seen.gateway == gateway
    assert finding.state == ("no data" if gateway == "lost" else "safe")


def test_harm_that_was_told_stays_harm_when_it_is_lost() -> None:
    finding, _ = judged(rollout(GivenUp("canary", 3, since=100), told_until=300))
    assert finding.state == "harm"


@pytest.mark.parametrize("known", [True, False], ids=["read until 200", "never read"])
@pytest.mark.parametrize("errors", [0.01, 0.06])
def test_an_unread_replica_is_judged_by_all_its_answers(errors: float, known: bool) -> None:
    """Half of the canary's requests go to a replica that cannot be read; 1 % of all requests end in a 500."""
    series = rollout(canaries=2)
    series.replicas["champion"] = replica(Told("champion", _RATE, errors=0.01), _SCRAPES)
    for name in ("canary-0", "canary-1"):
        series.replicas[name] = replica(Told("canary", _RATE / 2, since=100, errors=errors), _SCRAPES)
    if known:
        read = [at for at in _SCRAPES if at <= 200]
        series.replicas["canary-1"] = replica(Told("canary", _RATE / 2, since=100, errors=errors), read)
    else:
        del series.replicas["canary-1"]
    for at in _SCRAPES:
        series.there("canary-1", "canary", at, at)
        failed = errors * _RATE * max(at - 100, 0)
        series.add_gateway("traefik", at, gateway_row(
            (_RATE * at, 0.01 * _RATE * at, 0), (_RATE * max(at - 100, 0), failed, 0)))  # fmt: skip
    finding, seen = judged(series)
    assert finding.state == ("harm" if errors > 0.02 else "open")
    theirs, ours = seen.strata[0].for_harm or (seen.strata[0].champion, seen.strata[0].canary)
    assert (ours.errors or 0) / (ours.requests or 1) == pytest.approx(errors, rel=0.1)
    assert (theirs.errors or 0) / (theirs.requests or 1) == pytest.approx(0.01, rel=0.1)


def test_a_replica_that_dies_is_not_one_that_cannot_be_read() -> None:
    """The canary's only replica is there all the time and dead for 40 s: nobody answers what the gateway refuses."""
    series = gone(rollout(), "canary-0", 200, 240, Told("canary", _RATE, since=100))
    for at in _SCRAPES:
        away = min(max(at - 200, 0), 40)
        series.add_gateway("traefik", at, gateway_row((_RATE * at, 0, 0), (_RATE * max(at - 100, 0), 0, _RATE * away)))
        series.there("canary-0", "canary", at, at)
    finding, seen = judged(series)
    (stratum,) = seen.strata
    assert stratum.gave_up == (0, 40 * _RATE)
    assert stratum.canary.requests == pytest.approx(_RATE * (_END - 100))
    assert finding.state == "harm"


def gone(series: Series, name: str, since: float, until: float, told: Told | None = None) -> Series:
    """A replica, of the canary if none is given, that is not read between two times, and starts anew."""
    told = told or Told("canary", 45, since=100)
    known = replica(told, [at for at in _SCRAPES if at <= since])
    for at in (at for at in _SCRAPES if at >= until):
        known.add(at, replace(told, since=until).at(at))
    series.replicas[name] = known
    return series


def test_one_replica_that_dies_decides_nothing_and_is_named() -> None:
    """A third of its side's requests are refused until it is back: that may be its node."""
    series = gone(rollout(GivenUp("canary", 30, 200, 230), canaries=2), "canary-0", 200, 240)
    finding, seen = judged(series)
    assert [(one.name, one.signal) for one in seen.outliers] == [("canary-0", "error_ratio")]
    assert (finding.state, finding.alone) == ("open", "canary-0 of the canary")


def test_replicas_that_die_one_after_another_do_decide() -> None:
    series = rollout(GivenUp("canary", 30, 200, 230), GivenUp("canary", 30, 300, 330), canaries=2)
    finding, _ = judged(gone(gone(series, "canary-0", 200, 240), "canary-1", 300, 340))
    assert finding.state == "harm"


def test_replicas_that_die_together_do_decide() -> None:
    series = rollout(GivenUp("canary", 60, 200, 230), canaries=2)
    finding, _ = judged(gone(gone(series, "canary-0", 200, 240), "canary-1", 210, 240))
    assert finding.state == "harm"


@pytest.mark.parametrize("champions", [1, 2])
def test_champions_that_were_away_make_no_canary_safe(champions: int) -> None:
    """The canary fails 2 of 100 requests, and the gateway 30 a second while the champions start anew in turn."""
    away = [(200 + 60 * number, 230 + 60 * number) for number in range(champions)]
    series = rollout(*(GivenUp("champion", 30, since, until) for since, until in away))
    series.replicas["canary-0"] = replica(Told("canary", 90, since=100, errors=0.02), _SCRAPES)
    del series.replicas["champion"]
    for number, (since, until) in enumerate(away):
        gone(series, f"champion-{number}", since, until + 10, Told("champion", 90 / champions))
    assert judged(series)[0].state != "safe"


def test_a_gateway_that_starts_anew_takes_nothing_back() -> None:
    """What it answered since then adds to what it had told before."""
    series = rollout(GivenUp("canary", 1, since=100), told_until=200)
    for at in (at for at in _SCRAPES if at > 200):
        series.add_gateway("traefik", at, gateway_row((0, 0, 0), (at - 210, 0, at - 210)))
    assert judged(series)[1].strata[0].gave_up == (0, 290)


def test_a_gateway_read_between_the_servers_scrapes_is_fair() -> None:
    """Its pages come 7 s after theirs; the ratio of both sides is the same, and of 1 % no more is made."""
    series = rollout()
    for at in (at + 7 for at in _SCRAPES if at + 7 <= _END):
        series.add_gateway("traefik", at, page(at, GivenUp("champion", 0.9), GivenUp("canary", 0.9, since=100)))
    (stratum,) = judged(series)[1].strata
    theirs, ours = stratum.for_harm or (stratum.champion, stratum.canary)
    assert 0 < (ours.errors or 0) / (ours.requests or 1) <= 0.9 / 90.9 + 1e-9
    assert (theirs.errors or 0) / (theirs.requests or 1) == pytest.approx(0.9 / 90.9, rel=0.02)
