"""Training on parameter servers: the chief hands out steps, workers compute them, servers keep the variables.

Every task of the cluster runs the same command. Only the chief comes to a model; the others serve it until it ends.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from components.errors import SpecError

#: So long a task waits for its chief, which may still be looking for a node.
CHIEF_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Task:
    """One task of the cluster: what it is, and where its chief listens."""

    role: str
    index: int
    chief: tuple[str, int]

    @property
    def serves(self) -> bool:
        """Whether it works for the chief rather than being it."""
        return self.role in ("worker", "ps")


def task_of(environ: Mapping[str, str]) -> Task:
    """This process's place in TF_CONFIG.

    Raises:
        SpecError: TF_CONFIG does not say which task this is.
    """
    try:
        config = json.loads(environ["TF_CONFIG"])
        host, _, port = config["cluster"]["chief"][0].rpartition(":")
        return Task(str(config["task"]["type"]), int(config["task"].get("index", 0)), (host, int(port)))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(
            "training.strategy: parameter_server needs TF_CONFIG with this process's task and the chief's host:port "
            f"({type(error).__name__}: {error}); run the step under a training operator that sets it"
        ) from error


def serve(task: Task, wait_seconds: float = CHIEF_SECONDS) -> None:
    """Works for the chief until it has come and gone; then the process ends, because TensorFlow's server cannot.

    Raises:
        SpecError: the chief did not come in time.
    """
    import tensorflow as tf

    cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec()
    server = tf.distribute.Server(cluster, job_name=task.role, task_index=task.index, protocol="grpc")
    wait_for_chief(task, wait_seconds)
    while _listens(task.chief):
        time.sleep(_LOOK_SECONDS)
    print(f"{task.role} {task.index} served the chief at {server.target} until it ended", flush=True)
    sys.stderr.flush()
    os._exit(0)


def wait_for_chief(task: Task, seconds: float) -> None:
    """Returns as soon as the chief listens.

    Raises:
        SpecError: it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not _listens(task.chief):
        if time.monotonic() > deadline:
            host, port = task.chief
            raise SpecError(
                f"{task.role} {task.index}: no chief came to {host}:{port} in {seconds:g} s; start it as well"
            )
        time.sleep(_LOOK_SECONDS)


def _listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError:
        return False
    return True


def run_steps(strategy: Any, batches: Callable[[], Any], step: Callable[[Any, Any], None], count: int) -> None:
    """Has the workers do that many steps, each on its next batch, none waiting for another.

    A worker that goes away is done without: the coordinator gives its step to the next one.
    """
    import tensorflow as tf

    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    ours = iter(coordinator.create_per_worker_dataset(batches))

    @tf.function  # type: ignore[untyped-decorator]
    def run(source: Any) -> None:
        strategy.run(step, args=next(source))

    for _ in range(count):
        coordinator.schedule(run, args=(ours,))
    coordinator.join()
