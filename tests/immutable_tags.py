"""A proxy before registries that lets no tag move, as Artifact Registry does (`tests/registry.py` has the source).

Programs find it by HTTP_PROXY, so that images keep the names under which nodes pull them. It speaks HTTP only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

import requests

from components.digest import sha256
from components.image.documents import MANIFEST_TYPES
from tests.serving import serving

_SECONDS: Final = 120
#: What belongs to one connection, and is not handed on.
_HOPS: Final = ("connection", "proxy-connection", "transfer-encoding", "content-length", "content-encoding", "host")


@contextmanager
def immutable_tags(*moving: str) -> Iterator[str]:
    """The proxy's address, until the block ends; `moving` are folders of repositories whose tags move all the same."""
    handler = type("Handler", (_Handler,), {"moving": moving})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    with serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    """Hands requests on, but for one that would move a tag."""

    protocol_version = "HTTP/1.1"
    moving: tuple[str, ...]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name in the standard library
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        with requests.Session() as session:
            session.trust_env = False
            if self.command == "PUT" and self._moves_a_tag(session, headers, body):
                tag = self.path.rpartition("/")[2]
                words = f"cannot update tag {tag}. The repository has enabled tag immutability"
                refusal = f'{{"errors": [{{"code": "MANIFEST_INVALID", "message": "{words}"}}]}}'.encode()
                self._answer(400, {"Content-Type": "application/json"}, refusal)
                return
            answer = session.request(
                self.command, self.path, headers=headers, data=body, allow_redirects=False, timeout=_SECONDS
            )
        self._answer(answer.status_code, dict(answer.headers), answer.content)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 -- as the standard library looks for them

    def _moves_a_tag(self, session: requests.Session, headers: dict[str, str], body: bytes) -> bool:
        repository, manifests, tag = urlsplit(self.path).path.removeprefix("/v2/").partition("/manifests/")
        if not manifests or tag.startswith("sha256:") or repository.startswith(tuple(f"{one}/" for one in self.moving)):
            return False
        accepted = {**headers, "Accept": ", ".join(MANIFEST_TYPES)}
        there = session.head(self.path, headers=accepted, timeout=_SECONDS)
        return there.ok and there.headers["Docker-Content-Digest"] != sha256(body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        # A HEAD's length is that of the body that it leaves out.
        self.send_header(
            "Content-Length", headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        )
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
