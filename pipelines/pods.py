"""The pod of each step on Kubernetes: its image, cores, memory, time, secrets, device and node.

Nothing else in the project says how a step's pod looks. Sizes come from four places, each before the next: the spec's
`resources` for the step, those for `default`, the size of the table, and the defaults below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kfp import kubernetes

from components.errors import SpecError
from components.image.registry_session import INSECURE_VARIABLE
from components.image.signature_place import VARIABLE as SIGNATURES_VARIABLE
from components.image.step_images import training_image
from components.jobs.node_pools import Provider, devices, node_labels, tolerations
from components.jobs.worker_pod import SETTING, WorkerSettings
from components.spec.contract import PodAmounts, Spec, StepResources, Training
from components.spec.quantities import cores, memory_bytes

#: Two nodes of two cores can take the defaults, beside what Kubeflow itself runs there. Cores have no limit: a pod that
#: may use an idle core ends earlier, and nobody waits for a pod that is throttled.
SMALL: Final = StepResources(requests=PodAmounts(cpu="250m", memory="1Gi"), limits=PodAmounts(memory="2Gi"))
LARGE: Final = StepResources(requests=PodAmounts(cpu="1", memory="2Gi"), limits=PodAmounts(memory="8Gi"))
#: The steps that hold a whole table, or train or ask a model.
_LARGE_STEPS: Final = ("ingest", "validate", "split", "tune", "train", "evaluate")
#: Memory of a step that holds the table, as a multiple of the table's bytes, beside that of its libraries. Until the
#: split, 10 times a CSV file and 40 times a Parquet file were measured on mixed columns; training keeps copies.
_GROWTH: Final = {".parquet": 60}
_GROWTH_OF_TEXT: Final = 16
_GIB: Final = 1024**3
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")

#: Retries, after 10 and 20 seconds, for a pod that was killed or a node that went away.
RETRIES: Final = 2
BACKOFF: Final = "10s"


@dataclass(frozen=True)
class SecretUse:
    """The use of a Kubernetes secret: which of its keys become which variables of which steps.

    `required` keys must exist. Kubernetes starts no pod without them, and says so as the reason of its wait.
    """

    steps: tuple[str, ...]
    required: Mapping[str, str]
    optional: Mapping[str, str] = field(default_factory=dict)


#: The steps that read or write the store, and those that ask MLflow; an empty tuple means every step.
_EVERY: Final = ()
_IMAGE_STEP: Final = "image"
_REGISTRY_STEPS: Final = ("ingest", "gate", "register", "release")

#: The secrets that a run may use, by what they open.
SECRETS: Final[Mapping[str, SecretUse]] = {
    "store": SecretUse(
        _EVERY,
        {key: key for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
        {"AWS_SESSION_TOKEN": "AWS_SESSION_TOKEN"},
    ),
    "mlflow": SecretUse(
        _REGISTRY_STEPS,
        {"MLFLOW_TRACKING_TOKEN": "MLFLOW_TRACKING_TOKEN"},
        {key: key for key in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")},
    ),
    # The keys of a secret of type kubernetes.io/basic-auth.
    "git": SecretUse(("release",), {"username": "GIT_USERNAME", "password": "GIT_PASSWORD"}),
    # The key of a secret of type kubernetes.io/dockerconfigjson. A folder would hold it under that name, where no
    # client looks for it, and a pod that waits for a missing folder does not say for what.
    "registry": SecretUse((_IMAGE_STEP,), {".dockerconfigjson": "DOCKER_AUTH_CONFIG"}),
    # A key that signs the package as well as its image; cosign's own keys cannot, for their form is cosign's alone.
    "signing": SecretUse((_IMAGE_STEP,), {"key.pem": "SIGNING_KEY"}),
}


@dataclass(frozen=True)
class PodSettings:
    """What a run's pods get beside their work.

    Attributes:
        secrets: names of secrets by what they open (see `SECRETS`), each `NAME` or `NAME:KEY,KEY`. With keys,
            those are required and no others are used.
        store_endpoint: address of an S3 server that is not Amazon's; empty for Amazon's.
        table: the table's name and its size in bytes; 0 if the size is not known.
        pools: whose labels the nodes of an accelerator have.
        queue: the Kueue queue in which a train step's workers wait for their nodes; empty for none.
        plain_registry: the registry of images if it has no TLS, host:port; empty if it has.
        signatures: the repository of signatures; empty if they are beside the image.
    """

    secrets: Mapping[str, str] = field(default_factory=dict)
    store_endpoint: str = ""
    table: tuple[str, int] = ("", 0)
    pools: Provider = "canario"
    queue: str = ""
    plain_registry: str = ""
    signatures: str = ""


#: No secrets, Amazon's S3 or Google's store by the pod's identity, a small table.
PLAIN: Final = PodSettings()


@dataclass(frozen=True)
class StepWish:
    """What a step asks of its pod: the image, minutes until it is stopped, tries after the first, reuse of answers."""

    image: str
    minutes: int
    retries: int
    reuse: bool


def place(task: Any, wish: StepWish, spec: Spec, settings: PodSettings) -> Any:
    """Gives a task its image, resources, time, retries, reuse and secrets; returns it.

    Raises:
        SpecError: a secret's keys are none that it can have.
    """
    task.set_container_image(wish.image)
    _size(task, resources_of(task.name, spec, settings))
    task.set_retry(num_retries=wish.retries, backoff_duration=BACKOFF, backoff_factor=2.0)
    task.set_caching_options(enable_caching=wish.reuse)
    kubernetes.set_timeout(task, seconds=60 * wish.minutes)
    if settings.store_endpoint:
        # With an endpoint of its own, botocore writes the bucket into the path: a name in front needs a DNS for it.
        task.set_env_variable("AWS_ENDPOINT_URL_S3", settings.store_endpoint)
    if task.name == _IMAGE_STEP:
        _tell_registry(task, settings)
    for opens, text in settings.secrets.items():
        _add_secret(task, opens, text)
    return task


def _tell_registry(task: Any, settings: PodSettings) -> None:
    for name, value in ((INSECURE_VARIABLE, settings.plain_registry), (SIGNATURES_VARIABLE, settings.signatures)):
        if value:
            task.set_env_variable(name, value)


def accelerate(task: Any, training: Training, image: str, pools: Provider) -> Any:
    """Puts a task on the image and the nodes of the accelerator that the spec asks for; returns it.

    `image` is that of the other steps.

    Raises:
        SpecError: the pools do not have the accelerator, or the image's name does not tell the accelerator's.
    """
    task.set_container_image(training_image(image, training))
    for resource, count in devices(training).items():
        task.set_accelerator_type(resource).set_accelerator_limit(count)
    for toleration in tolerations(training, pools):
        kubernetes.add_toleration(task, **toleration)
    for label, value in node_labels(training, pools).items():
        kubernetes.add_node_selector(task, label, value)
    return task


def wait_for_workers(task: Any, spec: Spec, image: str, settings: PodSettings) -> Any:
    """Makes a step the one that waits for workers: they get its resources, device and place, and it has a small pod.

    Its image is theirs, which is that of the accelerator; `image` is that of the other steps.

    Raises:
        SpecError: the pools do not have the accelerator, or the image's name does not tell the accelerator's.
    """
    given = resources_of(task.name, spec, settings)
    amounts = {
        "requests": given.requests.model_dump(),
        "limits": {**given.limits.model_dump(), **devices(spec.training)},
    }
    workers = WorkerSettings(
        resources={kind: {name: amount for name, amount in of.items() if amount} for kind, of in amounts.items()},
        node_selector=node_labels(spec.training, settings.pools),
        tolerations=tuple(tolerations(spec.training, settings.pools)),
        queue=settings.queue,
    )
    _size(task, SMALL)
    task.set_container_image(training_image(image, spec.training))
    return task.set_env_variable(SETTING, workers.model_dump_json(exclude_defaults=True))


def resources_of(step: str, spec: Spec, settings: PodSettings) -> StepResources:
    """The cores and the memory of a step."""
    given: Mapping[str, StepResources] = {str(name): asked for name, asked in spec.resources.items()}
    found = _for_table(LARGE, *settings.table) if step in _LARGE_STEPS else SMALL
    for name in ("default", step):
        found = _over(given.get(name, StepResources()), found)
    return found


def table_memory(name: str, size: int) -> int:
    """The bytes of memory that a step needs for a table of `size` bytes."""
    growth = next((factor for ending, factor in _GROWTH.items() if name.endswith(ending)), _GROWTH_OF_TEXT)
    return _GIB + growth * size


def _for_table(usual: StepResources, name: str, size: int) -> StepResources:
    """The resources with as much memory as the table needs, if that is more."""
    needed = table_memory(name, size)
    return StepResources(
        requests=PodAmounts(cpu=usual.requests.cpu, memory=_at_least(usual.requests.memory, needed)),
        limits=PodAmounts(cpu=usual.limits.cpu, memory=_at_least(usual.limits.memory, 2 * needed)),
    )


def _at_least(usual: str | None, needed: int) -> str | None:
    return usual if usual and memory_bytes(usual) >= needed else f"{math.ceil(needed / _GIB)}Gi"


def _over(asked: StepResources, usual: StepResources) -> StepResources:
    """What is asked for, else the usual. A usual amount gives way where a request would be above its limit."""
    both = [_pair(name, measure, asked, usual) for name, measure in (("cpu", cores), ("memory", memory_bytes))]
    (cpu, most_cpu), (memory, most_memory) = both
    return StepResources(
        requests=PodAmounts(cpu=cpu, memory=memory), limits=PodAmounts(cpu=most_cpu, memory=most_memory)
    )


def _pair(
    name: str, measure: Callable[[str], float], asked: StepResources, usual: StepResources
) -> tuple[str | None, str | None]:
    """The request and the limit of cores or memory."""
    request = getattr(asked.requests, name) or getattr(usual.requests, name)
    limit = getattr(asked.limits, name) or getattr(usual.limits, name)
    if request and limit and measure(request) > measure(limit):
        return (limit, limit) if getattr(asked.limits, name) else (request, request)
    return request, limit


def _size(task: Any, given: StepResources) -> None:
    for amount, set_amount in (
        (given.requests.cpu, task.set_cpu_request),
        (given.limits.cpu, task.set_cpu_limit),
        (given.requests.memory, task.set_memory_request),
        (given.limits.memory, task.set_memory_limit),
    ):
        if amount:
            set_amount(amount)


def _add_secret(task: Any, opens: str, text: str) -> None:
    use = SECRETS[opens]
    if use.steps and task.name not in use.steps:
        return
    name, required, optional = read_secret(opens, text)
    kubernetes.use_secret_as_env(task, name, required, optional=False)
    if optional:
        kubernetes.use_secret_as_env(task, name, optional, optional=True)


def read_secret(opens: str, text: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """A secret's name, and the variables of its required and of its optional keys.

    Raises:
        SpecError: the text is neither `NAME` nor `NAME:KEY,KEY` with keys that this secret can have.
    """
    use = SECRETS[opens]
    name, colon, listed = text.partition(":")
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"--secret {opens}: {name!r} is no name of a secret; allowed are small letters, digits, '-' and '.'"
        )
    if not colon:
        return name, dict(use.required), dict(use.optional)
    known, keys = {**use.required, **use.optional}, listed.split(",")
    for key in keys:
        if key not in known:
            raise SpecError(f"--secret {opens}: {key!r} is no key that a step reads; allowed: {', '.join(known)}")
    return name, {key: known[key] for key in keys}, {}
