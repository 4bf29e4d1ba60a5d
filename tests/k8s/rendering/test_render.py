"""What Flux applies is made from the release and the tree alone, and one that is out of step is seen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import ReleaseError
from components.git.repository import Repository
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_file import Release, release_file, release_text
from components.releases.rollback import Rollback, undo_release
from k8s.errors import EnvironmentFileError
from k8s.release.promotion import Promotion, merge, propose
from k8s.release.service_status import ServiceStatus
from k8s.rendering.render import differing, followed, main, platform_objects, release_changes, rendered_file
from tests.k8s.followed import release, texts_of, write_tree
from tests.repo.tree import ROOT

charts = pytest.mark.charts
RENDERED = rendered_file("staging", "churn")


def objects(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}


def put(root: Path, changes: dict[str, str]) -> None:
    for file, text in changes.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree")


def test_an_environment_is_followed_by_its_folder(tree: Path) -> None:
    assert followed(tree) == ["production", "staging"]
    assert "local" not in followed(ROOT), "it is somebody's own"


def test_what_is_not_followed_has_no_objects(tmp_path: Path) -> None:
    assert release_changes(tmp_path, "staging", release("1")) == {
        release_file("staging", "churn"): release_text(release("1"))
    }


def test_a_release_for_a_cluster_needs_an_image(tree: Path) -> None:
    """A release without an image is refused where a cluster follows it."""
    bare = Release.model_validate(release("1").model_dump(exclude={"image"}))
    with pytest.raises(ReleaseError, match=r"staging/churn.yaml: image: Field required"):
        release_changes(tree, "staging", bare)


def test_two_who_set_replicas_are_refused(tree: Path) -> None:
    platform = tree / "k8s" / "envs" / "staging" / "platform.yaml"
    platform.write_text("domain: example.com\nvalues: {autoscaler: none}\n")
    with pytest.raises(EnvironmentFileError, match="Flux would set the replicas that Flagger sets to 0"):
        release_changes(tree, "staging", release("1"))


@pytest.mark.parametrize("text", [None, "", "environment: {secret: environment}\n"])
def test_a_judge_that_could_revert_nothing_is_refused(tree: Path, text: str | None) -> None:
    file = tree / "k8s" / "envs" / "staging" / "canario.yaml"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(EnvironmentFileError, match=r"environment\.url names no repository"):
        platform_objects(tree, "staging")


def test_what_differs_is_missing_or_belongs_to_nothing_is_named(tmp_path: Path) -> None:
    put(tmp_path, {RENDERED: "old", rendered_file("staging", "same"): "same", rendered_file("staging", "gone"): "x"})
    put(tmp_path, {rendered_file("production", "gone"): "x"})
    wanted = {RENDERED: "new", rendered_file("staging", "same"): "same", rendered_file("staging", "fresh"): "new"}
    assert differing(tmp_path, "staging", wanted) == [
        RENDERED,
        rendered_file("staging", "fresh"),
        rendered_file("staging", "gone"),
    ]


@pytest.mark.parametrize(("strict", "status"), [("", 0), ("1", 1)])
def test_a_check_that_cannot_run_says_so(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], strict: str, status: int
) -> None:
    monkeypatch.setenv("PATH", str(tree))
    monkeypatch.setenv("STRICT", strict)
    assert main(["--check", "--root", str(tree)]) == status
    assert "NOT RUN: " in (said := capsys.readouterr().err)
    assert "helm is not on the PATH" in said
    assert main(["--root", str(tree)]) == 1


@charts
def test_objects_say_the_release_and_leave_the_rest_to_flagger(tree: Path) -> None:
    """Objects are as the release says, and set nothing that Flagger or an autoscaler sets."""
    found = objects(release_changes(tree, "staging", release("7", CANARIO_WORKERS="2"))[RENDERED])
    pod = found["Deployment", "churn"]["spec"]["template"]
    assert pod["spec"]["containers"][0]["image"] == f"registry.local/canario/churn@{release('7').image.digest}"
    assert pod["metadata"]["annotations"]["canario/package"] == release("7").package
    assert {"name": "CANARIO_WORKERS", "value": "2"} in pod["spec"]["containers"][0]["env"]
    assert {one["metadata"]["namespace"] for one in found.values()} == {"models"}
    assert "replicas" not in found["Deployment", "churn"]["spec"]
    made_by_flagger = {"HTTPRoute/churn", "Service/churn", "Service/churn-canary", "Deployment/churn-primary"}
    assert not made_by_flagger & {"/".join(key) for key in found}
    assert not [key for key, one in found.items() if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    assert found["HorizontalPodAutoscaler", "churn"]["spec"]["maxReplicas"] == 4, "the platform's bound"


@charts
def test_the_judge_reverts_in_its_own_environment(tree: Path) -> None:
    found = objects(platform_objects(tree, "production"))
    words = found["Deployment", "judge"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--path=k8s/envs/production" in words
    assert {one["metadata"]["namespace"] for one in found.values()} == {"canario", "models"}


@charts
def test_it_is_written_once_and_seen_when_it_is_out_of_step(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tree, release_changes(tree, "staging", release("1")))
    assert main(["--check", "--root", str(tree)]) == 1
    assert f"{rendered_file('staging', 'canario')} is not what its release asks for" in capsys.readouterr().err
    assert main(["--root", str(tree)]) == 0
    assert RENDERED not in capsys.readouterr().out, "a release writes it as `make render` does"
    assert main(["--check", "--root", str(tree)]) == 0
    (tree / release_file("staging", "churn")).write_text(release_text(release("2")))
    assert main(["--check", "--root", str(tree)]) == 1
    assert capsys.readouterr().err == f"{RENDERED} is not what its release asks for; `make render`, and commit both\n"
    assert main(["--root", str(tree)]) == 0
    (tree / release_file("staging", "churn")).unlink()
    assert main(["--root", str(tree)]) == 0
    assert not (tree / RENDERED).exists()


@charts
def test_one_that_cannot_be_rendered_does_not_stop_others(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, the exit status tells, and what it had stays; one environment can be asked for alone."""
    put(tree, {rendered_file("production", "gone"): "as it was"})
    (tree / "k8s" / "envs" / "production" / "canario.yaml").write_text("registry: registry.local/canario\n")
    assert main(["--root", str(tree)]) == 1
    said = capsys.readouterr()
    assert f"{rendered_file('staging', 'canario')} written" in said.out
    assert re.match(r"production is not rendered: .*environment\.url names no repository", said.err)
    assert (tree / rendered_file("production", "gone")).read_text() == "as it was"
    assert main(["--check", "--root", str(tree)]) == 1
    assert "production is not rendered" in capsys.readouterr().err
    assert main(["--check", "--env", "staging", "--root", str(tree)]) == 0
    assert main(["--env", "production", "--root", str(tree)]) == 1
    assert main(["--env", "laptop", "--root", str(tree)]) == 1
    assert capsys.readouterr().err.endswith("laptop is no environment; environments are: production, staging\n")


@charts
def test_this_repository_is_in_step() -> None:
    assert main(["--check"]) == 0


@charts
def test_a_promotion_writes_both_files_and_a_revert_undoes_both(tree: Path, tmp_path: Path) -> None:
    """A promotion writes both files at once, and a revert undoes both."""
    repository = Repository.create(tmp_path / "environment.git")
    repository.write_all(texts_of(tree), "Begin")
    for environment, version in (("staging", "1"), ("production", "1"), ("staging", "2")):
        repository.write_all(release_changes(tree, environment, release(version)), f"{version} to {environment}")
    good = repository.tree(repository.head())
    promotion = Promotion(str(repository.path), "churn", "staging", "production")
    proposal = propose(promotion, ServiceStatus("2", release("2").package, passed=True, under_way=False))
    assert proposal is not None
    merged = merge(promotion, proposal.branch, ServiceStatus("1", release("1").package, passed=True, under_way=False))
    files = [release_file("production", "churn"), rendered_file("production", "churn")]
    assert repository.changed(merged.id) == files
    assert repository.read(files[1]) == release_changes(tree, "production", release("2"))[files[1]]
    where = EnvironmentRepository(promotion.url, path="k8s/envs/production")
    assert undo_release(where, Rollback("churn", "2", release("2").package), "fail: errors")
    assert repository.tree(repository.head()) == good
