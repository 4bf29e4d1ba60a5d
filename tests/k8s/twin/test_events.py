"""Every event is in the file, is shown and can be waited for."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from k8s.twin.events import Event, Events
from tests.patience import patient


def test_an_event_is_a_json_line_and_is_shown(tmp_path: Path) -> None:
    seen: list[Event] = []
    events = Events(tmp_path / "below" / "events.jsonl", seen.append)
    facts = {"version": "2", "weight": 10, "verdict": "fail", "reason": "für 5 %", "evidence": {"signals": [1]}}
    made = events.emit("decision", **facts)
    (line,) = (tmp_path / "below" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {"at": made.at, "kind": "decision", "phase": "", **facts}
    assert seen == [made]


def test_lines_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    threads = [
        threading.Thread(target=lambda: [events.emit("error", reason="x" * 5000) for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["x" * 5000] * 200


def test_an_event_is_waited_for_whether_it_was_or_will_be(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.jsonl")
    past = events.emit("phase", version="1")
    assert events.wait_for(lambda event: event.version == "1", 0) == past
    later = threading.Timer(0.05, lambda: events.emit("phase", version="2"))
    later.start()
    found = events.wait_for(lambda event: event.version == "2", patient(10))
    later.join()
    assert found is not None
    assert found.version == "2"
    assert events.wait_for(lambda event: event.version == "3", 0.01) is None
