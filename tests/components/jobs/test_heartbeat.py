"""Workers end when nobody waits for them, and not before."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from components.jobs.heartbeat import _watch, heartbeat
from components.jobs.inputs import alive_file
from components.store.content import Store
from tests.patience import patient, patient_deadline


def test_a_file_changes_as_long_as_somebody_waits(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    seen: set[bytes | None] = set()
    with heartbeat(store, "t", seconds=0.01):
        deadline = patient_deadline(10)
        while len(seen) < 3 and time.monotonic() < deadline:
            seen.add(store.read(alive_file("t")))
    last = store.read(alive_file("t"))
    assert len(seen) >= 3
    assert store.read(alive_file("t")) == last


def test_a_worker_gives_up_once_nothing_changes(tmp_path: Path) -> None:
    store, gave_up = Store(str(tmp_path)), threading.Event()
    given_up_after = 0.3
    with heartbeat(store, "t", seconds=0.01):
        watching = threading.Thread(target=_watch, args=(store, "t", gave_up.set, 0.01, patient(given_up_after)))
        watching.start()
        time.sleep(2 * patient(given_up_after))
        assert not gave_up.is_set()
    assert gave_up.wait(patient(20))
    watching.join()
