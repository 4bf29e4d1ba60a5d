"""A stand-in for Google Cloud Storage, over real HTTP: it keeps objects of buckets, and asks nobody who they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

from tests.serving import serving


class GcsStandIn(ThreadingHTTPServer):
    """The server; `objects` are the contents by `bucket/name`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """The server's address, for STORAGE_EMULATOR_HOST."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: GcsStandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = re.fullmatch(r".*/b/([^/]+)/o(?:/(.+))?", urlparse(self.path).path)
        if found is None:
            self._send(404, {"error": {"code": 404, "message": "Not Found"}})
            return
        bucket, name = found[1], unquote(found[2] or "")
        if not name:
            prefix = parse_qs(urlparse(self.path).query).get("prefix", [""])[0]
            names = [key.partition("/")[2] for key in self.server.objects if key.startswith(f"{bucket}/{prefix}")]
            self._send(200, {"items": [self._shown(bucket, each) for each in names]})
        elif f"{bucket}/{name}" in self.server.objects:
            self._send(200, self._shown(bucket, name))
        else:
            self._send(404, {"error": {"code": 404, "message": f"No such object: {bucket}/{name}"}})

    def do_POST(self) -> None:
        """Takes an object with its metadata, as parts of one body."""
        found = re.fullmatch(r".*/upload/storage/v1/b/([^/]+)/o", urlparse(self.path).path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mark = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])
        assert found
        assert mark
        _, metadata, content, _ = body.split(b"--" + mark[1].encode())
        name = json.loads(metadata.partition(b"\n\n")[2] or metadata.partition(b"\r\n\r\n")[2])["name"]
        raw = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[1]
        self.server.objects[f"{found[1]}/{name}"] = re.sub(rb"\r?\n\Z", b"", raw)
        self._send(200, self._shown(found[1], name))

    def _shown(self, bucket: str, name: str) -> dict[str, object]:
        size = len(self.server.objects[f"{bucket}/{name}"])
        times = dict.fromkeys(("timeCreated", "updated"), "2026-01-01T00:00:00.000Z")
        return {"kind": "storage#object", "bucket": bucket, "name": name, "size": str(size), "generation": "1", **times}

    def _send(self, status: int, body: dict[str, object]) -> None:
        told = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def gcs_server() -> Iterator[GcsStandIn]:
    """A server, stopped afterwards."""
    server = GcsStandIn()
    with serving(server):
        yield server
