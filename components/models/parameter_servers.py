"""Training on parameter servers: the chief hands out steps, workers compute them, servers hold the variables.

Every task of the cluster runs the same command. Only the chief returns a model; the others serve it until it ends.
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

#: The time that a task waits for its chief, which may not have a node yet.
CHIEF_SECONDS: Final = 600.0
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Task:
    """One task of the cluster: its role, and the address of its chief."""

    role: str
    index: int
    chief: tuple[str, int]

    @property
    def serves(self) -> bool:
        """True if the task works for the chief and is not the chief itself."""
        return self.role in ("worker", "ps")


def task_of(environ: Mapping[str, str]) -> Task:
    """The task of this process, from TF_CONFIG.

    Raises:
        SpecError: TF_CONFIG does not name this task.
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
    """Serves the chief until the chief ends, then ends the process, because TensorFlow's server cannot be stopped.

    Raises:
        SpecError: the chief did not appear in time.
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
        SpecError: the chief does not listen within `seconds`.
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
    """Lets the workers do `count` steps, each on its own next batch, without waiting for each other.

    If a worker disappears, the coordinator gives its step to another.
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
