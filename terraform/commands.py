"""Runs the cloud's and the cluster's programs, and what they have to say of an environment."""

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
    """A program is missing or failed, or an environment is not as it has to be; in a sentence."""


class Cluster(BaseModel):
    """The cluster, as gcloud names it; its project is the account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    location: str
    account: str


class Outputs(BaseModel):
    """What modules/handover hands over; it has no other outputs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cluster: Cluster
    repository: str
    canario: dict[str, Any]
    mlflow_secret: dict[str, str]
    pools: tuple[str, ...]


Run = Callable[[Sequence[str]], str]


def run(command: Sequence[str]) -> str:
    """What a program writes.

    Raises:
        CloudError: it is not there, failed, or had no end.
    """
    try:
        return program.run(command, _SECONDS)
    except ToolError as error:
        raise CloudError(str(error)) from error
    except ClusterError as error:
        raise CloudError(f"{' '.join(command[:3])}: {error}") from error


def outputs(environment: str, run: Run) -> Outputs:
    """The outputs of an environment that was applied.

    Raises:
        CloudError: there is no such environment, nothing was applied, or the outputs are those of another version.
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
    """Makes a cluster the one that kubectl and helm speak to, by its DNS name.

    Raises:
        CloudError: gcloud failed, or kubectl speaks to another one.
    """
    where = ["--project", cluster.account, "--location", cluster.location, "--dns-endpoint"]
    run(["gcloud", "container", "clusters", "get-credentials", cluster.name, *where])
    context = run(["kubectl", "config", "current-context"]).strip()
    if context != f"gke_{cluster.account}_{cluster.location}_{cluster.name}":
        raise CloudError(f"kubectl speaks to {context}, which is not {cluster.name}; nothing was changed there")
