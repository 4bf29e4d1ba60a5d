"""An environment's files: how its platform differs, and which release of each service runs in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from components.errors import ImageRecordError, ReleaseError, SigningError
from components.image.record import read_record
from components.releases.release_file import Image, Release, ShadowVersion
from components.signing.signers import FILE, package_keys
from components.spec.contract import ClosedModel, Spec
from k8s.errors import EnvironmentFileError
from k8s.rendering.alerting import Alerting
from k8s.rendering.gateway import OURS, GatewaySettings
from k8s.rendering.server_settings import checked_release, faked_faults
from k8s.rendering.values import GatewayReference, Host, ObjectName
from k8s.rendering.yaml_file import read_file

#: Keys that the spec and the release decide, so that no environment may change them.
DECIDED = ("name", "objectives", "rollout", "scale", "version", "package", "image", "settings", "candidate")
#: Keys of `values.monitoring` that the key `alerts` of the same file decides.
_ALERTING = ("alerts", "serviceMonitor", "repository")


class Platform(ClosedModel):
    """`k8s/envs/<env>/platform.yaml`: how one environment differs from the chart's defaults."""

    domain: Host = Field(description="A service's host is its name below this domain.")
    namespace: ObjectName = Field(default="models", description="Where services run.")
    max_replicas: int | None = Field(
        default=None, ge=1, description="No version gets more replicas, whatever its spec."
    )
    interval_seconds: float | None = Field(
        default=None, gt=0, description="Time between two looks, instead of the spec's."
    )
    alerts: Alerting = Field(default=Alerting(), description="Who loads the alerts' rules, and who is told.")
    gateway: GatewaySettings = Field(default=GatewaySettings(), description="How callers outside reach it.")
    values: dict[str, JsonValue] = Field(default_factory=dict, description="Other values of the chart.")

    @property
    def gateway_reference(self) -> GatewayReference:
        """The Gateway to which services attach."""
        route = self.values.get("route")
        named = route.get("gateway") if isinstance(route, dict) else None
        return GatewayReference.model_validate(named or {})

    @property
    def has_own_gateway(self) -> bool:
        """Whether services attach to another Gateway than that of `make platform`."""
        named = self.gateway_reference
        return (named.name, named.namespace) != (OURS.name, OURS.namespace)


class ClusterRelease(Release):
    """A release for a cluster, with the image that holds the package."""

    image: Image = Field(description="The image that holds the package.")


def read_platform(path: Path) -> Platform:
    """Reads the platform of an environment, with the keys of the signers that stand beside it in signers.yaml.

    Raises:
        EnvironmentFileError: a file is not there or wrong; every fault is named.
    """
    try:
        platform = read_file(Platform, path)
    except FileNotFoundError as error:
        known = sorted(found.parent.name for found in path.parents[1].glob("*/platform.yaml"))
        raise EnvironmentFileError(f"{path} is not there; environments are: {', '.join(known)}") from error
    decided = sorted(set(platform.values) & set(DECIDED))
    if decided:
        raise EnvironmentFileError(f"{path}: values.{decided[0]} is decided by the spec or the release; remove it")
    _check_monitoring(path, platform.values.get("monitoring"))
    if "signing" in platform.values:
        raise EnvironmentFileError(f"{path}: values.signing is decided by {FILE} beside it; remove it")
    try:
        keys = package_keys(path.parent)
    except SigningError as error:
        raise EnvironmentFileError(str(error)) from error
    if not keys:
        return platform
    return platform.model_copy(update={"values": {**platform.values, "signing": {"publicKey": keys}}})


def _check_monitoring(path: Path, monitoring: JsonValue) -> None:
    for key in _ALERTING:
        if isinstance(monitoring, dict) and key in monitoring:
            raise EnvironmentFileError(
                f"{path}: values.monitoring.{key} is decided by the key alerts; write `alerts: {{rules: configmap}}`, "
                "or operator, there"
            )


def read_release(path: Path, service: str) -> ClusterRelease:
    """Reads the release that is to run.

    Raises:
        EnvironmentFileError: the file is not there or wrong; every fault is named.
    """
    try:
        release = checked_release(path.read_text(encoding="utf-8"), str(path), service)
        return ClusterRelease.read(release.model_dump(exclude_none=True), str(path))
    except FileNotFoundError as error:
        raise EnvironmentFileError(f"{path} is not there, so nothing is to run; `make image` first") from error
    except ReleaseError as error:
        raise EnvironmentFileError(str(error)) from error


def check_version_is_free(file: Path, release: Release) -> None:
    """Refuses a version number that another package has: verdicts, dossiers and reverts go by the number.

    Raises:
        EnvironmentFileError: the environment's release file names it with another package.
        ReleaseError: the present file is not a release.
    """
    if not file.is_file():
        return
    there = checked_release(file.read_text(encoding="utf-8"), str(file), release.service)
    stand: list[Release | ShadowVersion] = [there, *([there.candidate] if there.candidate else [])]
    for named in stand:
        if named.version == release.version and named.package != release.package:
            raise EnvironmentFileError(
                f"{file} names version {release.version} already, with package {named.package[:19]}, and this one is "
                f"{release.package[:19]}; give it a number of its own: train with the MLflow that knows the others "
                "(`make train MLFLOW=uri`), or deploy with another VERSION"
            )


def built_release(record: Path, service: str, version: str) -> ClusterRelease:
    """The release of the image that `make image` built last.

    Raises:
        EnvironmentFileError: nothing was built, or the record is broken.
    """
    try:
        built = read_record(record)
    except ImageRecordError as error:
        raise EnvironmentFileError(f"{error}; `make image SERVICE={service}` writes it") from error
    if built.package is None:
        raise EnvironmentFileError(f"{record} holds no package; `make image SERVICE={service}` makes one that does")
    repository = built.name.removesuffix(f":{built.tag}")
    image = Image(repository=repository, tag=built.tag, digest=built.published)
    return ClusterRelease(service=service, version=version, package=built.package, image=image)


def check_faults(release: Release, platform: Platform, environment: str) -> None:
    """Refuses faked faults, unless nobody relies on the answers of the environment.

    Raises:
        EnvironmentFileError: the release fakes one, and the environment's values do not allow it.
    """
    faked = faked_faults(release)
    if faked and platform.values.get("faults") != "allowed":
        raise EnvironmentFileError(
            f"{environment}: {faked[0]} fakes a fault, which this environment refuses; remove it from the release, or "
            "set `faults: allowed` in the values of its platform.yaml where nobody relies on the answers"
        )


def chart_values(spec: Spec, release: ClusterRelease, platform: Platform) -> dict[str, Any]:
    """The chart's values: the spec's deploy part, the release, and how the environment differs.

    Raises:
        EnvironmentFileError: the release fakes a fault, and the environment does not allow that.
    """
    check_faults(release, platform, platform.domain)
    deploy = spec.model_dump(mode="json", include={"name", "objectives", "rollout", "scale"})
    if platform.max_replicas is not None:
        scale = deploy["scale"]
        deploy["scale"] = {**scale, **{key: min(scale[key], platform.max_replicas) for key in ("min", "max")}}
    if platform.interval_seconds is not None:
        deploy["rollout"]["interval_seconds"] = platform.interval_seconds
    chosen = release.model_dump(mode="json", exclude={"service"}, exclude_none=True)
    values = {**deploy, **chosen, "route": _route(spec.name, platform)}
    values["monitoring"] = platform.alerts.service_monitoring()
    return merged(values, platform.values)


def _route(service: str, platform: Platform) -> dict[str, Any]:
    """The service's host; at our Gateway it attaches to one listener, so that none is served in plain by mistake."""
    listener = {} if platform.has_own_gateway else {"gateway": {"listener": platform.gateway.listener}}
    return {"host": f"{service}.{platform.domain}", **listener}


def merged(values: Mapping[str, Any], differences: Mapping[str, Any]) -> dict[str, Any]:
    """Merges differences into values, mapping by mapping."""
    result = dict(values)
    for key, value in differences.items():
        inside = result.get(key)
        result[key] = merged(inside, value) if isinstance(inside, dict) and isinstance(value, dict) else value
    return result


def values_text(values: Mapping[str, Any]) -> str:
    """The values as a file for Helm; JSON is YAML in which no word is taken for another type."""
    return json.dumps(values, indent=2) + "\n"
