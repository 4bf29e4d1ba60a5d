"""A Git server inside the cluster: the environment repository that judges revert releases in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

from components.errors import GitError
from components.git.repository import Commit, Repository
from components.releases.environment_repository import EnvironmentRepository
from tests.e2e.kube import CONTAINER_SECURITY, Kube

PORT = 9418
_NAME = "environment"
_HTTP_PORT = 8418
_MIRROR_SECONDS = 1.0
#: Judges push by Git's own protocol; Flux reads by HTTP only.
_SERVE = """
git init --quiet --bare --initial-branch=main /srv/environment.git
mkdir -p /srv/http/cgi-bin
printf '#!/bin/sh\\nexec git http-backend\\n' > /srv/http/cgi-bin/git
chmod 755 /srv/http/cgi-bin/git
export GIT_PROJECT_ROOT=/srv GIT_HTTP_EXPORT_ALL=1
python -m http.server --cgi --directory /srv/http 8418 &
exec git daemon --export-all --enable=receive-pack --base-path=/srv --port=9418
"""


class GitServer:
    """One repository, empty at first; `with` starts it and clears up."""

    def __init__(self, kube: Kube, image: str) -> None:
        """`image` has Git in it, as the judge's has."""
        self._kube, self._image = kube, image
        self.url = f"git://{_NAME}.{kube.namespace}/environment.git"
        self.http_url = f"http://{_NAME}.{kube.namespace}:{_HTTP_PORT}/cgi-bin/git/environment.git"

    def __enter__(self) -> GitServer:
        self._kube.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._kube.namespace}},
            self._service(),
            self._pod(),
        )
        self._kube.run("wait", f"pod/{_NAME}", "--for=condition=Ready", "--timeout=120s")
        with self.reached() as (repository, url):
            assert repository.push(url) == ""
        return self

    def __exit__(self, *_: object) -> None:
        self._kube.run("delete", "namespace", self._kube.namespace, "--wait=false")

    def commit(self, texts: Mapping[str, str], message: str) -> Commit:
        """Commits the new texts of files to the branch main; a judge may push a revert at the same moment."""
        with self.reached() as (_, url):
            return EnvironmentRepository(url).commit(lambda branch: branch.write_all(texts, message))

    def history(self) -> list[tuple[Commit, str]]:
        """Each commit with the hash of its tree, oldest first."""
        with self.reached() as (repository, url):
            repository.fetch(url)
            return [(commit, repository.tree(commit.id)) for commit in repository.log()]

    def changed(self) -> list[str]:
        """The files of the newest commit."""
        with self.reached() as (repository, url):
            repository.fetch(url)
            return repository.changed(repository.head())

    def branches(self) -> list[str]:
        """The names of its branches."""
        script = ("git", "--git-dir=/srv/environment.git", "branch", "--format=%(refname:short)")
        return self._kube.run("exec", _NAME, "--", *script).split()

    @contextmanager
    def mirrored(self) -> Iterator[Path]:
        """A repository on this machine whose branch main is the server's, at most some seconds later."""
        ended = Event()

        def follow(mirror: Repository) -> None:
            while not ended.is_set():
                with suppress(GitError), self.reached() as (_, url):  # a connection may be lost
                    while not ended.wait(_MIRROR_SECONDS):
                        mirror.fetch(url)

        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
            mirror = Repository.create(Path(folder) / "mirror.git")
            with self.reached() as (_, url):
                mirror.fetch(url)
            following = pool.submit(follow, mirror)
            try:
                yield mirror.path
            finally:
                ended.set()
                following.result()

    @contextmanager
    def reached(self) -> Iterator[tuple[Repository, str]]:
        """A repository on this machine, and a URL of the server's as long as this lasts."""
        with tempfile.TemporaryDirectory() as folder, self._kube.forwarded(f"pod/{_NAME}", PORT) as port:
            yield Repository.create(Path(folder) / "here.git"), f"git://127.0.0.1:{port}/environment.git"

    def _service(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME, "namespace": self._kube.namespace},
            "spec": {
                "selector": {"app": _NAME},
                "ports": [{"name": "git", "port": PORT}, {"name": "http", "port": _HTTP_PORT}],
            },
        }

    def _pod(self) -> dict[str, Any]:
        container = {
            "name": "git",
            "image": self._image,
            "command": ["sh", "-c", _SERVE],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
            "volumeMounts": [{"name": "srv", "mountPath": "/srv"}],
            "securityContext": CONTAINER_SECURITY,
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
