"""Waits for a store that is away for a while, and says so."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TypeVar

Answer = TypeVar("Answer")

#: How long a store may be away, in seconds, and the pauses between two tries.
PATIENCE_SECONDS: Final = 300.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 20.0

#: Words in the name of an error that waiting cannot change.
_FINAL: Final = ("Credential", "Forbidden", "Permission", "NotFound", "NotADirectory", "IsADirectory", "NoSuchBucket")


def patiently(
    ask: Callable[[], Answer],
    of: str,
    seconds: float = PATIENCE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """The answer of `ask`, which is asked again while what it asks is away; `of` names that in messages.

    Kubeflow tries a step again when its pod is killed, and not when the step ends with an error. So a step waits
    itself for what comes back with time.
    """
    until, pause = clock() + seconds, _FIRST_PAUSE
    while True:
        try:
            return ask()
        except Exception as error:
            if not passes_with_time(error) or clock() + pause > until:
                raise
            print(f"{of}: no answer ({_sentence(error)}); trying again in {pause:g} s", file=sys.stderr, flush=True)
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def passes_with_time(error: BaseException) -> bool:
    """Whether an error may be gone in a while: a broken connection, a time-out, an overloaded or starting server."""
    if any(word in type(error).__name__ for word in _FINAL):
        return False
    status = _status(error)
    if status:
        return status in (408, 429) or status >= 500
    return _is_of_network(error) or (error.__cause__ is not None and passes_with_time(error.__cause__))


def _status(error: BaseException) -> int:
    """The HTTP status that an error of botocore, gcsfs or a client of HTTP carries; 0 without one."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    for name in ("status", "code", "status_code"):
        number = getattr(error, name, None)
        if isinstance(number, int):
            return number
    return 0


def _is_of_network(error: BaseException) -> bool:
    """botocore, aiohttp and urllib3 share no class of errors, but their names."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    words = ("Connection", "Timeout", "Disconnected", "Endpoint", "IncompleteRead", "Payload")
    return any(word in kind.__name__ for kind in type(error).__mro__ for word in words)


def _sentence(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
