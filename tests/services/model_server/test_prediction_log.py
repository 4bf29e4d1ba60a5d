from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.model_server import prediction_log
from services.model_server.prediction_log import LineLog
from tests.services.model_server.conftest import StartServer
from tests.services.model_server.log_files import wait_for_lines
from tests.small_package import GOOD

LINE = b"0123456789\n"


class Dropped:
    def __init__(self) -> None:
        self.full = self.disk = 0

    def count_full(self, rows: int) -> None:
        self.full += rows

    def count_disk(self, rows: int) -> None:
        self.disk += rows


OpenLog = Callable[..., LineLog]


@pytest.fixture
def dropped() -> Dropped:
    return Dropped()


@pytest.fixture
def open_log(tmp_path: Path, dropped: Dropped, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenLog]:
    monkeypatch.setattr(prediction_log, "WRITE_INTERVAL", 0.01)
    monkeypatch.setattr(prediction_log, "_CLOSE_TIMEOUT", 0.5)
    logs: list[LineLog] = []

    def start(**more: Any) -> LineLog:
        limits = {"max_file_bytes": 1000, "max_files": 3, "max_queue_bytes": 10_000} | more
        log = LineLog(tmp_path, "p", dropped_full=dropped.count_full, dropped_disk=dropped.count_disk, **limits)
        logs.append(log)
        return log

    yield start
    for log in logs:
        log.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("p-*.jsonl"))


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to pass within 10 s")


def test_lines_are_written_in_order(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    for number in range(10):
        log.put(b"%d\n" % number, 1)
    log.close()
    assert b"".join(path.read_bytes() for path in files(tmp_path)) == b"".join(b"%d\n" % n for n in range(10))


def test_files_are_of_a_size_and_a_number(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    for number in range(8):
        log.put(LINE * 90, 90)
        wait_until(lambda number=number: (tmp_path / f"p-{number + 1:08d}.jsonl").exists())  # type: ignore[misc]
    log.close()
    assert [path.name for path in files(tmp_path)] == ["p-00000006.jsonl", "p-00000007.jsonl", "p-00000008.jsonl"]
    assert all(path.read_bytes() == LINE * 90 for path in files(tmp_path))


def test_a_new_process_leaves_the_files_of_the_last_one(open_log: OpenLog, tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        log = open_log()
        log.put(text, 1)
        log.close()
    assert [path.read_bytes() for path in files(tmp_path)] == [b"first\n", b"second\n"]


def test_many_starts_keep_older_lines_within_the_bytes(open_log: OpenLog, tmp_path: Path) -> None:
    """Many starts keep the lines that they found, as long as these are within the bytes."""
    for number in range(20):
        log = open_log()
        log.put(b"%02d\n" % number, 1)
        log.close()
    kept = b"".join(path.read_bytes() for path in files(tmp_path)).splitlines()
    assert kept == [b"%02d" % number for number in range(20)]


def test_two_processes_may_share_a_folder(open_log: OpenLog, tmp_path: Path) -> None:
    logs = [open_log(max_file_bytes=100), open_log(max_file_bytes=100)]
    for number in range(30):
        for log in logs:
            log.put(b"%02d\n" % number, 1)
        if number % 5 == 0:
            wait_until(lambda: all(log._put_bytes == log._taken_bytes for log in logs))
    for log in logs:
        log.close()
    lines = b"".join(path.read_bytes() for path in files(tmp_path)).splitlines()
    assert sorted(lines) == sorted([b"%02d" % number for number in range(30)] * 2)


def test_a_full_disk_drops_lines_and_later_ones_are_written(
    open_log: OpenLog, tmp_path: Path, dropped: Dropped
) -> None:
    """A full disk drops lines and counts them, and later lines are written."""
    (tmp_path / "p-00000001.jsonl").symlink_to("/dev/full")
    log = open_log()
    log._files._file = os.open("/dev/full", os.O_WRONLY)
    log.put(LINE, 7)
    wait_until(lambda: dropped.disk == 7)
    log._files.close()
    log.put(LINE, 1)
    log.close()
    assert (dropped.disk, dropped.full) == (7, 0)
    assert (tmp_path / "p-00000002.jsonl").read_bytes() == LINE


def test_a_folder_that_cannot_be_written_drops_and_counts(open_log: OpenLog, tmp_path: Path, dropped: Dropped) -> None:
    tmp_path.rmdir()
    tmp_path.write_bytes(b"a file where the folder should be")
    log = open_log()
    log.put(LINE, 3)
    wait_until(lambda: dropped.disk == 3)


def test_a_stuck_disk_holds_up_nobody_and_the_queue_stays_small(
    open_log: OpenLog, tmp_path: Path, dropped: Dropped
) -> None:
    """A disk that does not answer never holds up a caller, and the queue stays small."""
    os.mkfifo(tmp_path / "slow")
    # A pipe that nobody reads takes 64 KiB and then blocks its writer.
    pipe = os.open(tmp_path / "slow", os.O_RDWR)
    log = open_log(max_queue_bytes=200_000, max_file_bytes=10**9)
    log._files._file = pipe
    for _ in range(100_000):
        log.put(LINE, 1)
    assert dropped.full > 50_000
    assert log._put_bytes - log._taken_bytes <= 200_000
    log.close()
    assert log._thread.is_alive()
    # An end of its own, for the reader must not wait for more once all is read, and the writer must.
    reader = os.open(tmp_path / "slow", os.O_RDONLY | os.O_NONBLOCK)
    while log._thread.is_alive():
        with contextlib.suppress(BlockingIOError):
            os.read(reader, 65536)
    os.close(reader)


def test_the_log_has_all_that_a_later_look_needs(serve: StartServer, tmp_path: Path) -> None:
    server = serve(log_dir=tmp_path, version="4")
    body = json.dumps(GOOD, indent=2).replace("\n", "\r\n").encode()
    one = server.predict(body=body)
    two = server.predict([GOOD, GOOD])
    server.predict({"tenure": "wrong"})
    wait_for_lines(tmp_path, "predictions", 2)
    lines = [json.loads(line) for path in tmp_path.glob("predictions-*") for line in path.read_text().splitlines()]
    assert [list(line) for line in lines] == [["time", "request_id", "version", "package", "inputs", "answers"]] * 2
    assert [line["request_id"] for line in lines] == [reply.headers["x-request-id"] for reply in (one, two)]
    assert [line["inputs"] for line in lines] == [GOOD, [GOOD, GOOD]]
    assert [line["answers"] for line in lines] == [one.json(), two.json()]
    assert {line["package"] for line in lines} == {one.headers["x-canario-receipt"]}
    assert {line["version"] for line in lines} == {"4"}


def test_answers_go_on_when_the_log_cannot_be_written(serve: StartServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server = serve(log_dir=tmp_path / "file")
    assert server.predict([GOOD] * 3).status == 200
    wait_until(lambda: server.metrics()["canario_log_dropped_total"] == 3)
    assert server.predict(GOOD).status == 200
