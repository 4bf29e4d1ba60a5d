"""A real server that speaks a model server's routes, for tests: `python tiny_version.py PORT`.

It takes the model server's CANARIO_ settings, knows one feature, `tenure` of 0 to 120, and faults:
CANARIO_FAULT_ERROR_RATIO answers every (1 / ratio)-th request with 500, TINY_DIE_AFTER ends the
process after so many seconds with code 3, TINY_SECONDS is how long a prediction takes.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = int(sys.argv[1])
SERVICE, VERSION = os.environ.get("CANARIO_SERVICE", "tiny"), os.environ.get("CANARIO_VERSION", "1")
ERROR_RATIO = float(os.environ.get("CANARIO_FAULT_ERROR_RATIO", "0"))
SECONDS = float(os.environ.get("TINY_SECONDS", "0"))
lock = threading.Lock()
counts = {"requests": 0, "errors": 0, "feedback": 0}


def metrics() -> str:
    labels = f'{{service="{SERVICE}",version="{VERSION}"}}'
    info = f'canario_model_info{{service="{SERVICE}",version="{VERSION}",package="tiny-{VERSION}",champion=""}} 1\n'
    return info + "".join(
        f"# TYPE {name} counter\n{name}_total{labels} {value}\n"
        for name, value in (
            ("canario_requests", counts["requests"]),
            ("canario_errors", counts["errors"]),
            ("canario_slow", 0),
        )
    )


def is_row(row: Any) -> bool:
    return isinstance(row, dict) and set(row) == {"tenure"} and isinstance(row["tenure"], (int, float))


def predict(body: bytes) -> tuple[int, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return 400, {"error": "not JSON"}
    rows = document if isinstance(document, list) else [document]
    if not rows or not all(is_row(row) and 0 <= row["tenure"] <= 120 for row in rows):
        return 422, {"error": "tenure: a number of 0 to 120 is allowed"}
    time.sleep(SECONDS)
    with lock:
        counts["requests"] += 1
        failed = int(counts["requests"] * ERROR_RATIO) > int((counts["requests"] - 1) * ERROR_RATIO)
        counts["errors"] += failed
    if failed:
        return 500, {"error": "faked"}
    answers = [{"probability": row["tenure"] / 120, "label": "No", "version": VERSION} for row in rows]
    return 200, answers if isinstance(document, list) else answers[0]


class Routes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._answer(200, metrics().encode())
        elif self.path == "/settings":
            self._answer(200, json.dumps({k: v for k, v in os.environ.items() if k.startswith("CANARIO_")}).encode())
        else:
            self._answer(200, json.dumps(counts).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/feedback":
            with lock:
                counts["feedback"] += len(json.loads(body))
            self._answer(200, b"{}")
        else:
            status, document = predict(body)
            self._answer(status, json.dumps(document).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-canario-version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", PORT), Routes)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    if die_after := float(os.environ.get("TINY_DIE_AFTER", "0")):
        timer = threading.Timer(die_after, lambda: os._exit(3))
        timer.daemon = True
        timer.start()
    print(f"version {VERSION} listens on {PORT}", flush=True)
    server.serve_forever(poll_interval=0.05)
