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
        f'canario_shadow_labelled_total{{{who},difference="8"}} {compared / 4}\n'
        + "".join(
            f'canario_shadow_crossed_total{{{who},bin="{edge}",below="{below}"}} 0\n'
            for edge in range(19)
            for below in ("candidate", "champion")
        )
        + about(version, "sha256:one", "")
        + about(candidate, "sha256:two", "sha256:one")
    )


def about(version: str, package: str, champion: str) -> str:
    """What a version says of itself; it scores on the hold-out as its champion does."""
    who = f'service="churn",version="{version}"'
    return (
        f"canario_requests_total{{{who}}} 99\n"
        f'canario_model_info{{{who},package="{package}",champion="{champion}"}} 1\n'
        + "".join(
            f'{name}{{{who},bin="{score_bin}"}} 0\n'
            for name in ("canario_holdout_shift", "canario_holdout_shift_error")
            for score_bin in range(20)
        )
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
