"""A run before it is made: its graph and its parameters, from a command line; the table and the spec uploaded."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlparse

import yaml

from components.code import code_digest
from components.errors import SpecError
from components.image.image_name import ImageName
from components.image.registry_session import INSECURE_VARIABLE, is_listed
from components.image.signature_place import VARIABLE as SIGNATURES_VARIABLE
from components.image.signature_place import signatures_of
from components.image.step_images import steps_image, steps_tag, training_image
from components.jobs.node_pools import node_labels, provider_named
from components.registry.provenance import commit
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from components.store.content import Kind, Store
from components.store.packed import ADDRESS, pack_spec, portable
from components.store.reading import spec_bytes
from pipelines.compile import compile_pipeline
from pipelines.kubeflow import RunGraph, host_of
from pipelines.pods import PLAIN, SECRETS, PodSettings, read_secret, resources_of
from pipelines.uploads import StoreFromHere, UploadError

#: Digits of the digest in a run's name.
_DIGITS: Final = 10
#: The parameters that a run's name does not depend on: the name itself, and what only tells where the code is from.
_NAMELESS: Final = ("run", "commit")


@dataclass(frozen=True)
class Submission:
    """A run that can be made: its name, its graph, and the names of the graph's steps."""

    name: str
    graph: RunGraph
    steps: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that a run and a schedule share."""
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--host", default=os.environ.get("KFP_ENDPOINT", ""), help="default $KFP_ENDPOINT")
    parser.add_argument("--ca", type=Path, help="certificate of the authority that signed the host's")
    parser.add_argument("--namespace", default="", help="the user's namespace, if there are several users")
    parser.add_argument("--experiment", default="canario", help="(%(default)s)")
    parser.add_argument("--store", default="", help="address of snapshots and packages: s3://..., gs://...")
    parser.add_argument("--data", default="", help="a table to use instead of the spec's; a file is uploaded")
    parser.add_argument("--mlflow", default="http://mlflow.canario", help="(%(default)s)")
    parser.add_argument("--image", default="", help="image of every step; default IMAGES/components:<this tree>")
    parser.add_argument("--pools", default="canario", help="labels of canario, gke, eks or aks (%(default)s)")
    parser.add_argument("--root", default="", help="where Kubeflow keeps outputs: s3://..., gs://...")
    parser.add_argument("--service-account", default="", help="the account of the pods, such as a cloud's identity")
    parser.add_argument("--queue", default="", help="the Kueue queue in which the workers of the train step wait")
    parser.add_argument("--store-endpoint", default="", help="an S3 server that is not Amazon's: http://...")
    parser.add_argument("--images", default="", help="registry and folder for images: host/folder")
    parser.add_argument("--server-image", default="", help="the server's image; default REGISTRY/server:<this server>")
    parser.add_argument("--environment", default="", help="Git repository to release to")
    parser.add_argument("--env", default="", help="the environment's name in it")
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="OF=NAME[:KEY,KEY]",
        help=f"a secret of the pods' namespace; OF is {', '.join(SECRETS)}",
    )


def check_options(options: argparse.Namespace) -> Spec:
    """The spec, if all options agree.

    Raises:
        SpecError: an option is wrong; names it, its value and what is allowed.
    """
    spec = load_spec(options.spec)
    options.host = host_of(options.host)
    node_labels(spec.training, provider_named(options.pools))
    options.image = options.image or (f"{options.images}/components:{steps_tag()}" if options.images else steps_image())
    training_image(options.image, spec.training)
    if options.ca and not options.ca.is_file():
        raise SpecError(f"--ca: there is no file {options.ca}")
    if not options.store:
        raise SpecError("--store: a run needs a store that the cluster reaches, such as s3://bucket/folder")
    for name, value in (("--store", options.store), ("--root", options.root)):
        if value and "://" not in value:
            raise SpecError(f"{name}: {value} is a path of this machine; the cluster needs an address such as s3://...")
    if options.store_endpoint and not options.store_endpoint.startswith(("http://", "https://")):
        raise SpecError(f"--store-endpoint: {options.store_endpoint} is no address such as http://minio.store:9000")
    _check_release(options)
    _check_queue(options.queue, spec)
    for opens, text in _secrets(options).items():
        read_secret(opens, text)
    return spec


def _check_release(options: argparse.Namespace) -> None:
    if bool(options.environment) != bool(options.env):
        raise SpecError(
            f"--environment {options.environment!r} and --env {options.env!r} go together (REPOSITORY= and ENV=): a "
            "Git repository, and the name of an environment in it"
        )
    if options.env and not options.images:
        raise SpecError(
            f"--env: {options.env} is a release to a cluster, which needs a registry for the model's image; name one "
            "with --images host/folder (REGISTRY=)"
        )


def _check_queue(queue: str, spec: Spec) -> None:
    if queue and spec.training.workers == 1:
        raise SpecError(f"--queue: {queue} is for workers; write training.workers: 2 or more, or no queue")


def prepare(spec: Spec, options: argparse.Namespace, say: Callable[[str], None]) -> Submission:
    """Uploads what the cluster lacks, and compiles the graph.

    Raises:
        UploadError: the store is not reached from here, but something has to be uploaded.
        SpecError: there is no table at the path.
    """
    store = StoreFromHere(options.store, options.store_endpoint, say)
    data, size = _data(options.data or spec.data.uri, store, say)
    pools = provider_named(options.pools)
    pods = PodSettings(
        secrets=_secrets(options),
        store_endpoint=options.store_endpoint,
        table=(data, size),
        pools=pools,
        queue=options.queue,
        plain_registry=_plain_registry(options.images, say),
        signatures=_signatures(options.images, say),
    )
    _tell_memory(spec, pods, say)
    text = compile_pipeline(spec, options.image, pods)
    parameters = _parameters(spec, data, store, options)
    name = options.name or run_name(spec, options.image, parameters)
    steps = tuple(next(yaml.safe_load_all(text))["root"]["dag"]["tasks"])
    return Submission(name, RunGraph(text, parameters, options.root, options.service_account), steps)


def run_name(spec: Spec, image: str, parameters: dict[str, str]) -> str:
    """The service's name and ten digits, the same for the same code, spec, data, image and places."""
    known = {key: value for key, value in parameters.items() if key not in _NAMELESS}
    told = json.dumps([portable(spec).model_dump(mode="json"), image, known], sort_keys=True)
    return f"{spec.name}-{hashlib.sha256(told.encode()).hexdigest()[:_DIGITS]}"


def _parameters(spec: Spec, data: str, store: StoreFromHere, options: argparse.Namespace) -> dict[str, str]:
    packed = pack_spec(portable(spec))
    if packed.startswith(ADDRESS):
        store.keep_bytes(Store(options.store).uri(Kind.SPEC, packed), spec_bytes(portable(spec)))
    return {
        "spec": packed,
        "data": data,
        "run": options.name or "",
        "mlflow": options.mlflow,
        "store": options.store,
        "code": code_digest(),
        "commit": commit(),
        "registry": options.images,
        "base": options.server_image,
        "repository": options.environment,
        "environment": options.env,
        "settings": "{}",
    }


def _data(told: str, store: StoreFromHere, say: Callable[[str], None]) -> tuple[str, int]:
    """The table's address for the cluster, and its size, 0 if that is not known; a file of this machine is uploaded."""
    if "://" not in told or told.startswith("file://"):
        path = Path(unquote(urlparse(told).path)) if "://" in told else Path(told)
        if not path.is_file():
            raise SpecError(f"--data: there is no table {path}; name a file, or an address such as s3://bucket/t.csv")
        return store.keep_table(path), path.stat().st_size
    try:
        return told, store.size(told)
    except UploadError as error:
        say(f"the table's size is not known from here, so steps get the usual memory ({error})")
        return told, 0


def _plain_registry(images: str, say: Callable[[str], None]) -> str:
    """The run's registry, if this machine's setting says that it has no TLS; else empty."""
    registry = images.partition("/")[0]
    if not images or not is_listed(registry):
        return ""
    say(f"the step `image` speaks to {registry} without TLS, as {INSECURE_VARIABLE} says")
    return registry


def _signatures(images: str, say: Callable[[str], None]) -> str:
    """The repository of signatures that this machine's setting names; empty if they are beside the image.

    Raises:
        ImageRegistryError: the setting names no repository.
    """
    named = os.environ.get(SIGNATURES_VARIABLE, "")
    if not images or not named:
        return ""
    signatures_of(ImageName.parse(f"{images}/image"))
    say(f"the step `image` writes signatures to {named}, as {SIGNATURES_VARIABLE} says")
    return named


def _tell_memory(spec: Spec, pods: PodSettings, say: Callable[[str], None]) -> None:
    """Tells if steps get more memory than usual because the table is large."""
    usual, given = resources_of("train", spec, PLAIN), resources_of("train", spec, pods)
    if given != usual:
        say(
            f"the table has {pods.table[1]:,} bytes: a step that holds it asks for {given.requests.memory} of memory "
            f"instead of {usual.requests.memory}; resources in the spec changes that"
        )


def _secrets(options: argparse.Namespace) -> dict[str, str]:
    given = {opens: text for opens, _, text in (word.partition("=") for word in options.secret)}
    for opens in given.keys() - SECRETS.keys():
        raise SpecError(f"--secret: {opens!r} is nothing that a secret opens; allowed: {', '.join(SECRETS)}")
    return given
