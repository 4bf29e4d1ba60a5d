"""A package becomes a signed image by one layer, again and again the same, or a sentence says why not."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.digest import sha256
from components.errors import ImageRegistryError, ModelImageError, SigningError
from components.image.documents import ImageDocuments
from components.image.image_name import ImageName
from components.image.layout import read_layout
from components.image.layout_folder import LayoutFolder
from components.image.package_layer import package_layer
from components.image.place import read_documents, write_image
from components.image.publishing import model_image, publish_model_image, push_model_image
from components.image.repository import open_repository
from components.image.server import server_digest, server_tag, short
from components.package.answers import Answer
from components.package.model_package import Package, read_package, write_package
from components.package.signature import check_signature
from tests.components.image.server_images import LAYERS, base_in, patient_repository, put_server, server_in
from tests.registry import Registry, registry
from tests.signing_keys import write_keys
from tests.small_package import golden_rows, logistic_graph, small_contract, word_answer, write_small_package


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return write_small_package(tmp_path / "store" / "small")


def another(folder: Path, *, wrong: bool = False) -> Package:
    """A package with fewer golden requests; the answer of the first may be wrong."""
    contract = small_contract()
    golden = golden_rows(contract)[:3]
    if wrong:
        answer = Answer(probability=1 - word_answer(golden[0]).probability, label=word_answer(golden[0]).label)
        golden[0] = golden[0].model_copy(update={"answer": answer})
    small = write_small_package(folder.with_name(f"{folder.name}-model"))
    return write_package(
        folder,
        model=logistic_graph(contract.encoding),
        contract=contract,
        golden=golden,
        holdout=small.holdout,
        receipt=small.receipt,
    )


# The image's bytes


def test_the_image_is_the_servers_and_one_layer(there: Registry, package: Package) -> None:
    base = base_in(there.address)
    image = model_image(package, base)
    assert image.documents.layers[:-1] == base.documents.layers
    assert len(image.documents.layers) == len(LAYERS) + 1
    config = image.documents.about["config"]
    assert config["User"] == "1034:1034"
    labels = config["Labels"]
    assert labels["canario.package"] == package.digest
    assert labels["canario.server"] == server_digest()
    assert labels["org.opencontainers.image.title"] == "small"
    assert labels["org.opencontainers.image.revision"] == package.receipt.code
    assert labels["org.opencontainers.image.base.digest"] == base.documents.manifest.digest
    assert image.documents.about["rootfs"]["diff_ids"][-1] == sha256(image.layer)
    assert len(image.documents.about["history"]) == len(LAYERS) + 1
    assert image.tag.startswith(f"{short(package.digest)}-")


def test_the_layer_holds_the_package_as_the_server_reads_it(package: Package, tmp_path: Path) -> None:
    package.path.with_name("small.sigstore.json").write_text("{}")
    package.path.with_name("small.cdx.json").write_text("{}")
    with tarfile.open(fileobj=io.BytesIO(package_layer(package))) as archive:
        members = archive.getmembers()
        archive.extractall(tmp_path / "root", filter="data")
    inside = tmp_path / "root" / "app/bento/src"
    assert read_package(inside / "package").digest == package.digest
    assert sorted(path.name for path in inside.iterdir()) == ["package", "package.cdx.json", "package.sigstore.json"]
    assert {(one.uid, one.gid, one.mtime) for one in members} == {(0, 0, 315532800)}
    assert {one.mode for one in members if one.isfile()} == {0o644}
    assert {one.mode for one in members if one.isdir()} == {0o755}


def test_the_same_package_and_base_give_the_same_digest(there: Registry, package: Package, tmp_path: Path) -> None:
    shutil.copytree(package.path, tmp_path / "elsewhere")
    os.utime(tmp_path / "elsewhere" / "model.onnx", (1, 1))
    (tmp_path / "elsewhere" / "model.onnx").chmod(0o600)
    base = base_in(there.address)
    first, second = (
        model_image(package, base),
        model_image(read_package(tmp_path / "elsewhere"), base_in(there.address)),
    )
    assert first.documents == second.documents
    assert first.tag == second.tag
    other = model_image(another(tmp_path / "other"), base)
    assert other.documents.manifest.digest != first.documents.manifest.digest


# Where it goes


def test_the_second_model_sends_one_layer(there: Registry, package: Package, tmp_path: Path) -> None:
    base, other = base_in(there.address), another(tmp_path / "other")
    sent, layers = [], []
    for one, service in ((package, "churn"), (other, "churn"), (package, "loans")):
        name = f"{there.address}/models/{service}"
        repository = patient_repository(name)
        image = model_image(one, base)
        push_model_image(image, base, repository, ImageName.parse(name))
        sent.append(set(repository.sent))
        layers.append([layer["digest"] for layer in image.documents.layers])
        assert sent[-1] == set(image.own)  # the layer and the configuration; all else is taken over
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][-1] != layers[1][-1]


def test_a_base_of_another_registry_is_copied_once(there: Registry, package: Package) -> None:
    with registry() as elsewhere:
        base = base_in(elsewhere.address)
        name = ImageName.parse(f"{there.address}/models/churn")
        image = model_image(package, base)
        assert push_model_image(image, base, patient_repository(name.bare), name) == len(LAYERS) + 2
        assert push_model_image(image, base, patient_repository(name.bare), name) == 0
        assert there.kept("models/churn").tags == {image.tag: image.documents.manifest.digest}


def test_a_push_that_broke_off_is_repeated(there: Registry, package: Package) -> None:
    base = base_in(there.address)
    name = ImageName.parse(f"{there.address}/models/churn")
    image = model_image(package, base)
    there.fail("PUT .*uploads/", "hang up after the body", times=5)
    with pytest.raises(ImageRegistryError, match="does not answer"):
        push_model_image(image, base, patient_repository(name.bare), name)
    assert there.kept("models/churn").tags == {}
    there.fail("PUT .*manifests/", "hang up", times=5)
    with pytest.raises(ImageRegistryError, match="does not answer"):
        push_model_image(image, base, patient_repository(name.bare), name)
    assert there.kept("models/churn").tags == {}
    assert push_model_image(image, base, patient_repository(name.bare), name) == 0
    assert there.kept("models/churn").tags == {image.tag: image.documents.manifest.digest}


def test_an_image_gets_no_name_when_the_last_check_fails(there: Registry, package: Package) -> None:
    base, repository = base_in(there.address), patient_repository(f"{there.address}/models/churn")
    image = model_image(package, base)

    def refuse() -> None:
        raise ModelImageError("no")

    with pytest.raises(ModelImageError):
        write_image(image.documents, image.own, base.place, repository, image.tag, before_naming=refuse)
    assert there.kept("models/churn").manifests == {}


def test_a_layout_holds_the_same_image(there: Registry, package: Package, tmp_path: Path) -> None:
    base = base_in(there.address)
    name = ImageName.parse("registry.local/canario/small")
    for one in (another(tmp_path / "other"), package):  # the second takes the place of the first
        image = model_image(one, base)
        write_image(image.documents, image.own, base.place, LayoutFolder(tmp_path / "small", name), image.tag)
    layout = read_layout(tmp_path / "small")
    assert (layout.manifest, layout.config) == (image.documents.manifest.digest, image.documents.id)
    found = layout.contents(lambda path: path.startswith("app/"))
    assert found["app/bento/src/package/model.onnx"] == (package.path / "model.onnx").read_bytes()
    assert len(list((tmp_path / "small/blobs/sha256").iterdir())) == len(LAYERS) + 3
    entry = json.loads((tmp_path / "small/index.json").read_text())["manifests"][0]
    assert entry["annotations"]["io.containerd.image.name"] == f"registry.local/canario/small:{image.tag}"


def test_two_layouts_share_the_files_of_the_base(package: Package, tmp_path: Path) -> None:
    put_server(LayoutFolder(tmp_path / "server"), "a")
    base = LayoutFolder(tmp_path / "server")
    documents = read_documents(base, "", "server")
    write_image(documents, {documents.id: documents.config}, base, LayoutFolder(tmp_path / "copy"), "a")
    inodes = [(tmp_path / name / "blobs/sha256" / sha256(LAYERS[0])[7:]).stat().st_ino for name in ("server", "copy")]
    assert inodes[0] == inodes[1]


def test_an_image_of_docker_keeps_dockers_types(there: Registry, package: Package) -> None:
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    base = base_in(there.address)
    document = {**base.documents.manifest.document, "mediaType": docker}
    kind = type(base.documents.manifest)
    grown = ImageDocuments(kind(json.dumps(document).encode(), docker), base.documents.config).with_layer(b"x", {}, "y")
    assert grown.manifest.media_type == grown.manifest.document["mediaType"] == docker
    assert grown.layers[-1]["mediaType"] == "application/vnd.docker.image.rootfs.diff.tar"


# The whole way


def test_a_package_is_published_once_and_for_all(there: Registry, package: Package, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys")
    base, name, said = server_in(there.address), f"{there.address}/models/small", list[str]()
    image = publish_model_image(package.path, base, name, key=keys.private, say=said.append)
    assert said[0] == f"7 golden requests answered right by {package.digest}"
    kept = there.kept("models/small")
    digest = image.digest.replace(":", "-")
    assert set(kept.tags) == {image.tag, f"{digest}.sig", f"{digest}.att"}
    assert kept.tags[image.tag] == image.digest
    check_signature(package, keys.public)
    layer = read_documents(open_repository(ImageName.parse(name)), image.tag, name).layers[-1]["digest"]
    with tarfile.open(fileobj=io.BytesIO(kept.blobs[layer])) as archive:
        names = {Path(one.name).name for one in archive if one.isfile()}
    assert {"package.sigstore.json", "package.cdx.json"} <= names
    before = dict(kept.blobs), dict(kept.manifests)
    # A pod that starts again has the package, and not what was written beside it.
    shutil.copytree(package.path, tmp_path / "again")
    there.asked.clear()
    assert publish_model_image(tmp_path / "again", base, name, key=keys.private, say=said.append) == image
    assert (kept.blobs, kept.manifests) == before
    assert there.counted("^(PUT|POST) ") == 0


@pytest.fixture
def nothing_is_pushed(there: Registry) -> Iterator[None]:
    yield
    assert there.kept("models/small").manifests == {}


@pytest.mark.usefixtures("nothing_is_pushed")
def test_a_wrong_answer_is_refused_before_any_push(there: Registry, tmp_path: Path) -> None:
    wrong, key = another(tmp_path / "wrong", wrong=True), write_keys(tmp_path / "keys").private
    with pytest.raises(ModelImageError, match=r"(?s)is refused.*golden request 1 is answered"):
        publish_model_image(wrong.path, server_in(there.address), f"{there.address}/models/small", key=key)
    assert not (tmp_path / "wrong.sigstore.json").exists()


@pytest.mark.usefixtures("nothing_is_pushed")
def test_a_base_that_is_missing_is_said(there: Registry, package: Package, tmp_path: Path) -> None:
    key = write_keys(tmp_path / "keys").private
    base = f"{there.address}/canario/server:{server_tag()}"
    with pytest.raises(ImageRegistryError, match=f"{base} is not there"):
        publish_model_image(package.path, base, f"{there.address}/models/small", key=key)


@pytest.mark.usefixtures("nothing_is_pushed")
def test_a_base_of_another_server_is_refused(there: Registry, package: Package, tmp_path: Path) -> None:
    key, other = write_keys(tmp_path / "keys").private, "sha256:" + "0" * 64
    base = server_in(there.address, other)
    with pytest.raises(
        ModelImageError, match=f"has the server {other}, and {server_digest()} would answer .*PARTS=server"
    ):
        publish_model_image(package.path, base, f"{there.address}/models/small", key=key)


@pytest.mark.usefixtures("nothing_is_pushed")
def test_a_base_that_nobody_trusted_signed_is_refused(there: Registry, package: Package, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys")
    name, base = f"{there.address}/models/small", server_in(there.address)
    with pytest.raises(
        ModelImageError, match=r"is not signed by the key that is wanted; `make publish ENV=staging PART=server`"
    ):
        publish_model_image(package.path, base, name, key=keys.private, base_signer=keys.public)


@pytest.mark.usefixtures("nothing_is_pushed")
def test_an_image_without_the_label_is_no_base(there: Registry, package: Package, tmp_path: Path) -> None:
    put_server(patient_repository(f"{there.address}/canario/judge"), "1", Labels={})
    with pytest.raises(ModelImageError, match=r"has no label canario\.server"):
        publish_model_image(
            package.path,
            f"{there.address}/canario/judge:1",
            f"{there.address}/models/small",
            key=write_keys(tmp_path / "keys").private,
        )


@pytest.mark.usefixtures("nothing_is_pushed")
def test_a_package_that_was_changed_is_refused(there: Registry, package: Package, tmp_path: Path) -> None:
    (package.path / "model.onnx").write_bytes(b"other")
    with pytest.raises(Exception, match=r"model\.onnx"):
        publish_model_image(
            package.path,
            server_in(there.address),
            f"{there.address}/models/small",
            key=write_keys(tmp_path / "keys").private,
        )


@pytest.mark.usefixtures("nothing_is_pushed")
def test_a_key_that_cannot_sign_is_refused_first(there: Registry, package: Package, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(SigningError, match=r"key\.pem: is no private key in PEM"):
        publish_model_image(
            package.path, server_in(there.address), f"{there.address}/models/small", key=tmp_path / "key.pem"
        )


def test_a_registry_without_a_login_is_said(package: Package, tmp_path: Path) -> None:
    key = write_keys(tmp_path / "keys").private
    with (
        registry(login="bearer") as closed,
        pytest.raises(ImageRegistryError, match="wants a login, and there is none"),
    ):
        publish_model_image(
            package.path, f"{closed.address}/canario/server:1", f"{closed.address}/models/small", key=key
        )


def test_a_rebuilt_server_needs_no_tag_of_an_image_to_move(package: Package, tmp_path: Path) -> None:
    """The same package on a server that was built again is another image, and has a tag of its own."""
    keys = write_keys(tmp_path / "keys")
    with registry(tags_move=False) as there:
        bases = [server_in(there.address), f"{there.address}/canario/server:rebuilt"]
        put_server(patient_repository(f"{there.address}/canario/server"), "rebuilt", User="0:0")
        images = [
            publish_model_image(package.path, base, f"{there.address}/models/small", key=keys.private)
            for base in (*bases, *bases)
        ]
    assert images[:2] == images[2:]
    assert images[0].tag != images[1].tag
