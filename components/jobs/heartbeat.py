"""Tells workers that somebody still waits for their model, through a file in the store that changes.

A run that is ended by hand kills its step before the step can remove its Job, and a process of a laptop may be killed
too. The workers find out by themselves.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from components.errors import StoreError
from components.jobs.inputs import alive_file
from components.step import tell
from components.store.content import Store

#: The time between two changes of the file, and that after which workers give up: longer than it takes to start a
#: killed step again.
BEAT_SECONDS: Final = 30.0
ABANDONED_SECONDS: Final = 600.0


@contextmanager
def heartbeat(store: Store, name: str, seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """Changes the file every `seconds`, as long as a `with` lasts.

    Raises:
        StoreError: the store refuses the first change, or does not answer for minutes.
    """
    ended = threading.Event()
    _beat(store, name)
    beating = threading.Thread(target=_beat_until, args=(ended, store, name, seconds), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()


def _beat(store: Store, name: str) -> None:
    store.write(alive_file(name), uuid.uuid4().bytes)


def _beat_until(ended: threading.Event, store: Store, name: str, seconds: float) -> None:
    while not ended.wait(seconds):
        try:
            _beat(store, name)
        except StoreError as error:
            print(f"the workers cannot be told that this step waits: {error}", file=sys.stderr, flush=True)


def end_when_abandoned(store: Store, name: str) -> None:
    """Ends this process with 2, from a thread, when nobody waits for the workers any more."""
    threading.Thread(target=_watch, args=(store, name, _give_up), daemon=True).start()


def _give_up() -> None:
    sentence = f"nobody has waited for this training for {ABANDONED_SECONDS:g} s"
    tell(sentence)
    print(sentence, file=sys.stderr, flush=True)
    os._exit(2)


def _watch(
    store: Store,
    name: str,
    give_up: Callable[[], None],
    look_seconds: float = BEAT_SECONDS,
    seconds: float = ABANDONED_SECONDS,
) -> None:
    """Looks at the file until it has not changed for `seconds`, by this machine's clock alone."""
    seen, since = b"", time.monotonic()
    while time.monotonic() - since < seconds:
        try:
            found = store.read(alive_file(name)) or b""
        except StoreError:
            # A store that is away tells nothing about who waits.
            found = uuid.uuid4().bytes
        if found != seen:
            seen, since = found, time.monotonic()
        time.sleep(look_seconds)
    give_up()
