"""The way to a cloud is walked as the README has it, and what a cloud would refuse makes it fail."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from terraform.dry_run.__main__ import argument_fault, commands, walk
from terraform.dry_run.cloud import CloudRefusalError, EmptyProject, needed_apis, ssd_gb
from terraform.dry_run.stand_in import ANSWERS, DryCall, answer_call, read_answers
from tests.repo.tree import ROOT

TEXT = read_answers()
IN_STAGING = "-chdir=terraform/envs/staging"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the Terraform code alone."""
    shutil.copytree(ROOT / "terraform", tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform", "*.py"))
    return tmp_path


@pytest.fixture
def project(tree: Path) -> EmptyProject:
    return EmptyProject.read(tree / "nothing", tree, TEXT)


def called(project: EmptyProject, line: str) -> DryCall:
    """What is told of a call; its output is thrown away."""
    return answer_call(project, line.split(), lambda _: None)[1]


def ready(project: EmptyProject, *without: str) -> EmptyProject:
    """The project as it is before the apply, but for some facts."""
    facts = {f"api {api}" for api in needed_apis(project.tree, TEXT)} | {"password of canario-staging-database"}
    project.facts |= facts - set(without)
    return project


def changed(tree: Path, file: str, pattern: str, text: str) -> None:
    path = tree / "terraform" / file
    before = path.read_text(encoding="utf-8")
    path.write_text(re.sub(pattern, text, before), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != before


def test_every_command_of_the_readme_would_succeed(tmp_path: Path) -> None:
    walked = list(walk(ROOT, tmp_path))
    assert [(step.command, step.fault) for step in walked if step.fault] == []
    assert [step.command for step in walked] == commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(walked) == 10
    told = [call for step in walked for call in step.calls]
    assert {call["words"][0] for call in told} == {"gcloud", "terraform", "kubectl", "helm", "python"}
    assert [call["words"] for call in told if not call["touches"] or not call["needs"]] == []
    assert [call["words"] for call in told if call["words"][0] != "python" and not call["source"]] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "gcloud storage buckets create gs://b --project=p --location=l --versioning",
            "unrecognized arguments: --versi",
        ),
        ("gcloud storage buckets create gs://b --uniform-bucket-level-access", "without --project, --location takes"),
        ("gcloud storage buckets update gs://b --project=p --versioning", "wants bucket gs://b"),
        (
            "gcloud secrets create s --project=p --replication-policy=automatic",
            "wants api secretmanager.googleapis.com",
        ),
        ("gcloud secrets create s --project", "argument --project: expected one argument"),
        (f"terraform {IN_STAGING} init -backend-config=bucket=b", "wants bucket gs://b, versions gs://b"),
        (f"terraform {IN_STAGING} output -json", "nothing was applied"),
        (
            "kubectl -n canario create secret generic s --from-file=p=token",
            "wants kubectl reaches a cluster, namespaces",
        ),
        ("docker push image", "no answer is written for `docker push image`"),
        ("python -m services.image.publish --record build/images/judge.json", "wants image judge, docker may push to"),
        ("python -m k8s.release.propose --spec x", "no answer is written for python -m k8s.release.propose"),
    ],
)
def test_what_the_real_program_would_refuse_is_refused(project: EmptyProject, line: str, fault: str) -> None:
    assert fault in called(project, line).fault


def test_a_bucket_without_versions_holds_no_state(project: EmptyProject) -> None:
    called(project, "gcloud storage buckets create gs://b --project=p --location=l")
    init = f"terraform {IN_STAGING} init -backend-config=bucket=b"
    assert "wants versions gs://b" in called(project, init).fault
    called(project, "gcloud storage buckets update gs://b --project=p --versioning")
    assert called(project, init).fault == ""


def test_a_file_that_nobody_wrote_is_missed(project: EmptyProject) -> None:
    project.facts |= {"kubectl reaches a cluster", "namespaces"}
    line = "kubectl -n canario create secret generic environment --from-file=password=token"
    assert "no such file" in called(project, line).fault
    (project.tree / "token").write_text("token")
    assert called(project, line).fault == ""


def test_an_apply_wants_the_apis_and_the_password(project: EmptyProject) -> None:
    line = f"terraform {IN_STAGING} apply staging.tfplan"
    assert (
        "sqladmin.googleapis.com has not been used" in called(ready(project, "api sqladmin.googleapis.com"), line).fault
    )
    assert called(ready(project), line).fault == ""
    project.facts -= {"password of canario-staging-database"}
    assert "canario-staging-database has no version" in called(project, line).fault


@pytest.mark.parametrize(
    ("file", "pattern", "text", "gb"),
    [
        ("modules/cluster/main.tf", r" +disk_(type|size_gb) += .*\n", "", 300),
        ("envs/staging/sizes.json", '"disk_gb": 40', '"disk_gb": 50', 258),
    ],
)
def test_more_disk_than_a_new_project_has_is_refused(
    project: EmptyProject, file: str, pattern: str, text: str, gb: int
) -> None:
    line = f"terraform {IN_STAGING} apply staging.tfplan"
    assert called(ready(project), line).fault == ""
    changed(project.tree, file, pattern, text)
    assert f"staging at its most requires {gb}, and a new project has 250" in called(project, line).fault


def test_production_asks_for_the_disk_that_the_page_names() -> None:
    page = (ROOT / "terraform" / "README.md").read_text(encoding="utf-8")
    named = re.search(r"production at its\s+most needs (\d+)", page)
    assert named
    assert 0 <= int(named[1]) - ssd_gb(ROOT, "production", TEXT) < 10


def test_a_resource_whose_api_nobody_wrote_down_is_said(tree: Path) -> None:
    with (tree / "terraform" / "modules" / "database" / "main.tf").open("a") as file:
        file.write('\nresource "google_dns_managed_zone" "this" {}\n')
    with pytest.raises(CloudRefusalError, match="google_dns_managed_zone"):
        needed_apis(tree, TEXT)


def test_wrong_arguments_of_our_own_programs_are_seen() -> None:
    assert argument_fault(["python", "-m", "k8s.platform", "--env", "staging"]) == ""
    assert "--moon" in argument_fault(["python", "-m", "k8s.platform", "--moon"])
    assert "takes no arguments" in argument_fault(["python", "-m", "k8s.platform.flux", "--moon"])


def sources(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["source"]] if "source" in part else [])
        yield from (found for value in part.values() for found in sources(value))
    elif isinstance(part, list):
        yield from (found for value in part for found in sources(value))


def test_every_answer_has_its_source() -> None:
    assert [one["call"] for one in TEXT["calls"] if not one.get("source", "").startswith("https://")] == []
    assert {name for name in ("quota", "apis", "claimed_gb") if "source" not in TEXT[name]} == set()
    assert all(source.startswith("https://") for source in sources(TEXT))
    assert ANSWERS.is_file()


def test_the_real_gcloud_knows_every_flag_of_the_answers() -> None:
    """Where gcloud is installed, its own tree of commands has each command and each flag that an answer allows."""
    real = shutil.which("gcloud")
    trees = Path(real).resolve().parents[1] / "data" / "cli" / "gcloud_completions.py" if real else None
    if trees is None or not trees.is_file():
        pytest.skip("gcloud is not on the PATH")
    tree: dict[str, Any] = runpy.run_path(str(trees))["STATIC_COMPLETION_CLI_TREE"]
    for answer in TEXT["calls"]:
        first, *words = answer["call"].split()
        if first == "gcloud":
            node = tree
            for word in words:
                node = node["commands"][word]
            known = {**tree["flags"], **node["flags"]}
            ours = {**TEXT["everywhere"]["gcloud"]["flags"], **answer.get("flags", {})}
            assert set(ours) <= set(known), answer["call"]
            assert {name for name, kind in ours.items() if (kind == "flag") is not (known[name] == "bool")} == set()


def test_facts_outlive_a_call(project: EmptyProject, tmp_path: Path) -> None:
    called(project, "gcloud services enable sqladmin.googleapis.com --project=p")
    (tmp_path / "kept").mkdir()
    project.write(tmp_path / "kept")
    assert "api sqladmin.googleapis.com" in EmptyProject.read(tmp_path / "kept", tmp_path, TEXT).facts
    assert json.loads((tmp_path / "kept" / "facts").read_text()) == sorted(project.facts)
