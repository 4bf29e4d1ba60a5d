"""A server on this machine that speaks HTTPS with a certificate of its own authority."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from k8s.platform.self_signed import issue, make_authority

#: The status and headers of the answer to a request, by the host that it names.
Answer = Callable[[str], tuple[int, Mapping[str, str]]]


@dataclass(frozen=True)
class TlsServer:
    """Where it listens, and the file with the authority that its callers need."""

    port: int
    authority: Path


@contextmanager
def tls_server(folder: Path, domain: str, names: tuple[str, ...], answer: Answer) -> Iterator[TlsServer]:
    """A server with a certificate for some names of a domain, as long as a `with` lasts."""
    now = datetime.now(UTC)
    authority = make_authority(domain, now)
    pair, trusted = issue(authority, names, now), folder / "ca.pem"
    trusted.write_text(authority.certificate)
    (folder / "pair.pem").write_text(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield TlsServer(server.server_port, trusted)
        server.shutdown()


def _handler(answer: Answer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers = answer(self.headers["host"].partition(":")[0])
            self.send_response(status)
            for name, value in {"content-length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET  # noqa: N815 -- the base class looks for this name

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # a caller that does not trust the certificate goes away
                self.close_connection = True

    return Handler
