"""A registry of images beside kind's cluster, under one name for nodes, pods and this machine.

https://kind.sigs.k8s.io/docs/user/local-registry: containers of a network find each other by their names, and
containerd reads how to speak to a registry from a folder of that name.
"""

from __future__ import annotations

import platform
import socket
import subprocess
from collections.abc import Sequence
from typing import Final

from components.image.registry_session import INSECURE_VARIABLE
from k8s.errors import ToolError
from services.image.engine import PLATFORM_VARIABLE

#: The container's name, so its host name on kind's network.
HOST: Final = "registry.canario"
PORT: Final = 5000
ADDRESS: Final = f"{HOST}:{PORT}"
#: kind's nodes are containers of this machine, so images for them are for its CPU.
_CPU: Final = "arm64" if platform.machine() in ("arm64", "aarch64") else "amd64"
#: What programs on this machine are told of it.
SETTINGS: Final = (
    f"REGISTRY={ADDRESS}/canario",
    f"{INSECURE_VARIABLE}={ADDRESS}",
    f"{PLATFORM_VARIABLE}=linux/{_CPU}",
)
_IMAGE: Final = "docker.io/library/registry:3.0.0"
_NETWORK: Final = "kind"
_THIS_MACHINE: Final = "127.0.0.1"
_HOSTS: Final = f"/etc/containerd/certs.d/{ADDRESS}"


def bring_registry(nodes: Sequence[str]) -> None:
    """Starts the registry unless it runs, and tells each node that it speaks no TLS.

    Raises:
        ToolError: docker refuses.
    """
    if not _docker("ps", "--quiet", "--filter", f"name=^{HOST}$"):
        _docker("rm", "--force", HOST)
        place = ("--name", HOST, "--network", _NETWORK, "--publish", f"{_THIS_MACHINE}:{PORT}:5000")
        _docker("run", "--detach", "--restart", "unless-stopped", *place, _IMAGE)
    for node in nodes:
        script = f"mkdir -p {_HOSTS} && echo '[host.\"http://{ADDRESS}\"]' > {_HOSTS}/hosts.toml"
        _docker("exec", node, "sh", "-c", script)


def is_known_here() -> bool:
    """Whether this machine, too, finds the registry by its name."""
    try:
        return socket.gethostbyname(HOST) == _THIS_MACHINE
    except OSError:
        return False


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"docker {words[0]}: the registry {HOST} is not there\n{(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()
