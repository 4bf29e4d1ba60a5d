"""A strict registry on this machine, which keeps images in memory and speaks the API of the distribution spec.

What it refuses, and with which words, was copied from Distribution 3.1.2 (`registry serve`), asked by curl:

- an upload is begun by POST (202, an absolute Location that has parameters already); PUT without a digest is 400
  DIGEST_INVALID, with other bytes too, and after that the session is spent: 416 RANGE_INVALID; one that ended is 404
- mounting from a repository that lacks the blob is no error: 202, and an upload has begun that nobody asked for
- a manifest whose blobs are not all in its own repository is 400 MANIFEST_BLOB_UNKNOWN; one of another type than it
  says is 400 MANIFEST_INVALID, and an empty one is 500
- a manifest is "not found" for a caller that does not accept its type
- tags of a repository without any are 404 NAME_UNKNOWN

Tags that may not move are as Artifact Registry has them: the same manifest is taken, another is refused with its words
(https://cloud.google.com/artifact-registry/docs/docker/troubleshoot#push; docker prints "manifest invalid:" and then
these). `moving` names repositories whose tags move all the same, because it is a setting of each.
With a login it asks for Basic, or for a Bearer token that is good for the scopes in its challenge and no others.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from tests.serving import serving

USER, PASSWORD = "robot", "pass:word"
#: Both as a file of logins has them.
AUTH: Final = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_TYPES: Final = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_NAME: Final = r"(?P<name>[a-z0-9._-]+(?:/[a-z0-9._-]+)*)"
_ROUTES: Final = {
    "uploads": re.compile(rf"/v2/{_NAME}/blobs/uploads/"),
    "upload": re.compile(rf"/v2/{_NAME}/blobs/uploads/(?P<part>[0-9a-f-]+)"),
    "blob": re.compile(rf"/v2/{_NAME}/blobs/(?P<part>sha256:[0-9a-f]{{64}})"),
    "manifest": re.compile(rf"/v2/{_NAME}/manifests/(?P<part>[\w.:-]+)"),
    "tags": re.compile(rf"/v2/{_NAME}/tags/list"),
}

Fault = Literal["busy", "slow down", "hang up", "hang up after the body"]


@dataclass
class Kept:
    """What one repository has."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Registry:
    """What the registry holds, what was asked of it, and how it is to fail."""

    def __init__(
        self,
        *,
        login: Literal["", "basic", "bearer"] = "",
        tags_move: bool = True,
        moving: tuple[str, ...] = (),
        page: int = 1000,
    ) -> None:
        self.login, self.tags_move, self.moving, self.page = login, tags_move, moving, page
        self.address = ""
        self.repositories: dict[str, Kept] = {}
        self.uploads: dict[str, bool] = {}
        self.asked: list[str] = []
        self.tokens: dict[str, set[str]] = {}
        self.faults: list[tuple[re.Pattern[str], Fault]] = []
        self._answers_left: int | None = None

    def fail(self, pattern: str, how: Fault, times: int = 1) -> None:
        """The next requests whose `METHOD path` matches fail."""
        self.faults += [(re.compile(pattern), how)] * times

    def break_off(self, after: int) -> None:
        """Answers `after` more requests; then the registry is away, as for a program that is ended there."""
        self._answers_left = after

    def go_on(self) -> None:
        """Answers again."""
        self._answers_left = None

    def fault_of(self, request: str) -> Fault | None:
        if self._answers_left is not None:
            self._answers_left -= 1
            if self._answers_left < 0:
                return "hang up"
        for place, (pattern, how) in enumerate(self.faults):
            if pattern.search(request):
                del self.faults[place]
                return how
        return None

    def kept(self, name: str) -> Kept:
        return self.repositories.get(name, Kept())

    def may_move(self, name: str, tag: str, digest: str) -> bool:
        """Whether a tag of a repository may name a manifest from now on."""
        free = self.tags_move or name in self.moving
        return free or self.kept(name).tags.get(tag, digest) == digest

    def counted(self, pattern: str) -> int:
        """How many requests matched."""
        return sum(bool(re.search(pattern, one)) for one in self.asked)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def registry(**how: Any) -> Iterator[Registry]:
    """A registry that answers until the block ends."""
    state = Registry(**how)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.address = f"127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield state


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    state: Registry

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its name in the standard library
        pass

    def do_GET(self) -> None:
        self._handle()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 -- as the standard library looks for them

    def _handle(self) -> None:
        request = f"{self.command} {self.path}"
        self.state.asked.append(request)
        fault = self.state.fault_of(request)
        if fault == "hang up":
            self.close_connection = True
            return
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault == "hang up after the body":
            self.close_connection = True
        elif fault == "busy":
            self._refuse(503, "UNAVAILABLE", "try later")
        elif fault == "slow down":
            self._refuse(429, "TOOMANYREQUESTS", "slow down", {"Retry-After": "1"})
        else:
            self._route()

    def _route(self) -> None:
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/token":
            self._give_token(parse_qs(parts.query).get("scope", []))
            return
        for route, pattern in _ROUTES.items():
            found = pattern.fullmatch(parts.path)
            if found:
                name, part = found["name"], found.groupdict().get("part", "")
                if self._is_let_in(name):
                    getattr(self, f"_{self.command.lower()}_{route}", self._unknown)(name, part)
                return
        self._refuse(404, "NAME_UNKNOWN", "repository name not known to registry")

    def _unknown(self, _name: str, _part: str) -> None:
        self._refuse(405, "UNSUPPORTED", "The operation is unsupported.")

    # Logins

    def _is_let_in(self, name: str) -> bool:
        given = self.headers.get("Authorization", "")
        if not self.state.login:
            return True
        if self.state.login == "basic":
            if given == _basic():
                return True
            self._refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="here"'})
            return False
        actions = "pull" if self.command in ("GET", "HEAD") else "pull,push"
        wanted = [f"repository:{name}:{actions}"]
        if "from" in self.query:
            wanted.append(f"repository:{self.query['from']}:pull")
        if set(wanted) <= self.state.tokens.get(given.removeprefix("Bearer "), set()):
            return True
        realm = f"http://{self.state.address}/token"
        challenge = f'Bearer realm="{realm}",service="here",scope="{" ".join(wanted)}"'
        self._refuse(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})
        return False

    def _give_token(self, scopes: list[str]) -> None:
        if self.headers.get("Authorization") != _basic():
            self._refuse(401, "UNAUTHORIZED", "incorrect username or password")
            return
        token = uuid.uuid4().hex
        self.state.tokens[token] = set(scopes)
        self._answer(200, json.dumps({"token": token}).encode(), {"Content-Type": "application/json"})

    # Blobs

    def _head_blob(self, name: str, digest: str) -> None:
        self._get_blob(name, digest)

    def _get_blob(self, name: str, digest: str) -> None:
        content = self.state.kept(name).blobs.get(digest)
        if content is None:
            self._refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")
        else:
            self._answer(200, content, {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest})

    def _post_uploads(self, name: str, _part: str) -> None:
        digest, source = self.query.get("mount", ""), self.query.get("from", "")
        content = self.state.kept(source).blobs.get(digest)
        if content is not None:
            self.state.repositories.setdefault(name, Kept()).blobs[digest] = content
            self._answer(201, b"", {"Docker-Content-Digest": digest})
            return
        upload = str(uuid.uuid4())
        self.state.uploads[upload] = False
        where = f"http://{self.state.address}/v2/{name}/blobs/uploads/{upload}?_state=abc%3D"
        self._answer(202, b"", {"Location": where, "Range": "0-0", "Docker-Upload-UUID": upload})

    def _put_upload(self, name: str, upload: str) -> None:
        digest = self.query.get("digest", "")
        if upload not in self.state.uploads:
            self._refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        elif self.query.get("_state") != "abc=":
            self._refuse(400, "BLOB_UPLOAD_INVALID", "blob upload invalid")
        elif self.state.uploads[upload]:
            self._refuse(416, "RANGE_INVALID", "invalid content range")
        elif digest != digest_of(self.body):
            self.state.uploads[upload] = True
            self._refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        else:
            del self.state.uploads[upload]
            self.state.repositories.setdefault(name, Kept()).blobs[digest] = self.body
            self._answer(201, b"", {"Docker-Content-Digest": digest})

    def _delete_upload(self, _name: str, upload: str) -> None:
        if self.state.uploads.pop(upload, None) is None:
            self._refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        else:
            self._answer(204, b"", {})

    # Manifests

    def _head_manifest(self, name: str, reference: str) -> None:
        self._get_manifest(name, reference)

    def _get_manifest(self, name: str, reference: str) -> None:
        kept = self.state.kept(name)
        digest = kept.tags.get(reference, reference)
        content, kind = kept.manifests.get(digest, (b"", ""))
        if not kind or kind not in self.headers.get("Accept", ""):
            self._refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        else:
            self._answer(200, content, {"Content-Type": kind, "Docker-Content-Digest": digest})

    def _put_manifest(self, name: str, reference: str) -> None:
        kept, kind, digest = self.state.kept(name), self.headers.get("Content-Type", ""), digest_of(self.body)
        try:
            document = json.loads(self.body)
        except ValueError:
            document = None
        if kind not in (*_TYPES, _INDEX) or document is None or document.get("mediaType", kind) != kind:
            self._refuse(400, "MANIFEST_INVALID", "manifest invalid")
        elif document.get("schemaVersion") != 2:
            self._refuse(500, "UNKNOWN", "unknown error")
        elif missing := _blobs(document) - set(kept.blobs):
            self._refuse(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {sorted(missing)[0]}")
        elif reference.startswith("sha256:") and reference != digest:
            self._refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        elif not self.state.may_move(name, reference, digest):
            words = f"cannot update tag {reference}. The repository has enabled tag immutability"
            self._refuse(400, "MANIFEST_INVALID", words)
        else:
            kept = self.state.repositories.setdefault(name, Kept())
            kept.manifests[digest] = (self.body, kind)
            if not reference.startswith("sha256:"):
                kept.tags[reference] = digest
            self._answer(201, b"", {"Docker-Content-Digest": digest})

    def _get_tags(self, name: str, _part: str) -> None:
        tags = sorted(self.state.kept(name).tags)
        if not tags:
            self._refuse(404, "NAME_UNKNOWN", "repository name not known to registry")
            return
        later = [tag for tag in tags if tag > self.query.get("last", "")]
        shown, headers = later[: self.state.page], {"Content-Type": "application/json"}
        if len(later) > len(shown):
            headers["Link"] = f'</v2/{name}/tags/list?last={shown[-1]}>; rel="next"'
        self._answer(200, json.dumps({"name": name, "tags": shown}).encode(), headers)

    # Answers

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        document = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self._answer(status, document, {"Content-Type": "application/json", **(headers or {})})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _blobs(document: dict[str, Any]) -> set[str]:
    """The blobs that a manifest needs in its repository."""
    parts = [*document.get("layers", []), *([document["config"]] if "config" in document else [])]
    return {part["digest"] for part in parts}


def _basic() -> str:
    return f"Basic {AUTH}"
