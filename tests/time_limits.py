"""How long pytest lets a test run before it ends it as hanging."""

from __future__ import annotations

import pytest


def limit_seconds(item: pytest.Item) -> float:
    """The limit in seconds: the mark next to the test, or the setting for all."""
    mark = item.get_closest_marker("timeout")
    if mark is None:
        return float(item.config.getini("timeout"))
    return float(mark.args[0] if mark.args else mark.kwargs["timeout"])
