"""Runs the programs of the cloud and the cluster, and reads an environment's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from k8s.cluster import program
from k8s.errors import ClusterError, ToolError

HERE = Path(__file__).parent
_SECONDS: Final = 180


class CloudError(Exception):
    """A program is missing or failed, or an environment is wrong; the message is one sentence."""


class Cluster(BaseModel):
    """The cluster as gcloud names it; `account` is its project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    location: str
    account: str


class Outputs(BaseModel):
    """All outputs of modules/handover."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cluster: Cluster
    repository: str
    signatures: str
    signers: tuple[dict[str, str], ...]
    canario: dict[str, Any]
    mlflow_secret: dict[str, str]
    database_secret: str
    workflows: dict[str, dict[str, str]]
    pools: tuple[str, ...]


Run = Callable[[Sequence[str]], str]


def run(command: Sequence[str]) -> str:
    """Runs a program and returns its output.

    Raises:
        CloudError: the program is missing, failed, or did not end in time.
    """
    try:
        return program.run(command, _SECONDS)
    except ToolError as error:
        raise CloudError(str(error)) from error
    except ClusterError as error:
        raise CloudError(f"{' '.join(command[:3])}: {error}") from error


def outputs(environment: str, run: Run) -> Outputs:
    """The outputs of an applied environment.

    Raises:
        CloudError: the environment does not exist, was not applied, or has another version's outputs.
    """
    folder = HERE / "envs" / environment
    if not (folder / "main.tf").is_file():
        known = ", ".join(sorted(file.parent.name for file in HERE.glob("envs/*/main.tf")))
        raise CloudError(f"{environment!r} is no environment of terraform/envs; there are {known}")
    told = TypeAdapter(dict[str, dict[str, Any]]).validate_json(
        run(["terraform", f"-chdir={folder}", "output", "-json"])
    )
    if not told:
        raise CloudError(f"{environment} has no outputs: nothing was applied; next: make tf-plan ENV={environment}")
    try:
        return Outputs.model_validate({name: output["value"] for name, output in told.items()})
    except ValidationError as error:
        raise CloudError(f"{environment}'s outputs are not those of this tree, apply it first: {error}") from error


def enter(cluster: Cluster, run: Run) -> None:
    """Points kubectl and helm at a cluster, by its DNS name.

    Raises:
        CloudError: gcloud failed, or kubectl still points at another cluster.
    """
    where = ["--project", cluster.account, "--location", cluster.location, "--dns-endpoint"]
    run(["gcloud", "container", "clusters", "get-credentials", cluster.name, *where])
    context = run(["kubectl", "config", "current-context"]).strip()
    if context != f"gke_{cluster.account}_{cluster.location}_{cluster.name}":
        raise CloudError(f"kubectl speaks to {context}, which is not {cluster.name}; nothing was changed there")
