"""Follows a deployment until it is ready, or until its rollout begins or ends; reports each change once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from components.releases.canary_status import CanaryStatus, status_of
from components.spec.contract import CANARY_STRATEGIES
from k8s.cluster import kubectl
from k8s.cluster.retry import retry
from k8s.errors import ClusterError, RolloutError

#: Reasons for which a container waits in vain.
_HOPELESS: Final = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CrashLoopBackOff",
)
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Service:
    """The service to follow."""

    name: str
    namespace: str
    strategy: str
    replicas: int

    @property
    def has_canary(self) -> bool:
        """Whether Flagger moves its traffic."""
        return self.strategy in CANARY_STRATEGIES


@dataclass(frozen=True)
class State:
    """The state of a service in the cluster at one moment."""

    deployments: Mapping[str, dict[str, Any]]
    pods: tuple[dict[str, Any], ...]
    canary: CanaryStatus

    @property
    def template(self) -> object:
        """The pod template that Helm wrote last; a rollout begins when it changes."""
        return self.deployments.get("", {}).get("spec", {}).get("template")


def look(service: Service) -> State:
    """Reads the state of a service from the cluster.

    Raises:
        ClusterError: the cluster is not reached.
    """
    kinds = "deployments,pods" + (",canaries.flagger.app" if service.has_canary else "")
    found = kubectl.objects(service.namespace, kinds, service.name)
    named = {(one["kind"], one["metadata"]["name"]): one for one in found}
    deployments = {
        suffix: named["Deployment", service.name + suffix]
        for suffix in ("", "-shadow")
        if ("Deployment", service.name + suffix) in named
    }
    pods = tuple(one for one in found if one["kind"] == "Pod" and "deletionTimestamp" not in one["metadata"])
    return State(deployments, pods, status_of(named.get(("Canary", service.name), {})))


def follow(
    service: Service, before: State, timeout_seconds: float, say: Callable[[str], None], *, to_the_end: bool
) -> None:
    """Waits until all replicas are ready; a canary only has to begin, or with `to_the_end` to be judged.

    Raises:
        RolloutError: the service does not get ready, or was rolled back.
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
    """Whether there is nothing more to wait for.

    Raises:
        RolloutError: Flagger rolled the release back.
    """
    if not service.has_canary:
        return all(_is_ready(deployment, service.replicas) for deployment in state.deployments.values())
    if before.canary.phase in ("", "Initializing"):
        return state.canary.at_rest
    same = state.template == before.template
    if same and before.canary.at_rest:
        return True
    if _is_back(before, state):
        return True
    moved = same or (state.canary.applied != before.canary.applied and not _is_still(before, state))
    if moved and state.canary.failed:
        raise RolloutError(f"{service.name}: the rollout failed and the champion keeps serving\n{_next_step(service)}")
    begun = moved or state.canary.phase == "Waiting"
    return begun and (state.canary.at_rest or not to_the_end)


def summary(service: Service, state: State) -> str:
    """One line about the progress."""
    ready = sum(_has(pod, "Ready") for pod in state.pods)
    parts = [f"{service.name}: {ready} of {len(state.pods)} replicas ready"]
    if service.has_canary:
        canary = state.canary
        waits = " for the judge's yes" if canary.phase == "Waiting" else ""
        parts.append(f"rollout {canary.phase or 'not seen by Flagger yet'}{waits}")
        parts += [f"{canary.weight} % of traffic"] if canary.weight else []
    return ", ".join(parts)


def hopeless(state: State) -> Iterator[str]:
    """Reasons why new pods will never run, such as a missing image or a program that ends at once."""
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
    """Whether every replica is new and ready, and the autoscaler has set at least `least` of them."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    return bool(seen and wanted >= least and all(count == wanted for count in counts))


def _has(pod: Mapping[str, Any], condition: str) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _is_back(before: State, state: State) -> bool:
    """Whether a failure was followed by the champion again: Flagger writes its checksum, and the phase stays."""
    back = state.canary.applied == state.canary.promoted != "" and state.canary.applied != before.canary.applied
    return before.canary.failed and state.canary.failed and back


def _is_still(before: State, state: State) -> bool:
    """Whether the phase is still that of the previous rollout: Flagger writes the new checksum a second earlier."""
    return state.canary.at_rest and state.canary.phase_since == before.canary.phase_since


def _next_step(service: Service) -> str:
    kind = "canary" if service.has_canary else "deployment"
    return f"`kubectl -n {service.namespace} describe {kind} {service.name}` says more"
