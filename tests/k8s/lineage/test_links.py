"""Each link of the chain holds, and is refused for its own reason when it is attacked."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from components.digest import sha256
from components.image.layout import read_layout
from components.image.record import BuiltImage, read_record
from components.package.model_package import Holdout, Package, Receipt, write_package
from components.package.signature import signature_file
from components.registry.model_registry import RUN_TAG, SNAPSHOT_TAG, SNAPSHOT_URI_TAG, connect, register_version
from components.signing.sbom import bill_of_materials
from components.signing.signer import key_signer, sign_package
from components.spec.contract import PACKAGE_TAG
from components.store.content import Kind, Store
from k8s.errors import ClusterError
from k8s.lineage.__main__ import main
from k8s.lineage.links import LinkSources, verify
from services.image.errors import EngineError
from tests.components.empty_store import empty_store
from tests.components.image.layouts import Entry, layer, write_layout
from tests.git_repository import commit_all, git
from tests.signing_keys import Keys, write_keys
from tests.small_package import golden_rows, logistic_graph, small_contract
from tests.tls_server import tls_server

IMAGE = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
DATA = b"a table"


@dataclass
class Chain:
    places: LinkSources
    package: Package
    keys: Keys
    objects: list[dict[str, Any]]

    @property
    def snapshot(self) -> Path:
        return Path(Store(self.places.store).uri(Kind.SNAPSHOT, self.package.receipt.data))

    def faults(self, places: LinkSources | None = None) -> dict[str, str]:
        return {link.name: link.fault for link in verify("small", places or self.places) if link.fault}


def repository(folder: Path) -> str:
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "requirements.txt").write_text("numpy==2\n")
    return commit_all(folder)


def packed(folder: Path, commit: str, run: str = "run-1") -> Package:
    contract = small_contract()
    receipt = Receipt(
        name="small", data=sha256(DATA), code=commit, lock=sha256(b"numpy==2\n"), candidate="logistic", run=run
    )
    holdout = Holdout(rows=1, scores=(1.0,) + (0.0,) * (len(Holdout.model_fields["shift"].default) - 1))
    model = logistic_graph(contract.encoding)
    return write_package(
        folder, model=model, contract=contract, golden=golden_rows(contract), holdout=holdout, receipt=receipt
    )


def registered(uri: str, package: Package, run: str) -> None:
    tags = {PACKAGE_TAG: package.digest, RUN_TAG: run, SNAPSHOT_TAG: package.receipt.data, SNAPSHOT_URI_TAG: "-"}
    client = connect(uri)
    experiment = client.create_experiment("small")
    register_version(client, "small", str(package.path), client.create_run(experiment).info.run_id, tags)


def release_text(package: str, image: str) -> str:
    named = {"repository": "registry.local/canario/small", "digest": image}
    return json.dumps({"service": "small", "version": "1", "package": package, "image": named})


LOCK = f"numpy==2.4.6 --hash=sha256:{'0' * 64}\n"
SOURCES = "app/bento/src"


def image_files(package: Package, folder: Path) -> dict[str, Entry]:
    """What a model's image holds, as far as it is looked at."""
    lock = folder / "requirements.txt"
    lock.write_text(LOCK)
    files: dict[str, Entry] = {f"{SOURCES}/package/{path.name}": path.read_bytes() for path in package.path.iterdir()}
    files[f"{SOURCES}/package.sigstore.json"] = signature_file(package.path).read_bytes()
    files[f"{SOURCES}/package.cdx.json"] = bill_of_materials(package, lock).encode()
    files[f"{SOURCES}/services/model_server/requirements.txt"] = LOCK.encode()
    installed = b"Metadata-Version: 2.1\nName: NumPy\nVersion: 2.4.6\n\nName: no header\n"
    files["app/.venv/lib/python3.11/site-packages/numpy-2.4.6.dist-info/METADATA"] = installed
    return files


def write_image(folder: Path, files: dict[str, Entry], user: str = "1034:1034") -> Path:
    base: list[tuple[str, Entry]] = [
        ("usr/bin/python3", "python3.11"),
        ("usr/lib/python3/x.dist-info/METADATA", b"Name: x\nVersion: 1\n"),
    ]
    return write_layout(folder, [layer(base), layer(list(files.items()))], {"User": user})


def pods_and_deployment(package: str, image_id: str, key: str) -> list[dict[str, Any]]:
    """What an API server says of a service with one pod, shortened."""
    image = f"registry.local/canario/small@{IMAGE}"
    container = {"name": "server", "image": image, "env": [{"name": "CANARIO_PUBLIC_KEY", "value": key}]}
    template: dict[str, Any] = {
        "metadata": {"annotations": {"canario/package": package}},
        "spec": {"containers": [container]},
    }
    selector = {"matchLabels": {"app": "small"}}
    pod = copy.deepcopy(template)
    pod["metadata"] |= {"name": "small-1", "labels": {"app": "small", "pod-template-hash": "1"}}
    status = {"containerStatuses": [{"imageID": f"registry.local/canario/small@{image_id}"}]}
    spec = {"selector": selector, "template": template}
    return [
        {"kind": "Deployment", "metadata": {"name": "small"}, "spec": spec},
        {"kind": "Pod", **pod, "status": status},
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    home = tmp_path_factory.mktemp("chain")
    package = packed(home / "package", repository(home / "code"))
    keys = write_keys(home / "keys")
    sign_package(package, key_signer(keys.private))
    write_image(home / "layout", image_files(package, home))
    objects = pods_and_deployment(package.digest, IMAGE, keys.public)
    places = LinkSources(
        package=package.path,
        release=home / "small.yaml",
        image=home / "image.json",
        code=home / "code",
        store=str(home / "store"),
        mlflow=empty_store(tmp_path_factory, home / "mlflow.db"),
        served=package.digest,
        public_key=keys.public,
        pulled=None,
        export=lambda _: home / "layout",
        running=lambda: objects,
        rendered=lambda: objects[:1],
    )
    registered(places.mlflow, package, "run-1")
    return Chain(places, package, keys, objects)


@pytest.fixture
def chain(built: Chain) -> Chain:
    built.places.release.write_text(release_text(built.package.digest, IMAGE))
    write_record(built.places.image, built.package.digest, read_layout(built.places.image.parent / "layout").config)
    built.snapshot.parent.mkdir(parents=True, exist_ok=True)
    built.snapshot.write_bytes(DATA)
    return built


def write_record(path: Path, package: str, image_id: str) -> None:
    record = {"name": "registry.local/canario/small", "tag": "1", "digest": IMAGE, "id": image_id, "package": package}
    path.write_text(json.dumps(record))


def test_what_holds_is_ok(chain: Chain) -> None:
    links = verify("small", chain.places)
    assert [link.name for link in links] == [
        *("answer", "live", "chart", "deployment", "image", "materials", "package", "signature"),
        *("code", "lock", "run", "snapshot"),
    ]
    assert [link for link in links if link.fault] == []


def test_what_cannot_be_checked_is_not_ok(chain: Chain) -> None:
    def no_cluster() -> Any:
        raise ClusterError("the cluster is not reached")

    def no_engine(_: BuiltImage) -> Any:
        raise EngineError("no engine that builds images answers here")

    alone = replace(chain.places, served=None, public_key="", export=no_engine, running=no_cluster, rendered=no_cluster)
    faults = chain.faults(alone)
    assert set(faults) == {"answer", "live", "chart", "image", "materials", "signature"}
    assert {link.name for link in verify("small", alone) if not link.checked} == set(faults)


def test_before_the_first_image_and_release_nothing_is_refused(chain: Chain, tmp_path: Path) -> None:
    """As after `make train`: what was not made yet is not checked, and the fault names the command that makes it."""
    places = replace(chain.places, release=tmp_path / "churn.yaml", image=tmp_path / "churn.json")
    links = {link.name: link for link in verify("small", places) if link.fault}
    assert set(links) == {"live", "chart", "deployment", "image", "materials"}
    assert not any(link.checked for link in links.values())
    for name, made_by in (("deployment", "`make deploy`"), ("image", "`make image`")):
        assert made_by in links[name].fault


def test_another_answer_is_refused(chain: Chain) -> None:
    assert f"header is {OTHER}" in chain.faults(replace(chain.places, served=OTHER))["answer"]
    assert "no server was asked" in chain.faults(replace(chain.places, served=None))["answer"]


def test_a_release_of_another_package_is_refused(chain: Chain) -> None:
    chain.places.release.write_text(release_text(OTHER, IMAGE))
    assert f"package is {OTHER}" in chain.faults()["deployment"]


def test_a_release_of_another_image_is_refused(chain: Chain) -> None:
    chain.places.release.write_text(release_text(chain.package.digest, OTHER))
    assert f"image.digest is {OTHER}" in chain.faults()["deployment"]


def test_an_engines_image_is_known_by_its_registrys_digest(chain: Chain) -> None:
    """An engine packs the layers again for a registry, and the release names what is there."""
    record = json.loads(chain.places.image.read_text())
    chain.places.image.write_text(json.dumps({**record, "published": OTHER}))
    chain.places.release.write_text(release_text(chain.package.digest, OTHER))
    assert "deployment" not in chain.faults()


def test_a_release_that_names_a_tag_is_not_checked(chain: Chain) -> None:
    chain.places.release.write_text(release_text(chain.package.digest, ""))
    assert "not by digest" in chain.faults()["deployment"]


def test_an_image_of_another_package_is_refused(chain: Chain) -> None:
    write_record(chain.places.image, OTHER, "sha256:" + "3" * 64)
    assert f"package is {OTHER}" in chain.faults()["image"]


def test_an_image_that_is_not_the_records_is_refused(chain: Chain) -> None:
    write_record(chain.places.image, chain.package.digest, OTHER)
    assert f"and the chain names {OTHER}" in chain.faults()["image"]


def attacked(chain: Chain, folder: Path, changes: dict[str, Entry], user: str = "1034") -> dict[str, str]:
    """The faults when an image with other files was built and recorded in place of the right one."""
    folder.mkdir()
    layout = write_image(folder / "layout", {**image_files(chain.package, folder), **changes}, user)
    write_record(chain.places.image, chain.package.digest, read_layout(layout).config)
    return chain.faults(replace(chain.places, export=lambda _: layout))


def test_a_flipped_byte_of_the_images_blobs_is_refused(chain: Chain, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    shutil.copytree(chain.places.export(read_record(chain.places.image)), layout)
    for path in sorted((layout / "blobs" / "sha256").iterdir()):
        good = path.read_bytes()
        path.write_bytes(good[:-30] + bytes([good[-30] ^ 1]) + good[-29:])
        faults = chain.faults(replace(chain.places, export=lambda _: layout))
        assert set(faults) == {"image", "materials"}
        assert f"{path.name}: was changed" in faults["image"]
        path.write_bytes(good)


def test_a_flipped_byte_of_the_package_in_the_image_is_refused(chain: Chain, tmp_path: Path) -> None:
    content = bytearray((chain.package.path / "model.onnx").read_bytes())
    content[40] ^= 1
    faults = attacked(chain, tmp_path / "image", {f"{SOURCES}/package/model.onnx": bytes(content)})
    assert list(faults) == ["image"]
    assert "model.onnx: was changed" in faults["image"]


def test_another_whole_package_in_the_image_is_refused(chain: Chain, tmp_path: Path) -> None:
    other = packed(tmp_path / "other", chain.package.receipt.code, run="run-2")
    files: dict[str, Entry] = {f"{SOURCES}/package/{path.name}": path.read_bytes() for path in other.path.iterdir()}
    assert f"the package in the image is {other.digest}" in attacked(chain, tmp_path / "image", files)["image"]


def test_another_signature_in_the_image_is_refused(chain: Chain, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(chain.package.path, copy / "package")
    sign_package(replace(chain.package, path=copy / "package"), key_signer(write_keys(tmp_path / "keys").private))
    other = signature_file(copy / "package").read_bytes()
    faults = attacked(chain, tmp_path / "image", {f"{SOURCES}/package.sigstore.json": other})
    assert "was made with another key" in faults["image"]


@pytest.mark.parametrize("user", ["", "0", "0:1034", "root", "nobody"])
def test_an_image_that_may_run_as_root_is_refused(chain: Chain, tmp_path: Path, user: str) -> None:
    faults = attacked(chain, tmp_path / "image", {}, user)
    assert "a number that is not 0 is wanted" in faults["image"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (f"{SOURCES}/package.cdx.json", b"{}", "is not that of its own lock file and package"),
        (f"{SOURCES}/services/model_server/requirements.txt", LOCK.replace("6 ", "7 ").encode(), "its own lock file"),
        ("app/.venv/lib/more-1.dist-info/METADATA", b"Name: more\nVersion: 1\n", "libraries differ by more 1"),
    ],
)
def test_materials_that_are_not_the_images_are_refused(
    chain: Chain, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    faults = attacked(chain, tmp_path / "image", {name: content})
    assert list(faults) == ["materials"]
    assert reason in faults["materials"]


def test_a_pulled_image_is_known_by_its_registrys_digest(chain: Chain) -> None:
    """An image that was pulled is known by the digest of its registry."""
    pulled = chain.places.export(read_record(chain.places.image))
    digest = read_layout(pulled).manifest
    chain.places.release.write_text(release_text(chain.package.digest, digest))
    assert "image.digest" in chain.faults()["deployment"]
    assert "deployment" not in chain.faults(replace(chain.places, pulled=pulled))


def running(chain: Chain, change: Any) -> dict[str, str]:
    """The faults when the cluster has something else."""
    objects = copy.deepcopy(chain.objects)
    change(*objects)
    return chain.faults(replace(chain.places, running=lambda: objects))


def test_a_deployment_or_pod_of_another_package_is_refused(chain: Chain) -> None:
    def in_template(deployment: Any, pod: Any) -> None:
        deployment["spec"]["template"]["metadata"]["annotations"]["canario/package"] = OTHER

    def in_pod(deployment: Any, pod: Any) -> None:
        pod["metadata"]["annotations"] = {}

    assert f"deployment small: canario/package is {OTHER}" in running(chain, in_template)["live"]
    assert "pod small-1: canario/package is missing" in running(chain, in_pod)["live"]


def test_a_pod_of_other_bytes_is_refused(chain: Chain) -> None:
    def in_name(deployment: Any, pod: Any) -> None:
        pod["spec"]["containers"][0]["image"] = "registry.local/canario/small:1"

    def in_bytes(deployment: Any, pod: Any) -> None:
        pod["status"]["containerStatuses"][0]["imageID"] = OTHER

    def in_time(deployment: Any, pod: Any) -> None:
        pod["status"] = {}

    assert "pod small-1: image is registry.local/canario/small:1" in running(chain, in_name)["live"]
    assert f"pod small-1: the image on its node is {OTHER}" in running(chain, in_bytes)["live"]
    assert "pod small-1 does not run yet" in running(chain, in_time)["live"]


def test_a_loaded_image_is_known_by_its_configuration(chain: Chain) -> None:
    """Without a registry a node names the digest of the configuration, which the record has."""
    release = json.loads(chain.places.release.read_text())
    release["image"] = {"repository": "registry.local/canario/small", "tag": "1"}
    chain.places.release.write_text(json.dumps(release))
    identity = json.loads(chain.places.image.read_text())["id"]

    def loaded(deployment: Any, pod: Any) -> None:
        for one in (deployment["spec"]["template"], pod):
            one["spec"]["containers"][0]["image"] = "registry.local/canario/small:1"
        pod["status"]["containerStatuses"][0]["imageID"] = identity

    assert "live" not in running(chain, loaded)


def test_a_deployment_without_the_key_or_without_pods_is_refused(chain: Chain) -> None:
    def without_key(deployment: Any, pod: Any) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["env"] = []

    def without_pods(deployment: Any, pod: Any) -> None:
        pod["metadata"]["labels"] = {"app": "another"}

    assert "CANARIO_PUBLIC_KEY is , and" in running(chain, without_key)["live"]
    assert "deployment small has no pods" in running(chain, without_pods)["live"]
    gone = replace(chain.places, running=list)
    assert "the cluster has no deployment of small" in chain.faults(gone)["live"]


def test_a_canarys_champion_is_what_is_looked_at(chain: Chain) -> None:
    def promoted(deployment: Any, pod: Any) -> None:
        deployment["metadata"]["name"] = "small-primary"

    assert "live" not in running(chain, promoted)


def test_a_deployment_that_the_chart_does_not_make_is_refused(chain: Chain) -> None:
    def defaulted(deployment: Any, pod: Any) -> None:
        deployment["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"

    def edited(deployment: Any, pod: Any) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["name"] = "other"

    assert running(chain, defaulted) == {}
    assert "template.spec.containers.0.name is 'other', not 'server'" in running(chain, edited)["chart"]


def test_a_missing_or_changed_signature_is_refused(chain: Chain, tmp_path: Path) -> None:
    copy = tmp_path / "package"
    shutil.copytree(chain.package.path, copy)
    places = replace(chain.places, package=copy)
    assert "is missing" in chain.faults(places)["signature"]
    content = bytearray(signature_file(chain.package.path).read_bytes())
    content[600] ^= 1
    signature_file(copy).write_bytes(bytes(content))
    assert "Sign the package again" in chain.faults(places)["signature"]
    other = replace(chain.places, public_key=write_keys(tmp_path / "keys").public)
    assert "was made with another key" in chain.faults(other)["signature"]


def test_a_flipped_byte_of_the_package_is_refused(chain: Chain, tmp_path: Path) -> None:
    package = packed(tmp_path / "package", chain.package.receipt.code)
    model = bytearray((package.path / "model.onnx").read_bytes())
    model[40] ^= 1
    (package.path / "model.onnx").write_bytes(bytes(model))
    faults = chain.faults(replace(chain.places, package=package.path))
    assert list(faults) == ["package"]
    assert "model.onnx: was changed" in faults["package"]


def test_code_that_is_in_no_commit_is_refused(chain: Chain, tmp_path: Path) -> None:
    commit = chain.package.receipt.code
    changed = packed(tmp_path / "changed", f"{commit}-changed")
    assert "files differed" in chain.faults(replace(chain.places, package=changed.path))["code"]
    unknown = packed(tmp_path / "unknown", "0" * 40)
    faults = chain.faults(replace(chain.places, package=unknown.path))
    assert f"commit {'0' * 40} is not in this repository; `git fetch` it" in faults["code"]
    assert faults["lock"] == faults["code"]
    outside = packed(tmp_path / "outside", "sha256:" + "1" * 64)
    assert "trained by code outside of Git" in chain.faults(replace(chain.places, package=outside.path))["code"]


def test_a_commit_that_reads_as_an_option_of_git_writes_nothing(chain: Chain, tmp_path: Path) -> None:
    package = packed(tmp_path / "package", f"--output={tmp_path}/written")
    faults = chain.faults(replace(chain.places, package=package.path))
    assert {"code", "lock"} <= set(faults)
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


def test_another_lock_is_refused(chain: Chain, tmp_path: Path) -> None:
    code = tmp_path / "code"
    repository(code)
    (code / "requirements.txt").write_text("numpy==3\n")
    git(code, "commit", "-qam", "another lock")
    package = packed(tmp_path / "package", git(code, "rev-parse", "HEAD"))
    faults = chain.faults(replace(chain.places, code=code, package=package.path))
    assert "requirements.txt at" in faults["lock"]


def test_a_run_that_is_not_the_receipts_is_refused(chain: Chain, tmp_path: Path) -> None:
    package = packed(tmp_path / "package", chain.package.receipt.code, run="run-2")
    assert "no version is registered" in chain.faults(replace(chain.places, package=package.path))["run"]
    nowhere = replace(chain.places, mlflow=f"sqlite:///{tmp_path}/none.db")
    assert "is not there" in chain.faults(nowhere)["run"]


def test_a_flipped_byte_of_the_snapshot_is_refused(chain: Chain) -> None:
    chain.snapshot.write_bytes(b"a Table")
    assert f"was changed: its bytes are {sha256(b'a Table')}" in chain.faults()["snapshot"]
    chain.snapshot.unlink()
    assert "is not in the store" in chain.faults()["snapshot"]


def test_a_chain_with_a_fault_ends_with_1(
    capsys: pytest.CaptureFixture[str], chain: Chain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    asked = ["--spec", "services/churn/service.yaml", "--package", str(chain.package.path), "--build", "/nowhere"]
    assert main(asked) == 1
    said = capsys.readouterr().out
    assert "snapshot    REFUSED" in said
    assert "answer      not checked  no server was asked; name it by URL=" in said
    assert said.splitlines()[-1].endswith(" links hold; REFUSED: code, run, snapshot")
    every = ("answer", "live", "chart", "deployment", "image", "materials", "signature", "code", "lock", "run")
    assert main([*asked, "--exclude", *every, "snapshot"]) == 0
    said = capsys.readouterr().out
    assert "package     ok" in said
    assert said.splitlines()[-1] == "1 of 1 links hold"


def test_the_links_that_one_command_follows(
    chain: Chain, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With files in place of the environment's, the commands of `make verify` reach what they name."""
    nowhere = {"clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}]}
    contexts = {"contexts": [{"name": "none", "context": {"cluster": "none"}}], "current-context": "none"}
    (tmp_path / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **nowhere, **contexts}))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))  # whoever runs the tests may have a cluster
    key = tmp_path / "public.pem"
    key.write_text(chain.keys.public)
    layout = chain.places.export(read_record(chain.places.image))
    chain.places.release.write_text(release_text(chain.package.digest, read_layout(layout).manifest))
    files = {"--release": chain.places.release, "--record": chain.places.image, "--layout": layout, "--key": key}
    asked = [str(part) for pair in files.items() for part in pair]
    asked += ["--spec", str(_spec(tmp_path)), "--package", str(chain.package.path), "--build", str(tmp_path)]
    main([*asked, "--header", chain.package.digest, "--exclude", "live", "chart"])
    lines = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines() if line[:1].strip()}
    held = ("answer", "deployment", "image", "materials", "package", "signature")
    assert {name: lines[name] for name in held} == dict.fromkeys(held, "ok")


def test_a_server_is_asked_by_https(
    chain: Chain, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the authority of its certificate, and not without."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    answer = (200, {"x-canario-receipt": chain.package.digest})
    asked = ["--spec", str(_spec(tmp_path)), "--package", str(chain.package.path), "--build", "/nowhere"]
    with tls_server(tmp_path, "localhost", ("localhost",), lambda _: answer) as server:
        asked += ["--url", f"https://localhost:{server.port}"]
        main([*asked, "--ca", str(server.authority)])
        assert "answer      ok" in capsys.readouterr().out
        assert main(asked) == 1
        assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err


def _spec(folder: Path) -> Path:
    document = {"name": "small", "data": {"uri": "t.csv", "target": "left", "positive": "Yes"}}
    features = {"tenure": {"type": "number", "min": 0, "max": 9}}
    (folder / "service.yaml").write_text(json.dumps({**document, "features": features}))
    return folder / "service.yaml"
