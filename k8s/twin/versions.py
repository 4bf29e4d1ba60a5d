"""Runs versions of the service as processes, in two slots with fixed ports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from components.releases.release_file import Release
from k8s.twin.processes import DeathNotice, Process, Program

#: Returns the program that serves a release, from the release, its port and both slots' addresses.
ProgramFor = Callable[[Release, int, tuple[str, ...]], Program]


@dataclass(frozen=True)
class RunningVersion:
    """A running version."""

    release: Release
    port: int
    process: Process

    @property
    def address(self) -> str:
        """host:port, the form used for targets and peers."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL to which the gateway routes."""
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
            ProcessError: the release does not become ready, or `stop` was set meanwhile; its process has ended.
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
        """Ends a version that no longer gets traffic. Safe to repeat."""
        version.process.stop()
        if version in self._running:
            self._running.remove(version)
            self._free.append(version.port)

    def close(self) -> None:
        """Ends every version."""
        for version in list(self._running):
            self.stop(version)
