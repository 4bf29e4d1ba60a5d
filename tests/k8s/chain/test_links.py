"""Each link of the chain holds, and is refused for its own reason when it is attacked."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from components.digest import sha256
from components.ingest import snapshot_uri
from components.package import Holdout, Package, Receipt, write_package
from components.registry import PACKAGE_TAG, RUN_TAG, SNAPSHOT_TAG, SNAPSHOT_URI_TAG, connect, register_version
from k8s.chain.links import Places, follow
from k8s.chain.verify import main
from tests.small_package import golden_rows, logistic_graph, small_contract

IMAGE = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64
DATA = b"a table"


@dataclass
class Chain:
    places: Places
    package: Package

    @property
    def snapshot(self) -> Path:
        return Path(snapshot_uri(str(self.places.store), self.package.receipt.data))

    def faults(self, places: Places | None = None) -> dict[str, str]:
        return {link.name: link.fault for link in follow("small", places or self.places) if link.fault}


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path) -> str:
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "requirements.txt").write_text("numpy==2\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "code")
    return git(folder, "rev-parse", "HEAD")


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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    home = tmp_path_factory.mktemp("chain")
    package = packed(home / "package", repository(home / "code"))
    places = Places(
        package=package.path,
        release=home / "small.yaml",
        image=home / "image.json",
        code=home / "code",
        store=home / "store",
        mlflow=f"sqlite:///{home}/mlflow.db",
        served=package.digest,
    )
    registered(places.mlflow, package, "run-1")
    return Chain(places, package)


@pytest.fixture
def chain(built: Chain) -> Chain:
    built.places.release.write_text(release_text(built.package.digest, IMAGE))
    built.places.image.write_text(json.dumps({"digest": IMAGE, "package": built.package.digest}))
    built.snapshot.parent.mkdir(parents=True, exist_ok=True)
    built.snapshot.write_bytes(DATA)
    return built


def test_what_holds_is_ok_and_what_cannot_be_checked_is_not(chain: Chain) -> None:
    faults = chain.faults()
    assert set(faults) == {"chart", "image"}
    assert all(fault.startswith("not checked") for fault in faults.values())


def test_another_answer_is_refused(chain: Chain) -> None:
    assert f"header is {OTHER}" in chain.faults(replace(chain.places, served=OTHER))["answer"]
    assert "no server was asked" in chain.faults(replace(chain.places, served=None))["answer"]


def test_a_release_of_another_package_is_refused(chain: Chain) -> None:
    chain.places.release.write_text(release_text(OTHER, IMAGE))
    assert f"package is {OTHER}" in chain.faults()["deployment"]


def test_a_release_of_another_image_is_refused(chain: Chain) -> None:
    chain.places.release.write_text(release_text(chain.package.digest, OTHER))
    assert f"image.digest is {OTHER}" in chain.faults()["deployment"]


def test_a_release_that_names_a_tag_is_not_checked(chain: Chain) -> None:
    chain.places.release.write_text(release_text(chain.package.digest, ""))
    assert "not by digest" in chain.faults()["deployment"]


def test_an_image_of_another_package_is_refused(chain: Chain) -> None:
    chain.places.image.write_text(json.dumps({"digest": IMAGE, "package": OTHER}))
    assert f"package is {OTHER}" in chain.faults()["image"]


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
    assert "cat-file" in chain.faults(replace(chain.places, package=unknown.path))["code"]


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
    assert f"the chain names {sha256(DATA)}" in chain.faults()["snapshot"]
    chain.snapshot.unlink()
    assert "cannot be read" in chain.faults()["snapshot"]


def test_a_chain_with_a_fault_ends_with_1(capsys: pytest.CaptureFixture[str], chain: Chain) -> None:
    asked = ["--spec", "services/churn/service.yaml", "--package", str(chain.package.path), "--build", "/nowhere"]
    assert main(asked) == 1
    assert "snapshot    REFUSED" in capsys.readouterr().out
    every = ("answer", "deployment", "chart", "image", "code", "lock", "run", "snapshot")
    assert main([*asked, "--exclude", *every]) == 0
    assert "package     ok" in capsys.readouterr().out
