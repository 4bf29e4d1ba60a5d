"""HTTP to our own processes on this machine: never through a proxy, never for long."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

#: A proxy set in the environment cannot reach our loopback ports.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Response:
    """An HTTP response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """True for the statuses that Flagger takes as a yes (200 to 202)."""
        return 200 <= self.status <= 202

    def json(self) -> Any:
        """The body as JSON, or None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def get(url: str, timeout_seconds: float = 2.0) -> Response | None:
    """The response to a GET, whatever its status; None when nothing answers."""
    return _open(urllib.request.Request(url), timeout_seconds)  # noqa: S310 -- our own loopback URL


def post(url: str, document: object, timeout_seconds: float = 10.0) -> Response | None:
    """The response to a POST of JSON, whatever its status; None when nothing answers."""
    body = json.dumps(document).encode()
    headers = {"content-type": "application/json"}
    return _open(urllib.request.Request(url, body, headers, method="POST"), timeout_seconds)  # noqa: S310


def _open(request: urllib.request.Request, timeout_seconds: float) -> Response | None:
    try:
        with _OPENER.open(request, timeout=timeout_seconds) as response:
            return Response(response.status, _lower(response.headers.items()), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Response(error.code, _lower(error.headers.items()), error.read())
    except (OSError, http.client.HTTPException):
        return None


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
