"""Waits until what was brought is in force, and says what is in the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from k8s.errors import ClusterError

_LOOK_SECONDS: Final = 1.0


def wait_until_in_force(
    obstacles: Callable[[], list[str]], seconds: float, what: str, reason: Callable[[], str] = lambda: ""
) -> None:
    """Looks until nothing is in the way.

    Args:
        obstacles: asks what is in the way; a sentence each.
        seconds: the longest wait.
        what: the name of the thing that is waited for.
        reason: asks for more to say at the end.

    Raises:
        ClusterError: the time is over; says what is in the way.
    """
    limit = time.monotonic() + seconds
    while left := obstacles():
        if time.monotonic() > limit:
            said = "; ".join(filter(None, [*left, reason()]))
            raise ClusterError(f"{what} is not in force after {seconds:g} s: {said}")
        time.sleep(_LOOK_SECONDS)
