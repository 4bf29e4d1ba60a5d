"""A test alert through Alertmanager, and what its counters say of the receivers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from k8s.alerts.prometheus import WATCHDOG
from k8s.errors import ClusterError

#: The receivers of helm/canario.
PEOPLE: Final = "people"
DEAD_MAN: Final = "watchdog"
_TEST: Final = "AlertTest"
_LASTS: Final = timedelta(minutes=5)
_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0
_SAMPLE: Final = re.compile(r"^alertmanager_notification_requests(_failed)?_total\{(.*)\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Deliveries:
    """How many requests to a receiver were answered with yes, and how many failed, since Alertmanager started."""

    taken: float = 0
    failed: float = 0


def deliveries(metrics: str, receiver: str) -> Deliveries:
    """Reads Alertmanager's metrics.

    An Alertmanager without the feature `receiver-name-in-metrics`, such as an operator's, does not tell its receivers
    apart: there all count.
    """
    asked = failed = 0.0
    for sample in _SAMPLE.finditer(metrics):
        named = re.search(r'receiver_name="([^"]*)"', sample[2])
        if named is None or named[1] == receiver:
            if sample[1]:
                failed += float(sample[3])
            else:
                asked += float(sample[3])
    return Deliveries(asked - failed, failed)


class Alertmanager:
    """An Alertmanager at an address, by its API v2."""

    def __init__(self, address: str) -> None:
        self._address = address

    def hears_prometheus(self) -> bool:
        """Whether the alert that rings always rings here.

        Raises:
            ClusterError: it is not reached, or does not answer as one.
        """
        return bool(self._get("/api/v2/alerts", filter=f'alertname="{WATCHDOG}"').json())

    def deliveries(self, receiver: str) -> Deliveries:
        """What it counted for a receiver.

        Raises:
            ClusterError: it is not reached, or does not answer as one.
        """
        return deliveries(self._get("/metrics").text, receiver)

    def ring(self, now: datetime, *, ended: bool = False) -> None:
        """Sends the test alert, or its end.

        Raises:
            ClusterError: it is not accepted.
        """
        try:
            answer = httpx.post(
                f"{self._address}/api/v2/alerts", json=[sample_alert(now, ended=ended)], timeout=_SECONDS
            )
        except httpx.HTTPError as error:
            raise ClusterError(f"Alertmanager is not reached: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise ClusterError(f"Alertmanager does not accept an alert: {answer.status_code} {answer.text.strip()}")

    def _get(self, path: str, **query: str) -> httpx.Response:
        try:
            return httpx.get(self._address + path, params=query, timeout=_SECONDS).raise_for_status()
        except httpx.HTTPError as error:
            raise ClusterError(f"Alertmanager does not answer {path}: {error}") from error


def sample_alert(now: datetime, *, ended: bool) -> dict[str, Any]:
    """The test alert as the API takes it; each one is of its own, so that none is held back as told already."""
    return {
        "labels": {"alertname": _TEST, "severity": "page", "service": "alert-test", "at": f"{now:%Y-%m-%dT%H:%M:%SZ}"},
        "annotations": {"summary": "A test by `make alert-test`: nothing is wrong, and you were reached."},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now if ended else now + _LASTS).isoformat(),
    }
