"""What is known of a service in an environment: who answers there, and whether its canary passed.

It is read where the rollouts are recorded: the twin's `events.jsonl`, or the Canary that Flagger keeps.
Whatever cannot be read or understood is an error: nothing is promoted on a guess.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8s.promote.errors import PromotionError

_ENDED_WELL = ("Initialized", "Succeeded")
_ENDED = (*_ENDED_WELL, "Failed")
_SECONDS = 30


@dataclass(frozen=True)
class Standing:
    """The champion now; `passed` is false for a first version, which had nobody to be compared with."""

    version: str
    package: str
    passed: bool
    under_way: bool


def standing_of_twin(events: Path) -> Standing:
    """How a twin's service stands, by its record.

    Raises:
        PromotionError: the record is not there, is broken, or names no champion.
    """
    try:
        lines = events.read_text(encoding="utf-8").splitlines()
        return _of_events([json.loads(line) for line in lines], events)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PromotionError(
            f"{events}: how the canary ended cannot be read ({error!r}); nothing is promoted"
        ) from error


def _of_events(events: Iterable[dict[str, Any]], source: Path) -> Standing:
    champion: tuple[str, str] | None = None
    passed: set[tuple[str, str]] = set()
    under_way = ""
    for event in events:
        if event["kind"] == "starting":
            under_way = event["version"]
        if event["kind"] != "ended":
            continue
        under_way = ""
        if event["phase"] in _ENDED_WELL:
            champion = (event["version"], event["evidence"]["package"])
        if event["phase"] == "Succeeded" and champion is not None:
            passed.add(champion)
    if champion is None:
        raise PromotionError(f"{source}: no version answers yet; wait for the first rollout's end")
    return Standing(*champion, passed=champion in passed, under_way=bool(under_way))


def standing_in_cluster(service: str, namespace: str, context: str = "") -> Standing:
    """How a service stands in a cluster, by Flagger's Canary and the champion's Deployment.

    Raises:
        PromotionError: the cluster cannot be asked, or what it says cannot be understood.
    """
    try:
        canary = _object("canary", service, namespace, context)
        primary = _object("deployment", f"{service}-primary", namespace, context)
        environment = {
            each["name"]: each.get("value", "") for each in primary["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        annotations = primary["spec"]["template"]["metadata"]["annotations"]
        phase = canary["status"]["phase"]
        package = annotations["canario/package"]
        return Standing(environment["CANARIO_VERSION"], package, phase == "Succeeded", phase not in _ENDED)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise PromotionError(
            f"{namespace}/{service}: its state is not understood ({error!r}); nothing is promoted"
        ) from error


def _object(kind: str, name: str, namespace: str, context: str) -> dict[str, Any]:
    command = [
        "kubectl",
        *(["--context", context] if context else []),
        "-n",
        namespace,
        "get",
        kind,
        name,
        "-o",
        "json",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PromotionError(f"kubectl cannot ask for {kind} {name}: {error}; nothing is promoted") from error
    if done.returncode:
        raise PromotionError(f"kubectl cannot ask for {kind} {name}: {done.stderr.strip()}; nothing is promoted")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
