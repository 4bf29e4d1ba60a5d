"""Runs the judge.

On one machine: `python -m services.judge --spec services/churn/service.yaml --targets FILE --port N`.
In a cluster: `python -m services.judge --prometheus URL --events --environment URL --credentials FOLDER`;
there each question carries the rollout's settings, so no spec is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from pathlib import Path

import uvicorn

from components.errors import SpecError
from components.releases.environment_repository import EnvironmentRepository
from components.spec.reading.loading import load_spec
from services.judge.actions.consequences import Consequences
from services.judge.actions.kubernetes import own_cluster
from services.judge.actions.mlflow_alias import Registry
from services.judge.errors import JudgeError
from services.judge.evidence.prometheus import PrometheusSource
from services.judge.evidence.sources import FileDiscoverySource, Source
from services.judge.judge import Judge
from services.judge.log import log
from services.judge.server import build_app
from services.judge.shadow.sources import FileShadows, PrometheusShadows, Shadows


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; the exit status is 2 for settings that cannot be used."""
    settings = _parser().parse_args(arguments)
    try:
        looks = {} if settings.look_seconds is None else {"interval_seconds": settings.look_seconds}
        rollouts = {spec.name: spec.rollout.model_copy(update=looks) for spec in map(load_spec, settings.spec)}
        source, shadows = _sources(settings, tuple(rollouts))
        judge = Judge(rollouts, source, time.time, settings.interval_seconds, shadows)
        asyncio.run(_serve(settings, judge))
    except (SpecError, JudgeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _sources(settings: argparse.Namespace, services: tuple[str, ...]) -> tuple[Source, Shadows]:
    if settings.targets:
        return FileDiscoverySource(settings.targets, services, time.time), FileShadows(settings.targets, time.time)
    return PrometheusSource(settings.prometheus, time.time), PrometheusShadows(settings.prometheus, time.time)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.judge", description="Judges canaries from their counters."
    )
    parser.add_argument("--spec", type=Path, default=[], action="append", help="a service.yaml; may be repeated")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--targets", type=Path, help="a file of targets to scrape, in Prometheus's file_sd format")
    source.add_argument("--prometheus", help="address of a Prometheus server, such as http://prometheus:9090")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--interval-seconds", type=float, default=1.0, help="time between two scrapes")
    parser.add_argument("--look-seconds", type=float, help="time between two questions, where it is not the spec's")
    parser.add_argument("--events", action="store_true", help="write Kubernetes Events about the Canary")
    parser.add_argument(
        "--namespace", default=[], action="append", help="namespace to search for ended rollouts; may be repeated"
    )
    parser.add_argument("--environment", help="address of the Git repository in which to revert failed releases")
    parser.add_argument("--branch", default="main", help="the repository's deployed branch")
    parser.add_argument("--path", default="k8s/envs/local", help="its folder with one file for each service")
    parser.add_argument("--mlflow", help="address of the MLflow server in which to move the alias champion")
    parser.add_argument("--credentials", type=Path, help="a folder with the files username and password for Git")
    return parser


def _consequences(settings: argparse.Namespace, judge: Judge) -> Consequences:
    cluster = own_cluster(time.time) if settings.events else None
    url = settings.environment
    environment = EnvironmentRepository(url, settings.branch, settings.path, settings.credentials) if url else None
    registry = Registry(settings.mlflow) if settings.mlflow else None
    return Consequences(judge, cluster, environment, settings.namespace, registry)


async def _serve(settings: argparse.Namespace, judge: Judge) -> None:
    app = build_app(judge, _consequences(settings, judge))
    listener = socket.create_server((settings.host, settings.port))
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=1)
    server = _Server(config, listener)
    await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Logs one JSON line once it listens."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._address = listener.getsockname()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        log("listening", host=self._address[0], port=self._address[1])


if __name__ == "__main__":
    sys.exit(main())
