"""Pages of metrics of a shadow, and a server that gives them as a replica or Prometheus does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.serving import serving


def page(version: str = "1", candidate: str = "2", compared: int = 10, different: int = 1) -> str:
    """The metrics of a champion's replica with a shadow; `compared` and `different` are numbers of requests."""
    who = f'service="churn",version="{version}",candidate="{candidate}"'
    return (
        f"canario_shadow_compared_total{{{who}}} {compared}\n"
        f"canario_shadow_different_total{{{who}}} {different}\n"
        f'canario_shadow_slice_compared_total{{{who},feature="plan",value="a"}} {compared}\n'
        f'canario_shadow_slice_different_total{{{who},feature="plan",value="a"}} {different}\n'
        f'canario_shadow_failed_total{{{who},reason="timeout"}} 2\n'
        f"canario_shadow_dropped_total{{{who}}} 3\n"
        'canario_requests_total{service="churn",version="1"} 99\n'
    )


@contextmanager
def prometheus(body: str, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything with a body; yields its address, and the queries that it is asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(parse_qs(urlsplit(self.path).query)["query"][0])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}", asked
