"""The chart's values as types: the spec's deploy part, the environment's release, the platform.

`helm/model-service/values.schema.json`, `values.yaml` and the table in its README are written
from here (`python -m k8s.rendering.schema --write`). Rules between two keys are the chart's
(`templates/_validate.tpl`), which says them to everybody who uses it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from components.digest import Digest
from components.releases.release_file import Image, ShadowVersion
from components.spec.contract import NAME_PATTERN, Objectives, Rollout, Scale

#: An amount as Kubernetes writes it.
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$")]

#: The name of a namespace, a Gateway or another object of Kubernetes.
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

Host = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$")]


#: An ECDSA public key.
PublicKey = Annotated[
    str,
    Field(pattern=r"^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=]{1,64}\n){2,4}-----END PUBLIC KEY-----\n?$"),
]


class PlatformReference(BaseModel):
    """A part of the values that no spec has; its keys are written as Helm writes them."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, allow_inf_nan=False)


class GatewayReference(PlatformReference):
    """The Gateway that a route hangs on."""

    name: ObjectName = Field(default="public", description="The Gateway's name.")
    namespace: ObjectName = Field(default="gateway", description="The Gateway's namespace.")


class Route(PlatformReference):
    """How callers outside the cluster reach the service."""

    host: Literal[""] | Host = Field(
        default="", description="Host name of the service; empty: reached from inside only."
    )
    gateway: GatewayReference = Field(default=GatewayReference(), description="The Gateway that it hangs on.")


class JudgeReference(PlatformReference):
    """Who judges canaries."""

    url: str = Field(
        default="http://judge.canario", pattern=r"^https?://[^/]+$", description="Address of the judge, without a path."
    )


class Amounts(PlatformReference):
    """What one replica gets."""

    cpu: Quantity = Field(default="250m", description="CPU that a replica asks for; the autoscaler's 100 %.")
    memory: Quantity = Field(default="320Mi", description="Memory that a replica asks for, and may not exceed.")


class Signing(PlatformReference):
    """Whose packages are served."""

    public_key: Literal[""] | PublicKey = Field(
        default="", description="PEM: only packages that its owner signed are served; empty: signatures are not asked."
    )


class PredictionLog(PlatformReference):
    """What a replica keeps of what it was asked and answered."""

    mib: int = Field(
        default=1024, ge=0, le=1_048_576,
        description="MiB of its node's disk for predictions and feedback, of which the oldest go first; 0 keeps none.",
    )  # fmt: skip


class Keda(PlatformReference):
    """Scaling by requests instead of CPU alone."""

    prometheus: str = Field(default="", description="Address of the Prometheus server that KEDA asks.")
    requests_per_second: float = Field(default=100, gt=0, description="Requests a second that one replica is to get.")


class Monitoring(PlatformReference):
    """How the service is watched."""

    namespace: ObjectName = Field(default="monitoring", description="Namespace from which pods are scraped.")
    service_monitor: bool = Field(
        default=False, description="A ServiceMonitor for the Prometheus operator, beside the scrape annotations."
    )
    alerts: bool = Field(default=False, description="A PrometheusRule with the alerts.")
    dashboard: bool = Field(default=False, description="A ConfigMap with the Grafana dashboard.")
    runbooks: str = Field(
        default="helm/model-service/runbooks", description="Where the runbooks are read: a path or an address."
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
    faults: Literal["refused", "allowed"] = Field(
        default="refused", description="Whether a release may fake faults by its settings, `CANARIO_FAULT_...`."
    )
    candidate: ShadowVersion | None = Field(
        default=None, description="Release: with strategy `shadow`, the version that is tried."
    )

    route: Route = Field(default=Route(), description="How callers outside the cluster reach the service.")
    callers: tuple[ObjectName, ...] = Field(
        default=(), description="Namespaces whose pods may call the service past the gateway."
    )
    judge: JudgeReference = Field(default=JudgeReference(), description="Who judges canaries.")
    signing: Signing = Field(default=Signing(), description="Whose packages are served.")
    autoscaler: Literal["hpa", "keda", "none"] = Field(
        default="hpa", description="Who sets replicas: by CPU, by requests as well, or nobody (`scale.min` then)."
    )
    keda: Keda = Field(default=Keda(), description="Scaling by requests.")
    scale_down_seconds: int = Field(
        default=300, ge=0, le=3600, description="How long the load must be low before a replica goes."
    )
    resources: Amounts = Field(default=Amounts(), description="What one replica gets.")
    prediction_log: PredictionLog = Field(
        default=PredictionLog(), description="What a replica keeps of what it was asked and answered."
    )
    pool: str | None = Field(
        default=None, min_length=1, description="Node pool, by the label `node.kubernetes.io/pool`."
    )
    gpus: int = Field(default=0, ge=0, description="NVIDIA GPUs of one replica.")
    startup_seconds: int = Field(
        default=60, ge=5, le=3600, description="A replica that is not loaded by then is started again."
    )
    request_seconds: int = Field(default=15, ge=1, le=600, description="Longest request; the gateway ends it then.")
    run_as_user: int = Field(default=1034, ge=1, description="Number of the user that the image runs as.")
    monitoring: Monitoring = Field(default=Monitoring(), description="How the service is watched.")
