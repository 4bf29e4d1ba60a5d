"""What staging serves is promoted to production, which admits another registry, with a login, in which no tag moves."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from components.errors import ImageRegistryError
from components.git.repository import Repository
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from components.releases.release_file import Image, Release, release_file, release_text
from k8s.rendering.environment_registry import REGISTRY as ADMITTED
from k8s.rendering.environment_registry import SIGNATURES, annotation_path
from k8s.rendering.server_settings import checked_release
from tests.e2e.kube import Kube, KubeError
from tests.e2e.observed import phase, pods
from tests.e2e.scenario import DEMO, REGISTRY, ROOT, SERVICE
from tests.immutable_tags import immutable_tags
from tests.signing_keys import Keys, write_keys

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAMESPACES: Final = ("models", "production")
#: Production's registry, as `user:password@host:port/folder`.
_SETTING: Final = "CANARIO_REGISTRY_WITH_LOGIN"
_MATERIALS: Final = b'{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}'
_SECRET: Final = "registry"


@dataclass(frozen=True)
class Production:
    """The registry of production, and the environment of programs that know its login and go through the proxy."""

    images: str
    signatures: str
    login: tuple[str, str]
    variables: dict[str, str]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    login, _, images = os.environ.get(_SETTING, "").rpartition("@")
    if not login:
        pytest.skip(f"NOT RUN: {_SETTING} names no second registry (user:password@host:port/folder)")
    user, _, password = login.partition(":")
    folder = tmp_path_factory.mktemp("login")
    host = images.partition("/")[0]
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"username": user, "password": password}}}))
    plain = f"{os.environ.get('CANARIO_INSECURE_REGISTRIES', '')},{host}"
    with immutable_tags(f"{images.partition('/')[2]}-signatures") as proxy:
        variables = {"DOCKER_CONFIG": str(folder), "CANARIO_INSECURE_REGISTRIES": plain, "HTTP_PROXY": proxy}
        yield Production(images, f"{images}-signatures/images", (user, password), variables)


@pytest.fixture(scope="module")
def there(platform: None, production: Production) -> Iterator[Kube]:
    """Production's namespace, with the door of the models' and a pull secret."""
    kube, models = Kube("production"), Kube("default").get("namespace", "models")
    metadata = {"name": kube.namespace, "labels": models["metadata"]["labels"]}
    metadata["labels"] = {
        name: value for name, value in metadata["labels"].items() if "kubernetes.io/metadata" not in name
    }
    metadata |= {"annotations": {ADMITTED: production.images, SIGNATURES: production.signatures}}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    user, password = production.login
    login = (f"--docker-server={production.images.partition('/')[0]}", f"--docker-username={user}")
    kube.run("create", "secret", "docker-registry", _SECRET, *login, f"--docker-password={password}")
    yield kube
    subprocess.run(["helm", "uninstall", SERVICE, "--namespace", kube.namespace, "--ignore-not-found"], check=True)
    kube.run("delete", "namespace", kube.namespace, "--wait=false")


@pytest.fixture(scope="module")
def image(images: dict[str, Image], packages: dict[str, str], keys: Keys) -> Image:
    """The image of the release that staging serves, signed in staging's registry."""
    found = images[packages["1"]]
    sign_image(ImageName.parse(f"{found.repository}@{found.digest}"), keys.private, _MATERIALS)
    return found


@pytest.fixture(scope="module")
def releases(
    champion: None,
    production: Production,
    image: Image,
    packages: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Repository:
    """The environment repository: staging has the release that is served in `models`, production has none."""
    found = Repository.create(tmp_path_factory.mktemp("git") / "environment.git")
    release = Release(service=SERVICE, version="1", package=packages["1"], image=image)
    platform = yaml.safe_load((ROOT / "k8s/envs/local/platform.yaml").read_text(encoding="utf-8"))
    # Below the domain of this cluster's gateway, which takes no route of another.
    platform |= {"namespace": "production", "domain": "production.canario.local"}
    platform["values"] |= {"imagePullSecrets": [{"name": _SECRET}]}
    texts = {
        release_file("staging", SERVICE): release_text(release),
        "k8s/envs/production/platform.yaml": yaml.safe_dump(platform),
        # Who may sign for production is asked in a test of its own.
        "k8s/envs/production/signers.yaml": "unchecked: nobody relies on a test\n",
        "k8s/envs/staging/configs/kustomization.yaml": overlay({ADMITTED: REGISTRY}),
        "k8s/envs/production/configs/kustomization.yaml": overlay(
            {ADMITTED: production.images, SIGNATURES: production.signatures}
        ),
    }
    found.write_all(texts, "Release version 1 to staging")
    return found


def overlay(annotations: dict[str, str]) -> str:
    changes = [{"op": "add", "path": annotation_path(name), "value": value} for name, value in annotations.items()]
    target = {"kind": "Namespace", "name": "models"}
    return yaml.safe_dump({"patches": [{"target": target, "patch": yaml.safe_dump(changes)}]})


def run(module: str, *arguments: str, **variables: str) -> tuple[int, str]:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def promote(repository: Repository, variables: dict[str, str]) -> tuple[int, str]:
    places = ("--from", "staging", "--to", "production", "--repository", str(repository.path))
    return run("k8s.release.promote", "--service", SERVICE, *places, "--namespace", "models", "--merge", **variables)


def pod(image: str) -> dict[str, Any]:
    """One that the door lets in, if its image may."""
    security = {"runAsNonRoot": True, "runAsUser": 1034, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    metadata = {"name": "small", "annotations": {"canario/package": f"sha256:{'0' * 64}"}}
    # A node may have the image from another pod.
    pulled = {"name": "server", "image": image, "imagePullPolicy": "Always", "command": ["true"]}
    spec = {
        "automountServiceAccountToken": False,
        "securityContext": security,
        "containers": [pulled | {"securityContext": own}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_the_door_of_production_refuses_stagings_image(there: Kube, image: Image) -> None:
    stagings = json.dumps(pod(f"{image.repository}@{image.digest}"))
    with pytest.raises(
        KubeError, match=rf"is not from {there.get('namespace', 'production')['metadata']['annotations'][ADMITTED]}"
    ):
        there.run("create", "--dry-run=server", "-f", "-", stdin=stagings)


def test_without_a_login_nothing_is_promoted(releases: Repository, production: Production, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    code, said = promote(releases, production.variables | {"DOCKER_CONFIG": str(tmp_path)})
    assert (code, "wants a login, and there is none" in said) == (1, True), said
    assert releases.read(release_file("production", SERVICE)) is None


def test_a_release_is_promoted_with_its_image_and_serves(
    releases: Repository, production: Production, image: Image, there: Kube, tmp_path: Path
) -> None:
    code, said = promote(releases, production.variables)
    assert code == 0, said
    assert f"{production.images}/{SERVICE}@{image.digest} is the image of staging with its signatures" in said
    file = release_file("production", SERVICE)
    release = checked_release(releases.read(file) or "", file, SERVICE)
    assert release.image == image.model_copy(update={"repository": f"{production.images}/{SERVICE}"})
    assert promote(releases, production.variables) == (0, "production has version 1 already\n")
    releases.export(tmp_path)
    spec = ("--spec", str(DEMO / "service.yaml"))
    code, said = run("k8s.deploy", *spec, "--env", "production", "--root", str(tmp_path))
    assert code == 0, said
    assert phase(there) == "Initialized"
    champions = pods(there, f"{SERVICE}-primary")
    assert champions
    wanted = f"{production.images}/{SERVICE}@{image.digest}"
    assert {one["spec"]["containers"][0]["image"] for one in champions} == {wanted}
    tested = subprocess.run(
        ["helm", "test", SERVICE, "--namespace", there.namespace], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_node_does_not_pull_without_the_secret(production: Production, image: Image, there: Kube) -> None:
    there.apply(pod(f"{production.images}/{SERVICE}@{image.digest}"))

    def refused() -> bool:
        events = there.get("events", "--field-selector", "involvedObject.name=small")
        return any("Failed to pull" in one["message"] or "ErrImagePull" in one["message"] for one in events)

    there.wait("the pull is refused", refused, 60)
    there.run("delete", "pod", "small", "--wait=false")


def test_production_signs_again_where_tags_move(
    production: Production, image: Image, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy has staging's signature, and production's key adds one; beside the image that would be refused."""
    for name, value in production.variables.items():
        monkeypatch.setenv(name, value)
    copied, other = ImageName.parse(f"{production.images}/{SERVICE}@{image.digest}"), write_keys(tmp_path / "keys")
    monkeypatch.setenv("COSIGN_REPOSITORY", production.signatures)
    assert is_signed(copied, keys.public)
    for _ in range(2):
        sign_image(copied, other.private, _MATERIALS)
    assert [is_signed(copied, pair.public) for pair in (keys, other)] == [True, True]
    monkeypatch.setenv("COSIGN_REPOSITORY", "")
    # A digest of this run alone: the tag of the copy's signatures may stand there since an earlier run.
    fresh = ImageName.parse(f"{production.images}/{SERVICE}@sha256:{secrets.token_hex(32)}")
    sign_image(fresh, keys.private)
    with pytest.raises(ImageRegistryError, match=r"enabled tag immutability\. A further signature"):
        sign_image(fresh, other.private)
