"""Asks a Prometheus server for raw samples."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from services.judge.errors import SourceError
from services.judge.evidence.sources import fetch


def read_matrix(url: str, selector: str, now: float, seconds: float, timeout_seconds: float) -> list[dict[str, Any]]:
    """The time series of a selector over the last `seconds`, each with labels and timed values.

    A range vector in an instant query gives samples as they were scraped; a range query would move them to a grid.

    Raises:
        SourceError: the server cannot be reached, or does not answer as Prometheus does.
    """
    query = urlencode({"query": f"{selector}[{max(seconds, 1):.0f}s]", "time": f"{now:.3f}"})
    text = fetch(f"{url}/api/v1/query?{query}", timeout_seconds)
    try:
        document = json.loads(text)
        if document["status"] != "success":
            raise SourceError(f"{url} could not answer: {document.get('error', document['status'])}")
        return list(document["data"]["result"])
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{url} answered something else than Prometheus does: {error}") from error
