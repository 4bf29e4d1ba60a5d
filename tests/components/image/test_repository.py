"""A repository is read and written as the distribution spec says, by a registry that forgives nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from components.digest import sha256
from components.errors import ImageRegistryError
from components.image.documents import OCI_MANIFEST, Manifest
from components.image.image_name import ImageName
from components.image.registry_session import RegistrySession, is_plain
from components.image.repository import ImageRepository
from tests.components.image.conftest import log_in
from tests.components.image.server_images import patient_repository
from tests.registry import AUTH, Registry, registry

BLOB = b"some bytes"


def manifest_of(*blobs: bytes) -> Manifest:
    parts = [{"mediaType": "x/y", "digest": sha256(blob), "size": len(blob)} for blob in blobs]
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": parts[0], "layers": parts[1:]}
    return Manifest(json.dumps(document).encode(), OCI_MANIFEST)


def test_what_is_sent_is_there_and_comes_back_checked(there: Registry, tmp_path: Path) -> None:
    repository = patient_repository(f"{there.address}/models/churn")
    assert not repository.has_blob(sha256(BLOB))
    repository.send_blob(sha256(BLOB), BLOB)
    file = tmp_path / "large"
    file.write_bytes(BLOB * 100_000)
    repository.send_blob(sha256(file.read_bytes()), file)
    assert repository.has_blob(sha256(BLOB))
    assert repository.read_blob(sha256(BLOB)) == BLOB
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert repository.fetch_blob(sha256(file.read_bytes()), scratch).read_bytes() == file.read_bytes()


def test_a_manifest_is_read_by_tag_and_by_digest(there: Registry) -> None:
    repository = patient_repository(f"{there.address}/models/churn")
    assert repository.manifest("a") is None
    assert repository.tags() == []
    repository.send_blob(sha256(BLOB), BLOB)
    manifest = manifest_of(BLOB)
    assert repository.put_manifest(manifest, "a")
    assert not repository.put_manifest(manifest, "a")
    assert repository.manifest("a") == repository.manifest(manifest.digest) == manifest
    assert repository.digest_of("a") == manifest.digest
    assert there.counted("PUT .*/manifests/") == 1


@pytest.mark.parametrize("tags_move", [True, False])
def test_a_tag_never_leaves_its_manifest(tags_move: bool) -> None:
    with registry(tags_move=tags_move) as there:
        repository = patient_repository(f"{there.address}/models/churn")
        repository.send_blob(sha256(BLOB), BLOB)
        first, second = manifest_of(BLOB), manifest_of(BLOB, BLOB)
        repository.put_manifest(first, "a")
        with pytest.raises(
            ImageRegistryError, match=f":a is {first.digest} in the registry, and this is {second.digest}"
        ):
            repository.put_manifest(second, "a")
        assert repository.digest_of("a") == first.digest


def test_tags_come_page_by_page() -> None:
    with registry(page=2) as there:
        repository = patient_repository(f"{there.address}/models/churn")
        repository.send_blob(sha256(BLOB), BLOB)
        for tag in ("a-1", "a-2", "a-3", "b-1", "b-2"):
            repository.put_manifest(manifest_of(BLOB), tag)
        assert repository.tags("a-") == ["a-1", "a-2", "a-3"]
        assert there.counted("GET .*/tags/list") == 3


def test_a_manifest_without_its_blobs_is_refused_in_words(there: Registry) -> None:
    repository = patient_repository(f"{there.address}/models/churn")
    with pytest.raises(ImageRegistryError, match="PUT was answered 400 MANIFEST_BLOB_UNKNOWN blob unknown"):
        repository.put_manifest(manifest_of(BLOB), "a")


def test_a_blob_beside_is_taken_over_without_its_bytes(there: Registry) -> None:
    base, model = (patient_repository(f"{there.address}/{name}") for name in ("canario/server", "models/churn"))
    assert not model.mount(sha256(BLOB), "canario/server")
    assert there.uploads == {}  # the upload that nobody asked for is ended
    base.send_blob(sha256(BLOB), BLOB)
    assert model.mount(sha256(BLOB), "canario/server")
    assert model.has_blob(sha256(BLOB))
    assert model.sent == []


@pytest.mark.parametrize("how", ["busy", "slow down", "hang up", "hang up after the body"])
@pytest.mark.parametrize(
    "request_", ["POST .*uploads/$", "PUT .*uploads/", "HEAD .*blobs", "GET .*blobs", "PUT .*manif"]
)
def test_what_may_pass_is_tried_again(there: Registry, request_: str, how: str, tmp_path: Path) -> None:
    there.fail(request_, how, times=3)  # type: ignore[arg-type]
    repository = patient_repository(f"{there.address}/models/churn")
    repository.send_blob(sha256(BLOB), BLOB)
    assert repository.has_blob(sha256(BLOB))
    assert repository.fetch_blob(sha256(BLOB), tmp_path).read_bytes() == BLOB
    repository.put_manifest(manifest_of(BLOB), "a")
    assert repository.digest_of("a") == manifest_of(BLOB).digest
    assert there.faults == []


def test_a_registry_that_stays_away_is_said(there: Registry) -> None:
    paused: list[float] = []
    there.fail("GET", "slow down", times=100)
    name = ImageName.parse(f"{there.address}/models/churn")
    repository = ImageRepository(name, RegistrySession(name.registry, pause=paused.append))
    with pytest.raises(
        ImageRegistryError, match=r"answered 429 TOOMANYREQUESTS slow down \(5 times\); try again later"
    ):
        repository.tags()
    assert paused == [1.0, 1.0, 2.0, 4.0]  # not sooner than it asks


def test_a_registry_that_is_not_there_is_said() -> None:
    with registry() as there:
        address = there.address
    with pytest.raises(ImageRegistryError, match=rf"{address}: does not answer: .*refused"):
        patient_repository(f"{address}/models/churn").has_blob(sha256(BLOB))


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_a_login_opens_what_asks_for_one(kind: str, no_login: Path) -> None:
    with registry(login=kind) as there:
        log_in(no_login, there.address, AUTH)
        base, model = (patient_repository(f"{there.address}/{name}") for name in ("canario/server", "models/churn"))
        base.send_blob(sha256(BLOB), BLOB)
        assert model.mount(sha256(BLOB), "canario/server")
        model.put_manifest(manifest_of(BLOB), "a")
        assert model.manifest("a") == manifest_of(BLOB)
        assert base.has_blob(sha256(BLOB))


def test_a_token_that_ran_out_is_asked_for_anew(no_login: Path) -> None:
    with registry(login="bearer") as there:
        log_in(no_login, there.address, AUTH)
        repository = patient_repository(f"{there.address}/models/churn")
        repository.send_blob(sha256(BLOB), BLOB)
        there.tokens.clear()
        repository.put_manifest(manifest_of(BLOB), "a")
        assert repository.digest_of("a")


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_without_a_login_it_is_said_how_to_get_one(kind: str, no_login: Path) -> None:
    with registry(login=kind) as there:
        repository = patient_repository(f"{there.address}/models/churn")
        with pytest.raises(
            ImageRegistryError, match=f"wants a login, and there is none: `docker login {there.address}`"
        ):
            repository.has_blob(sha256(BLOB))
        log_in(no_login, there.address, base64.b64encode(b"robot:wrong").decode())
        with pytest.raises(ImageRegistryError, match=r"login"):
            repository.has_blob(sha256(BLOB))


def test_a_password_of_netrc_is_not_sent(there: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with registry(login="basic") as closed, pytest.raises(ImageRegistryError, match="wants a login"):
        patient_repository(f"{closed.address}/models/churn").has_blob(sha256(BLOB))


def test_only_listed_registries_are_spoken_to_without_tls() -> None:
    listed = {"CANARIO_INSECURE_REGISTRIES": "registry.local:5000, lan"}
    for registry_ in ("localhost", "localhost:5000", "127.0.0.1:80", "[::1]:5000"):
        assert is_plain(registry_, {})
    assert [is_plain(one, listed) for one in ("registry.local:5000", "lan", "lan:5000")] == [True] * 3
    for registry_ in ("registry.local:5001", "registry.local", "localhost.example.com", "gcr.io"):
        assert not is_plain(registry_, listed)


@pytest.mark.parametrize(
    "name", ["churn", "models/churn", "host.example/Churn", "host.example/", "host.example/a:b:c", "a b.example/c", ""]
)
def test_a_name_without_a_registry_is_refused(name: str) -> None:
    with pytest.raises(ImageRegistryError, match="is no image in a registry"):
        ImageName.parse(name)


def test_a_name_has_its_parts() -> None:
    digest = "sha256:" + "a" * 64
    name = ImageName.parse(f"host.example:5000/a/b-c/d:1.0@{digest}")
    assert (name.registry, name.repository, name.tag, name.digest) == ("host.example:5000", "a/b-c/d", "1.0", digest)
    assert name.reference == digest
    assert ImageName.parse("localhost/a").reference == "latest"
    assert name.tagged("2") == ImageName.parse("host.example:5000/a/b-c/d:2")
