"""Follows a release that Flux applies; this module installs nothing, since Git decides."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from components.releases.canary_status import CanaryStatus, status_of
from components.releases.release_file import Release
from k8s.cluster import kubectl
from k8s.cluster.retry import retry
from k8s.errors import ClusterError, RolloutError
from k8s.release.service_status import identity

_KIND: Final = "kustomizations.kustomize.toolkit.fluxcd.io"
#: Flux's field manager; the times of its writes say since when a release is asked for.
_MANAGER: Final = "kustomize-controller"
_LOOK_SECONDS: Final = 1.0
#: The API server's words where a rule of admission refuses, or who has to be asked for it is away.
_REFUSED: Final = ("denied the request", "denied request", "failed calling webhook")
#: A refusal that lasts so long is one: Flux tries again each minute, and a rule may be younger than its engine.
_REFUSED_SECONDS: Final = 90.0


@dataclass(frozen=True)
class SyncState:
    """A service at one moment: the (version, package) that Git asks for, and the one that answers."""

    asked: tuple[str, str] | None
    answers: tuple[str, str] | None
    canary: CanaryStatus
    asked_since: str = ""


def is_followed(environment: str) -> bool:
    """Whether Flux applies this environment in the cluster.

    Raises:
        ClusterError: the cluster is not reached.
    """
    if not kubectl.is_there("get", "crd", _KIND):
        return False
    found = kubectl.get_json("get", _KIND, "--all-namespaces")["items"]
    paths = {one["spec"].get("path", "").removeprefix("./").rstrip("/") for one in found}
    return f"k8s/envs/{environment}/rendered" in paths


def refusal(environment: str) -> str:
    """The reason for which the cluster refuses what Flux applies of an environment; empty if it does not refuse.

    Raises:
        ClusterError: the cluster is not reached.
    """
    for one in kubectl.get_json("get", _KIND, "--all-namespaces")["items"]:
        if one["spec"].get("path", "").removeprefix("./").rstrip("/") != f"k8s/envs/{environment}/rendered":
            continue
        for condition in one.get("status", {}).get("conditions", ()):
            said = str(condition.get("message", ""))
            if (condition["type"], condition["status"]) == ("Ready", "False") and any(one in said for one in _REFUSED):
                return said
    return ""


def follow(
    release: Release, environment: str, namespace: str, timeout_seconds: float, say: Callable[[str], None]
) -> None:
    """Waits until Flux applies a release and its rollout ends, well or badly.

    Raises:
        RolloutError: the rollout has not ended in time, or Flux does not apply the release.
        ClusterError: the cluster refuses the release, or is not reached, time after time.
    """
    wanted = (release.version, release.package)
    said, was_asked, limit = "", False, time.monotonic() + timeout_seconds
    patience = _Patience(environment)
    while True:
        seen = retry(lambda: look(release.service, namespace), ClusterError, limit, say)
        if seen.asked != wanted:
            patience.look(release.service, time.monotonic())
        was_asked = was_asked or seen.asked == wanted
        line = _line(release, seen)
        if line != said:
            say(line)
            said = line
        if has_ended(seen, wanted, was_asked=was_asked):
            return
        if time.monotonic() > limit:
            raise RolloutError(f"{release.service} is not there after {timeout_seconds:g} s: {line}; `flux get all -A`")
        time.sleep(_LOOK_SECONDS)


class _Patience:
    """Gives up on a refusal that lasts."""

    def __init__(self, environment: str) -> None:
        self._environment, self._since = environment, 0.0

    def look(self, service: str, now: float) -> None:
        """Looks whether the cluster refuses.

        Raises:
            ClusterError: it has done so for some time.
        """
        reason = refusal(self._environment)
        self._since = (self._since or now) if reason else 0.0
        if reason and now - self._since >= _REFUSED_SECONDS:
            raise ClusterError(f"{service}: {reason}")


def has_ended(seen: SyncState, wanted: tuple[str, str], *, was_asked: bool) -> bool:
    """Whether the wanted release answers, was rolled back, or is no longer asked for."""
    if seen.asked != wanted:
        return was_asked
    if seen.canary.failed and seen.canary.phase_since > seen.asked_since:
        return True
    return seen.answers == wanted and seen.canary.at_rest


def look(service: str, namespace: str) -> SyncState:
    """Reads the state of a service from the cluster.

    Raises:
        ClusterError: the cluster is not reached, or its answer is not understood.
    """
    named = {(one["kind"], one["metadata"]["name"]): one for one in _objects(service, namespace)}
    target, canary = named.get(("Deployment", service)), named.get(("Canary", service), {})
    try:
        return SyncState(
            asked=_identity(target),
            answers=_identity(named.get(("Deployment", f"{service}-primary"))),
            canary=status_of(canary),
            asked_since=_written(target),
        )
    except (KeyError, IndexError, TypeError) as error:
        raise ClusterError(f"{namespace}/{service}: its objects are not understood ({error!r})") from error


def _objects(service: str, namespace: str) -> list[dict[str, Any]]:
    """The objects of a service, by name: Flagger does not give the champion the service's labels."""
    names = [f"deployments/{service}", f"deployments/{service}-primary", f"canaries.flagger.app/{service}"]
    options = ("--ignore-not-found", "--show-managed-fields")
    document = kubectl.get_json("-n", namespace, "get", *names, *options)
    return list(document.get("items", [document]))


def _identity(deployment: dict[str, Any] | None) -> tuple[str, str] | None:
    return None if deployment is None else identity(deployment["spec"]["template"])


def _written(deployment: dict[str, Any] | None) -> str:
    """The time at which Flux last wrote an object, as Kubernetes writes it; these texts sort by time."""
    entries = (deployment or {"metadata": {}})["metadata"].get("managedFields", ())
    return max((str(one.get("time", "")) for one in entries if one.get("manager") == _MANAGER), default="")


def _line(release: Release, seen: SyncState) -> str:
    if seen.asked is None or seen.asked[0] != release.version:
        return f"{release.service}: Flux has not brought version {release.version} yet"
    return f"{release.service}: version {release.version} was brought, rollout {seen.canary.phase or 'not begun'}"
