"""What the gateway answered itself counts as errors of the version that it was meant for, and nobody's twice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from components.spec.contract import Harm, Rollout
from services.judge.evidence.counts import Evidence
from services.judge.evidence.exposition import parse_page
from services.judge.evidence.gateway import gave_up
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Role, Series
from services.judge.findings import findings_of
from services.judge.statistics.signal_result import SignalResult
from tests.services.judge.evidence.told import Told, replica, scraped, weights

ERRORS_ONLY = Rollout(harm=Harm(slow_ratio=None, score_shift=None, label_loss=None, lost_ratio=None))
_ROUTE = "httproute-models-churn-gw-gateway-public-ep-web-0-0123456789abcdef0123-svc"
_PRIMARY, _CANARY = f"{_ROUTE}-models-churn-primary-0", f"{_ROUTE}-models-churn-canary-1"
#: Seconds from one scrape to the next, and of the last.
_STEP, _END = 10, 400
_SCRAPES = range(0, _END + 1, _STEP)


def line(service: str, code: int, count: int, method: str = "POST") -> str:
    """One line of Traefik 3.7's page."""
    labels = f'code="{code}",method="{method}",protocol="http",service="{service}@kubernetesgateway"'
    return f"traefik_service_requests_total{{{labels}}} {count}\n"


def test_refused_cut_off_and_late_answers_are_read_by_side() -> None:
    """Callers who gave up (499) and what was not posted are left out; a server's own errors are taken off later."""
    page = (
        line(_PRIMARY, 200, 900) + line(_PRIMARY, 502, 1) + line(_CANARY, 502, 4) + line(_CANARY, 504, 3)
        + line(_CANARY, 500, 50) + line(_CANARY, 503, 60) + line(_CANARY, 499, 70) + line(_CANARY, 502, 80, "GET")
    )  # fmt: skip
    assert gave_up(parse_page(page), "churn", "models") == {"champion": 1, "canary": 117}


def test_a_backend_without_requests_yet_has_given_up_none() -> None:
    assert gave_up(parse_page(line(_PRIMARY, 200, 5)), "churn", "models") == {"champion": 0, "canary": 0}


@pytest.mark.parametrize(
    "service", [f"{_ROUTE}-models-my-churn-canary-1", f"{_ROUTE}-other-churn-canary-1", f"{_ROUTE}-models-churn-0"]
)
def test_other_services_are_not_read(service: str) -> None:
    assert gave_up(parse_page(line(service, 502, 5)), "churn", "models") is None


@dataclass(frozen=True)
class GivenUp:
    """`rate` requests a second of a side between two times."""

    role: Role
    rate: float
    since: float = 0.0
    until: float = _END

    def at(self, time: float) -> float:
        return self.rate * max(min(time, self.until) - self.since, 0.0)


def rollout(*given_up: GivenUp, canaries: int = 1, told_until: float = _END) -> Series:
    """A canary with half of 180 requests a second from 100 s on, and a gateway that tells until a time."""
    told = {"champion": Told("champion", 90)}
    told |= {f"canary-{at}": Told("canary", 90 / canaries, since=100) for at in range(canaries)}
    series = scraped(weights({0: 0, 100: 50}, _END), told, _SCRAPES)
    for at in _SCRAPES:
        if given_up and at <= told_until:
            sums: dict[Role, float] = {"champion": 0.0, "canary": 0.0}
            for one in given_up:
                sums[one.role] += one.at(at)
            series.add_gateway("traefik", at, sums)
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
    series = rollout(GivenUp("canary", 10, since=100))  # 9 of them are the server's own
    series.replicas["canary-0"] = replica(Told("canary", 90, since=100, errors=0.1), _SCRAPES)
    _, seen = judged(series)
    (stratum,) = seen.strata
    seconds = stratum.gave_up[1]
    assert stratum.canary.requests == pytest.approx(91 * seconds)
    assert stratum.canary.errors == pytest.approx(10 * seconds)


def test_a_gateway_that_tells_nothing_is_said_and_stops_nothing() -> None:
    finding, seen = judged(rollout())
    assert (seen.gateway, finding.state, finding.gave_up) == ("silent", "safe", None)
    assert finding.reason.endswith("; the gateway does not tell which requests it answered itself")


def test_a_gateway_that_told_once_and_is_lost_is_no_data() -> None:
    finding, seen = judged(rollout(GivenUp("champion", 0), told_until=300))
    assert (seen.gateway, finding.state) == ("lost", "no data")
    assert "the gateway does not tell any more" in finding.reason


def test_harm_that_was_told_stays_harm_when_it_is_lost() -> None:
    finding, _ = judged(rollout(GivenUp("canary", 3, since=100), told_until=300))
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
        series.add_gateway("traefik", at, {"champion": 0.0, "canary": float(at - 210)})
    assert judged(series)[1].strata[0].gave_up == (0, 290)


def test_a_gateway_read_between_the_servers_scrapes_is_fair() -> None:
    """Its pages come 7 s after theirs; the ratio of both sides is the same, and of 1 % no more is made."""
    series = rollout()
    for at in (at + 7 for at in _SCRAPES if at + 7 <= _END):
        series.add_gateway("traefik", at, {"champion": 0.9 * at, "canary": 0.9 * max(at - 100, 0)})
    (stratum,) = judged(series)[1].strata
    theirs, ours = stratum.for_harm or (stratum.champion, stratum.canary)
    assert 0 < (ours.errors or 0) / (ours.requests or 1) <= 0.9 / 90.9 + 1e-9
    assert (theirs.errors or 0) / (theirs.requests or 1) == pytest.approx(0.9 / 90.9, rel=0.02)
