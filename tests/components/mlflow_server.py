"""An MLflow server on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k8s.twin.loopback import get
from tests.patience import patient
from tests.services.model_server.served import free_port, wait_for


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Runs a server and yields its URI; `folder` holds its store, m.db, and its callers' artifacts."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1"]
    command += [f"--backend-store-uri=sqlite:///{folder}/m.db", f"--artifacts-destination={folder}/artifacts"]
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=quiet, stdout=log, stderr=log)
    uri = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: get(f"{uri}/health") is not None, 300)
        yield uri
    finally:
        process.terminate()
        process.wait(patient(60))
