"""A Git server inside the cluster: the environment repository that judges revert releases in."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.judge.repository import Commit, Repository
from tests.e2e.kube import Kube

PORT = 9418
_NAME = "environment"
_SERVE = """
git init --quiet --bare --initial-branch=main /srv/environment.git
exec git daemon --export-all --enable=receive-pack --base-path=/srv --port=9418
"""


class GitServer:
    """One repository, empty at first; `with` starts it and clears up."""

    def __init__(self, kube: Kube, image: str) -> None:
        """`image` has Git in it, as the judge's has."""
        self._kube, self._image = kube, image
        self.url = f"git://{_NAME}.{kube.namespace}/environment.git"

    def __enter__(self) -> GitServer:
        self._kube.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._kube.namespace}},
            self._service(),
            self._pod(),
        )
        self._kube.run("wait", f"pod/{_NAME}", "--for=condition=Ready", "--timeout=120s")
        with self._reached() as (repository, url):
            assert repository.push(url) == ""
        return self

    def __exit__(self, *_: object) -> None:
        self._kube.run("delete", "namespace", self._kube.namespace, "--wait=false")

    def commit(self, file: str, text: str, message: str) -> Commit:
        """Commits a file's new text to the branch main."""
        with self._reached() as (repository, url):
            repository.fetch(url)
            made = repository.write(file, text, message)
            refused = repository.push(url)
        assert not refused, refused
        return made

    def history(self) -> list[tuple[Commit, str]]:
        """Each commit with the hash of its tree, oldest first."""
        with self._reached() as (repository, url):
            repository.fetch(url)
            return [(commit, repository.tree(commit.id)) for commit in repository.log()]

    @contextmanager
    def _reached(self) -> Iterator[tuple[Repository, str]]:
        """A repository on this machine, and a URL of the server's as long as this lasts."""
        forward = ["kubectl", "--namespace", self._kube.namespace, "port-forward", f"pod/{_NAME}", f":{PORT}"]
        with (
            tempfile.TemporaryDirectory() as folder,
            subprocess.Popen(forward, stdout=subprocess.PIPE, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                said = process.stdout.readline()
                port = said.removeprefix("Forwarding from 127.0.0.1:").partition(" ")[0]
                assert port.isdigit(), f"kubectl port-forward said {said!r}"
                yield Repository.create(Path(folder) / "here.git"), f"git://127.0.0.1:{port}/environment.git"
            finally:
                process.terminate()

    def _service(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME, "namespace": self._kube.namespace},
            "spec": {"selector": {"app": _NAME}, "ports": [{"port": PORT}]},
        }

    def _pod(self) -> dict[str, Any]:
        container = {
            "name": "git",
            "image": self._image,
            "command": ["sh", "-c", _SERVE],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
            "volumeMounts": [{"name": "srv", "mountPath": "/srv"}],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": _NAME, "namespace": self._kube.namespace, "labels": {"app": _NAME}},
            "spec": {
                "containers": [container],
                "terminationGracePeriodSeconds": 0,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "volumes": [{"name": "srv", "emptyDir": {}}],
            },
        }
