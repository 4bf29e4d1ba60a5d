"""Retries calls to a cluster whose API server may not answer for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

#: This many failures in a row are more than a moment.
_IN_A_ROW: Final = 5
_PAUSE_SECONDS = 5.0

Seen = TypeVar("Seen")


def retry(look: Callable[[], Seen], fault: type[Exception], limit: float, say: Callable[[str], None]) -> Seen:
    """Calls `look` until it succeeds; gives up after several failures in a row.

    Args:
        fault: the error after which another call may succeed.
        limit: a time of the monotonic clock after which nothing is retried.

    Raises:
        Exception: the last `fault`, after too many failures or too late.
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
