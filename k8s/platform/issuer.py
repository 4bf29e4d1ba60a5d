"""The ClusterIssuer from which a gateway's certificate comes: brought from the environment's own file, or found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from components.files import read_if_there
from components.releases.release_file import environment_folder
from components.spec.reading.strict_yaml import load_yaml
from k8s.cluster.kubectl import apply_as, get_json, is_there
from k8s.errors import ClusterError, EnvironmentFileError
from k8s.platform.in_force import wait_until_in_force
from k8s.rendering.gateway import OWNER

#: The controller that issues certificates, which only some environments need.
ISSUING: Final = "cert-manager"
_KIND: Final = "clusterissuers.cert-manager.io"
#: An authority is asked for an account, over the internet.
_READY_SECONDS: Final = 60.0


def issuer_file(environment: str) -> str:
    """The path of an environment's own ClusterIssuer; the file may be missing."""
    return f"{environment_folder(environment)}/issuer.yaml"


def require_issuer(root: Path, environment: str, name: str) -> None:
    """Checks, before anything is installed, that the issuer is there or can be brought.

    Raises:
        EnvironmentFileError: the environment's file holds something else.
        ClusterError: there is no such file, and the cluster has no such issuer.
    """
    file = issuer_file(environment)
    if _written(root / file, name) is not None:
        return
    if not (is_there("get", "crd", _KIND) and is_there("get", _KIND, name)):
        raise ClusterError(
            f"gateway: there is no ClusterIssuer {name}; write it to {file}, which is applied as soon as {ISSUING} is "
            "there (k8s/controllers/README.md shows one), or choose another certificate in the environment's "
            "platform.yaml (self-signed, secret)"
        )


def bring_issuer(root: Path, environment: str, name: str, say: Callable[[str], None]) -> None:
    """Applies the environment's issuer, if it has a file of it, and waits until it is ready.

    Raises:
        ClusterError: it is missing, or not ready in time.
    """
    if not is_there("get", "crd", _KIND):
        raise ClusterError(f"gateway: issuer/{name} needs {ISSUING}, which this cluster lacks")
    written = _written(root / issuer_file(environment), name)
    if written is not None:
        apply_as(OWNER, [written])
        say(f"gateway: ClusterIssuer {name} is as {issuer_file(environment)} says")
    wait_until_in_force(lambda: _obstacles(name), _READY_SECONDS, f"gateway: ClusterIssuer {name}")


def _written(path: Path, name: str) -> dict[str, Any] | None:
    text = read_if_there(path)
    if text is None:
        return None
    try:
        document = load_yaml(text)
    except ValueError as error:
        raise EnvironmentFileError(f"{path}: {error}") from error
    found = document if isinstance(document, dict) else {}
    metadata = found.get("metadata")
    if found.get("kind") != "ClusterIssuer" or not isinstance(metadata, dict) or metadata.get("name") != name:
        raise EnvironmentFileError(
            f"{path} must hold one object, the ClusterIssuer {name} that gateway.certificate of platform.yaml names"
        )
    return found


def _obstacles(name: str) -> list[str]:
    issuer = get_json("get", _KIND, name, "--ignore-not-found")
    if "metadata" not in issuer:
        return ["it does not exist"]
    ready = next((one for one in issuer.get("status", {}).get("conditions", ()) if one["type"] == "Ready"), None)
    if ready and ready["status"] == "True":
        return []
    return [ready.get("message", "") if ready else f"{ISSUING} has not taken it up"]
