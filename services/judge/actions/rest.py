"""JSON over HTTP: one call, one answer."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5.0

#: The exceptions of a call that gets no answer in JSON.
FAULTS = (OSError, ValueError, http.client.HTTPException)


def call(
    method: str,
    url: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
) -> tuple[int, dict[str, Any]]:
    """Makes one call and returns the answer's status and document.

    Raises:
        OSError, ValueError, http.client.HTTPException: there is no answer, or it is not JSON (`FAULTS`).
    """
    parts = urlsplit(url)
    connection = (
        http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    )
    try:
        place = parts.path + (f"?{parts.query}" if parts.query else "")
        sent_headers = {"content-type": "application/json", **(headers or {})}
        connection.request(method, place, json.dumps(body) if body else None, sent_headers)
        response = connection.getresponse()
        document: dict[str, Any] = json.loads(response.read())
        return response.status, document
    finally:
        connection.close()
