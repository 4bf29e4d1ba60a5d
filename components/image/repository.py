"""One repository of a registry: its manifests, blobs and tags."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urljoin

import requests

from components.digest import sha256
from components.errors import ImageRegistryError
from components.image.documents import MANIFEST_TYPES, Manifest
from components.image.image_name import ImageName
from components.image.registry_session import PassingError, RegistrySession, said

_CHUNK: Final = 1 << 20
_BYTES: Final = "application/octet-stream"
_DIGEST: Final = "Docker-Content-Digest"


class ImageRepository:
    """One repository. Every method repeats what may pass with time."""

    def __init__(self, name: ImageName, session: RegistrySession) -> None:
        self.name, self.session = name.bare, session
        self.repository = name.repository
        self._path = f"/v2/{name.repository}"
        #: Blobs that were sent, for whoever counts them.
        self.sent: list[str] = []

    def manifest(self, reference: str) -> Manifest | None:
        """The manifest under a tag or digest, checked against its digest; None if there is none.

        Raises:
            ImageRegistryError: the registry refuses, or its bytes have another digest.
        """
        answer = self._ask(
            "GET", f"{self._path}/manifests/{reference}", "pull", headers={"Accept": ", ".join(MANIFEST_TYPES)}
        )
        if answer.status_code == requests.codes.not_found:
            return None
        self._expect(answer, requests.codes.ok)
        found = Manifest(answer.content, answer.headers.get("Content-Type", "").partition(";")[0])
        if reference.startswith("sha256:") and found.digest != reference:
            raise ImageRegistryError(f"{self.name}@{reference}: the registry's bytes are {found.digest}")
        return found

    def digest_of(self, tag: str) -> str:
        """The digest of the manifest under a tag; empty if there is none."""
        answer = self._ask(
            "HEAD", f"{self._path}/manifests/{tag}", "pull", headers={"Accept": ", ".join(MANIFEST_TYPES)}
        )
        if answer.status_code == requests.codes.not_found:
            return ""
        self._expect(answer, requests.codes.ok)
        given = answer.headers.get(_DIGEST, "")
        if given:
            return given
        found = self.manifest(tag)
        return found.digest if found else ""

    def tags(self, prefix: str = "") -> list[str]:
        """The tags that begin with `prefix`; none of a repository that does not exist yet."""
        found: list[str] = []
        place = f"{self._path}/tags/list"
        while place:
            answer = self._ask("GET", place, "pull")
            if answer.status_code == requests.codes.not_found:
                break
            self._expect(answer, requests.codes.ok)
            found += answer.json().get("tags") or []
            place = answer.links.get("next", {}).get("url", "")
        return sorted(tag for tag in found if tag.startswith(prefix))

    def has_blob(self, digest: str) -> bool:
        """Whether the repository has a blob."""
        answer = self._ask("HEAD", f"{self._path}/blobs/{digest}", "pull")
        if answer.status_code == requests.codes.not_found:
            return False
        self._expect(answer, requests.codes.ok)
        return True

    def read_blob(self, digest: str) -> bytes:
        """A small blob's bytes, checked."""
        answer = self._ask("GET", f"{self._path}/blobs/{digest}", "pull")
        self._expect(answer, requests.codes.ok)
        if sha256(answer.content) != digest:
            raise ImageRegistryError(f"{self.name}: the registry's bytes of {digest} are {sha256(answer.content)}")
        return answer.content

    def fetch_blob(self, digest: str, scratch: Path) -> Path:
        """Writes a blob of any size into a folder, checked; returns the file."""
        path = scratch / digest.replace(":", "-")
        return self.session.steadily(lambda: self._fetch(digest, path))

    def _fetch(self, digest: str, path: Path) -> Path:
        place = f"{self._path}/blobs/{digest}"
        answer = self.session.ask("GET", place, f"pull {self.repository}", stream=True)
        found = hashlib.sha256()
        with answer, path.open("wb") as file:
            self._expect(answer, requests.codes.ok)
            try:
                for chunk in answer.iter_content(_CHUNK):
                    found.update(chunk)
                    file.write(chunk)
            except (requests.RequestException, OSError) as error:
                raise PassingError(f"broke off {digest}: {error}") from error
        if digest != f"sha256:{found.hexdigest()}":
            raise PassingError(f"sent other bytes than those of {digest}")
        return path

    def mount(self, digest: str, source: str) -> bool:
        """Takes a blob over from another repository of this registry; False if the registry does not."""
        return self.session.steadily(lambda: self._mount(digest, source))

    def _mount(self, digest: str, source: str) -> bool:
        place = f"{self._path}/blobs/uploads/?mount={digest}&from={quote(source)}"
        try:
            answer = self.session.ask("POST", place, f"push to {self.repository} from {source}", body=b"")
        except ImageRegistryError:
            return False  # A login that may push here and not read there: the bytes are sent instead.
        if answer.status_code == requests.codes.created:
            return True
        if answer.status_code == requests.codes.accepted:  # An upload was begun instead; it is of no use.
            self.session.ask("DELETE", answer.headers["Location"], f"push to {self.repository}")
        return False

    def send_blob(self, digest: str, content: bytes | Path) -> None:
        """Sends a blob that the repository lacks, in one piece."""
        self.session.steadily(lambda: self._send(digest, content))
        self.sent.append(digest)

    def _send(self, digest: str, content: bytes | Path) -> None:
        purpose = f"push to {self.repository}"
        begun = self.session.ask("POST", f"{self._path}/blobs/uploads/", purpose, body=b"")
        self._expect(begun, requests.codes.accepted)
        # A registry may answer from an address of its own, and its path may have parameters already.
        place = urljoin(f"{self.session.url}{self._path}/blobs/uploads/", begun.headers["Location"])
        place += f"{'&' if '?' in place else '?'}digest={quote(digest)}"
        answer = self.session.ask("PUT", place, purpose, headers={"Content-Type": _BYTES}, body=content)
        if answer.status_code in (requests.codes.not_found, requests.codes.requested_range_not_satisfiable):
            raise PassingError(f"lost an upload: {said(answer)}")
        self._expect(answer, requests.codes.created)

    def put_manifest(self, manifest: Manifest, tag: str, *, may_move: bool = False) -> bool:
        """Names a manifest by a tag; False if the tag names it already.

        `may_move` lets the tag leave another manifest.

        Raises:
            ImageRegistryError: the tag names another manifest, or the registry refuses.
        """
        there = self.digest_of(tag)
        if there == manifest.digest:
            return False
        if there and not may_move:
            raise ImageRegistryError(
                f"{self.name}:{tag} is {there} in the registry, and this is {manifest.digest}; a tag never moves here"
            )
        place = f"{self._path}/manifests/{tag}"
        headers: Mapping[str, str] = {"Content-Type": manifest.media_type}
        answer = self._ask("PUT", place, "push", headers=headers, body=manifest.content)
        if answer.status_code != requests.codes.created and self.digest_of(tag) == manifest.digest:
            return False  # Somebody else was quicker, where tags cannot be written twice.
        self._expect(answer, requests.codes.created)
        if (named := answer.headers.get(_DIGEST, manifest.digest)) != manifest.digest:
            raise ImageRegistryError(f"{self.name}:{tag}: the registry wrote {named} instead of {manifest.digest}")
        return True

    def _ask(self, method: str, place: str, purpose: str, **options: Any) -> requests.Response:
        whole = f"{purpose} {self.repository}" if purpose == "pull" else f"push to {self.repository}"
        return self.session.steadily(lambda: self.session.ask(method, place, whole, **options))

    def _expect(self, answer: requests.Response, wanted: int) -> None:
        if answer.status_code != wanted:
            raise ImageRegistryError(f"{self.name}: {answer.request.method} was answered {said(answer)}")


def open_repository(name: ImageName, environment: Mapping[str, str] = os.environ) -> ImageRepository:
    """A repository with a session of its own."""
    return ImageRepository(name, RegistrySession(name.registry, environment))
