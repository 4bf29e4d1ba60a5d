"""Explains in sentences why pods are not ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_NO_IMAGE: Final = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")


def waiting(pods: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yields a sentence for each waiting container and for each pod that cannot be scheduled."""
    for pod in pods:
        name, status = pod["metadata"]["name"], pod.get("status", {})
        for one in status.get("conditions", ()):
            if one["type"] == "PodScheduled" and one["status"] == "False":
                yield f"pod {name}: {one.get('message', one.get('reason'))}"
        for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
            yield from _reason(name, container)


def _reason(pod: str, container: Mapping[str, Any]) -> Iterator[str]:
    waits = container["state"].get("waiting", {})
    reason = waits.get("reason", "PodInitializing")
    look = f"`kubectl -n canario logs {pod} -c {container['name']}`"
    if reason in _NO_IMAGE:
        image = container["image"]
        if pod.startswith("alertmanager-"):
            yield (
                f"pod {pod}: its node does not get {image}; name another as `alertmanager: {{image: ...}}` "
                "in the environment's canario.yaml"
            )
            return
        yield (
            f"pod {pod}: its node has no image {image}; `make platform-images` makes it, and it has to be pushed, or "
            f"for kind loaded by `kind load docker-image --name canario {image}`"
        )
    elif reason not in ("PodInitializing", "ContainerCreating"):
        yield f"pod {pod}: {reason}; {waits.get('message', '')} ({look})"
    elif not container.get("ready") and "running" in container["state"]:
        yield f"pod {pod}: runs and is not ready ({look})"
