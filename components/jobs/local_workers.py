"""Several workers as processes of this machine, for a run without a cluster."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import Final

from components.errors import TrainingJobError
from components.jobs.inputs import WorkerInputs
from components.jobs.train_worker import ADDRESSES

_LOOK_SECONDS: Final = 0.2


def run_local_workers(inputs: WorkerInputs, name: str, seconds: float) -> None:
    """Runs all workers until worker 0 has kept the model; one that fails ends all. Nothing is tried again.

    Raises:
        TrainingJobError: a worker failed, or they took longer than `seconds`.
    """
    addresses = ",".join(_free_addresses(inputs.workers))
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", *inputs.arguments(name)],
            env={**os.environ, ADDRESSES: addresses, "JOB_COMPLETION_INDEX": str(index)},
        )
        for index in range(inputs.workers)
    ]
    try:
        _wait(workers, time.monotonic() + seconds, seconds)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _wait(workers: list[subprocess.Popen[bytes]], deadline: float, seconds: float) -> None:
    while workers[0].poll() is None or any(worker.returncode for worker in workers):
        for index, worker in enumerate(workers):
            if worker.poll():
                raise TrainingJobError(f"worker {index} ended with {worker.returncode}; the log of this run says why")
        if time.monotonic() > deadline:
            raise TrainingJobError(f"the workers did not end in {seconds:g} s; raise training.timeout_minutes")
        time.sleep(_LOOK_SECONDS)


def _free_addresses(count: int) -> list[str]:
    """Addresses on loopback that are free now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in held]
    for each in held:
        each.close()
    return addresses
