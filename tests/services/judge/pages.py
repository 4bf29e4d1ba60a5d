"""Metrics pages as the model server writes them, for tests to serve and to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from services import telemetry
from services.judge.evidence.counts import BINS
from tests.serving import serving


def replica_page(
    requests: int,
    errors: int = 0,
    version: str = "1",
    package: str = "sha256:one",
    champion: str = "",
    service: str = "churn",
    leave_out: tuple[str, ...] = (),
) -> str:
    """A replica that answered `requests`, one row and one label each, all in bin 3."""
    labels = f'service="{service}",version="{version}"'
    lines = [
        f"{telemetry.REQUESTS}{{{labels}}} {requests}",
        f"{telemetry.ERRORS}{{{labels}}} {errors}",
        f"{telemetry.SLOW}{{{labels}}} 0",
        *(f'{telemetry.SLOWER}{{{labels},times="{times}"}} {at}' for at, times in enumerate(telemetry.SLOWER_TIMES)),
        f'{telemetry.MODEL_INFO}{{{labels},package="{package}",champion="{champion}"}} 1',
    ]
    for score_bin in range(BINS):
        answered = requests - errors if score_bin == 3 else 0
        lines += [
            f'{telemetry.SCORES}{{{labels},bin="{score_bin}"}} {answered}',
            f'{telemetry.LABELS}{{{labels},bin="{score_bin}",label="negative"}} {answered}',
            f'{telemetry.LABELS}{{{labels},bin="{score_bin}",label="positive"}} 0',
            f'{telemetry.HOLDOUT_SHIFT}{{{labels},bin="{score_bin}"}} 0.01',
            f'{telemetry.HOLDOUT_SHIFT_ERROR}{{{labels},bin="{score_bin}"}} 0.002',
        ]
    return "\n".join(line for line in lines if not line.startswith(leave_out or ("\0",))) + "\n"


def weight_page(weight: float, service: str = "churn") -> str:
    return f'{telemetry.CANARY_WEIGHT}{{service="{service}"}} {weight}\n'


@contextmanager
def served(answer: Callable[[str], tuple[int, str]]) -> Iterator[str]:
    """A real HTTP server on a free port; `answer` gives status and text for a path. Yields host:port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answer(self.path)
            self.send_response(status)
            self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Keeps the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(server):
        yield f"127.0.0.1:{server.server_port}"
