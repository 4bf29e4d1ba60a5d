"""A model's image in Distribution's own registry: what the tests' strict one takes, the real one takes, too."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.image.copying import copy_signed_image, open_places, read_signed_image
from components.image.image_name import ImageName
from components.image.place import read_documents
from components.image.publishing import publish_model_image
from components.image.repository import ImageRepository, open_repository
from tests.components.image.server_images import LAYERS, base_in, server_in
from tests.repo.tree import ROOT
from tests.services.model_server.served import HTTP, wait_for
from tests.signing_keys import write_keys
from tests.small_package import golden_rows, small_contract, write_small_package

pytestmark = [pytest.mark.images, pytest.mark.timeout(300)]

#: `htpasswd -nbB robot password`
HTPASSWD = "robot:$2b$05$JolcG6gIqwdvxihrC0hC3.uZwqXbptCDGRHfv0Ed8uG8X6RNyn2MK\n"
CONFIG = """
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/kept}}}}
http: {{addr: "{address}"}}
auth: {{htpasswd: {{realm: here, path: {folder}/htpasswd}}}}
"""


def program(name: str) -> str:
    found = shutil.which(name, path=f"{ROOT / 'build' / 'tools'}{os.pathsep}{os.environ['PATH']}")
    if not found:
        pytest.skip(f"{name} is not on the PATH (registry: github.com/distribution/distribution/v3/cmd/registry)")
    return found


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry that wants a login, and the login."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    (tmp_path / "registry.yml").write_text(CONFIG.format(folder=tmp_path, address=address))
    login = {"username": "robot", "password": "password"}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {address: login}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with (tmp_path / "log").open("wb") as log:
        command = [program("registry"), "serve", str(tmp_path / "registry.yml")]
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
            wait_for(lambda: HTTP.get(f"http://{address}/v2/").status_code == 401)
            yield address
            server.terminate()


def test_two_models_share_the_servers_layers_there(address: str, tmp_path: Path) -> None:
    keys, contract = write_keys(tmp_path / "keys"), small_contract()
    packages = [
        write_small_package(tmp_path / "1" / "package"),
        write_small_package(tmp_path / "2" / "package", contract, golden=golden_rows(contract)[:3]),
    ]
    base = server_in(address)
    said = list[str]()
    images = [
        publish_model_image(package.path, base, f"{address}/models/small", key=keys.private, say=said.append)
        for package in (*packages, packages[0])
    ]
    assert images[0] == images[2]
    sent = [line.partition(" ")[0] for line in said if "blobs were sent" in line]
    assert sent == ["2", "2", "0"]  # the layer and the configuration, and nothing twice
    repository = open_repository(ImageName.parse(f"{address}/models/small"))
    layers = [read_documents(repository, image.tag, image.name).layers for image in images[:2]]
    assert layers[0][:-1] == layers[1][:-1]
    assert len(layers[0]) == len(LAYERS) + 1
    assert base_in(address).documents.layers == layers[0][:-1]


def test_cosign_verifies_the_image_and_its_materials(address: str, tmp_path: Path) -> None:
    cosign, keys = program("cosign"), write_keys(tmp_path / "keys")
    (tmp_path / "public.pem").write_text(keys.public)
    package = write_small_package(tmp_path / "package")
    image = publish_model_image(package.path, server_in(address), f"{address}/models/small", key=keys.private)
    options = ["--key", str(tmp_path / "public.pem"), "--insecure-ignore-tlog", f"{image.name}@{image.digest}"]
    subprocess.run([cosign, "verify", *options], check=True, capture_output=True)
    subprocess.run([cosign, "verify-attestation", "--type", "cyclonedx", *options], check=True, capture_output=True)


def test_cosign_verifies_a_copy_where_its_variable_says(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image is copied to another folder with its signatures; cosign looks for both where COSIGN_REPOSITORY says."""
    cosign, keys = program("cosign"), write_keys(tmp_path / "keys")
    (tmp_path / "public.pem").write_text(keys.public)
    package = write_small_package(tmp_path / "package")
    signatures = [f"{address}/{environment}-signatures/images" for environment in ("staging", "production")]
    monkeypatch.setenv("COSIGN_REPOSITORY", signatures[0])
    image = publish_model_image(package.path, server_in(address), f"{address}/staging/small", key=keys.private)
    names = (image.name, f"{address}/production/small")
    source, target = (
        open_places(ImageName.parse(name), ImageName.parse(place))
        for name, place in zip(names, signatures, strict=True)
    )
    copy_signed_image(read_signed_image(source, image.digest), source, target, image.tag)
    options = ["--key", str(tmp_path / "public.pem"), "--insecure-ignore-tlog", f"{names[1]}@{image.digest}"]
    for place, worth in ((signatures[1], 0), ("", 10)):  # cosign's own status for an image without signatures
        done = subprocess.run(
            [cosign, "verify", *options],
            env={**os.environ, "COSIGN_REPOSITORY": place},
            capture_output=True,
            check=False,
        )
        assert done.returncode == worth, done.stderr.decode()
    monkeypatch.setenv("COSIGN_REPOSITORY", signatures[1])
    subprocess.run([cosign, "verify-attestation", "--type", "cyclonedx", *options], check=True, capture_output=True)


def test_the_real_registry_refuses_what_ours_refuses(address: str) -> None:
    """The behaviours that tests/registry.py was written after."""
    repository: ImageRepository = open_repository(ImageName.parse(f"{address}/models/none"))
    assert repository.tags() == []
    assert repository.manifest("a") is None
    assert not repository.mount("sha256:" + "0" * 64, "canario/server")
