"""A real Prometheus that scrapes real pages; `prometheus` has to be on the PATH."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from services.judge.errors import SourceError
from services.judge.evidence.sources import fetch
from tests.patience import patient, patient_deadline
from tests.services.judge.pages import served

CONFIG = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: pods
    file_sd_configs: [{files: [targets.json], refresh_interval: 100ms}]
"""


class Pods:
    """The pages of pods by name; Prometheus is told of changes by its file of targets."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._pages: dict[str, str] = {}
        self._targets: dict[str, dict[str, object]] = {}

    def set(self, pod: str, page: str, namespace: str = "models") -> None:
        self._pages[pod] = page
        if pod not in self._targets:
            address = self._stack.enter_context(served(lambda _: (200, self._pages[pod])))
            self.at(pod, address, namespace)

    def at(self, pod: str, address: str, namespace: str) -> None:
        """Adds a pod whose page is served by somebody else."""
        self._targets[pod] = {"targets": [address], "labels": {"pod": pod, "namespace": namespace}}
        self._write()

    def weight(self, weight: float) -> None:
        page = f'flagger_canary_weight{{workload="churn",namespace="models"}} {weight}\n'
        page += f'flagger_canary_weight{{workload="churn-primary",namespace="models"}} {100 - weight}\n'
        self.set("flagger-6d5f-x2x2x", page, "flagger-system")

    def remove(self, pod: str) -> None:
        del self._targets[pod]
        self._write()

    def _write(self) -> None:
        new = self._folder / "targets.new"
        new.write_text(json.dumps(list(self._targets.values())), encoding="utf-8")
        new.replace(self._folder / "targets.json")


class Server:
    """A Prometheus and what it scrapes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.pods = Pods(folder, stack)
        self.pods.weight(0)
        (folder / "prometheus.yml").write_text(CONFIG, encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
        )  # fmt: skip
        stack.callback(self.stop)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(patient(20))

    def wait_for(self, query: str, value: float) -> None:
        """Until a query gives this number; then once more, so that the sample is not the last of its kind."""
        deadline = patient_deadline(30)
        while time.monotonic() < deadline:
            if self._value(query) == value:
                break
            time.sleep(0.05)
        else:
            raise TimeoutError(f"{query} is {self._value(query)}, not {value}")
        later = time.time() + 0.5
        while time.time() < later:
            time.sleep(0.05)

    def _value(self, query: str) -> float | None:
        try:
            found = json.loads(fetch(f"{self.url}/api/v1/query?query={query}", 2))["data"]["result"]
        except SourceError:
            return None
        return float(found[0]["value"][1]) if found else None
