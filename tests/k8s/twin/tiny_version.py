"""A real server that speaks a model server's routes, for tests: `tiny_version.py PORT VERSION`.

TINY_DIE_AFTER: seconds after which it ends with code 3. TINY_SLOW: seconds that a prediction takes.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, VERSION = int(sys.argv[1]), sys.argv[2]
SLOW = float(os.environ.get("TINY_SLOW", "0"))


class Routes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    count = 0

    def do_GET(self) -> None:
        settings = {name: value for name, value in os.environ.items() if name.startswith("CANARIO_")}
        self._answer({"version": VERSION, "settings": settings})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        time.sleep(SLOW)
        Routes.count += 1
        self._answer({"probability": 0.25, "label": "No", "version": VERSION})

    def _answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-canario-version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", PORT), Routes)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
if seconds := float(os.environ.get("TINY_DIE_AFTER", "0")):
    threading.Timer(seconds, lambda: os._exit(3)).start()
server.serve_forever(poll_interval=0.05)
