"""Versions that were made before Kubeflow's round: each command works with them, or says what they lack."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import DataError, GitError
from components.evaluate import evaluate_model
from components.git.command import git
from components.git.repository import Repository
from components.image.record import read_record
from components.models.trained import Trained, graph_runner
from components.package.model_package import read_package
from components.package.signature import check_signature
from components.registry.model_registry import champion, promote
from components.registry.package_store import keep_registered, named_package
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_file import parse_release, release_file, release_text
from components.releases.rollback import Rollback, rollback_of, undo_release
from components.spec.compatibility import refuse_narrower
from components.spec.reading.loading import load_spec
from components.store.content import Kind, Store
from components.table.cells import parse_table
from components.table.examples import examples_of
from components.table.holdout import split_examples
from k8s.audit.__main__ import main as audit
from k8s.lineage.links import LinkSources, verify
from k8s.release.errors import PromotionError
from k8s.release.promote import main as promote_release
from k8s.release.promotion import Promotion, propose
from k8s.release.propose import main as propose_release
from k8s.release.pull_request import main as request
from k8s.release.service_status import ServiceStatus
from k8s.rendering.environment_files import read_release
from k8s.replay.comparison import answers
from k8s.replay.materials import find_kept, gather
from k8s.twin import loopback
from pipelines.fetch import main as fetch
from services.image.__main__ import main as image
from services.image.publish import main as publish
from services.signing.__main__ import main as sign
from tests.components.image.server_images import server_in
from tests.made_before.versions import COMMIT, RECORDS, SPEC, VERSIONS, MadeBefore, digest_of, made_before, told
from tests.patience import patient
from tests.registry import registry
from tests.repo.tree import ROOT
from tests.signing_keys import write_keys

PUBLIC = (RECORDS / "public-key.txt").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeBefore:
    return made_before(tmp_path_factory, tmp_path_factory.mktemp("before"))


@pytest.fixture
def copy(made: MadeBefore, tmp_path: Path) -> MadeBefore:
    """Its packages and records, which a test may change; the registry is still the other's."""
    for name in ("images", "store", "train"):
        shutil.copytree(made.build / name, tmp_path / "build" / name)
    result = tmp_path / "build" / "train" / "small" / "result.json"
    result.write_text(result.read_text().replace(str(made.root), str(tmp_path)))
    return MadeBefore(tmp_path)


def needs_history() -> None:
    try:
        git(ROOT, "cat-file", "-e", f"{COMMIT}^{{commit}}")
    except GitError:
        pytest.skip("this clone is shallow, so it lacks the commit that made them")


@pytest.mark.parametrize("version", VERSIONS)
def test_fetch_brings_it_from_the_registry_alone(made: MadeBefore, tmp_path: Path, version: str) -> None:
    places = ["--home", str(tmp_path / "home"), "--copies", str(tmp_path / "store"), "--store", str(tmp_path / "store")]
    assert fetch(["--spec", str(SPEC), "--version", version, "--mlflow", made.mlflow, *places]) == 0
    found = json.loads((tmp_path / "home" / "result.json").read_text())
    left = json.loads((RECORDS / version / "result.json").read_text())
    for name in ("status", "digest", "run", "champion", "model_version", "metrics", "breaches"):
        assert found[name] == left[name]
    for name in ("digest", "rows"):
        assert found["snapshot"][name] == left["snapshot"][name]
    assert read_package(Path(found["package"])).digest == digest_of(version)
    assert Store(str(tmp_path / "store")).holds(Kind.SNAPSHOT, left["snapshot"]["digest"])


def test_its_signature_still_holds_and_it_is_signed_anew(copy: MadeBefore, tmp_path: Path) -> None:
    check_signature(copy.package("2"), PUBLIC)
    keys = write_keys(tmp_path / "keys")
    assert sign(["--spec", str(SPEC), "--key", str(keys.private), "--out", str(copy.build)]) == 0
    check_signature(copy.package("2"), keys.public)


def test_its_image_is_a_layer_on_todays_server(copy: MadeBefore, tmp_path: Path) -> None:
    """The package of a version that an engine put into an image goes into a layer, and is published."""
    with registry(tags_move=False) as there:
        server_in(there.address)
        assert image(["--spec", str(SPEC), "--name", f"{there.address}/canario/small", "--out", str(copy.build)]) == 0
        record = copy.build / "images" / "small.json"
        key = write_keys(tmp_path / "keys").private
        assert publish(["--record", str(record), "--key", str(key), "--out", str(copy.build)]) == 0
    built = read_record(record)
    assert (built.package, built.published) == (digest_of("2"), built.digest)


def test_an_image_that_only_an_engine_had_is_named(
    copy: MadeBefore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where neither registry nor engine has the old image, publish says what writes it again."""
    git = shutil.which("git")
    assert git
    (tmp_path / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path))
    record = copy.build / "images" / "small.json"
    with registry() as there:
        record.write_text(record.read_text().replace("localhost:5999", there.address))
        assert publish(["--record", str(record), "--key", "key.pem", "--out", str(copy.build)]) == 1
    said = capsys.readouterr().err
    assert f"/old/small:72a43f6775a5 is neither in its registry nor in {copy.build / 'images' / 'small'}" in said
    assert "no engine that builds images answers here" in said
    assert "`make image VERSION=n` writes the version's image again" in said


def test_its_image_is_proposed_and_requested(copy: MadeBefore) -> None:
    """Both commands make of the old records the release that was made of them before."""
    repository = Repository.create(copy.root / "environment.git")
    root = ["--spec", str(SPEC), "--root", str(copy.root)]
    assert propose_release([*root, "--env", "staging", "--repository", str(repository.path)]) == 0
    before = (RECORDS / "2" / "release.yaml").read_text()
    assert repository.read(release_file("staging", "small")) == before
    assert "roc_auc: 0.8336" in repository.log()[-1].message
    assert request([*root, "--env", "local", "--reason", "it is old", "--out", str(copy.root / "out")]) == 0
    assert (copy.root / release_file("local", "small")).read_text() == before
    body = (copy.root / "out" / "body.md").read_text()
    assert f"- Compared with: {digest_of('1')}" in body
    assert "700 rows" in body


def test_its_release_files_read_as_they_were_written() -> None:
    found = read_release(RECORDS / "2" / "release.yaml", "small")
    assert (found.version, found.package) == ("2", digest_of("2"))
    for name in ("2/release.yaml", "demo/release-2.yaml", "demo/release-3.yaml"):
        text = (RECORDS / name).read_text()
        assert release_text(parse_release(text, name, "small" if name.startswith("2") else "churn")) == text


# --- releases of a twin ------------------------------------------------------------------------


def demo(folder: Path) -> tuple[Repository, Rollback]:
    """The repository after version 3 was reverted, and that version."""
    repository, file = Repository.create(folder / "environment.git"), release_file("demo", "churn")
    second, third = ((RECORDS / "demo" / f"release-{version}.yaml").read_text() for version in "23")
    repository.write(file, second, "churn: release version 2 to demo")
    repository.write(file, third, "churn: release version 3 to demo")
    repository.write(file, second, (RECORDS / "demo" / "revert-3.txt").read_text())
    failed = parse_release(third, file, "churn")
    return repository, Rollback("churn", "3", failed.package)


def test_what_passed_is_promoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository, _ = demo(tmp_path)
    where = ["--from", "demo", "--to", "staging", "--repository", str(repository.path), "--merge"]
    assert promote_release(["--service", "churn", *where, "--record", str(RECORDS / "demo" / "events.jsonl")]) == 0
    assert "churn: promote version 2 from demo to staging" in capsys.readouterr().out
    assert repository.read(release_file("staging", "churn")) == (RECORDS / "demo" / "release-2.yaml").read_text()


def test_what_was_rolled_back_by_a_sentence_stays_so(tmp_path: Path) -> None:
    """Before there was a trailer, a sentence marked a revert: it is not reverted, and what failed never comes back."""
    repository, failed = demo(tmp_path)
    assert rollback_of((RECORDS / "demo" / "revert-3.txt").read_text()) == failed
    here = EnvironmentRepository(str(repository.path), path="k8s/envs/demo")
    second = parse_release((RECORDS / "demo" / "release-2.yaml").read_text(), "release", "churn")
    for version, package in (("3", failed.package), ("2", second.package)):
        assert undo_release(here, Rollback("churn", version, package), "fail: errors") is None
    third = (RECORDS / "demo" / "release-3.yaml").read_text()
    repository.write(release_file("staging", "churn"), third, "churn: release version 3 to staging")
    passed = ServiceStatus("3", failed.package, passed=True, under_way=False)
    with pytest.raises(PromotionError, match=r"version 3 was reverted in demo .*; train a new version"):
        propose(Promotion(str(repository.path), "churn", "staging", "demo"), passed)


def test_a_release_of_before_is_rolled_back(tmp_path: Path) -> None:
    repository, failed = demo(tmp_path)
    file = release_file("staging", "churn")
    second, third = ((RECORDS / "demo" / f"release-{version}.yaml").read_text() for version in "23")
    repository.write(file, second, "churn: release version 2 to staging")
    repository.write(file, third, "churn: release version 3 to staging")
    here = EnvironmentRepository(str(repository.path), path="k8s/envs/staging")
    assert undo_release(here, failed, "fail: errors") is not None
    assert repository.read(file) == second


# --- what became of a version ------------------------------------------------------------------


def sources(made: MadeBefore) -> LinkSources:
    def nothing(*_: object) -> list[object]:
        return []

    return LinkSources(
        package=made.package("2").path,
        release=RECORDS / "2" / "release.yaml",
        image=RECORDS / "2" / "image.json",
        code=ROOT,
        store=made.store.address,
        mlflow=made.mlflow,
        served=digest_of("2"),
        public_key=PUBLIC,
        pulled=None,
        export=lambda _: made.root / "no image",
        running=list,
        rendered=list,
    )


def test_verify_follows_it_to_its_data(made: MadeBefore) -> None:
    """All but what needs the image's 100 MB, a cluster or the whole history."""
    links = {link.name: link for link in verify("small", sources(made))}
    for name in ("answer", "deployment", "package", "signature", "run", "snapshot"):
        assert links[name].fault == ""
    assert links["run"].says == told("2")["run"]["name"]


def test_verify_finds_its_code_and_lock(made: MadeBefore) -> None:
    needs_history()
    links = {link.name: link.fault for link in verify("small", sources(made))}
    assert (links["code"], links["lock"]) == ("", "")


def test_verify_and_replay_say_which_commit_is_lacking(made: MadeBefore, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "code.git")
    links = {link.name: link.fault for link in verify("small", replace(sources(made), code=repository.path))}
    lacking = f"{repository.path}: commit {COMMIT} is not in this repository; `git fetch` it"
    assert links["code"].startswith(lacking)
    assert links["lock"].startswith(lacking)


def test_replay_finds_its_materials(made: MadeBefore) -> None:
    needs_history()
    kept, client = find_kept(made.mlflow, "small", "2", made.store)
    assert answers(kept.package, kept.package).agree
    found = gather(kept, client, ROOT)
    assert found.champion is not None
    assert (found.champion.package.digest, found.lock.name) == (digest_of("1"), "requirements.txt")
    assert found.machine is not None
    assert found.machine.accelerator == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_audit_writes_and_checks_its_dossier(made: MadeBefore, version: str, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "environment.git")
    release = (RECORDS / "2" / "release.yaml").read_text()
    repository.write(release_file("staging", "small"), release, "small: release version 2 to staging")
    asked = ["--service", "small", "--version", version, "--build", str(made.build)]
    assert audit([*asked, "--repository", str(repository.path)]) == 0
    assert audit([*asked, "--check"]) == 0
    dossier = (made.build / "audit" / f"small-{version}" / "index.json").read_text()
    assert f"It was trained by commit {COMMIT}, with no file changed." in dossier
    assert f"{600 if version == '1' else 700} rows, byte for byte, when this was written" in dossier
    assert ("asked for it in staging, as version 2" in dossier) == (version == "2")
    assert "computed on" not in dossier  # nothing measured what its steps used


# --- a new version against an old champion ------------------------------------------------------


def test_an_old_champion_is_compared_with(made: MadeBefore, tmp_path: Path) -> None:
    """A training in another store takes over the old champion's package and data, and measures against it."""
    known, store = champion(made.mlflow, "small"), Store(str(tmp_path / "store"))
    assert known is not None
    assert known.version == "1"
    keep_registered(known, made.mlflow, store)
    old = named_package(known.version, store, known.package, tmp_path / "champion")
    assert old is not None
    spec = load_spec(SPEC)
    refuse_narrower(old.contract.features, old.contract.answered, spec)
    table = parse_table(store.get(Kind.SNAPSHOT, known.snapshot), "snapshot").frame
    holdout = split_examples(examples_of(table, spec), spec).holdout
    new = made.package("2")
    model = Trained(new.contract.encoding, graph_runner((new.path / "model.onnx").read_bytes()))
    found = evaluate_model("logistic_regression", model, 455, holdout, spec, old).champion
    assert found is not None
    assert found.package == digest_of("1")
    assert abs(found.difference["roc_auc"].value) < 0.05


def test_an_old_champion_without_its_data_is_said(made: MadeBefore, tmp_path: Path) -> None:
    known = champion(made.mlflow, "small")
    assert known is not None
    gone = replace(known, snapshot_uri=str(tmp_path / "gone.parquet"))
    with pytest.raises(DataError, match=r"neither in the store.*train with the store that both share.*move the alias"):
        keep_registered(gone, made.mlflow, Store(str(tmp_path / "store")))


# --- as a user would, from end to end -------------------------------------------------------------


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_training_on_the_old_registry_and_store(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """It makes version 3, compared with champion 1, which moves to a version that was made before."""
    made = made_before(tmp_path_factory, tmp_path / "before")
    table = made.store.uri(Kind.SNAPSHOT, told("2")["tags"]["canario.snapshot"])
    places = ["--home", str(tmp_path / "home"), "--store", made.store.address, "--mlflow", made.mlflow]
    done = run("pipelines.local", "--spec", str(SPEC), "--data", table, *places)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "home" / "result.json").read_text())
    assert (result["model_version"], result["champion"]) == ("3", digest_of("1"))
    assert promote(made.mlflow, "small", "2").package == digest_of("2")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("version", VERSIONS)
def test_replay_makes_it_again(made: MadeBefore, version: str) -> None:
    """With its own commit, also where it was compared with a champion."""
    needs_history()
    done = run("k8s.replay", "--service", "small", "--version", version, "--build", str(made.build))
    if "uv's cache has not all of them" in done.stderr:
        pytest.skip("the libraries of its lock file are neither installed here nor in uv's cache")
    assert done.returncode == 0, done.stderr
    assert f"version {version} of small was made again" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_serve_answers_with_its_package(made: MadeBefore) -> None:
    package = made.package("2")
    command = [sys.executable, "-m", "k8s.twin.serve", "--spec", str(SPEC), "--trained", str(made.build / "train")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        urls = (re.search(r"http://\S+", line) for line in process.stdout)
        url = next(found for found in urls if found)
        answer = loopback.post(f"{url[0]}/predict", package.golden[0].request)
        process.send_signal(signal.SIGINT)
        assert process.wait(patient(30)) == 0
    assert answer is not None
    assert (answer.status, answer.headers["x-canario-receipt"]) == (200, package.digest)
