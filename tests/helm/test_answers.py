"""What `helm test` runs in a model's image, also in one that was built before the chart."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from components.package.answers import TOLERANCE
from services.telemetry import RECEIPT_HEADER
from tests.repo.tree import ROOT

_SCRIPT = ROOT / "helm" / "model-service" / "files" / "answers.py"
_PACKAGE = ROOT / "tests" / "packages" / "schema_1"
_DIGEST = "sha256:" + "1" * 64
_GOLDEN = [json.loads(line) for line in (_PACKAGE / "golden.jsonl").read_text(encoding="utf-8").splitlines()]


@contextmanager
def served(answers: list[dict[str, Any]]) -> Iterator[str]:
    """The address of a service that gives these answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"ready": True})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._send(answers)

        def _send(self, document: Any) -> None:
            self.send_response(200)
            self.send_header(RECEIPT_HEADER, _DIGEST)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.fixture(params=["now", "before"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder like that in an image, with today's sources or with the names that images of before have."""
    shutil.copytree(_PACKAGE, tmp_path / "package")
    if request.param == "now":
        for name in ("components", "services"):
            (tmp_path / name).symlink_to(ROOT / name)
        return tmp_path
    sources = {
        "components/package/model_package.py": f"TOLERANCE = {TOLERANCE}",
        "services/telemetry.py": f"RECEIPT_HEADER = {RECEIPT_HEADER!r}",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def _tested(image: Path, answers: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    with served(answers) as url:
        return subprocess.run(
            [sys.executable, "-c", _SCRIPT.read_text(encoding="utf-8")],
            cwd=image,
            env={**os.environ, "URL": url, "PACKAGE": _DIGEST},
            capture_output=True,
            text=True,
            check=False,
        )


def test_golden_requests_are_compared(image: Path) -> None:
    done = _tested(image, [row["answer"] for row in _GOLDEN])
    assert done.returncode == 0, done.stderr
    assert f"{len(_GOLDEN)} golden requests are answered right" in done.stdout


def test_one_wrong_answer_fails(image: Path) -> None:
    answers = [dict(row["answer"]) for row in _GOLDEN]
    answers[-1]["probability"] += 2 * TOLERANCE
    done = _tested(image, answers)
    assert done.returncode == 1
    assert "expected" in done.stderr
