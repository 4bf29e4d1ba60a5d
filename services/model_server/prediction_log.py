"""A log of JSON lines that never holds an answer up: bounded in memory, in files and in what it may cost.

A line is put into a queue; a thread writes what has come together a few times a
second. When the queue or the disk is full the lines are dropped and counted.
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
#: Bytes of one write.
_CHUNK_BYTES = 1_048_576
#: Seconds that a stop waits for a disk that does not answer.
_CLOSE_TIMEOUT = 5.0


class LineLog:
    """Lines into files `<name>-<number>.jsonl` of a folder; several processes may share it."""

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
        """`dropped_full` is told rows by the thread that puts them, `dropped_disk` by the writing thread."""
        self._files = _Files(folder, name, max_file_bytes, max_files)
        self._max_queue_bytes = max_queue_bytes
        self._dropped_full, self._dropped_disk = dropped_full, dropped_disk
        self._queue: deque[tuple[bytes, int]] = deque()
        # Each is changed by one thread only; their difference is what waits.
        self._put_bytes = self._taken_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-log", daemon=True)
        self._thread.start()

    def put(self, line: bytes, rows: int) -> None:
        """Takes a line (with its newline) that holds so many rows, or counts them as dropped."""
        if self._put_bytes - self._taken_bytes + len(line) > self._max_queue_bytes:
            self._dropped_full(rows)
            return
        self._put_bytes += len(line)
        self._queue.append((line, rows))

    def close(self) -> None:
        """Writes what waits, unless the disk does not answer."""
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
    """The numbered files: the newest is written, the oldest are removed."""

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
            # Half a line stays; the next lines go into a new file.
            self.close()

    def _current(self, incoming: int) -> int:
        if self._file is not None:
            # Another process may have removed it as the oldest.
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
        """Makes room for a whole file more. Bytes count, for each start of a process begins a file, however short."""
        excess = sum(sizes.values()) - (self._max_files - 1) * self._max_file_bytes
        for number, size in sorted(sizes.items()):
            if excess <= 0:
                break
            self._path(number).unlink(missing_ok=True)
            excess -= size

    def _sizes(self) -> dict[int, int]:
        """Bytes of each file by its number; what another process removes meanwhile is gone."""
        sizes: dict[int, int] = {}
        for path in self._folder.glob(f"{self._name}-*.jsonl"):
            number = path.stem.rpartition("-")[2]
            with suppress(FileNotFoundError):
                sizes |= {int(number): path.stat().st_size} if number.isdigit() else {}
        return sizes

    def close(self) -> None:
        """Closes the file that is written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
