"""What serves in a cluster: each service's pods, its rollout, and whether it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from components.releases.canary_status import AT_REST, status_of
from k8s.cluster.kubectl import get_json, is_there
from k8s.cluster.tunnel import ClusterService, reached
from k8s.errors import ClusterError

_CANARIES: Final = "canaries.flagger.app"
_PODS: Final = "app.kubernetes.io/name=model-service,app.kubernetes.io/component=server"
_ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True)
class ServingPods:
    """The pods that answer for a service: how often each was restarted, by its uid; and how many there are to be."""

    namespace: str
    service: str
    restarts: Mapping[str, int]
    wanted: int = 0

    @property
    def place(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.service}"


def rollouts_under_way() -> Iterator[str]:
    """A sentence for each Canary that is not at rest."""
    for one in _canaries():
        status, place = status_of(one), f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        if status.phase not in AT_REST:
            yield (
                f"{place}: a rollout is under way ({status.phase or 'Flagger has not seen it yet'}); wait for its end, "
                f"`kubectl -n {one['metadata']['namespace']} get canary {one['metadata']['name']} --watch`"
            )


def phases() -> dict[str, str]:
    """The phase of each Canary, by namespace/name."""
    return {f"{one['metadata']['namespace']}/{one['metadata']['name']}": status_of(one).phase for one in _canaries()}


def serving() -> dict[str, ServingPods]:
    """The pods that answer for each service, by namespace/name: the champion's where Flagger made one."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    wanted: Counter[tuple[str, str]] = Counter()
    for one in get_json("get", "pods,replicasets", "-A", "--selector", _PODS)["items"]:
        metadata = one["metadata"]
        place = f"{metadata['namespace']}/{metadata['labels']['app.kubernetes.io/instance']}"
        app = metadata["labels"]["app"]
        if one.get("kind") == "ReplicaSet":
            wanted[place, app] += one["spec"].get("replicas", 1)
        elif "deletionTimestamp" not in metadata:
            found.setdefault(place, {}).setdefault(app, {})[metadata["uid"]] = _restarts(one)
    result = {}
    for place, apps in sorted(found.items()):
        namespace, _, service = place.partition("/")
        app = f"{service}-primary" if f"{service}-primary" in apps else service
        result[place] = ServingPods(namespace, service, apps.get(app, {}), wanted[place, app])
    return result


def restarted(before: Mapping[str, ServingPods], after: Mapping[str, ServingPods]) -> Iterator[str]:
    """A sentence for each service whose pods are not those that they were.

    An autoscaler may have added some, or taken away as many as there are fewer to be.
    """
    for place, old in before.items():
        new = after.get(place, ServingPods(old.namespace, old.service, {}))
        gone = [uid for uid in old.restarts if uid not in new.restarts]
        again = [uid for uid, count in old.restarts.items() if new.restarts.get(uid, count) != count]
        scaled_down = new.restarts and len(gone) <= old.wanted - new.wanted
        if again or (gone and not scaled_down):
            yield f"{place}: {len(gone)} of its pods went, and {len(again)} were restarted"


def silence(pods: ServingPods) -> str:
    """Why a service does not answer its own example; empty if it does."""
    try:
        with reached(ClusterService("SERVICE", pods.namespace, pods.service, 80)) as address:
            return _unanswered(address)
    except ClusterError as error:
        return str(error)


def _unanswered(address: str) -> str:
    try:
        with httpx.Client(base_url=address, timeout=_ANSWER_SECONDS, trust_env=False) as client:
            schema = client.get("/schema").raise_for_status().json()
            answer = client.post("/predict", json=schema["example"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return f"/schema: {error!r}"
    return "" if answer.status_code == httpx.codes.OK else f"/predict answers {answer.status_code}: {answer.text[:200]}"


def _restarts(pod: Mapping[str, Any]) -> int:
    return sum(one["restartCount"] for one in pod.get("status", {}).get("containerStatuses", ()))


def _canaries() -> list[dict[str, Any]]:
    if not is_there("get", "crd", _CANARIES):
        return []
    return list(get_json("get", _CANARIES, "-A")["items"])
