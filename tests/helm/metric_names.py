"""The names of metrics: those that are exported, and those in a text."""

from __future__ import annotations

import re

from services import telemetry

METRICS = {value for value in vars(telemetry).values() if isinstance(value, str)}
METRICS |= {f"{telemetry.LATENCY}{suffix}" for suffix in ("_bucket", "_sum", "_count")}


def metrics(text: str) -> set[str]:
    """The metrics that a text names, exported or not."""
    return set(re.findall(r"\b(?:canario|flagger)_[a-z_]+", text))
