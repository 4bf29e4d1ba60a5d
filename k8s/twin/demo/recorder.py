"""Records the judge's whole verdict about once a second while a canary has traffic, for the report."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from k8s.twin import loopback

_INTERVAL_SECONDS = 1.0


class VerdictRecorder:
    """Asks the judge from its own thread; `with` starts and stops the recorder."""

    def __init__(self, judge_url: str, service: str, path: Path, canary: Callable[[], tuple[str, int]]) -> None:
        """`canary` returns the version under judgement and its weight; at weight 0 nothing is recorded."""
        self._url = f"{judge_url}/verdict?service={service}"
        self._path, self._canary = path, canary
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verdicts", daemon=True)

    def __enter__(self) -> VerdictRecorder:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            version, weight = self._canary()
            answer = loopback.get(self._url) if weight else None
            verdict = answer.json() if answer is not None and answer.ok else None
            if verdict is not None:
                self._record(version, weight, verdict)

    def _record(self, version: str, weight: int, verdict: dict[str, Any]) -> None:
        line = {"at": round(time.time(), 3), "version": version, "weight": weight, "verdict": verdict}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
