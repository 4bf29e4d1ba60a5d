"""Follows a deployment until it is ready, or its rollout has begun or ended; says what it sees once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from k8s.cluster import kubectl
from k8s.cluster.retry import retry
from k8s.errors import ClusterError, RolloutError
from services.judge.canary_status import turned_at

#: Why a container waits when it will not come by itself.
_HOPELESS: Final = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CrashLoopBackOff",
)
#: Flagger's phases in which nothing is under way.
_AT_REST: Final = ("Initialized", "Succeeded", "Failed")
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Service:
    """What is followed."""

    name: str
    namespace: str
    strategy: str
    replicas: int


@dataclass(frozen=True)
class State:
    """What the cluster says about a service at one moment."""

    deployments: Mapping[str, dict[str, Any]]
    pods: tuple[dict[str, Any], ...]
    canary: dict[str, Any]

    @property
    def template(self) -> object:
        """The pod that Helm asked for last; a rollout begins when it changes."""
        return self.deployments.get("", {}).get("spec", {}).get("template")

    @property
    def phase(self) -> str:
        """Flagger's phase; empty before Flagger saw the canary."""
        return str(self.canary.get("status", {}).get("phase", ""))

    @property
    def weight(self) -> int:
        """Percent of traffic that the canary gets."""
        return int(self.canary.get("status", {}).get("canaryWeight", 0))


def look(service: Service) -> State:
    """What there is now.

    Raises:
        ClusterError: the cluster is not reached.
    """
    kinds = "deployments,pods" + (",canaries.flagger.app" if service.strategy == "canary" else "")
    found = kubectl.objects(service.namespace, kinds, service.name)
    named = {(one["kind"], one["metadata"]["name"]): one for one in found}
    deployments = {
        suffix: named["Deployment", service.name + suffix]
        for suffix in ("", "-shadow")
        if ("Deployment", service.name + suffix) in named
    }
    pods = tuple(one for one in found if one["kind"] == "Pod" and "deletionTimestamp" not in one["metadata"])
    return State(deployments, pods, named.get(("Canary", service.name), {}))


def follow(
    service: Service, before: State, timeout_seconds: float, say: Callable[[str], None], *, to_the_end: bool
) -> None:
    """Waits until all is ready; for a canary that began, until then, or with `to_the_end` for its verdict.

    Raises:
        RolloutError: it does not get ready, or was rolled back.
        ClusterError: the cluster is not reached, time after time.
    """
    said, limit = "", time.monotonic() + timeout_seconds
    while True:
        state = retry(lambda: look(service), ClusterError, limit, say)
        line = summary(service, state)
        if line != said:
            say(line)
            said = line
        for reason in hopeless(state):
            raise RolloutError(f"{service.name}: {reason}")
        if is_done(service, before, state, to_the_end=to_the_end):
            return
        if time.monotonic() > limit:
            raise RolloutError(
                f"{service.name} is not there after {timeout_seconds:g} s: {line}\n{_next_step(service)}"
            )
        time.sleep(_LOOK_SECONDS)


def is_done(service: Service, before: State, state: State, *, to_the_end: bool) -> bool:
    """Whether there is nothing to wait for any more.

    Raises:
        RolloutError: Flagger rolled back.
    """
    if service.strategy != "canary":
        return all(_is_ready(deployment, service.replicas) for deployment in state.deployments.values())
    if before.phase in ("", "Initializing"):
        return state.phase in _AT_REST
    same = state.template == before.template
    if same and before.phase in _AT_REST:
        return True
    if _is_back(before, state):
        return True
    moved = same or (_checksum(state) != _checksum(before) and not _is_still(before, state))
    if moved and state.phase == "Failed":
        raise RolloutError(f"{service.name}: the rollout failed and the champion keeps serving\n{_next_step(service)}")
    begun = moved or state.phase == "Waiting"
    return begun and (state.phase in _AT_REST or not to_the_end)


def summary(service: Service, state: State) -> str:
    """One line about where it stands."""
    ready = sum(_has(pod, "Ready") for pod in state.pods)
    parts = [f"{service.name}: {ready} of {len(state.pods)} replicas ready"]
    if service.strategy == "canary":
        waits = " for the judge's yes" if state.phase == "Waiting" else ""
        parts.append(f"rollout {state.phase or 'not seen by Flagger yet'}{waits}")
        parts += [f"{state.weight} % of traffic"] if state.weight else []
    return ", ".join(parts)


def hopeless(state: State) -> Iterator[str]:
    """Why pods of what is wanted now will not come: an image that is not there, a program that ends at once."""
    wanted = {_image(deployment["spec"]["template"]) for deployment in state.deployments.values()}
    for pod in state.pods:
        for status in pod.get("status", {}).get("containerStatuses", ()) if _image(pod) in wanted else ():
            waiting = status.get("state", {}).get("waiting", {})
            if waiting.get("reason") in _HOPELESS:
                said = waiting.get("message", "")
                yield f"{waiting['reason']}: {_image(pod)} in pod {pod['metadata']['name']}; {said}".rstrip("; ")


def _image(pod: Mapping[str, Any]) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def _is_ready(deployment: Mapping[str, Any], least: int) -> bool:
    """Whether every replica is new and ready, and the autoscaler has set as many as there have to be."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    return bool(seen and wanted >= least and all(count == wanted for count in counts))


def _has(pod: Mapping[str, Any], condition: str) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _checksum(state: State) -> str:
    """Flagger's own of the pod that it rolls out, or rolled out last."""
    return str(state.canary.get("status", {}).get("lastAppliedSpec", ""))


def _is_back(before: State, state: State) -> bool:
    """Whether the champion is asked for again after a failure: Flagger writes its checksum, and the phase stays."""
    status = state.canary.get("status", {})
    back = _checksum(state) == str(status.get("lastPromotedSpec")) and _checksum(state) != _checksum(before)
    return before.phase == state.phase == "Failed" and back


def _is_still(before: State, state: State) -> bool:
    """Whether a phase is that of the rollout before: Flagger writes the new checksum a second before its phase."""
    return state.phase in _AT_REST and _turned(state) == _turned(before)


def _turned(state: State) -> str:
    """When Flagger last changed its mind about the rollout."""
    return turned_at(state.canary.get("status", {}))


def _next_step(service: Service) -> str:
    kind = "canary" if service.strategy == "canary" else "deployment"
    return f"`kubectl -n {service.namespace} describe {kind} {service.name}` says more"
