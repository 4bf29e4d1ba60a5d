"""Kyverno is told of an environment's signers what signers.yaml says, and all rules are about the same requests."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.errors import EnvironmentFileError
from k8s.rendering.render import main
from k8s.rendering.signature_rules import check_rules, rules_file, signature_rules
from tests.repo.tree import ROOT
from tests.signing_keys import write_keys

WORKFLOW = {"issuer": "https://token.actions.githubusercontent.com", "subject": "https://github.com/a/b/.github/x@main"}
SIGNATURES = (
    "{op: add, path: /metadata/annotations/canario~1signatures, value: registry.local/canario-signatures/images}"
)


def tree(root: Path, signers: list[dict[str, Any]], patch: str = "") -> Path:
    """A tree with the environment staging alone."""
    folder = root / "k8s" / "envs" / "staging"
    shutil.copytree(ROOT / "k8s" / "configs", root / "k8s" / "configs")
    shutil.copytree(ROOT / "k8s" / "envs" / "staging" / "configs", folder / "configs")
    shutil.copy(ROOT / "k8s" / "envs" / "staging" / "platform.yaml", folder)
    (folder / "signers.yaml").write_text(yaml.safe_dump({"signers": signers}))
    if patch:
        with (folder / "configs" / "kustomization.yaml").open("a") as file:
            file.write(f"      - {patch}\n")
    return root


def test_who_signs_is_written_before_any_image_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --signers the rules are written without helm, and nothing else is touched."""
    monkeypatch.setenv("PATH", "")
    root = tree(tmp_path, [{"name": "new", "key": write_keys(tmp_path / "key").public}])
    other = root / "k8s" / "envs" / "staging" / "rendered" / "gone.yaml"
    other.parent.mkdir()
    other.write_text("")
    assert main(["--signers", "--check", "--root", str(root)]) == 1
    assert main(["--signers", "--root", str(root)]) == 0
    assert capsys.readouterr().out == f"{rules_file('staging')} written\n"
    check_rules(root, "staging")
    assert other.exists()
    assert main(["--signers", "--check", "--root", str(root)]) == 0
    (root / "k8s" / "envs" / "staging" / "signers.yaml").write_text("unchecked: nobody relies on a test\n")
    assert main(["--signers", "--env", "staging", "--root", str(root)]) == 0
    assert not (root / rules_file("staging")).exists(), "nobody is believed by a file that is left behind"


def spec(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(signature_rules(root, "staging")[rules_file("staging")])
    return dict(document["spec"])


def test_each_signer_is_one_who_may_attest(tmp_path: Path) -> None:
    keys = {name: write_keys(tmp_path / name).public for name in ("kms-2", "kms-1")}
    found = spec(tree(tmp_path, [{"name": name, "key": key} for name, key in keys.items()]))
    assert {one["name"]: one["cosign"]["key"]["data"] for one in found["attestors"]} == keys
    (variable,) = found["variables"]
    assert 'verifyImageSignatures(image, [attestors["kms-2"], attestors["kms-1"]]) < 1' in variable["expression"]
    assert "has no valid signature by kms-2 or kms-1" in found["validations"][0]["messageExpression"]


def test_a_workflow_is_known_by_its_identity(tmp_path: Path) -> None:
    found = spec(tree(tmp_path, [{"name": "train", "workflow": WORKFLOW}]))
    assert found["attestors"] == [{"name": "train", "cosign": {"keyless": {"identities": [WORKFLOW]}}}]


def test_signatures_are_looked_for_where_they_are(tmp_path: Path) -> None:
    found = spec(tree(tmp_path, [{"name": "one", "key": write_keys(tmp_path / "a").public}], SIGNATURES))
    assert found["attestors"][0]["cosign"]["source"] == {"repository": "registry.local/canario-signatures/images"}


def test_kyverno_logs_in_where_nodes_do(tmp_path: Path) -> None:
    """Without a login it would refuse every image of a registry that wants one."""
    signer = {"name": "one", "key": write_keys(tmp_path / "a").public}
    assert "credentials" not in spec(tree(tmp_path / "plain", [signer]))
    root = tree(tmp_path / "google", [signer], SIGNATURES.replace("registry.local", "us-central1-docker.pkg.dev/p"))
    assert spec(root)["credentials"] == {"providers": ["google"]}
    root = tree(tmp_path / "secret", [signer])
    platform = root / "k8s" / "envs" / "staging" / "platform.yaml"
    document = yaml.safe_load(platform.read_text())
    document.setdefault("values", {})["imagePullSecrets"] = [{"name": "registry"}]
    platform.write_text(yaml.safe_dump(document))
    assert spec(root)["credentials"] == {"secrets": ["registry"]}


def test_two_environments_with_one_signer_are_not_rendered(tmp_path: Path) -> None:
    root = tree(tmp_path, [{"name": "one", "key": write_keys(tmp_path / "a").public}])
    shutil.copytree(root / "k8s" / "envs" / "staging", root / "k8s" / "envs" / "production")
    with pytest.raises(EnvironmentFileError, match="is the same signer as one of production"):
        signature_rules(root, "staging")


def test_an_environment_that_checks_nothing_has_no_rules() -> None:
    rules = {name: list(signature_rules(ROOT, name)) for name in ("local", "production", "staging")}
    assert rules == {"local": [], "production": [rules_file("production")], "staging": [rules_file("staging")]}


@pytest.mark.charts
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_rules_are_about_the_same_requests(environment: str) -> None:
    """Kyverno, the rule that it is there, and the warning of a broken glass: as kustomize makes them."""
    folder = ROOT / "k8s" / "envs" / environment / "configs"
    made = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True).stdout
    named = {(one["kind"], one["metadata"]["name"]): one["spec"] for one in yaml.safe_load_all(made) if "spec" in one}
    policy = named["ImageValidatingPolicy", "canario-signatures"]
    assert policy["failurePolicy"] == "Fail"
    assert policy["attestors"]
    for name in ("canario-signatures", "canario-unchecked"):
        rule = named["ValidatingAdmissionPolicy", name]
        assert rule["matchConditions"] == policy["matchConditions"]
        assert rule["matchConstraints"]["resourceRules"] == policy["matchConstraints"]["resourceRules"]
    binding = named["ValidatingAdmissionPolicyBinding", "canario-signatures"]
    assert binding["matchResources"]["namespaceSelector"] == policy["matchConstraints"]["namespaceSelector"]


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/ivpol/validate/canario-signatures", True),
        ("/ivpol/validate/another/canario-signatures", True),
        ("/ivpol/mutate/canario-signatures", False),
        ("/ivpol/validate/canario-signatures-of-others", False),
        ("/vpol/validate/canario-signatures", False),
    ],
)
def test_the_webhook_is_known_by_its_path(path: str, *, ours: bool) -> None:
    """As Kyverno 1.19.1 makes it: pkg/controllers/webhook/validating.go, `buildWebhookRules`."""
    text = (ROOT / "k8s" / "configs" / "signatures" / "engine.yaml").read_text(encoding="utf-8")
    found = re.search(r"matches\('(\^/ivpol[^']*)'\)", text)
    assert found
    assert bool(re.search(found[1], path)) is ours
