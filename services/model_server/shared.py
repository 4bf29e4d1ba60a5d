"""Memory shared by the workers of one server: each writes its own slot and reads every slot.

The supervisor creates an anonymous file before it starts the workers, which open it
through /proc; so no named file can be left behind. A restarted worker takes the slot
of the worker that ended and continues its counts.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Final

#: Where workers find the memory: "<process id>:<file descriptor>:<bytes>".
SHARED_VARIABLE: Final = "CANARIO_SHARED_MEMORY"
#: The byte of the file to lock before changing another worker's slot; the slots' own locks are the bytes from 0.
_CHANGE_LOCK: Final = 1 << 40


class SharedMemory:
    """Slots of equal size; this process owns one slot until it ends."""

    def __init__(self, file: int, size: int, slot_bytes: int) -> None:
        """`file` is the descriptor of a file of `size` bytes; it must stay open, since closing it frees the locks."""
        self._file = file
        memory = memoryview(mmap.mmap(file, size))
        self.slots = tuple(memory[start : start + slot_bytes] for start in range(0, size - slot_bytes + 1, slot_bytes))
        self.own = self._claim()

    def _claim(self) -> int:
        for slot in range(len(self.slots)):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
            except OSError:
                continue
            return slot
        raise RuntimeError(f"all {len(self.slots)} slots of the shared memory are taken; set CANARIO_WORKERS higher")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keeps other workers from changing slots while this worker changes one that is not its own."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _CHANGE_LOCK)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _CHANGE_LOCK)


def slot_size(payload_bytes: int) -> int:
    """The payload's bytes rounded up to whole pages, so that slots do not share a page."""
    return -(-payload_bytes // mmap.PAGESIZE) * mmap.PAGESIZE


def offer(environment: MutableMapping[str, str], workers: int, slot_bytes: int) -> None:
    """Creates a supervisor's memory and names it to its workers (only on Linux; elsewhere each worker counts alone)."""
    if sys.platform != "linux":
        return
    # A reload starts the new workers before the old ones end.
    size = 2 * workers * slot_bytes
    environment[SHARED_VARIABLE] = f"{os.getpid()}:{_anonymous_file(size)}:{size}"


def is_offered(environment: MutableMapping[str, str]) -> bool:
    """True if the parent process offers memory."""
    return environment.get(SHARED_VARIABLE, "").partition(":")[0] == str(os.getppid())


def join(environment: MutableMapping[str, str], slot_bytes: int) -> SharedMemory:
    """The supervisor's memory, or own memory if none is offered."""
    if not is_offered(environment):
        return SharedMemory(_anonymous_file(slot_bytes), slot_bytes, slot_bytes)
    owner, file, size = environment[SHARED_VARIABLE].split(":")
    return SharedMemory(os.open(f"/proc/{owner}/fd/{file}", os.O_RDWR), int(size), slot_bytes)


def _anonymous_file(size: int) -> int:
    if sys.platform == "linux":
        file = os.memfd_create("canario")
    else:
        with tempfile.TemporaryFile() as nameless:
            file = os.dup(nameless.fileno())
    os.ftruncate(file, size)
    return file
