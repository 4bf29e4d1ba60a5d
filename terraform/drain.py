"""Removes the cloud resources that controllers made for an environment: `python -m terraform.drain --env staging`.

Load balancers and disks are not in Terraform's state and would outlive the cluster, so they are removed while the
controllers that made them still run. It succeeds only when none is left; `make tf-destroy` continues only then.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from terraform.commands import CloudError, Run, enter, outputs, run

#: Kinds of objects that stand for something outside the cluster.
KINDS: Final = (
    "services",
    "ingresses.networking.k8s.io",
    "gateways.gateway.networking.k8s.io",
    "persistentvolumeclaims",
)
_FLUX: Final = "kustomizations.kustomize.toolkit.fluxcd.io"
#: Prefixes of the cluster's own namespaces, which cannot be deleted.
_OWN: Final = ("default", "kube-", "gke-", "gmp-")
_POLL_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Held:
    """An object for which a controller made something outside the cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.partition('.')[0]} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Clock:
    """The clock; a parameter, so that tests need not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def drain(run: Run, limit_seconds: float, clock: Clock = Clock()) -> None:
    """Empties the cluster that kubectl points at, and waits until nothing is left.

    Raises:
        CloudError: a disk is set to be retained, or something is left after the limit.
    """
    kept = [volume["metadata"]["name"] for volume in _items(run, "persistentvolumes") if _is_kept(volume)]
    if kept:
        raise CloudError(
            f"the disks of {', '.join(kept)} would outlive the cluster: their persistent volumes say Retain. Save "
            "what is on them and set persistentVolumeReclaimPolicy to Delete"
        )
    definitions = run(["kubectl", "get", "customresourcedefinitions", "--output=name"])
    if _FLUX in definitions:
        # Otherwise Flux would put everything back.
        run(["kubectl", "--namespace=flux-system", "scale", "deployment", "--all", "--replicas=0"])
    kinds = [kind for kind in KINDS if not kind.startswith("gateways") or kind in definitions]
    for command in removals(held(run, kinds)):
        run(command)
    _wait(run, kinds, clock, limit_seconds)


def held(run: Run, kinds: Iterable[str]) -> list[Held]:
    """The objects that stand for something outside the cluster."""
    return [
        Held(kind, item["metadata"]["namespace"], item["metadata"]["name"])
        for kind in kinds
        for item in _items(run, kind)
        if kind != "services" or item["spec"].get("type") == "LoadBalancer"
    ]


def removals(found: Iterable[Held]) -> Iterator[list[str]]:
    """Commands that remove the objects: by whole namespace, as pods hold on to disks; singly in the cluster's own."""
    everything = list(found)
    for namespace in sorted({one.namespace for one in everything if not one.namespace.startswith(_OWN)}):
        yield ["kubectl", "delete", "namespace", namespace, "--wait=false", "--ignore-not-found"]
    for one in everything:
        if one.namespace.startswith(_OWN):
            where = f"--namespace={one.namespace}"
            yield ["kubectl", where, "delete", one.kind, one.name, "--wait=false", "--ignore-not-found"]


def _wait(run: Run, kinds: list[str], clock: Clock, limit_seconds: float) -> None:
    end = clock.now() + limit_seconds
    while left := _left(run, kinds):
        if clock.now() > end:
            raise CloudError(
                f"after {limit_seconds:g} s there is still {', '.join(left)}: the cluster stays until it is gone"
            )
        print(f"waiting for {', '.join(left)}", flush=True)
        clock.sleep(_POLL_SECONDS)


def _left(run: Run, kinds: list[str]) -> list[str]:
    volumes = [f"persistentvolume {volume['metadata']['name']}" for volume in _items(run, "persistentvolumes")]
    return [*map(str, held(run, kinds)), *volumes]


def _is_kept(volume: dict[str, Any]) -> bool:
    return bool(volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain")


def _items(run: Run, kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(run(["kubectl", "get", kind, "--all-namespaces", "--output=json"]))[
        "items"
    ]
    return items


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns 1 with a message if something is left."""
    parser = argparse.ArgumentParser(prog="python -m terraform.drain", description=__doc__)
    parser.add_argument("--env", required=True, help="a folder of terraform/envs")
    parser.add_argument("--limit-seconds", type=float, default=900, help="longest wait until all is gone (default 900)")
    args = parser.parse_args(arguments)
    try:
        cluster = outputs(args.env, run).cluster
        enter(cluster, run)
        drain(run, args.limit_seconds)
    except CloudError as error:
        print(f"not drained: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run it again to go on", file=sys.stderr)
        return 130
    print(f"{cluster.name} holds nothing outside itself any more")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
