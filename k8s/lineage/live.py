"""Compares the objects that run in a cluster with the release; pure functions of the API server's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from components.releases.release_file import Image
from k8s.lineage.errors import Broken, same
from k8s.rendering.environment_files import ClusterRelease

_RECEIPT: Final = "canario/package"
Object = Mapping[str, Any]


def reference(image: Image) -> str:
    """The image's reference in a pod."""
    return f"{image.repository}@{image.digest}" if image.digest else f"{image.repository}:{image.tag}"


def check_running(objects: Sequence[Object], release: ClusterRelease, image_id: str, public_key: str) -> str:
    """Checks that the champion's Deployment and all of its pods run the release, with exactly the image's bytes.

    `image_id` is the digest of the image's configuration, by which a node names an image loaded without a registry.

    Raises:
        Broken: something else runs, or nothing runs.
    """
    champion = _champion(objects, release.service)
    name = str(champion["metadata"]["name"])
    template = champion["spec"]["template"]
    _check_pod(f"deployment {name}", template, release)
    same(f"deployment {name}: CANARIO_PUBLIC_KEY", _environment(template).get("CANARIO_PUBLIC_KEY", ""), public_key)
    pods = [one for one in objects if one["kind"] == "Pod" and _is_of(one, champion)]
    if not pods:
        raise Broken(f"deployment {name} has no pods, so nothing runs")
    for pod in pods:
        _check_pod(f"pod {pod['metadata']['name']}", pod, release)
        _check_bytes(pod, release.image.digest or image_id)
    return f"{len(pods)} pods of {name}"


def check_rendered(objects: Sequence[Object], rendered: Sequence[Object], service: str) -> None:
    """Checks that the live Deployment has everything that this tree's chart renders for the release.

    Raises:
        Broken: the Deployment is missing, or differs.
    """
    live, wanted = (_named(some, "Deployment", service) for some in (objects, rendered))
    if live is None or wanted is None:
        raise Broken(f"there is no deployment {service}")
    different = _difference(live["spec"]["template"], wanted["spec"]["template"], "template")
    if different:
        raise Broken(f"deployment {service} is not what the chart of this tree renders: {different}")


def _champion(objects: Sequence[Object], service: str) -> Object:
    found = _named(objects, "Deployment", f"{service}-primary") or _named(objects, "Deployment", service)
    if found is None:
        raise Broken(f"the cluster has no deployment of {service}")
    return found


def _named(objects: Sequence[Object], kind: str, name: str) -> Object | None:
    return next((one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)), None)


def _is_of(pod: Object, deployment: Object) -> bool:
    labels = pod["metadata"].get("labels", {})
    wanted = deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    return wanted and "deletionTimestamp" not in pod["metadata"]


def _check_pod(what: str, pod: Object, release: ClusterRelease) -> None:
    receipt = pod["metadata"].get("annotations", {}).get(_RECEIPT, "missing")
    same(f"{what}: {_RECEIPT}", receipt, release.package)
    same(f"{what}: image", pod["spec"]["containers"][0]["image"], reference(release.image))


def _check_bytes(pod: Object, wanted: str) -> None:
    """Checks the image that the node started: `name@digest` if it came from a registry, else only the digest."""
    name = pod["metadata"]["name"]
    statuses = pod.get("status", {}).get("containerStatuses", ())
    if not statuses or not statuses[0].get("imageID"):
        raise Broken(f"pod {name} does not run yet, so its node names no image")
    same(f"pod {name}: the image on its node", statuses[0]["imageID"].rpartition("@")[2], wanted)


def _environment(template: Object) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in template["spec"]["containers"][0].get("env", ())}


def _difference(live: Any, wanted: Any, place: str) -> str:
    """The first place where `live` deviates from `wanted`; additions by the API server do not count."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        found = (_difference(live.get(key), value, f"{place}.{key}") for key, value in wanted.items())
        return next(filter(None, found), "")
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        pairs = enumerate(zip(live, wanted, strict=True))
        return next(filter(None, (_difference(one, two, f"{place}.{at}") for at, (one, two) in pairs)), "")
    nothing = live is None and wanted in ("", {}, [])
    return "" if live == wanted or nothing else f"{place} is {live!r}, not {wanted!r}"
