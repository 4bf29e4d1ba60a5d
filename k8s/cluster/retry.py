"""Looks at a cluster again whose API server does not answer for a moment, and gives up when it stays so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

#: So many failures one after the other are no moment any more.
_IN_A_ROW: Final = 5
_PAUSE_SECONDS = 5.0

Seen = TypeVar("Seen")


def retry(look: Callable[[], Seen], fault: type[Exception], limit: float, say: Callable[[str], None]) -> Seen:
    """What a look gives, after a few failures if need be.

    Args:
        fault: what a look raises that may succeed the next time.
        limit: on the monotonic clock; nothing is looked at again after it.

    Raises:
        Exception: the last `fault`; it failed too often, or too late.
    """
    failures = 0
    while True:
        try:
            return look()
        except fault as error:
            failures += 1
            if failures == _IN_A_ROW or time.monotonic() > limit:
                raise
            say(f"no answer, asking again ({failures} of {_IN_A_ROW - 1}): {error}")
        time.sleep(_PAUSE_SECONDS)
