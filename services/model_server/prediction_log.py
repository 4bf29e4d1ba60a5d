"""A log of JSON lines that never delays an answer: bounded in memory and in files.

Lines go into a queue, which a thread writes out a few times a second. If the queue
or the disk is full, lines are dropped and counted.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from services.model_server.events import log_event

#: Seconds between two writes.
WRITE_INTERVAL = 0.2
#: Bytes of one write, about.
_CHUNK_BYTES = 1_048_576
#: Seconds that closing waits for a disk that does not respond.
_CLOSE_TIMEOUT = 5.0


class LineLog:
    """Writes lines into files `<name>-<number>.jsonl` of a folder, which several processes may share."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        max_file_bytes: int,
        max_files: int,
        max_queue_bytes: int,
        dropped_full: Callable[[int], None],
        dropped_disk: Callable[[int], None],
    ) -> None:
        """Dropped rows are reported: `dropped_full` is called by the thread that puts, `dropped_disk` by the writer."""
        self._files = _Files(folder, name, max_file_bytes, max_files)
        self._max_queue_bytes = max_queue_bytes
        self._dropped_full, self._dropped_disk = dropped_full, dropped_disk
        self._queue: deque[tuple[bytes, int]] = deque()
        # Each number is changed by one thread only; their difference is the size of the queue.
        self._put_bytes = self._taken_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-log", daemon=True)
        self._thread.start()

    def put(self, line: bytes, rows: int) -> None:
        """Queues a line (with its newline) that holds `rows` rows; if the queue is full, counts them as dropped."""
        if self._put_bytes - self._taken_bytes + len(line) > self._max_queue_bytes:
            self._dropped_full(rows)
            return
        self._put_bytes += len(line)
        self._queue.append((line, rows))

    def close(self) -> None:
        """Writes the queued lines, unless the disk does not respond."""
        self._stop.set()
        self._thread.join(_CLOSE_TIMEOUT)
        if self._thread.is_alive():
            log_event("log_not_flushed", lines=len(self._queue))

    def _run(self) -> None:
        while not self._stop.wait(WRITE_INTERVAL):
            self._write_all()
        self._write_all()
        self._files.close()

    def _write_all(self) -> None:
        while self._queue:
            chunk, size, rows = [], 0, 0
            while self._queue and size < _CHUNK_BYTES:
                line, line_rows = self._queue.popleft()
                chunk.append(line)
                size += len(line)
                rows += line_rows
            try:
                self._files.write(b"".join(chunk))
            except OSError as error:
                self._dropped_disk(rows)
                log_event("log_rows_dropped", rows=rows, error=error.strerror)
            self._taken_bytes += size


class _Files:
    """The numbered files: appends to the newest, removes the oldest."""

    def __init__(self, folder: Path, name: str, max_file_bytes: int, max_files: int) -> None:
        self._folder, self._name = folder, name
        self._max_file_bytes, self._max_files = max_file_bytes, max_files
        self._file: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Appends whole lines, all or nothing.

        Raises:
            OSError: the disk refuses them.
        """
        file = self._current(len(data))
        written = 0
        try:
            while written < len(data):
                written += os.write(file, memoryview(data)[written:])
        except OSError:
            self._undo(file, written)
            raise
        self._size += written

    def _undo(self, file: int, written: int) -> None:
        try:
            if written:
                os.ftruncate(file, self._size)
        except OSError:
            # Half a line remains; the next lines go into a new file.
            self.close()

    def _current(self, incoming: int) -> int:
        if self._file is not None:
            # Another process may have removed this file as the oldest.
            removed = os.fstat(self._file).st_nlink == 0
            if removed or (self._size and self._size + incoming > self._max_file_bytes):
                self.close()
        if self._file is None:
            self._file = self._open_next()
            self._size = 0
        return self._file

    def _open_next(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        sizes = self._sizes()
        self._remove_oldest(sizes)
        number = max(sizes, default=0)
        while True:
            number += 1
            try:
                return os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
            except FileExistsError:
                continue

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:08d}.jsonl"

    def _remove_oldest(self, sizes: Mapping[int, int]) -> None:
        """Makes room for one more full file. The limit is in bytes, because every process start begins a new file."""
        excess = sum(sizes.values()) - (self._max_files - 1) * self._max_file_bytes
        for number, size in sorted(sizes.items()):
            if excess <= 0:
                break
            self._path(number).unlink(missing_ok=True)
            excess -= size

    def _sizes(self) -> dict[int, int]:
        """Bytes of each file by its number, without files that another process removes meanwhile."""
        sizes: dict[int, int] = {}
        for path in self._folder.glob(f"{self._name}-*.jsonl"):
            number = path.stem.rpartition("-")[2]
            with suppress(FileNotFoundError):
                sizes |= {int(number): path.stat().st_size} if number.isdigit() else {}
        return sizes

    def close(self) -> None:
        """Closes the current file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
