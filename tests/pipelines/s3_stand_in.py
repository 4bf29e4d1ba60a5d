"""A stand-in for an S3 server, over real HTTP: it keeps objects of buckets that stand in the path, for one user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse
from xml.sax.saxutils import escape

from tests.serving import serving


class S3StandIn(ThreadingHTTPServer):
    """The server; `objects` are the contents by `bucket/key`, `writes` counts how often each was written."""

    daemon_threads = True

    def __init__(self, user: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.user = user
        self.objects: dict[str, bytes] = {}
        self.writes: list[str] = []

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: S3StandIn
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        content = self.server.objects.get(self._name())
        if not self._is_known():
            self._send(403, b"")
        elif content is None:
            self._send(404, b"")
        else:
            self._send(200, content, head=True)

    def do_GET(self) -> None:
        query = parse_qs(urlparse(self.path).query)
        if not self._is_known():
            self._refuse(403, "AccessDenied")
        elif "list-type" in query:
            self._list(self._name().strip("/"), query.get("prefix", [""])[0])
        elif self._name() in self.server.objects:
            self._send(200, self.server.objects[self._name()])
        else:
            self._refuse(404, "NoSuchKey")

    def do_PUT(self) -> None:
        content = self._body()
        if not self._is_known():
            self._refuse(403, "AccessDenied")
            return
        self.server.objects[self._name()] = content
        self.server.writes.append(self._name())
        self._send(200, b"")

    def _body(self) -> bytes:
        """The body, which a client may send in chunks, each with a signature."""
        raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if "aws-chunked" not in (self.headers["Content-Encoding"] or ""):
            return raw
        content = b""
        while True:
            line, _, raw = raw.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if not size:
                return content
            content, raw = content + raw[:size], raw[size + 2 :]

    def _list(self, bucket: str, prefix: str) -> None:
        names = [name.partition("/")[2] for name in self.server.objects if name.startswith(f"{bucket}/{prefix}")]
        found = "".join(f"<Contents><Key>{escape(name)}</Key><Size>1</Size></Contents>" for name in names)
        body = f"<ListBucketResult><Name>{bucket}</Name><KeyCount>{len(names)}</KeyCount>{found}</ListBucketResult>"
        self._send(200, body.encode())

    def _name(self) -> str:
        return unquote(urlparse(self.path).path).lstrip("/")

    def _is_known(self) -> bool:
        return f"Credential={self.server.user}/" in (self.headers["Authorization"] or "")

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _send(self, status: int, body: bytes, head: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def s3_server(user: str) -> Iterator[S3StandIn]:
    """A server for one user, stopped afterwards."""
    server = S3StandIn(user)
    with serving(server):
        yield server
