"""What is brought to a cluster is what its environment says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from k8s.errors import EnvironmentFileError
from k8s.platform.__main__ import main
from k8s.platform.chart import configs
from tests.k8s.followed import write_tree
from tests.repo.tree import ROOT

PLACEHOLDER = yaml.safe_load((ROOT / "k8s" / "flux" / "source.yaml").read_text())["spec"]["url"]
ENVIRONMENTS = sorted(path.parent.name for path in ROOT.glob("k8s/envs/*/platform.yaml"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_has_configs_on_top_of_the_common_ones(environment: str) -> None:
    folder = configs(environment)
    document = yaml.safe_load((folder / "kustomization.yaml").read_text())
    common = [ROOT / "k8s" / "configs", *([ROOT / "k8s" / "configs" / "signatures"] if environment != "local" else [])]
    assert [(folder / one).resolve() for one in document["resources"]] == common


def test_only_a_local_environment_admits_images_without_a_digest() -> None:
    """Only a local environment lets in images without a digest."""
    relaxed = [one for one in ENVIRONMENTS if "validationActions" in (configs(one) / "kustomization.yaml").read_text()]
    assert relaxed == ["local"]
    rules = list(yaml.safe_load_all((ROOT / "k8s" / "configs" / "admission.yaml").read_text()))
    actions = [one["spec"]["validationActions"] for one in rules if one["kind"].endswith("Binding")]
    assert actions == [["Deny"], ["Deny"]]


def test_each_namespace_is_strict_and_one_has_a_door() -> None:
    """Each namespace has limits and a policy, and that of the models has the admission rules too."""
    objects = [
        one
        for file in ("namespaces", "limits", "policies")
        for one in yaml.safe_load_all((ROOT / "k8s" / "configs" / f"{file}.yaml").read_text())
    ]
    labels = {one["metadata"]["name"]: one["metadata"]["labels"] for one in objects if one["kind"] == "Namespace"}
    door = {"canario/admission": "models"}
    assert labels["models"] == labels["canario"] | door
    for namespace in labels:
        has = {one["kind"] for one in objects if one["metadata"].get("namespace") == namespace}
        assert has == {"LimitRange", "ResourceQuota", "NetworkPolicy"}, namespace


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    """An unknown environment is refused, and the message names the known ones."""
    with pytest.raises(EnvironmentFileError, match="environments are: local, production, staging"):
        configs("laptop")


def test_rules_that_believe_other_signers_are_not_brought(tmp_path: Path) -> None:
    """The rules of admission are brought only if they are what signers.yaml asks for."""
    folder = tmp_path / "k8s" / "envs" / "staging"
    shutil.copytree(ROOT / "k8s" / "envs" / "staging", folder)
    shutil.copytree(ROOT / "k8s" / "configs", tmp_path / "k8s" / "configs")
    assert configs("staging", tmp_path) == folder / "configs"
    text = (folder / "signers.yaml").read_text()
    (folder / "signers.yaml").write_text(text.replace("name: placeholder", "name: kms-first"))
    with pytest.raises(EnvironmentFileError, match=r"is not what k8s/envs/staging/signers\.yaml asks for.*make render"):
        configs("staging", tmp_path)
    (folder / "signers.yaml").write_text(text)
    (folder / "configs" / "signers.yaml").unlink()
    with pytest.raises(EnvironmentFileError, match="make render"):
        configs("staging", tmp_path)


@pytest.fixture
def asked_of_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What kubectl is asked, a line each, on a machine whose cluster has every controller and that has no helm."""
    gateway = "httproutes.gateway.networking.k8s.io v1.6.3\ntlsroutes.gateway.networking.k8s.io v1.6.3"
    others = "kustomizations.kustomize.toolkit.fluxcd.io\nimagevalidatingpolicies.policies.kyverno.io"
    crds = f"{gateway}\ncanaries.flagger.app\n{others}"
    said, program = tmp_path / "said", tmp_path / "kubectl"
    deployments = "traefik metrics-server prometheus flagger kyverno-admission-controller"
    found = f'case "$*" in *crds*) echo "{crds}" ;; *deployments*) echo "{deployments}" ;; esac'
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {said}\n{found}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return said


@pytest.fixture
def own_repository(tmp_path: Path) -> Path:
    """The tree with the address of somebody's own repository in place of the placeholder."""
    root = write_tree(tmp_path / "tree")
    for file in ("k8s/flux/source.yaml", "k8s/envs/staging/canario.yaml"):
        text = (root / file).read_text()
        (root / file).write_text(text.replace(PLACEHOLDER, "https://git.example.com/ours"))
    return root


def test_with_flux_the_rest_comes_from_git(
    own_repository: Path, asked_of_kubectl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--env", "staging", "--with", "flux", "--root", str(own_repository)]) == 0
    applied = [line for line in asked_of_kubectl.read_text().splitlines() if line.startswith("apply")]
    # The private keys of the authority and of its certificate are in no repository.
    assert [line for line in applied if line.endswith("/objects.json")] == applied[:2]
    assert applied[2:] == [f"apply --server-side --kustomize {own_repository}/k8s/envs/staging/flux"]
    said = capsys.readouterr().out
    assert "gateway: the self-signed certificate was made" in said
    assert "flux: follows k8s/envs/staging in Git" in said


@pytest.mark.parametrize("file", ["k8s/flux/source.yaml", "k8s/envs/staging/canario.yaml"])
def test_flux_is_refused_while_its_repository_is_a_placeholder(
    own_repository: Path, asked_of_kubectl: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    """Flux is not brought while the repository that it would follow is a placeholder."""
    (own_repository / file).write_text((ROOT / file).read_text())
    assert main(["--env", "staging", "--with", "flux", "--root", str(own_repository)]) == 1
    assert f"{PLACEHOLDER} is no repository but a placeholder" in (said := capsys.readouterr().err)
    assert "write the address of yours into k8s/flux/source.yaml and into k8s/envs/staging/canario.yaml" in said
    assert not asked_of_kubectl.exists(), "nothing was begun"


def test_an_environment_of_ones_own_is_not_followed(asked_of_kubectl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", "local", "--with", "flux"]) == 1
    assert not asked_of_kubectl.exists(), "nothing was begun that could not be ended"
    assert "helm is not on the PATH" in capsys.readouterr().err, "the chart is brought by Helm there"
