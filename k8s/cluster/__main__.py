"""Creates a local cluster with kind and a registry beside it, or keeps those that exist: `python -m k8s.cluster`."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from components.jobs.node_pools import LABELS
from k8s.cluster import kind_registry
from k8s.cluster.kubectl import kubectl
from k8s.errors import ClusterError, DeployError, ToolError

NAME: Final = "canario"
CONFIG: Final = Path(__file__).with_name("kind.yaml")
#: The first release of kind whose own node image is Kubernetes 1.33.1.
#: https://github.com/kubernetes-sigs/kind/releases/tag/v0.29.0
OLDEST_KIND: Final = (0, 29)
#: A GPU that the node of the training pool pretends to have, so that pods that need one are scheduled there.
#: https://kubernetes.io/docs/tasks/administer-cluster/extended-resource-node
_GPU: Final = '[{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "1"}]'
_POOL: Final = f"{LABELS['canario'].pool}=gpu"
_INSTALL: Final = {
    "docker": "https://docs.docker.com/engine/install",
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 if there is no cluster afterwards."""
    parser = argparse.ArgumentParser(prog="python -m k8s.cluster", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, default=Path("build/cluster/kubeconfig"), help="(%(default)s)")
    kubeconfig = parser.parse_args(arguments).kubeconfig.resolve()
    try:
        _check()
        _bring(kubeconfig)
        kind_registry.bring_registry(_ask(["kind", "get", "nodes", "--name", NAME], "no nodes").split())
    except DeployError as error:
        print(f"there is no cluster: {error}", file=sys.stderr)
        return 1
    print(f"next:\n  export KUBECONFIG={kubeconfig}\n  make platform")
    print(f"nodes and pods reach the registry {kind_registry.ADDRESS}, without TLS; to use it from here, too:")
    if not kind_registry.is_known_here():
        print(f"  echo 127.0.0.1 {kind_registry.HOST} | sudo tee -a /etc/hosts")
    print(f"  export {' '.join(kind_registry.SETTINGS)}")
    return 0


def kind_release(words: str) -> tuple[int, int]:
    """The major and minor release in the output of `kind version`.

    Raises:
        ToolError: the output names no release.
    """
    found = re.search(r"\bv(\d+)\.(\d+)\.", words)
    if found is None:
        raise ToolError(f"kind does not say its release but {words.strip()!r}; {_INSTALL['kind']}")
    return int(found[1]), int(found[2])


def _check() -> None:
    for name in _INSTALL:
        if shutil.which(name) is None:
            raise ToolError(f"{name} is not on the PATH; {_INSTALL[name]} says how to install it")
    _ask(["docker", "info"], "docker does not answer; start it, and see that you may use it (`docker info`)")
    release = kind_release(_ask(["kind", "version"], "kind does not run"))
    if release < OLDEST_KIND:
        told, oldest = (".".join(map(str, pair)) for pair in (release, OLDEST_KIND))
        raise ToolError(f"kind {told} brings a Kubernetes before 1.33; {oldest} or later is needed: {_INSTALL['kind']}")


def _bring(kubeconfig: Path) -> None:
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    there = ["--name", NAME, "--kubeconfig", str(kubeconfig)]
    if NAME in _ask(["kind", "get", "clusters"], "kind does not list its clusters").split():
        _ask(["kind", "export", "kubeconfig", *there], f"the cluster {NAME} is there and cannot be used")
        print(f"the cluster {NAME} is there; it is kept (`kind delete cluster --name {NAME}` removes it)")
    else:
        print(f"the cluster {NAME} is being made, which takes a few minutes", flush=True)
        _ask(["kind", "create", "cluster", *there, "--config", str(CONFIG), "--wait", "180s"], "kind could not make it")
    _offer_gpu("--kubeconfig", str(kubeconfig))


def _offer_gpu(*place: str) -> None:
    try:
        for node in kubectl(*place, "get", "nodes", "--selector", _POOL, "--output", "name").split():
            kubectl(*place, "patch", node, "--subresource", "status", "--type", "json", "--patch", _GPU)
    except ClusterError as error:
        raise ToolError(f"no node offers a nvidia.com/gpu\n{error}") from error


def _ask(command: Sequence[str], fault: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{fault}\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
