"""Runs the judge: `python -m services.judge --spec services/churn/service.yaml --targets FILE --port N`."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import time
from pathlib import Path

import uvicorn

from components.contract import Rollout
from components.errors import SpecError
from components.spec import load_spec
from services.judge.prometheus import PrometheusSource
from services.judge.server import Judge, build_app, log
from services.judge.sources import FileDiscoverySource, Source

#: How much of the time before a rollout is read, so that its beginning is seen.
_BEFORE_SECONDS = 600.0


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; the exit status is 2 for settings that cannot be used."""
    settings = _parser().parse_args(arguments)
    try:
        specs = [load_spec(path) for path in settings.spec]
    except SpecError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    rollouts = {spec.name: spec.rollout for spec in specs}
    judge = Judge(rollouts, _source(settings, rollouts), time.time, settings.interval_seconds)
    asyncio.run(_serve(judge, settings.host, settings.port))
    return 0


def _source(settings: argparse.Namespace, rollouts: dict[str, Rollout]) -> Source:
    if settings.targets:
        return FileDiscoverySource(settings.targets, tuple(rollouts), time.time)
    longest = max(rollout.deadline_minutes for rollout in rollouts.values())
    range_seconds = longest * 60 + _BEFORE_SECONDS
    return PrometheusSource(settings.prometheus, tuple(rollouts), time.time, range_seconds, settings.champion_pods)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.judge", description="Judges canaries from their counters."
    )
    parser.add_argument(
        "--spec", type=Path, required=True, action="append", help="a service.yaml; may stand repeatedly"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--targets", type=Path, help="a file of targets to scrape, as Prometheus's file_sd")
    source.add_argument("--prometheus", help="address of a Prometheus server, such as http://prometheus:9090")
    parser.add_argument("--champion-pods", default="-primary-", help="found in the names of the champion's pods only")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--interval-seconds", type=float, default=1.0, help="between two scrapes")
    return parser


async def _serve(judge: Judge, host: str, port: int) -> None:
    listener = socket.create_server((host, port))
    config = uvicorn.Config(build_app(judge), access_log=False, log_level="warning", timeout_graceful_shutdown=1)
    server = _Server(config, listener)
    await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """Says in one JSON line that it listens, once it does."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._address = listener.getsockname()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        log("listening", host=self._address[0], port=self._address[1])


if __name__ == "__main__":
    sys.exit(main())
