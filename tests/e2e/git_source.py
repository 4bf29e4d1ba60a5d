"""Has Flux read a Git server's branch: by its own source-controller, or by a command that publishes it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.git_server import GitServer
from tests.e2e.kube import Kube

#: Where there is no source-controller: called with a repository, a branch and a name, it publishes the branch as the
#: ExternalArtifact of that name until it is stopped.
PUBLISHER = os.environ.get("CANARIO_GIT_SOURCE", "")
FLUX = Kube("flux-system")


@contextmanager
def published(server: GitServer, name: str) -> Iterator[dict[str, str]]:
    """What a Kustomization says of its source, as long as this lasts."""
    with _by_command(server, name) if PUBLISHER else _by_flux(server, name) as source:
        yield source


@contextmanager
def _by_flux(server: GitServer, name: str) -> Iterator[dict[str, str]]:
    spec = {"url": server.http_url, "ref": {"branch": "main"}, "interval": "2s"}
    kind = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
    FLUX.apply({**kind, "metadata": {"name": name, "namespace": FLUX.namespace}, "spec": spec})
    try:
        FLUX.run("wait", f"gitrepository/{name}", "--for=condition=Ready", "--timeout=60s")
        yield {"kind": "GitRepository", "name": name}
    finally:
        FLUX.run("delete", "gitrepository", name, "--ignore-not-found")


@contextmanager
def _by_command(server: GitServer, name: str) -> Iterator[dict[str, str]]:
    with server.mirrored() as repository:
        command = [*shlex.split(PUBLISHER), str(repository), "main", name]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            artifact = ("externalartifact", name)
            FLUX.wait("a published branch", lambda: (FLUX.get(*artifact) or {}).get("status", {}).get("artifact"), 60)
            yield {"kind": "ExternalArtifact", "name": name}
        finally:
            process.terminate()
            process.wait(30)
            FLUX.run("delete", "externalartifact", name, "--ignore-not-found")
