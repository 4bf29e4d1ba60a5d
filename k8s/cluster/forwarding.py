"""Reaches a Service of the cluster from this machine."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from k8s.cluster.program import tool
from k8s.errors import ClusterError

_SECONDS: Final = 20.0


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service, written `namespace/name:port`."""

    namespace: str
    name: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the written form.

        Raises:
            ValueError: the text has another form.
        """
        found = re.fullmatch(r"([a-z0-9-]+)/([a-z0-9-]+):(\d+)", text)
        if not found:
            raise ValueError(f"{text!r} is not of the form namespace/service:port, such as monitoring/prometheus:9090")
        return cls(found[1], found[2], int(found[3]))

    def __str__(self) -> str:
        """The written form."""
        return f"{self.namespace}/{self.name}:{self.port}"


@contextmanager
def forwarded(service: ServicePort) -> Iterator[str]:
    """The address on this machine behind which one of the Service's pods answers, as long as this lasts.

    Raises:
        ClusterError: kubectl does not reach a pod of it.
        ToolError: kubectl is not on the PATH.
    """
    where = ["--namespace", service.namespace, "port-forward", f"service/{service.name}", f":{service.port}"]
    pipe = subprocess.PIPE
    with subprocess.Popen([tool("kubectl"), *where], stdout=pipe, stderr=subprocess.STDOUT, text=True) as forward:
        try:
            said = _first_line(forward)
            found = re.search(r"127\.0\.0\.1:(\d+)", said)
            if not found:
                raise ClusterError(f"{service} is not reached: {said.strip() or 'kubectl port-forward said nothing'}")
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            forward.terminate()


def _first_line(forward: subprocess.Popen[str]) -> str:
    """What kubectl says first; empty if it says nothing in time."""
    said: queue.Queue[str] = queue.Queue()
    stream = forward.stdout
    if stream is None:
        return ""

    def read() -> None:
        said.put(stream.readline())
        for _ in stream:  # it says something of each connection, and a full pipe would stop it
            pass

    threading.Thread(target=read, daemon=True).start()
    try:
        return said.get(timeout=_SECONDS)
    except queue.Empty:
        return ""
