"""The chart's values as types: the spec's deploy part, the environment's release, the platform.

`helm/model-service/values.schema.json`, `values.yaml` and the table in the chart's README are
written from here (`python -m k8s.rendering.schema --write`). Rules between two keys are in the
chart (`templates/_validate.tpl`), so that they hold for everybody who uses it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from components.digest import Digest
from components.jobs.node_pools import LABELS
from components.releases.release_file import Image, ShadowVersion
from components.spec.contract import NAME_PATTERN, Objectives, Rollout, Scale

#: An amount in Kubernetes' notation.
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$")]

#: The name of a namespace, a Gateway or another Kubernetes object.
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

Host = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$")]


#: ECDSA public keys, one after the other.
PublicKeys = Annotated[
    str,
    Field(pattern=r"^(-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=]{1,64}\n){2,4}-----END PUBLIC KEY-----\n?)+$"),
]


class PlatformReference(BaseModel):
    """A part of the values that no spec has; its keys are in Helm's camelCase."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, allow_inf_nan=False)


class GatewayReference(PlatformReference):
    """The Gateway to which a route is attached."""

    name: ObjectName = Field(default="public", description="The Gateway's name.")
    namespace: ObjectName = Field(default="gateway", description="The Gateway's namespace.")
    listener: Literal[""] | ObjectName = Field(
        default="", description="The Gateway's listener, such as the one for HTTPS; if empty, each of them."
    )


class Route(PlatformReference):
    """How callers outside the cluster reach the service."""

    host: Literal[""] | Host = Field(
        default="", description="Host name of the service; if empty, only the cluster can reach it."
    )
    gateway: GatewayReference = Field(default=GatewayReference(), description="The route's Gateway.")


class JudgeReference(PlatformReference):
    """The judge of canaries."""

    url: str = Field(
        default="http://judge.canario", pattern=r"^https?://[^/]+$", description="Address of the judge, without a path."
    )


class Amounts(PlatformReference):
    """The resources of one replica."""

    cpu: Quantity = Field(default="250m", description="CPU request of a replica; the autoscaler's 100 %.")
    memory: Quantity = Field(default="320Mi", description="Memory request and limit of a replica.")


class Signing(PlatformReference):
    """The signature check of packages."""

    public_key: Literal[""] | PublicKeys = Field(
        default="",
        description="PEM, one or more; only packages signed by an owner are served. Empty: no signature is checked.",
    )


class PullSecret(PlatformReference):
    """A secret with a login to the registry of the image."""

    name: ObjectName = Field(description="Name of a secret of type kubernetes.io/dockerconfigjson.")


class PredictionLog(PlatformReference):
    """The log of a replica's requests and answers."""

    mib: int = Field(
        default=1024, ge=0, le=1_048_576,
        description="MiB of the node's disk for predictions and feedback; the oldest go first. 0 keeps none.",
    )  # fmt: skip


class Keda(PlatformReference):
    """Scaling by requests instead of CPU alone."""

    prometheus: str = Field(default="", description="Address of the Prometheus server that KEDA asks.")
    requests_per_second: float = Field(default=100, gt=0, description="Target of requests per second for one replica.")


class Monitoring(PlatformReference):
    """The monitoring of the service."""

    namespace: ObjectName = Field(default="monitoring", description="Namespace from which pods are scraped.")
    service_monitor: bool = Field(
        default=False, description="Add a ServiceMonitor for the Prometheus operator to the scrape annotations."
    )
    alerts: Literal["configmap", "operator", "none"] = Field(
        default="configmap",
        description="Alerts as a ConfigMap, which the platform's Prometheus loads, or as an operator's PrometheusRule.",
    )
    dashboard: bool = Field(default=False, description="Add a ConfigMap with the Grafana dashboard.")
    repository: str = Field(
        default="",
        pattern=r"^$|^https?://[^\s]+$",
        description="Address of the repository's files in a browser, to which runbook_url leads; empty: no link.",
    )


class Values(PlatformReference):
    """Values of the chart `model-service`."""

    name: str = Field(pattern=NAME_PATTERN, description="Spec: the service's name.")
    objectives: Objectives = Field(default=Objectives(), description="Spec: the promises to callers.")
    rollout: Rollout = Field(default=Rollout(), description="Spec: how a new version gets traffic.")
    scale: Scale = Field(default=Scale(), description="Spec: replicas of each version.")

    version: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$", description="Release: the model's version number.")
    package: Digest = Field(description="Release: digest of the model package in the image.")
    image: Image = Field(description="Release: the image of the model.")
    settings: dict[str, str] = Field(default_factory=dict, description="Release: more settings of the model server.")
    image_pull_secrets: tuple[PullSecret, ...] = Field(
        default=(), description="Secrets with logins to the image's registry, where nodes have none of their own."
    )
    faults: Literal["refused", "allowed"] = Field(
        default="refused", description="Whether a release may fake faults by its settings, `CANARIO_FAULT_...`."
    )
    candidate: ShadowVersion | None = Field(
        default=None, description="Release: with strategy `shadow`, the version on trial."
    )

    route: Route = Field(default=Route(), description="How callers outside the cluster reach the service.")
    callers: tuple[ObjectName, ...] = Field(
        default=(), description="Namespaces whose pods may call the service past the gateway."
    )
    judge: JudgeReference = Field(default=JudgeReference(), description="The judge of canaries.")
    signing: Signing = Field(default=Signing(), description="The signature check of packages.")
    autoscaler: Literal["hpa", "keda", "none"] = Field(
        default="hpa",
        description="Scales by CPU (`hpa`), also by requests (`keda`), or not (`none`: `scale.min`).",
    )
    keda: Keda = Field(default=Keda(), description="Scaling by requests.")
    scale_down_seconds: int = Field(
        default=300, ge=0, le=3600, description="Seconds of low load before a replica is removed."
    )
    resources: Amounts = Field(default=Amounts(), description="The resources of one replica.")
    prediction_log: PredictionLog = Field(
        default=PredictionLog(), description="The log of a replica's requests and answers."
    )
    pool: str | None = Field(
        default=None, min_length=1, description=f"Node pool, given by the label `{LABELS['canario'].pool}`."
    )
    gpus: int = Field(default=0, ge=0, description="NVIDIA GPUs of one replica.")
    startup_seconds: int = Field(
        default=60, ge=5, le=3600, description="A replica that has not loaded after this time is restarted."
    )
    request_seconds: int = Field(
        default=15,
        ge=1,
        le=600,
        description="Longest request; a gateway that knows an HTTPRoute's timeouts ends longer ones (Traefik: none).",
    )
    run_as_user: int = Field(default=1034, ge=1, description="Numeric id of the user that runs the image.")
    monitoring: Monitoring = Field(default=Monitoring(), description="The monitoring of the service.")
