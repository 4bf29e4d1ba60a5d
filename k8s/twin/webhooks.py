"""Calls the webhooks as Flagger does (pkg/controller/webhook.go): same payload, same reading of the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from components.releases.release_file import Release
from k8s.twin import loopback

#: In the order in which a rollout calls them.
HookType = Literal[
    "confirm-rollout",
    "rollback",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "post-rollout",
    "event",
]
HOOK_TYPES: tuple[HookType, ...] = get_args(HookType)

#: The phases of Flagger (pkg/apis/flagger/v1beta1/status.go) that the twin passes through.
Phase = Literal[
    "Initializing",
    "Initialized",
    "Waiting",
    "Progressing",
    "WaitingPromotion",
    "Promoting",
    "Finalising",
    "Succeeded",
    "Failed",
]

#: The hooks that the judge serves.
JUDGE_HOOKS: tuple[HookType, ...] = ("rollback", "confirm-traffic-increase", "confirm-promotion", "event")

_LONGEST_REASON = 4000
_TIMEOUT_SECONDS = 10.0
_EVENT_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Reply:
    """A hook's answer; `reason` is its body."""

    yes: bool
    reason: str = ""


class Webhooks:
    """The webhooks of one canary, and the judge's verdict with its numbers."""

    def __init__(
        self, judge_url: str, service: str, namespace: str, urls: Mapping[HookType, str] | None = None
    ) -> None:
        self._urls = dict(urls) if urls is not None else {hook: f"{judge_url}/{hook}" for hook in JUDGE_HOOKS}
        self._verdict_url = f"{judge_url}/verdict?service={service}"
        self._name, self._namespace = service, namespace

    def muted(self) -> Webhooks:
        """A copy without hooks: nobody is asked or told anything."""
        return Webhooks("", self._name, self._namespace, {})

    def ask(self, hook: HookType, release: Release, phase: Phase) -> Reply:
        """The hook's answer. A hook that is not set says yes, except to a rollback; no response counts as a no."""
        url = self._urls.get(hook)
        if url is None:
            return Reply(yes=hook != "rollback")
        answer = loopback.post(url, self._payload(release, phase, {}), _TIMEOUT_SECONDS)
        if answer is None:
            return Reply(yes=False, reason=f"the webhook {hook} does not answer")
        return Reply(answer.ok, answer.body.decode("utf-8", errors="replace").strip()[:_LONGEST_REASON])

    def tell(self, message: str, release: Release, phase: Phase, *, warning: bool = False) -> None:
        """Sends an event; a failure to deliver it is ignored."""
        if url := self._urls.get("event"):
            facts = {
                "eventMessage": message,
                "eventType": "Warning" if warning else "Normal",
                "timestamp": str(int(time.time() * 1000)),
            }
            loopback.post(url, self._payload(release, phase, facts), _EVENT_TIMEOUT_SECONDS)

    def verdict(self, toward: float | None = None) -> dict[str, Any]:
        """The judge's current verdict on the weight `toward`, with its numbers; empty when there is none."""
        answer = loopback.get(self._verdict_url + ("" if toward is None else f"&toward={toward:g}"))
        document = answer.json() if answer is not None and answer.ok else None
        return document if isinstance(document, dict) else {}

    def _payload(self, release: Release, phase: Phase, metadata: dict[str, str]) -> dict[str, Any]:
        return {
            "name": self._name,
            "namespace": self._namespace,
            "phase": phase,
            "checksum": release.checksum,
            # The chart's metadata, but for the spec's rollout, which the judge has from its start.
            "metadata": {"version": release.version, "package": release.package, **metadata},
        }
