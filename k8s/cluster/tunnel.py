"""Runs a command that reaches services of the cluster, each at an address in a variable.

    python -m k8s.cluster.tunnel KFP_ENDPOINT=kubeflow/ml-pipeline:8888 -- make submit

A machine outside, such as a hosted runner, has no way into a private network. It reaches the control plane by its DNS
name, where IAM knows who calls, and `kubectl port-forward` goes on from there to a pod: nothing is opened to anybody,
and no service gets an address. A connection ends with its pod, or after hours; it is then made again at the same port.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from k8s.cluster.program import explained, tool
from k8s.errors import ClusterError, DeployError

_TARGET: Final = re.compile(r"([A-Z][A-Z0-9_]*)=([a-z0-9-]+)/([a-z0-9.-]+):([0-9]+)")
_HERE: Final = "127.0.0.1"
_WRONG_INPUT: Final = 2
_INTERRUPTED: Final = 130


@dataclass(frozen=True)
class ClusterService:
    """A service of the cluster and its port; `variable` gets the address at which it is reached here."""

    variable: str
    namespace: str
    service: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ClusterService:
        """Reads VARIABLE=namespace/service:port.

        Raises:
            ClusterError: it has another form.
        """
        found = _TARGET.fullmatch(text)
        if found is None:
            raise ClusterError(f"{text!r} is no target; write VARIABLE=namespace/service:port")
        return cls(found[1], found[2], found[3], int(found[4]))


@dataclass(frozen=True)
class TunnelPace:
    """Seconds and tries until the first connection is given up, and seconds before a lost one is made again."""

    first_seconds: float = 60.0
    first_tries: int = 5
    again_seconds: float = 1.0


@dataclass
class _Forward:
    """A command of kubectl that is run until it is over; `said` holds its words, `ended` how often it ended."""

    command: Sequence[str]
    said: IO[bytes]
    over: threading.Event
    ended: int = 0

    def keep(self, again_seconds: float) -> None:
        """Runs the command again and again."""
        while not self.over.is_set():
            running = subprocess.Popen(self.command, stdout=self.said, stderr=self.said)
            while running.poll() is None and not self.over.wait(0.1):
                pass
            running.terminate()
            running.wait()
            self.ended += 1
            self.over.wait(again_seconds)

    def words(self) -> str:
        """What kubectl said so far."""
        return os.pread(self.said.fileno(), 10_000, 0).decode(errors="replace").strip()


@contextlib.contextmanager
def reached(target: ClusterService, pace: TunnelPace = TunnelPace()) -> Iterator[str]:
    """The address of a service while this lasts.

    Raises:
        ToolError: kubectl is not on the PATH.
        ClusterError: there was no connection in time; holds kubectl's words.
    """
    port = _free_port()
    command = [tool("kubectl"), "--namespace", target.namespace, "port-forward", f"--address={_HERE}"]
    command += [f"service/{target.service}", f"{port}:{target.port}"]
    with tempfile.TemporaryFile("w+b") as said:
        forward = _Forward(command, said, threading.Event())
        keeper = threading.Thread(target=forward.keep, args=(pace.again_seconds,), daemon=True)
        keeper.start()
        try:
            _wait(port, target, forward, pace)
            yield f"http://{_HERE}:{port}"
        finally:
            forward.over.set()
            keeper.join()


def _wait(port: int, target: ClusterService, forward: _Forward, pace: TunnelPace) -> None:
    end = time.monotonic() + pace.first_seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection((_HERE, port), timeout=1):
            return
        if time.monotonic() > end or forward.ended >= pace.first_tries:
            raise ClusterError(f"{target.namespace}/{target.service} is not reached: {explained(forward.words())}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_HERE, 0))
        return int(listener.getsockname()[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the command's exit status, or 1 if a service is not reached."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        targets, command = (
            [ClusterService.parse(word) for word in words[: words.index("--")]],
            words[words.index("--") + 1 :],
        )
    except ValueError:
        print("write VARIABLE=namespace/service:port ... -- COMMAND", file=sys.stderr)
        return _WRONG_INPUT
    except ClusterError as error:
        print(error, file=sys.stderr)
        return _WRONG_INPUT
    try:
        with contextlib.ExitStack() as tunnels:
            addresses = {target.variable: tunnels.enter_context(reached(target)) for target in targets}
            return subprocess.run(command, env={**os.environ, **addresses}, check=False).returncode
    except DeployError as error:
        print(f"not run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
