"""Breaks the glass, so that a namespace of models takes images whose signature nobody checked, and mends it again.

    python -m k8s.cluster.glass --namespace models --reason "the registry lost its signatures"
    python -m k8s.cluster.glass --namespace models --mend

It leaves a trace: the namespace's annotation `canario/glass` says who, when and why, also after it was mended; an Event
says the same; and a deployment and its report name it. `k8s/configs/signatures/glass.yaml` has the rules.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any, Final

from k8s.cluster import kubectl
from k8s.errors import DeployError

#: A label, by which the rules choose namespaces, and an annotation, which has room for the trace.
_GLASS: Final = "canario/glass"
_BROKEN: Final = "broken"
#: Flux undoes what a manager whose name begins with kubectl wrote.
_MANAGER: Final = "canario-glass"


def broken_glass(namespace: str) -> str:
    """Who broke the glass of a namespace, when and why; empty while signatures are checked there.

    Raises:
        ClusterError: the namespace cannot be read.
    """
    metadata = kubectl.get_json("get", "namespace", namespace).get("metadata", {})
    if metadata.get("labels", {}).get(_GLASS) != _BROKEN:
        return ""
    return str(metadata.get("annotations", {}).get(_GLASS) or "broken, by whom is not known")


def break_glass(namespace: str, reason: str) -> str:
    """Lets images in without a look at their signature; returns the trace.

    Raises:
        ClusterError: the cluster does not let us.
    """
    trace = f"broken by {_who()} at {_now()}: {' '.join(reason.split())}"
    _write(namespace, _BROKEN, trace)
    _tell(namespace, "Warning", "GlassBroken", trace)
    return trace


def mend_glass(namespace: str) -> str:
    """Has signatures checked again; returns the trace, which stays.

    Raises:
        ClusterError: the cluster does not let us, or the glass is whole.
    """
    before = broken_glass(namespace)
    if not before:
        return "the glass is whole"
    trace = f"{before}; mended by {_who()} at {_now()}"
    _write(namespace, None, trace)
    _tell(namespace, "Normal", "GlassMended", trace)
    return trace


def reached_cluster() -> str:
    """The context of the kubeconfig and the address of its cluster, which this is about to change.

    Raises:
        ClusterError: kubectl cannot read its kubeconfig.
    """
    config = kubectl.get_json("config", "view")
    context = config.get("current-context") or ""
    # Without a context kubectl goes where the pod that it runs in belongs, or nowhere.
    cluster = {one["name"]: one["context"]["cluster"] for one in config.get("contexts") or []}.get(context, "")
    servers = {one["name"]: one["cluster"].get("server", "") for one in config.get("clusters") or []}
    return f"context {context or 'none'}, cluster {cluster or 'unknown'} ({servers.get(cluster) or 'no address'})"


def _write(namespace: str, label: str | None, trace: str) -> None:
    patch = {"metadata": {"labels": {_GLASS: label}, "annotations": {_GLASS: trace}}}
    kubectl.kubectl(
        *("patch", "namespace", namespace, "--type=merge", f"--field-manager={_MANAGER}", "--patch", json.dumps(patch))
    )


def _tell(namespace: str, kind: str, reason: str, message: str) -> None:
    now = _now()
    event: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "glass-", "namespace": namespace},
        # Its own namespace, or Events about it would have to be in `default`, where nobody looks.
        "involvedObject": {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace},
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": _MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    kubectl.create(event)


def _who() -> str:
    """The user as the API server knows it."""
    review = kubectl.get_json("auth", "whoami")
    return str(review["status"]["userInfo"]["username"])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when nothing was changed."""
    parser = argparse.ArgumentParser(
        prog="python -m k8s.cluster.glass", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--namespace", default="models", help="the namespace of the models (default models)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--reason", help="why unsigned images have to come in")
    what.add_argument("--mend", action="store_true", help="have signatures checked again")
    args = parser.parse_args(arguments)
    if not args.mend and not args.reason.strip():
        print("REASON is empty; say why unsigned images have to come in", file=sys.stderr)
        return 1
    try:
        print(f"about to {'mend' if args.mend else 'break'} the glass of {args.namespace}: {reached_cluster()}")
        trace = mend_glass(args.namespace) if args.mend else break_glass(args.namespace, args.reason)
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.namespace}: {trace}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
