"""Versions of the service as running processes, in two slots with fixed ports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from components.releases.release_file import Release
from k8s.twin.processes import DeathNotice, Process, Program

#: From a release, its own port and both slots' addresses, the program that serves it.
ProgramFor = Callable[[Release, int, tuple[str, ...]], Program]


@dataclass(frozen=True)
class RunningVersion:
    """A version that runs."""

    release: Release
    port: int
    process: Process

    @property
    def address(self) -> str:
        """host:port, as targets and peers are named."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What the gateway routes to."""
        return f"http://{self.address}"


class Versions:
    """Starts and stops versions; at most two run at once, a champion and a canary."""

    def __init__(self, ports: tuple[int, int], program_for: ProgramFor, on_death: DeathNotice) -> None:
        self._program_for = program_for
        self._on_death = on_death
        self._peers = tuple(f"127.0.0.1:{port}" for port in ports)
        self._free = sorted(ports, reverse=True)
        self._running: list[RunningVersion] = []

    def start(self, release: Release, stop: threading.Event) -> RunningVersion:
        """Starts a release and returns when it is ready and warm.

        Raises:
            ProcessError: it does not get ready, or `stop` was set meanwhile. Nothing of it runs then.
        """
        port = self._free[-1]
        program = self._program_for(release, port, self._peers)
        version = RunningVersion(release, port, Process(program, self._on_death))
        self._free.pop()
        self._running.append(version)
        try:
            version.process.start()
            version.process.wait_ready(stop=stop)
        except BaseException:
            self.stop(version)
            raise
        return version

    def stop(self, version: RunningVersion) -> None:
        """Ends a version that gets no traffic any more. Safe to repeat."""
        version.process.stop()
        if version in self._running:
            self._running.remove(version)
            self._free.append(version.port)

    def close(self) -> None:
        """Ends every version."""
        for version in list(self._running):
            self.stop(version)
